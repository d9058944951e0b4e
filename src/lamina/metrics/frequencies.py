"""What counting alone foretells of a text: the baselines of language models."""

from collections.abc import Sequence

import numpy

LARGEST = 2048  # different characters, up to which pairs of them are counted


def costs(train: Sequence[str], test: Sequence[str]) -> dict[str, numpy.ndarray]:
    """Nats that each test text costs after its first character, (texts,), by the way of counting.

    Counts are of the training texts, with one added to each (Laplace); characters that these do
    not have count as one character.
    """
    learnt = numpy.concatenate([code_points(text) for text in train])
    known = numpy.flatnonzero(numpy.bincount(learnt))
    place = numpy.full(0x110000, len(known))  # of every character of Unicode
    place[known] = numpy.arange(len(known))
    size = len(known) + 1
    learnt, asked = place[learnt], [place[code_points(text)] for text in test]
    counts = numpy.bincount(learnt, minlength=size) + 1
    single = -numpy.log(counts / counts.sum())
    found = {"frequencies of characters": numpy.array([single[row[1:]].sum() for row in asked])}
    if size <= LARGEST:
        pairs = numpy.bincount(learnt[:-1] * size + learnt[1:], minlength=size * size) + 1
        pairs = pairs.reshape(size, size)
        double = -numpy.log(pairs / pairs.sum(1, keepdims=True))
        found["frequencies of pairs of characters"] = numpy.array(
            [double[row[:-1], row[1:]].sum() for row in asked])
    return found


def code_points(text: str) -> numpy.ndarray:
    """The Unicode number of each character, (characters,)."""
    return numpy.frombuffer(text.encode("utf-32-le"), "<u4").astype(numpy.int64)
