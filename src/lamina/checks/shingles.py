"""Texts that share stretches: sets of shingles, thinned as MinHash does where there are many.

A shingle is a run of characters; two texts that share most of theirs are copies with edits. Broder
1997, "On the resemblance and containment of documents": where there are too many, those whose hash
is a multiple of some number stand for all.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy

SHINGLE = 12  # characters
MOST = 12_000_000  # shingles that are kept of all texts
COMMON = 12  # texts; a shingle of more is a set phrase and proves nothing
FEWEST = 6  # shingles that a pair must share
SPACE = re.compile(r"\s+")


def normal(text: str) -> str:
    """The text in small letters, every run of spaces as one."""
    return SPACE.sub(" ", text).strip().lower()


def sketch(texts: Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The texts' different shingles as (hashes, places of the texts), sorted by hash.

    A text shorter than two shingles is one shingle as a whole.
    """
    normals = [normal(text) for text in texts]
    every = max(1, -(-sum(map(len, normals)) // MOST))
    hashes, places = [], []
    for start in range(0, len(normals), 4096):
        some = normals[start : start + 4096]
        lengths = numpy.array([len(text) for text in some])
        codes = numpy.frombuffer("".join(some).encode("utf-32-le", "replace"), numpy.uint32)
        ends = numpy.cumsum(lengths)
        place = numpy.repeat(numpy.arange(len(some)), lengths)
        position = numpy.arange(len(codes))
        inside = (position + SHINGLE <= ends[place]) & (lengths[place] >= 2 * SHINGLE)
        value = rolled(codes)
        kept = inside & (value % numpy.uint64(every) == 0)
        short = numpy.flatnonzero((lengths < 2 * SHINGLE) & (lengths > 0))
        hashes += [value[kept], numpy.array([one(some[i]) for i in short], numpy.uint64)]
        places += [place[kept] + start, short + start]
    hashed, placed = numpy.concatenate(hashes), numpy.concatenate(places)
    order = numpy.lexsort((placed, hashed))
    hashed, placed = hashed[order], placed[order]
    new = numpy.ones(len(hashed), bool)
    new[1:] = (hashed[1:] != hashed[:-1]) | (placed[1:] != placed[:-1])
    return hashed[new], placed[new]


def rolled(codes: numpy.ndarray) -> numpy.ndarray:
    """A 64-bit hash of the SHINGLE characters from each place on."""
    padded = numpy.concatenate([codes, numpy.zeros(SHINGLE, numpy.uint32)]).astype(numpy.uint64)
    value = numpy.zeros(len(codes), numpy.uint64)
    for step in range(SHINGLE):
        value = value * numpy.uint64(0x100000001B3) + padded[step : step + len(codes)]
    return mixed(value)


def mixed(value: numpy.ndarray) -> numpy.ndarray:
    """The bits stirred (the finaliser of SplitMix64), so that any of them serve as a sample."""
    value = (value ^ (value >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return value ^ (value >> numpy.uint64(31))


def one(text: str) -> int:
    """The hash of a text as a whole, 64 bits."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest())


def shared(hashes: numpy.ndarray, places: numpy.ndarray, count: int,
           ) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Pairs of texts and the share of the smaller one's shingles that the other has too.

    Set phrases do not count, neither as shared nor as the text's own.
    """
    total = numpy.bincount(places, minlength=count)
    new = numpy.flatnonzero(numpy.r_[True, hashes[1:] != hashes[:-1]]) if len(hashes) else \
        numpy.zeros(0, int)
    sizes = numpy.diff(numpy.r_[new, len(hashes)])
    rare = numpy.repeat(sizes <= COMMON, sizes)
    hashes, places = hashes[rare], places[rare]
    own = numpy.bincount(places, minlength=count)
    pairs = []
    for step in range(1, min(COMMON, len(hashes))):
        same = numpy.flatnonzero(hashes[step:] == hashes[:-step])
        pairs.append(places[same] * count + places[same + step])
    found, both = numpy.unique(numpy.concatenate(pairs) if pairs else numpy.zeros(0, int),
                               return_counts=True)
    first, second = numpy.divmod(found, max(1, count))
    smaller = numpy.minimum(own[first], own[second])
    kept = both >= numpy.minimum(FEWEST, numpy.minimum(total[first], total[second]))
    return first[kept], second[kept], (both / numpy.maximum(smaller, 1))[kept]
