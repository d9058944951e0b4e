"""The nearest example on raw input: it learns nothing and is hard to beat where data are few."""

import torch
from torch import Tensor

WORK = 1.5e10  # multiplications that a baseline may take, about a second of one core
CHUNK = 1 << 22  # numbers of examples that are compared at a time


def affordable(asked: int, size: int, most: int) -> int:
    """How many examples of `size` numbers each of so many `asked` may be compared with."""
    return int(min(most, max(50, WORK / max(1, asked * size))))


def nearest(known: Tensor, asked: Tensor) -> list[int]:
    """For each of `asked` the place of the nearest of `known` (Euclid), the first of equals.

    Both (examples, ...), of any type; compared in chunks.
    """
    known, asked = known.flatten(1), asked.flatten(1)
    centre = known.mean(0, dtype=torch.float32)  # subtracting it keeps the digits that matter
    size = max(1, CHUNK // max(1, known.shape[1]))
    best, place = torch.full((len(asked),), torch.inf), torch.zeros(len(asked), dtype=torch.long)
    for start in range(0, len(known), size):
        points = known[start : start + size].float() - centre
        lengths = points.square().sum(1) / 2
        for low in range(0, len(asked), size):
            some = slice(low, low + size)
            found = (lengths - (asked[some].float() - centre) @ points.T).min(1)
            nearer = found.values < best[some]
            best[some][nearer] = found.values[nearer]
            place[some][nearer] = found.indices[nearer] + start
    return place.tolist()
