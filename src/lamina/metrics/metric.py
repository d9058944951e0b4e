"""A metric is what each example contributes, and how a set of contributions becomes a score.

Kept apart, the same rows give the score, its bootstrap interval and a paired comparison.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy


def mean(rows: numpy.ndarray) -> float:
    """The mean of the first column."""
    return float(rows[:, 0].mean())


def ratio(rows: numpy.ndarray) -> float:
    """The sum of the first column per unit of the second: nats per character, errors per word."""
    return float(rows[:, 0].sum() / rows[:, 1].sum())


def root_mean(rows: numpy.ndarray) -> float:
    """The square root of the first column's mean."""
    return float(numpy.sqrt(rows[:, 0].mean()))


def explained(rows: numpy.ndarray) -> float:
    """1 - squared errors (first column) per squared distance of the targets from their mean."""
    spread = ((rows[:, 1] - rows[:, 1].mean()) ** 2).sum()
    return float(1 - rows[:, 0].sum() / spread) if spread else float("nan")


@dataclass(frozen=True)
class Metric:
    """A score that a person reads.

    row: from an answer and its target, the numbers that this example contributes; None where the
        task gives rows without answers.
    score: from the rows (examples, columns) of a set, its score.
    better: which direction is better.
    unit: of the score; empty for fractions.
    help: one line that explains the number.
    """

    name: str
    better: Literal["higher", "lower"]
    help: str
    row: Callable[[Any, Any], tuple[float, ...]] | None = None
    score: Callable[[numpy.ndarray], float] = mean
    unit: str = ""


def improves(metric: Metric, value: float, best: float | None) -> bool:
    """Whether `value` is better than `best`; a NaN never is."""
    if value != value:
        return False
    return best is None or (value > best if metric.better == "higher" else value < best)


ACCURACY = Metric("accuracy", "higher", "fraction of answers that are right",
                  lambda answer, target: (answer.label == target,))
RMSE = Metric("rmse", "lower", "root of the mean squared error",
              lambda answer, target: ((answer.value - target) ** 2,), root_mean)
MAE = Metric("mae", "lower", "mean absolute error",
             lambda answer, target: (abs(answer.value - target),))
R2 = Metric("r2", "higher", "share of the targets' variance that the answers explain",
            lambda answer, target: ((answer.value - target) ** 2, target), explained)
