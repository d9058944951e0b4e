"""Sets of labels and intervals of numbers that hold the truth with a chosen chance.

Split conformal prediction: the scores of examples that the net did not learn from are put in
order, and what scores no worse than most of them is kept (Vovk et al. 2005; Lei et al. 2018). For
examples drawn like those, the chance that the truth is kept is the coverage or just above it.
"""

import math
from collections.abc import Sequence

import numpy

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)  # that a model file keeps beside the one asked for
SPANS, SPAN = 10, 50  # most parts of the answers' range with an error of their own; examples each


def threshold(scores: numpy.ndarray, coverage: float) -> float:
    """The score of rank ⌈(n + 1) coverage⌉; infinite where n examples are too few for it."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return float(numpy.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def thresholds(scores: numpy.ndarray, coverage: float) -> dict[str, float]:
    """The thresholds for the coverage asked for and for LEVELS, where there are examples enough."""
    found = {f"{level:g}": threshold(scores, level) for level in sorted({coverage, *LEVELS})}
    return {level: limit for level, limit in found.items() if math.isfinite(limit)}


def label_scores(probabilities: numpy.ndarray) -> numpy.ndarray:
    """How ill each class fits, (examples, classes): 1 - its probability (Sadinle et al. 2019)."""
    return 1 - probabilities


def chosen(labels: Sequence[str], probabilities: numpy.ndarray, limit: float
           ) -> list[tuple[str, ...]]:
    """The labels that fit well enough, likeliest first, for each row of probabilities."""
    kept = label_scores(probabilities) <= limit
    order = numpy.argsort(-probabilities, axis=1, kind="stable")
    return [tuple(labels[place] for place in ranks[: row.sum()])
            for row, ranks in zip(kept, order, strict=True)]


def spread(values: numpy.ndarray, errors: numpy.ndarray
           ) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How large errors are where answers are small or large: (answers, mean absolute errors).

    Between these points it is interpolated. One point, if examples are few: the same for all.
    values: the answers; errors: how far each is from the truth, both (examples,).
    """
    order = numpy.argsort(values, kind="stable")
    parts = numpy.array_split(order, max(1, min(SPANS, len(order) // SPAN)))
    centres = [float(values[part].mean()) for part in parts]
    scales = [float(errors[part].mean()) for part in parts]
    floor = max(1e-3 * float(errors.mean()), 1e-12)  # errors of exactly 0 leave no width
    return tuple(centres), tuple(max(scale, floor) for scale in scales)


def deviation(examples: int, tested: int, coverage: float) -> float:
    """The standard deviation of the coverage that is measured, when all examples are alike.

    examples: that set the threshold (they add a spread of their own, Vovk 2012).
    tested: on which the coverage is measured.
    """
    return math.sqrt(coverage * (1 - coverage) * (1 / (examples + 2) + 1 / tested))
