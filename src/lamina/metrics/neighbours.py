"""The nearest example on raw input: it learns nothing and is hard to beat where data are few."""

from torch import Tensor

WORK = 1.5e10  # multiplications that a baseline may take, about a second of one core


def affordable(asked: int, size: int, most: int) -> int:
    """How many examples of `size` numbers each of so many `asked` may be compared with."""
    return int(min(most, max(50, WORK / max(1, asked * size))))


def nearest(known: Tensor, asked: Tensor) -> list[int]:
    """For each of `asked` the place of the nearest of `known` (Euclid), the first of equals.

    Both (examples, ...), of any type; compared in chunks.
    """
    points = known.flatten(1).float()
    centre = points.mean(0)  # subtracting it keeps the digits that matter
    points = points - centre
    lengths = points.square().sum(1) / 2
    return [place for part in asked.flatten(1).split(1024)
            for place in (lengths - (part.float() - centre) @ points.T).argmin(1).tolist()]
