"""How often 95 % intervals contain the true score: simulated data sets whose truth is known.

    python benchmarks/intervals.py [--data-sets 2000]

Beside each interval the percentile bootstrap that most toolkits would use (over the same examples
or groups), on the first tenth as many data sets. Writes benchmarks/results/intervals.json.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy
from common import write

from lamina.intervals import interval, resamples
from lamina.metrics.classification import AUROC, MACRO_F1
from lamina.metrics.metric import ACCURACY, MAE, RMSE, Metric

SIZES = (200, 1000)
Drawn = tuple[numpy.ndarray, list[str], float]  # rows, the group of each or nothing, the truth


class Case(NamedTuple):
    """Data sets of one kind. draw: one of n examples, and the score of infinitely many."""

    name: str
    metric: Metric
    draw: Callable[[numpy.random.Generator, int], Drawn]


def cases() -> Iterator[Case]:
    """From easy to hard, for each score."""
    for low, high in ((0.5, 0.5), (0.8, 0.95), (0.95, 0.99), (0.98, 0.999)):
        yield Case(f"accuracy {low} to {high}", ACCURACY, answers(low, high))
    for share in (0.9, 0.98):
        yield Case(f"accuracy {share}, 40 groups", ACCURACY, grouped_answers(share, 40))
    yield Case("accuracy 0.9, 10 groups", ACCURACY, grouped_answers(0.9, 10))
    balanced = numpy.full(10, 0.1)
    for right in (0.9, 0.99):
        table = numpy.full((10, 10), (1 - right) / 9)
        numpy.fill_diagonal(table, right)
        yield f1_case(f"macro F1, 10 classes, accuracy {right}", balanced, table)
    yield f1_case("macro F1, 2 classes, 3 to 1", numpy.array([0.75, 0.25]),
                  numpy.array([[0.93, 0.07], [0.4, 0.6]]))
    yield f1_case("macro F1, 3 classes, one of 5 %", numpy.array([0.7, 0.25, 0.05]),
                  numpy.array([[0.9, 0.08, 0.02], [0.2, 0.75, 0.05], [0.3, 0.2, 0.5]]))
    for distance, share in ((1.0, 0.3), (2.5, 0.1), (3.5, 0.5)):
        truth = NormalDist().cdf(distance / 2**0.5)
        yield Case(f"AUROC {truth:.3f}, {share:.0%} positive", AUROC,
                   outranked(distance, share, truth))
    yield Case("RMSE, normal errors", RMSE, errors(1.0, lambda r, n: r.normal(0, 1, n) ** 2))
    yield Case("RMSE, Laplace errors", RMSE, errors(2**0.5, lambda r, n: r.laplace(0, 1, n) ** 2))
    yield Case("RMSE, Student's t with 5 degrees", RMSE,
               errors((5 / 3) ** 0.5, lambda r, n: r.standard_t(5, n) ** 2))
    yield Case("RMSE, normal errors, 40 groups", RMSE, grouped_errors(40))
    yield Case("MAE, Laplace errors", MAE, errors(1.0, lambda r, n: abs(r.laplace(0, 1, n))))


# ---- data sets ----------------------------------------------------------------------------------

def answers(low: float, high: float):
    """Right or wrong with a chance between the two.

    Counts are whole numbers, so that for one chance any interval covers too often or too rarely
    (Brown, Cai and DasGupta 2001): it can be right only on average.
    """
    def draw(random: numpy.random.Generator, n: int) -> Drawn:
        share = random.uniform(low, high)
        return (random.random((n, 1)) < share).astype(float), [], share
    return draw


def grouped_answers(share: float, count: int):
    """Each group has its own chance, Beta distributed: an intraclass correlation of 0.1."""
    def draw(random: numpy.random.Generator, n: int) -> Drawn:
        own = numpy.repeat(random.beta(9 * share, 9 * (1 - share), count), n // count)
        return (random.random((n, 1)) < own[:, None]).astype(float), labels(count, n), share
    return draw


def labels(count: int, n: int) -> list[str]:
    return [str(i) for i in numpy.repeat(numpy.arange(count), n // count)]


def f1_case(name: str, shares: numpy.ndarray, table: numpy.ndarray) -> Case:
    """table: chance of each answer (columns) to each class (rows); shares: of the classes."""
    joint = shares[:, None] * table
    truth = float((2 * numpy.diag(joint) / (joint.sum(0) + joint.sum(1))).mean())
    steps = numpy.cumsum(table, 1)[:, :-1]

    def draw(random: numpy.random.Generator, n: int) -> Drawn:
        true = random.choice(len(shares), size=n, p=shares)
        return numpy.stack([true, (random.random((n, 1)) > steps[true]).sum(1)], 1) * 1.0, [], \
            truth
    return Case(name, MACRO_F1, draw)


def outranked(distance: float, share: float, truth: float):
    """Scores of two normal classes that far apart."""
    def draw(random: numpy.random.Generator, n: int) -> Drawn:
        positive = random.random(n) < share
        return numpy.stack([random.normal(0, 1, n) + distance * positive, positive], 1), [], truth
    return draw


def errors(truth: float, make):
    """Squared or absolute errors, independent."""
    return lambda random, n: (make(random, n)[:, None], [], truth)


def grouped_errors(count: int):
    """A tenth of the errors' variance belongs to the group."""
    def draw(random: numpy.random.Generator, n: int) -> Drawn:
        shared = numpy.repeat(random.normal(0, 0.1**0.5, count), n // count)
        return ((shared + random.normal(0, 0.9**0.5, n)) ** 2)[:, None], labels(count, n), 1.0
    return draw


# ---- measuring ----------------------------------------------------------------------------------

def percentiles(metric: Metric, rows: numpy.ndarray, *, seed: int, groups: list[str]
                ) -> tuple[float, float]:
    """The percentile bootstrap with 400 resamples."""
    draws = (chosen for _, chosen in zip(range(400), resamples(len(rows), groups, seed=seed),
                                         strict=False))
    found = [metric.score(rows[chosen]) for chosen in draws]
    low, high = numpy.nanpercentile(found, (2.5, 97.5))  # NaN where a class was not drawn
    return low, high


def measured(case: Case, n: int, method: Callable, data_sets: int) -> dict[str, float]:
    """coverage, below and above (where the truth lay outside) and the mean width."""
    below = above = width = 0.0
    began = time.perf_counter()
    for seed in range(data_sets):
        rows, groups, truth = case.draw(numpy.random.default_rng([seed, n]), n)
        low, high = method(case.metric, rows, seed=seed, groups=groups)
        below, above, width = below + (truth < low), above + (truth > high), \
            width + high - low
    return {"coverage": round(1 - (below + above) / data_sets, 4),
            "truth_below": round(below / data_sets, 4), "truth_above": round(above / data_sets, 4),
            "width": round(width / data_sets, 5), "data_sets": data_sets,
            "seconds_each": round((time.perf_counter() - began) / data_sets, 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=2000)
    given = parser.parse_args()
    found = []
    for case in cases():
        for n in SIZES:
            ours = measured(case, n, interval, given.data_sets)
            plain = measured(case, n, percentiles, max(100, given.data_sets // 10))
            found.append({"score": case.name, "n": n, "interval": ours,
                           "percentile_bootstrap": plain})
            print(f"{case.name:42} n {n:5}  {ours['coverage']:.3f} "
                  f"({ours['truth_below']:.3f} {ours['truth_above']:.3f}) width {ours['width']:.4f}"
                  f"   percentiles {plain['coverage']:.3f} width {plain['width']:.4f}", flush=True)
    rows = numpy.random.default_rng(0).normal(0, 1, (10_000, 1)) ** 2
    began = time.perf_counter()
    interval(RMSE, rows, seed=0)
    write("intervals", claims=["95 % intervals contain the true score 93 to 97 % of the time"],
          seconds_of_rmse_with_10000_examples=round(time.perf_counter() - began, 3),
          coverage=found)


if __name__ == "__main__":
    main()
