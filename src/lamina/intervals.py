"""95 % intervals of scores and of the difference of two: they contain the truth 95 % of the time.

A score's variance is that of its influence values, summed over groups where there are any: within
a speaker or a patient examples are alike, and only another speaker says something new.

- A fraction (accuracy, macro F1, the area under the ROC, average precision) takes Wilson's
  interval (1927), which stays honest near 1, for as many independent answers as have this variance
  (Kish 1965).
- Any other score takes the studentised bootstrap of its influence values (Efron 1981; Hall 1988),
  which follows their skewness: few large errors make most of an RMSE.
- A score whose influence values are not known takes the plain bootstrap.

docs/scores.md gives the measured coverage.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy

from lamina.keys import numpy_generator
from lamina.metrics.classification import auroc, f1_of_classes, macro_f1
from lamina.metrics.detection import map50, map50_95
from lamina.metrics.influence import BY_SCORE
from lamina.metrics.metric import Metric, mean, root_mean

RESAMPLES = 1000
FEWEST, MOST = 20, 20_000  # examples or groups that a studentised bootstrap helps
Z = 1.959964  # 97.5 % of a normal distribution lie below
Groups = Sequence[str | None]


def interval(metric: Metric, values: numpy.ndarray, *, seed: int, groups: Groups = ()
             ) -> tuple[float, float]:
    """A 95 % interval of the score; over groups where there are any. NaN where there is none."""
    score = metric.score(values)
    if not math.isfinite(score):
        return math.nan, math.nan
    if metric.score not in BY_SCORE:
        return drawn(metric, values, score, seed=seed, groups=groups)
    members = bundles(len(values), groups)
    if is_fraction(metric, values):
        if metric.score is mean and isinstance(members, range):
            return wilson(values[:, 0].sum(), len(values))
        return fraction(metric, values, score, sums(influence(metric, values), members))
    if metric.score is root_mean:  # squares are a mean, whose interval is exact for its root too
        squares = sums(BY_SCORE[mean](values), members)
        low, high = studentised(score**2, squares, len(values), seed=seed)
        return math.sqrt(max(0.0, low)), math.sqrt(max(0.0, high))
    return studentised(score, sums(influence(metric, values), members), len(values), seed=seed)


def is_fraction(metric: Metric, values: numpy.ndarray) -> bool:
    """Whether the score is a share or a chance, from 0 to 1."""
    return metric.score in (macro_f1, auroc, map50, map50_95) or (
        metric.score is mean and is_right_or_wrong(values))


def is_right_or_wrong(values: numpy.ndarray) -> bool:
    """Whether every example counts 1 or 0."""
    return bool(numpy.isin(values[:, 0], (0.0, 1.0)).all())


def influence(metric: Metric, values: numpy.ndarray) -> numpy.ndarray:
    """(examples,) how much each moves the score; 0 where that has no meaning."""
    with numpy.errstate(all="ignore"):
        return numpy.nan_to_num(BY_SCORE[metric.score](values), posinf=0.0, neginf=0.0)


# ---- fractions ----------------------------------------------------------------------------------

def wilson(right: float, count: float, z: float = Z) -> tuple[float, float]:
    """The interval of a fraction `right / count`."""
    share, spread = right / count, z * z / count
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def fraction(metric: Metric, values: numpy.ndarray, score: float, units: numpy.ndarray
             ) -> tuple[float, float]:
    """Wilson's interval for so many independent answers as have the units' variance.

    Where that is 0, as when every answer is right, each unit counts as one answer.
    """
    count, few = len(values), len(units)
    if metric.score is auroc:
        few = 2 * int(min((values[:, 1] > 0).sum(), (values[:, 1] <= 0).sum()))
    variance, freedom = error(units, count) ** 2, min(few, len(units)) - 1
    if not variance > 1e-18:
        return wilson(score * few, few, student(freedom))
    independent = score * (1 - score) / (variance + missed(metric, values, score, len(units)))
    if metric.score is mean:
        independent = min(independent, count)
    return wilson(score * independent, independent, student(freedom))


def missed(metric: Metric, values: numpy.ndarray, score: float, units: int) -> float:
    """The variance that too few of the rare kind fail to show: that of one more of each kind.

    Of groups of right and wrong answers one with independent answers, of classes, positives and
    negatives one example whose answer says nothing.
    """
    spread, count = score * (1 - score), len(values)
    if metric.score is auroc:
        positives = (values[:, 1] > 0).sum()
        return float(spread * (positives**-2.0 + (count - positives) ** -2.0))
    if metric.score is not macro_f1:
        return max(1.0, count / units * spread) / count**2
    f1, total = f1_of_classes(values)
    f1, total = f1[total > 0], total[total > 0]
    return float((f1 * (1 - f1) / (total / 2) ** 2).sum() / len(f1) ** 2)


# ---- other scores -------------------------------------------------------------------------------

def studentised(score: float, units: numpy.ndarray, count: int, *, seed: int
                ) -> tuple[float, float]:
    """score - quantile * standard error, with quantiles of the bootstrap's own t statistic."""
    size, random = len(units), numpy_generator(seed, "bootstrap")
    low, high = -student(size - 1), student(size - 1)
    if FEWEST <= size <= MOST:
        found = []
        for draws in split(RESAMPLES, max(1, 200_000 // size)):
            again = units[random.integers(size, size=(draws, size))]
            with numpy.errstate(all="ignore"):
                found.append(again.mean(1) / again.std(1))
        ratios = numpy.concatenate(found)
        if numpy.isfinite(ratios).all():
            low, high = numpy.percentile(ratios, (2.5, 97.5)) * math.sqrt(size - 1)
    wide = error(units, count)
    return float(score - high * wide), float(score - low * wide)


def split(whole: int, most: int) -> list[int]:
    """`whole` in pieces of `most`."""
    return [min(most, whole - start) for start in range(0, whole, most)]


def drawn(metric: Metric, values: numpy.ndarray, score: float, *, seed: int, groups: Groups
          ) -> tuple[float, float]:
    """Percentiles of resamples, moved so that their median is the score.

    Repeats bias what is no mean, such as a Fréchet distance.
    """
    with numpy.errstate(all="ignore"):
        found = numpy.array([metric.score(values[chosen])
                             for chosen in resamples(len(values), groups, seed=seed)])
    found = found[numpy.isfinite(found)]
    if not len(found):
        return math.nan, math.nan
    low, high = numpy.percentile(found + score - numpy.median(found), (2.5, 97.5))
    return min(float(low), score), max(float(high), score)  # rounding may leave the score outside


# ---- differences --------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Difference:
    """How much a second score is above a first, with its 95 % interval.

    p: the chance of a difference at least as large where there is none; test: which one gave it.
    """

    value: float
    low: float
    high: float
    p: float
    test: str


def paired(metric: Metric, first: numpy.ndarray, second: numpy.ndarray, *, seed: int,
           groups: Groups = ()) -> Difference:
    """The difference on the same examples: what both find hard or easy does not count."""
    value = metric.score(second) - metric.score(first)
    members = bundles(len(first), groups)
    if metric.score is mean and isinstance(members, range) and is_right_or_wrong(first) \
            and is_right_or_wrong(second):
        return discordant(int((second[:, 0] > first[:, 0]).sum()),
                          int((second[:, 0] < first[:, 0]).sum()), len(first))
    if metric.score in BY_SCORE:
        units = sums(influence(metric, second) - influence(metric, first), members)
        low, high = studentised(value, units, len(first), seed=seed)
        wide = error(units, len(first))
    else:
        found = numpy.array([metric.score(second[chosen]) - metric.score(first[chosen])
                             for chosen in resamples(len(first), groups, seed=seed)])
        low, high = numpy.percentile(found, (2.5, 97.5)).tolist()
        wide = float(found.std())
    p = 2 * NormalDist().cdf(-abs(value) / wide) if wide > 0 else float(value == 0)
    return Difference(value, low, high, p, "z")


def discordant(gained: int, lost: int, count: int) -> Difference:
    """The difference of two accuracies by the examples that one alone gets right.

    The interval is Bonett and Price's (2012); p is McNemar's (1947), exact.
    """
    size = count + 2
    centre = (gained - lost) / size
    half = Z * math.sqrt(max(0.0, (gained + lost + 2) / size - centre**2) / size)
    return Difference((gained - lost) / count, max(-1.0, centre - half), min(1.0, centre + half),
                      mcnemar(gained, lost), "McNemar's exact test")


def mcnemar(gained: int, lost: int) -> float:
    """Twice the chance that a fair coin shows so few of the rarer side."""
    count = gained + lost
    terms = [math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
             - count * math.log(2) for k in range(min(gained, lost) + 1)]
    return min(1.0, 2 * math.fsum(map(math.exp, terms)))


def holm(chances: Sequence[float]) -> list[float]:
    """p values raised so that one wrong among all has at most their chance (Holm 1979)."""
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    raised, least = [0.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(chances) - rank) * chances[place]))
        raised[place] = least
    return raised


