"""Forecasts that need no net: the season before, and exponential smoothing."""

import itertools

import numpy

DAMPING = 0.9  # what is left of the trend after a step
LEVELS, TRENDS, SEASONS = (0.05, 0.2, 0.5, 0.8), (0.0, 0.05), (0.0, 0.1, 0.3)  # rates tried


def seasonal_naive(history: numpy.ndarray, season: int, horizon: int) -> numpy.ndarray:
    """The last season again and again; history: (series, time), gives (series, horizon)."""
    season = min(season, history.shape[1])
    last = history[:, history.shape[1] - season:]
    return last[:, numpy.arange(horizon) % season]


def smoothed(history: numpy.ndarray, season: int, horizon: int, *, level: float, trend: float,
             seasonal: float) -> numpy.ndarray:
    """Holt-Winters with a damped trend and additive seasons (Hyndman et al. 2008, section 2.3).

    level, trend, seasonal: how fast each is updated, 0 to 1. history: (series, time).
    """
    season = season if history.shape[1] >= 2 * season else 1
    first = history[:, :season]
    mean, slope = first.mean(1), numpy.zeros(len(history))
    around = (first - mean[:, None]).T.copy() if season > 1 else numpy.zeros((1, len(history)))
    for step, value in enumerate(history.T):
        place = step % season
        expected = mean + DAMPING * slope
        miss = value - expected - around[place]
        mean, slope = expected + level * miss, DAMPING * slope + level * trend * miss
        if season > 1:
            around[place] += (1 - level) * seasonal * miss
    ahead = numpy.arange(1, horizon + 1)
    damped = numpy.cumsum(DAMPING ** ahead)
    places = (history.shape[1] + ahead - 1) % season
    return mean[:, None] + slope[:, None] * damped + around[places].T


def fitted_rates(history: numpy.ndarray, future: numpy.ndarray, season: int) -> dict[str, float]:
    """The rates with the least mean squared error; future: (series, horizon), NaN where unknown."""
    tried = [dict(zip(("level", "trend", "seasonal"), rates, strict=True))
             for rates in itertools.product(LEVELS, TRENDS, SEASONS)]
    return min(tried, key=lambda rates: numpy.nanmean(
        (smoothed(history, season, future.shape[1], **rates) - future) ** 2))
