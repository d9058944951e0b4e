"""Do two samples come from the same distribution? Statistics, chances, and sizes of effects."""

import math

import numpy
import torch


def kolmogorov_smirnov(first: numpy.ndarray, second: numpy.ndarray) -> tuple[float, float]:
    """The greatest difference of two distributions of numbers, and its p.

    p: that of the limiting distribution with Stephens' correction of the size (1970); a little too
    high where values repeat.
    """
    both = numpy.unique(numpy.concatenate([first, second]))
    gap = numpy.searchsorted(numpy.sort(first), both, "right") / len(first) \
        - numpy.searchsorted(numpy.sort(second), both, "right") / len(second)
    statistic = float(abs(gap).max())
    size = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    scaled = (size + 0.12 + 0.11 / size) * statistic
    if scaled < 0.2:  # the series converges slowly there, towards 1
        return statistic, 1.0
    terms = [(-1) ** (j - 1) * math.exp(-2 * (j * scaled) ** 2) for j in range(1, 101)]
    return statistic, min(1.0, max(0.0, 2 * sum(terms)))


def chi_square(first: numpy.ndarray, second: numpy.ndarray) -> tuple[float, float]:
    """Half the sum of the differences of two distributions of categories, and the p of Pearson's
    test that they are equal.

    Categories that are expected less than 5 times in a sample are taken together, as the test
    asks for.
    """
    names, places = numpy.unique(numpy.concatenate([first, second]), return_inverse=True)
    counts = numpy.stack([numpy.bincount(some, minlength=len(names)) for some in
                          (places[: len(first)], places[len(first) :])]).astype(float)
    least = min(len(first), len(second)) / (len(first) + len(second))
    rare = counts.sum(0) * least < 5
    if rare.any():
        counts = numpy.concatenate([counts[:, ~rare], counts[:, rare].sum(1, keepdims=True)], 1)
    shares = counts / counts.sum(1, keepdims=True)
    distance = float(abs(shares[0] - shares[1]).sum() / 2)
    expected = numpy.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    if counts.shape[1] < 2:
        return distance, 1.0
    statistic = ((counts - expected) ** 2 / expected).sum()
    freedom = counts.shape[1] - 1
    p = torch.special.gammaincc(torch.tensor(freedom / 2, dtype=torch.float64),
                                torch.tensor(statistic / 2, dtype=torch.float64))
    return distance, float(p)


def compare(first: numpy.ndarray, second: numpy.ndarray) -> tuple[float, float]:
    """Size of the effect, 0 to 1, and p for two samples of numbers or of categories.

    Missing numbers (NaN) are a category of their own: the greater effect of the two counts.
    """
    if first.dtype == object:
        return chi_square(*([str(value) for value in some.tolist()] for some in (first, second)))
    known = [some[~numpy.isnan(some)] for some in (first, second)]
    missing = [numpy.isnan(some) for some in (first, second)]
    found = [chi_square(*missing)] if missing[0].any() or missing[1].any() else []
    if all(map(len, known)):
        found.append(kolmogorov_smirnov(*known))
    if not found:
        return 0.0, 1.0
    effect, p = max(found)
    return effect, min(1.0, p * len(found))
