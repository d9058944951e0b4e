"""How well codes stand for examples, and how well clusters of them agree with labels."""

from collections.abc import Sequence

import numpy

from lamina.metrics.metric import Metric, mean, ratio

MSE = Metric("mse", "lower", "mean squared error of what the code gives back, per value",
             score=ratio)
COMPRESSED = Metric("compressed_mse", "lower", "the same from the code rounded to levels, as bits "
                    "keep it", score=ratio)
BITS = Metric("bits", "lower", "of a rounded code, by an ideal entropy coder with tables of the "
              "validation part", score=mean, unit="bits")
ALL = MSE, COMPRESSED, BITS


def purity(clusters: numpy.ndarray, labels: Sequence[str]) -> float:
    """The share of examples whose label is the commonest of their cluster."""
    return float(contingency(clusters, labels).max(1).sum() / len(labels))


def adjusted_rand(clusters: numpy.ndarray, labels: Sequence[str]) -> float:
    """The adjusted Rand index (Hubert and Arabie 1985, eq. 5): 1 for the same partition, 0 for
    one by chance.
    """
    table = contingency(clusters, labels)
    together, rows, columns = (pairs(counts).sum() for counts in
                               (table, table.sum(1), table.sum(0)))
    expected = rows * columns / pairs(numpy.array([len(labels)])).sum()
    most = (rows + columns) / 2
    return 1.0 if most == expected else float((together - expected) / (most - expected))


def pairs(counts: numpy.ndarray) -> numpy.ndarray:
    """In how many ways two can be taken from so many."""
    return counts * (counts - 1) / 2


def contingency(clusters: numpy.ndarray, labels: Sequence[str]) -> numpy.ndarray:
    """How many examples of each label a cluster has, (clusters, labels)."""
    _, rows = numpy.unique(clusters, return_inverse=True)
    _, columns = numpy.unique(numpy.array(labels, dtype=object).astype(str), return_inverse=True)
    table = numpy.zeros((rows.max() + 1, columns.max() + 1), int)
    numpy.add.at(table, (rows, columns), 1)
    return table
