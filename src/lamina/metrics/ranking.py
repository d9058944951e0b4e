"""How good a ranking of a whole catalogue is, and rankings that need no learning."""

import math
from collections.abc import Callable

import numpy

from lamina.metrics.metric import Metric, mean

TOP = 10


def gains(top: numpy.ndarray, truth: numpy.ndarray, count: int) -> tuple[float, float]:
    """(NDCG, recall) of the items `top`, best first, where `truth` are relevant, `count` in all.

    Gain 1 for a relevant item, discounted by the logarithm of its place (Järvelin and Kekäläinen
    2002); both relative to the best that so many places allow (Liang et al. 2018, section 4.2).
    """
    hits = numpy.isin(top, truth[truth > 0])
    discount = 1 / numpy.log2(numpy.arange(2, len(top) + 2))
    possible = min(len(top), count)
    return float(hits @ discount / discount[:possible].sum()), float(hits.sum() / possible)


def best(scores: numpy.ndarray, seen: numpy.ndarray, count: int = TOP) -> numpy.ndarray:
    """The `count` items, from 1, with the highest scores (users, items) that are not seen.

    seen: bool (users, items). Fewer where fewer are left: then 0 fills the places.
    """
    scores = numpy.where(seen, -numpy.inf, scores)
    count = min(count, scores.shape[1])
    some = numpy.argpartition(-scores, count - 1, axis=1)[:, :count]
    order = numpy.argsort(-numpy.take_along_axis(scores, some, 1), axis=1, kind="stable")
    top = numpy.take_along_axis(some, order, 1)
    there = numpy.isfinite(numpy.take_along_axis(scores, top, 1))
    return numpy.where(there, top + 1, 0)


def rmse(rows: numpy.ndarray) -> float:
    """The root of squared errors (first column, summed per user) per rating (second column)."""
    count = rows[:, 1].sum()
    return math.sqrt(rows[:, 0].sum() / count) if count else math.nan


def coverage(items: int) -> Callable[[numpy.ndarray], float]:
    """The share of so many items that the rows, (users, places), hold; 0 is no item."""
    def score(rows: numpy.ndarray) -> float:
        return len(numpy.unique(rows[rows > 0])) / max(1, items)
    return score


NDCG = Metric("ndcg", "higher", "normalised discounted cumulative gain of the first 10 of the "
              "whole catalogue", score=mean)
RECALL = Metric("recall", "higher", "share of what a user took next, or of the 10 that have room, "
                "that is among the first 10", score=mean)
RMSE = Metric("rmse", "lower", "root of the mean squared error of the expected ratings", score=rmse)


def covered(items: int) -> Metric:
    """The metric of the catalogue's coverage."""
    return Metric("coverage", "higher", f"share of the {items:,} items that are among the first 10 "
                  "of any user", score=coverage(items))


# ---- rankings that need no learning -------------------------------------------------------------

NEIGHBOURS, SHRINKAGE = 50, 10.0  # chosen on the validation part of ml-latest-small
HALF_LIFE = 5.0  # items after which an item of a history counts half
BLOCK = 1024  # items whose neighbours are looked for together


class ItemNeighbours:
    """Item-kNN: an item scores by how alike it is to those of a history, of which each votes for
    its nearest NEIGHBOURS.

    Cosine over users (Sarwar et al. 2001), shrunk where few users took both (Bell and Koren 2007).
    taken: float32 (users, items), 1 where a user took an item.
    """

    def __init__(self, taken: numpy.ndarray):
        lengths = numpy.sqrt(taken.sum(0))
        self.size, count = taken.shape[1], min(NEIGHBOURS, taken.shape[1])
        near, alike = [], []
        for start in range(0, self.size, BLOCK):
            rows = numpy.arange(start, min(start + BLOCK, self.size))
            cosine = taken[:, rows].T @ taken / (
                numpy.outer(lengths[rows], lengths) + SHRINKAGE)
            cosine[numpy.arange(len(rows)), rows] = 0
            nearest = numpy.argpartition(-cosine, count - 1, axis=1)[:, :count]
            near.append(nearest)
            alike.append(numpy.take_along_axis(cosine, nearest, 1))
        self.near, self.alike = numpy.concatenate(near), numpy.concatenate(alike)

    def scores(self, history: numpy.ndarray, half_life: float = math.inf) -> numpy.ndarray:
        """(items,) of a history of items, from 0, oldest first."""
        ages = numpy.arange(len(history))[::-1]
        votes = self.alike[history] * (0.5 ** (ages / half_life))[:, None]
        return numpy.bincount(self.near[history].ravel(), votes.ravel(), minlength=self.size)
