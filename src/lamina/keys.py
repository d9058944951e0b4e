"""Keyed randomness: a random stream is named by what it is for, never by what ran before it.

Resuming a run needs no generator state: the stream of step 1,200 is `generator(seed, "step", 1200)`
whether or not steps 0 to 1,199 ran in this process.
"""

import hashlib

import numpy
import torch


def key(seed: int, *names: object) -> int:
    """A 63-bit integer that depends on the seed and on every name, and on nothing else."""
    text = repr((seed, *names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(seed: int, *names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for the stream of that name."""
    return torch.Generator(device=device).manual_seed(key(seed, *names))


def numpy_generator(seed: int, *names: object) -> numpy.random.Generator:
    """A NumPy generator for the stream of that name."""
    return numpy.random.default_rng(key(seed, *names))


def seed_all(seed: int, *names: object) -> None:
    """Point torch's own generators (dropout, `torch.rand`) at the stream of that name."""
    value = key(seed, *names)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)
