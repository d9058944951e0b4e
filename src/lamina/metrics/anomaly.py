"""How well strange examples are told from usual ones, where labels say which they are.

The rows of the first two are (score, anomalous), as `ranked` gives them; of the last two those of
`alarmed`: they judge the threshold, not the order.
"""

import numpy

from lamina.metrics.classification import auroc
from lamina.metrics.metric import Metric, ratio


def average_precision(rows: numpy.ndarray) -> float:
    """The precision at each score, averaged over the anomalies; equal scores count together.

    (Davis and Goadrich 2006, without interpolation) NaN where there is no anomaly.
    """
    order = numpy.argsort(-rows[:, 0], kind="stable")
    scores, found = rows[order, 0], numpy.cumsum(rows[order, 1] > 0)
    last = numpy.flatnonzero(numpy.append(numpy.diff(scores) != 0, True))
    if not found[-1]:
        return float("nan")
    new = numpy.diff(found[last], prepend=0)
    return float((new * found[last] / (last + 1)).sum() / found[-1])


def share(rows: numpy.ndarray) -> float:
    """The ratio of the columns' sums; NaN where there is nothing to take a share of."""
    return ratio(rows) if rows[:, 1].any() else float("nan")


AUROC = Metric("auroc", "higher", "chance that an anomaly has a higher score than a usual example",
               score=auroc)
AVERAGE_PRECISION = Metric(
    "average_precision", "higher", "area under precision and recall; the share of anomalies is "
    "what chance gives", score=average_precision)
ALARM_PRECISION = Metric("alarm_precision", "higher", "share of the alarms that are anomalies, at "
                         "the threshold of --alarm-rate", score=share)
ALARM_RECALL = Metric("alarm_recall", "higher", "share of the anomalies that raise an alarm, at "
                      "the same threshold", score=share)
LABELLED = AUROC, AVERAGE_PRECISION, ALARM_PRECISION, ALARM_RECALL


def ranked(scores: numpy.ndarray, anomalous: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Rows of the first two metrics; scores, anomalous: (examples,)."""
    rows = numpy.stack([scores, anomalous], 1).astype(float)
    return {AUROC.name: rows, AVERAGE_PRECISION.name: rows}


def alarmed(alarms: numpy.ndarray, anomalous: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Rows of the last two metrics; alarms, anomalous: (examples,) of booleans."""
    caught = alarms & anomalous
    return {ALARM_PRECISION.name: numpy.stack([caught, alarms], 1).astype(float),
            ALARM_RECALL.name: numpy.stack([caught, anomalous], 1).astype(float)}