# ---- examples, groups and resamples -------------------------------------------------------------

def bundles(count: int, groups: Groups) -> list[numpy.ndarray] | range:
    """The indices of each group, an example without a group being its own; a range without any."""
    if len(groups) != count or all(group is None for group in groups):
        return range(count)
    members: dict[Any, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group if group is not None else ("alone", index), []).append(index)
    return [numpy.array(indices) for indices in members.values()]


def sums(values: numpy.ndarray, members: list[numpy.ndarray] | range) -> numpy.ndarray:
    """(units,) the sum of each group's values; the values themselves without groups."""
    if isinstance(members, range):
        return values
    return numpy.array([values[indices].sum() for indices in members])


def error(units: numpy.ndarray, count: int) -> float:
    """The standard error of a score from the sums of its influence values, (units,)."""
    if len(units) < 2:
        return math.nan
    return float(units.std(ddof=1) * math.sqrt(len(units)) / count)


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t distribution (Cornish and Fisher 1938; exact below 3)."""
    if freedom < 3:
        return {1: 12.7062, 2: 4.3027}.get(freedom, math.nan)
    return (Z + (Z**3 + Z) / (4 * freedom) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * freedom**2)
            + (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / (384 * freedom**3))


def resamples(count: int, groups: Groups, *, seed: int) -> Iterator[numpy.ndarray]:
    """Bootstrap draws of indices, by example or by whole group; fewer for very large parts."""
    random = numpy_generator(seed, "bootstrap")
    members = bundles(count, groups)
    for _ in range(max(200, min(RESAMPLES, 20_000_000 // count))):
        units = random.integers(len(members), size=len(members))
        yield units if isinstance(members, range) else \
            numpy.concatenate([members[unit] for unit in units])
