"""Rates of groups and the gaps between them, with intervals.

A rate is a sum over examples per another sum: of the women, those selected per all; of the men
with a positive truth, those selected per all such men.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy

from lamina.scoring import wilson
from lamina.trust import bootstrap

SMALLEST = 30  # examples in the denominator of a rate that takes part in gaps


class Rate(NamedTuple):
    """tops, bottoms: what each example adds to the numerator and the denominator, (examples,).

    root: whether the rate is the square root of the quotient. unit: "fraction" or that of numbers.
    """

    name: str
    tops: numpy.ndarray
    bottoms: numpy.ndarray
    root: bool = False
    unit: str = "fraction"


def of_labels(chosen: numpy.ndarray, truth: numpy.ndarray, score: numpy.ndarray | None = None
              ) -> list[Rate]:
    """What is said of two labels; chosen, truth: whether positive; score: of being so, 0..1."""
    yes, no = truth.astype(float), (~truth).astype(float)
    picked, all_ = chosen.astype(float), numpy.ones(len(truth))
    found = [Rate("selection rate", picked, all_), Rate("true positive rate", picked * yes, yes),
             Rate("false positive rate", picked * no, no), Rate("precision", picked * yes, picked),
             Rate("accuracy", (chosen == truth).astype(float), all_)]
    if score is not None:
        found += [Rate("observed rate", yes, all_), Rate("predicted rate", score, all_),
                  Rate("observed above predicted", yes - score, all_)]
    return found


def of_many_labels(chosen: Sequence[str], truth: Sequence[str], labels: Sequence[str]
                   ) -> list[Rate]:
    """Accuracy, and the share of each true label that is found."""
    said, true = numpy.array(chosen), numpy.array(truth)
    right = (said == true).astype(float)
    return [Rate("accuracy", right, numpy.ones(len(right))),
            *(Rate(f"found of {label}", right * (true == label), (true == label).astype(float))
              for label in labels)]


def of_numbers(errors: numpy.ndarray, unit: str = "") -> list[Rate]:
    """The mean error (above 0: answers too high), the mean absolute and the RMS error."""
    all_ = numpy.ones(len(errors))
    return [Rate("mean error", errors, all_, unit=unit),
            Rate("mean absolute error", abs(errors), all_, unit=unit),
            Rate("rmse", errors ** 2, all_, root=True, unit=unit)]


@dataclass(frozen=True)
class Grouped:
    """Rates of groups: values and counts (of the denominators) are (groups, rates).

    drawn: the values in each bootstrap draw, (draws, groups, rates). clustered: whether examples
    come in clusters, which were drawn whole.
    """

    names: list[str]
    rates: list[Rate]
    sizes: list[int]
    values: numpy.ndarray
    tops: numpy.ndarray
    counts: numpy.ndarray
    drawn: numpy.ndarray
    clustered: bool

    @classmethod
    def of(cls, rates: Sequence[Rate], groups: Sequence[str], names: Sequence[str],
           weights: numpy.ndarray, *, clustered: bool = False) -> "Grouped":
        """The rates of the groups of these names; weights: bootstrap draws of the examples."""
        each = numpy.asarray(groups)
        masks = [each == name for name in names]
        both = numpy.stack([rate.tops for rate in rates] + [rate.bottoms for rate in rates], axis=1)
        sums = numpy.stack([both[mask].sum(0) for mask in masks])
        drawn = numpy.stack([weights.T[mask].T @ both[mask].astype(numpy.float32)
                             for mask in masks], axis=1)
        root = numpy.array([rate.root for rate in rates])
        half = len(rates)
        return cls(list(names), list(rates), [int(mask.sum()) for mask in masks],
                   quotients(sums, root), sums[:, :half], sums[:, half:], quotients(drawn, root),
                   clustered)

    def table(self) -> list[dict[str, Any]]:
        """Of each group its n and each rate with its 95 % interval."""
        return [{"name": name, "n": self.sizes[group],
                 "rates": {rate.name: self.entry(group, place)
                           for place, rate in enumerate(self.rates)}}
                for group, name in enumerate(self.names)]

    def entry(self, group: int, place: int) -> dict[str, Any]:
        """A rate of a group. Fractions take Wilson's interval, unless clustered; others draws."""
        rate, count = self.rates[place], float(self.counts[group, place])
        if not count:
            low = high = math.nan
        elif not self.clustered and numpy.isin(rate.tops, (0.0, 1.0)).all():
            low, high = wilson(self.tops[group, place], count)
        else:
            low, high = bootstrap.interval(self.drawn[:, group, place])
        return {"value": float(self.values[group, place]), "low": low, "high": high,
                "n": int(count), "unit": rate.unit}

    def gaps(self) -> dict[str, dict[str, Any]]:
        """The gap of each rate that two groups or more have enough examples for."""
        found = {rate.name: self.gap(place) for place, rate in enumerate(self.rates)}
        return {name: gap for name, gap in found.items() if gap is not None}

    def gap(self, place: int) -> dict[str, Any] | None:
        """The highest less the lowest rate of the groups, with the interval of that difference.

        Groups with fewer than SMALLEST examples in the rate's denominator take no part; None where
        fewer than two are left. significant: more than chance gives the widest of so many pairs.
        """
        rate = self.rates[place]
        known = {group: float(self.values[group, place]) for group in range(len(self.names))
                 if self.counts[group, place] >= SMALLEST}
        if len(known) < 2:
            return None
        highest, lowest = max(known, key=known.get), min(known, key=known.get)
        top, bottom = self.drawn[:, highest, place], self.drawn[:, lowest, place]
        value, pairs = known[highest] - known[lowest], math.comb(len(known), 2)
        low, high = bootstrap.interval(top - bottom)
        found = {"rate": rate.name, "unit": rate.unit, "value": value, "low": low, "high": high,
                 "highest": self.names[highest], "lowest": self.names[lowest],
                 "values": {self.names[group]: known[group] for group in (highest, lowest)},
                 "significant": bootstrap.significant(
                     value, top - bottom, comparisons=pairs,
                     least=math.hypot(self.least(highest, place), self.least(lowest, place)))}
        if known[lowest] >= 0 < known[highest]:
            with numpy.errstate(all="ignore"):
                ends = bootstrap.interval(bottom / top)
            found |= {"ratio": known[lowest] / known[highest], "ratio_low": ends[0],
                      "ratio_high": ends[1]}
        return found

    def least(self, group: int, place: int) -> float:
        """The standard deviation of a fraction, with one more example of either kind; else 0."""
        if not numpy.isin(self.rates[place].tops, (0.0, 1.0)).all():
            return 0.0
        count = float(self.counts[group, place])
        share = (float(self.tops[group, place]) + 1) / (count + 2)
        return math.sqrt(share * (1 - share) / count)


def quotients(sums: numpy.ndarray, root: numpy.ndarray) -> numpy.ndarray:
    """Numerators (the first half of the last axis) over denominators; NaN where there is none."""
    tops, bottoms = numpy.split(sums, 2, axis=-1)
    with numpy.errstate(all="ignore"):
        found = tops / bottoms
        return numpy.where(root, numpy.sqrt(found), found)
