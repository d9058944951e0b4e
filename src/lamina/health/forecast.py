"""Curves that fall by a power law: what more training or more data would give, and how sure.

    error(x) = floor + gain x^-exponent + noise r

x is how much was learnt from: examples, or steps, each weighed by its learning rate over the
largest. r is the learning rate of the moment over the largest: the noise of large steps is gone
when the rate has come down to 0, which is why the middle of a run looks worse than a shorter run
would have ended (the two terms of Tissue et al. 2024, "Scaling law with learning rate annealing",
with the noise taken as proportional to the rate; the power law is that of Hestness et al. 2017).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy

from lamina.keys import numpy_generator

EXPONENTS = numpy.geomspace(0.05, 1.6, 16)
DRAWS = 400
FACTOR_DEVIATION = 0.7  # of the logarithm of what came true over what was fitted: docs/health.md
LEAST_POINTS = 6  # of a run; three and the exponent are fitted
LEAST_EXPLAINED = 0.8  # of the variance, or the fit is called poor


@dataclass(frozen=True)
class Forecast:
    """The error at `at` times what was learnt from, with a 95 % band. explained: R² of the fit."""

    at: float
    value: float
    low: float
    high: float
    explained: float


@dataclass(frozen=True)
class Fit:
    """Curves that pass near the points, each through points redrawn with their noise.

    coefficients: (draws, 3): floor, gain, noise. exponents: (draws,). explained: R² of the best.
    """

    coefficients: numpy.ndarray
    exponents: numpy.ndarray
    explained: float
    deviation: float  # of a point from the best curve

    def at(self, times: float) -> Forecast:
        """The error after `times` as much as at the last point, the learning rate at 0."""
        found = self.coefficients[:, 0] + self.coefficients[:, 1] * times ** -self.exponents
        low, value, high = numpy.percentile(found, (2.5, 50, 97.5))
        return Forecast(times, float(value), float(low), float(high), self.explained)

    def ahead(self, now: float, times: float, *, seed: int = 0) -> Forecast:
        """The same, beginning at the last point's error `now`.

        The fitted gain may be wrong by a factor, whose spread was measured on pairs of runs.
        """
        random = numpy_generator(seed, "ahead")
        gain = self.coefficients[:, 1] * (1 - times ** -self.exponents)
        factor = numpy.exp(FACTOR_DEVIATION * random.standard_normal(len(gain)))
        noise = self.deviation * random.standard_normal(len(gain))
        low, high = numpy.percentile(now + noise - gain * factor, (2.5, 97.5))
        value = now - float(numpy.median(gain))
        return Forecast(times, max(0.0, value), max(0.0, float(low)), float(high), self.explained)


def fit(x: Sequence[float], errors: Sequence[float], *, rates: Sequence[float] | None = None,
        deviations: Sequence[float] | None = None, seed: int = 0) -> Fit | None:
    """The curves near the points; None where there are too few to tell.

    rates: the learning rate at each point over the largest; None: no noise term.
    deviations: what each error may be wrong by; None: redrawn from the residuals.
    Each coefficient is at least 0, so no curve rises with x. A few points hardly tell a low floor
    that is approached slowly from a high one approached fast, so every exponent gives its curve,
    weighed by how well it fits, and the forecast is their median.
    """
    x, errors = numpy.asarray(x, float), numpy.asarray(errors, float)
    if len(x) < 4 or not (numpy.isfinite(errors).all() and errors.any()) or x.min() <= 0 \
            or x.max() == x.min():
        return None
    scaled, random = x / x[-1], numpy_generator(seed, "forecast")
    columns = [design(scaled, exponent, rates) for exponent in EXPONENTS]
    curves = [solve(one, errors[None])[0] for one in columns]
    residuals = numpy.stack([errors - one @ found for one, found in
                             zip(columns, curves, strict=True)])  # (exponents, points)
    squares = (residuals**2).sum(1) + 1e-12 * (errors**2).sum()
    weights = squares.min() / squares
    chosen = random.choice(len(EXPONENTS), DRAWS, p=weights / weights.sum())
    drawn = numpy.zeros((DRAWS, 3))
    free = max(1, len(x) - columns[0].shape[1] - 1)
    for place in set(chosen.tolist()):
        count = int((chosen == place).sum())
        if deviations is None:
            spread = residuals[place] * math.sqrt(len(x) / free)
            noisy = errors - residuals[place] + random.choice(spread, (count, len(x)))
        else:
            noisy = errors + random.standard_normal((count, len(x))) * numpy.asarray(deviations)
        drawn[chosen == place, : columns[place].shape[1]] = solve(columns[place], noisy)
    explained = 1 - squares.min() / max(((errors - errors.mean()) ** 2).sum(), 1e-300)
    return Fit(drawn, EXPONENTS[chosen], float(explained),
               math.sqrt(float(squares.min()) / free))


def design(x: numpy.ndarray, exponent: float, rates: Sequence[float] | None) -> numpy.ndarray:
    """The terms of the curve at each point: (points, 2 or 3)."""
    terms = [numpy.ones(len(x)), x**-exponent]
    return numpy.stack(terms if rates is None else [*terms, numpy.asarray(rates, float)], axis=1)


def solve(columns: numpy.ndarray, errors: numpy.ndarray) -> numpy.ndarray:
    """For each row of errors (rows, points) the coefficients, none below 0, that fit it best.

    With so few columns every choice of those that are not 0 is tried.
    """
    best = numpy.full(len(errors), numpy.inf)
    coefficients = numpy.zeros((len(errors), columns.shape[1]))
    for size in range(1, columns.shape[1] + 1):
        for used in combinations(range(columns.shape[1]), size):
            some = columns[:, used]
            found = errors @ numpy.linalg.pinv(some).T
            left = ((errors - found @ some.T) ** 2).sum(1)
            better = (found >= 0).all(1) & (left < best - 1e-15)
            best[better] = left[better]
            coefficients[better] = 0
            coefficients[numpy.ix_(better, used)] = found[better]
    return coefficients
