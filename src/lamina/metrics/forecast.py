"""How far forecasts are off, and how often their bands hold what comes; steps without truth aside.

The rows of each metric are (sum over the steps that are known, how many these are).
"""

import numpy

from lamina.metrics.metric import Metric, ratio

MSE = Metric("mse", "lower", "mean squared error, each series in units of its deviation in "
             "training", score=ratio)
MAE = Metric("mae", "lower", "mean absolute error in the same units", score=ratio)
MASE = Metric("mase", "lower", "mean absolute error beside that of repeating the season before, "
              "over the training part (Hyndman and Koehler 2006); below 1 is better", score=ratio)
SMAPE = Metric("smape", "lower", "200 |error| / (|forecast| + |truth|), as the M4 competition has "
               "it; means little for values around 0", score=ratio, unit="%")
INTERVAL_SCORE = Metric(
    "interval_score", "lower", "width of the 80 % band plus ten times what lies outside it, in "
    "deviations (Gneiting and Raftery 2007, 6.2): rewards bands that are narrow and right",
    score=ratio)
COVERAGE = Metric("coverage", "higher", "share of what came that lies in the 80 % band; 80 % is "
                  "right, more means that bands are too wide", score=ratio, unit="fraction")
ALL = MSE, MAE, MASE, SMAPE, INTERVAL_SCORE, COVERAGE
OUTSIDE = 0.2  # share of what comes that an 80 % band leaves out


def errors(answers: numpy.ndarray, truth: numpy.ndarray, mean: numpy.ndarray,
           deviation: numpy.ndarray, naive: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Rows of the first four metrics.

    answers, truth: in deviations from the mean, (series, steps), NaN where the truth is unknown.
    mean, deviation: what these stand for, (series,). naive: the error of the season before.
    """
    miss = abs(answers - truth)
    size = sum(abs(values * deviation[:, None] + mean[:, None]) for values in (answers, truth))
    relative = 200 * miss * deviation[:, None] / numpy.maximum(size, 1e-12)
    return {MSE.name: summed(miss ** 2), MAE.name: summed(miss),
            MASE.name: summed(miss * (deviation / naive)[:, None]), SMAPE.name: summed(relative)}


def bands(low: numpy.ndarray, high: numpy.ndarray, truth: numpy.ndarray
          ) -> dict[str, numpy.ndarray]:
    """Rows of the last two metrics; low, high: of the 80 % band, in deviations, (series, steps)."""
    outside = numpy.maximum(low - truth, 0) + numpy.maximum(truth - high, 0)
    cost = high - low + 2 / OUTSIDE * outside
    inside = numpy.where(numpy.isnan(truth), numpy.nan, outside == 0)
    return {INTERVAL_SCORE.name: summed(cost), COVERAGE.name: summed(inside)}


def summed(values: numpy.ndarray) -> numpy.ndarray:
    """(sum, count) of the numbers of each row that are known."""
    return numpy.stack([numpy.nansum(values, 1), (~numpy.isnan(values)).sum(1)], 1)
