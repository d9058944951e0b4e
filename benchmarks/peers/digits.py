"""MNIST's idx files as arrays, for every peer alike."""

import gzip
from pathlib import Path

import numpy


def read(folder: str, part: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Images (count, 28, 28) and labels (count,), uint8; part: "train" or "t10k"."""
    return (idx(folder, f"{part}-images-idx3-ubyte", header=16).reshape(-1, 28, 28),
            idx(folder, f"{part}-labels-idx1-ubyte", header=8))


def idx(folder: str, name: str, *, header: int) -> numpy.ndarray:
    """The bytes after the header of a file, gzipped or not."""
    plain = Path(folder) / name
    held = plain.read_bytes() if plain.exists() \
        else gzip.decompress(Path(folder, f"{name}.gz").read_bytes())
    return numpy.frombuffer(held, numpy.uint8, offset=header)
