"""Bootstrap draws as weights: what is a sum over examples has all its draws in one product.

    drawn = (weights @ tops) / (weights @ bottoms)   # of a ratio, one row a draw
"""

from collections.abc import Sequence
from itertools import islice
from statistics import NormalDist

import numpy

from lamina.scoring import resamples

DRAWS = 500


def weights(count: int, groups: Sequence[str | None] = (), *, seed: int,
            draws: int = DRAWS) -> numpy.ndarray:  # float32 (draws, examples)
    """How often each example occurs in each draw; whole groups are drawn where there are any.

    The draws of one example lie side by side in memory, so that some examples are taken fast.
    """
    known = groups if any(group is not None for group in groups) else ()
    return numpy.stack([numpy.bincount(chosen, minlength=count).astype(numpy.float32)
                        for chosen in islice(resamples(count, known, seed=seed), draws)], axis=1).T


def interval(drawn: numpy.ndarray, value: float | None = None) -> tuple[float, float]:
    """The middle 95 % of the draws of a number; NaN where none is finite.

    value: what was measured; the draws are then moved so that they lie around it, because what is
        no plain sum is biased by the repeats in a draw.
    """
    known = drawn[numpy.isfinite(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    shift = 0.0 if value is None else value - numpy.median(known)
    low, high = numpy.percentile(known + shift, (2.5, 97.5))
    return float(low), float(high)


def significant(value: float, drawn: numpy.ndarray, *, comparisons: int = 1,
                least: float = 0.0) -> bool:
    """Whether a number is not 0 at the 5 % level, when so many were looked at (Bonferroni).

    least: the standard deviation that is assumed where the draws vary less: all of a group may be
        alike by chance, and then so are all draws.
    """
    known = drawn[numpy.isfinite(drawn)]
    if not len(known):
        return False
    needed = NormalDist().inv_cdf(1 - 0.025 / max(1, comparisons))
    return bool(abs(value) > needed * max(float(known.std()), least))
