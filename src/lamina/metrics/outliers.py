"""Scores of strangeness that need no gradient; of each asked example, higher is stranger.

known, asked: (examples, numbers), in columns of comparable units.
"""

import numpy

TREES, SAMPLE = 100, 256  # of the isolation forest, as its authors have them
VARIANCE = 0.9  # that the kept principal components explain
MOST_COMPONENTS = 64


def distance(known: numpy.ndarray, asked: numpy.ndarray) -> numpy.ndarray:
    """The mean squared distance from the mean of the known, in deviations: (asked,)."""
    mean, deviation = known.mean(0), known.std(0)
    return (((asked - mean) / numpy.where(deviation > 0, deviation, 1.0)) ** 2).mean(1)


def principal_residual(known: numpy.ndarray, asked: numpy.ndarray) -> numpy.ndarray:
    """What the components that explain most of the variance leave of an example, squared: (asked,).
    """
    mean = known.mean(0)
    _, lengths, components = numpy.linalg.svd(known - mean, full_matrices=False)
    explained = numpy.cumsum(lengths ** 2) / max((lengths ** 2).sum(), 1e-12)
    kept = components[: min(MOST_COMPONENTS, int(numpy.searchsorted(explained, VARIANCE)) + 1)]
    if len(kept) == asked.shape[1]:
        kept = kept[:-1]  # all of them leave nothing
    centred = asked - mean
    return ((centred - centred @ kept.T @ kept) ** 2).mean(1)


def isolation_forest(known: numpy.ndarray, asked: numpy.ndarray,
                     random: numpy.random.Generator) -> numpy.ndarray:
    """How few random cuts part an example from the others, 0 to 1 (Liu, Ting and Zhou 2008)."""
    size = min(SAMPLE, len(known))
    limit = max(1, int(numpy.ceil(numpy.log2(size))))
    depths = numpy.zeros(len(asked))
    for _ in range(TREES):
        sample = known[random.choice(len(known), size, replace=False)]
        isolate(sample, asked, numpy.arange(len(asked)), depths, 0, limit, random)
    return 2.0 ** (-depths / (TREES * max(path(size), 1e-12)))


def isolate(sample: numpy.ndarray, asked: numpy.ndarray, places: numpy.ndarray,
            depths: numpy.ndarray, depth: int, limit: int,
            random: numpy.random.Generator) -> None:
    """Cut the sample at random, again and again; add to `depths` where each asked one comes to.

    places: of the asked examples that are still on this side of all cuts.
    """
    low, high = sample.min(0), sample.max(0)
    free = numpy.flatnonzero(high > low)
    if depth == limit or len(sample) == 1 or not len(free) or not len(places):
        depths[places] += depth + path(len(sample))
        return
    column = free[random.integers(len(free))]
    cut = random.uniform(low[column], high[column])
    below, asked_below = sample[:, column] <= cut, asked[places, column] <= cut
    for side, rest in ((below, asked_below), (~below, ~asked_below)):
        if side.any():
            isolate(sample[side], asked, places[rest], depths, depth + 1, limit, random)
        else:
            depths[places[rest]] += depth + 1


def path(count: int) -> float:
    """The mean depth at which a random tree parts one of so many (their equation 1)."""
    if count < 2:
        return 0.0
    if count == 2:
        return 1.0
    return 2 * (numpy.log(count - 1) + numpy.euler_gamma) - 2 * (count - 1) / count
