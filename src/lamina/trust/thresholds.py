"""What it costs to treat groups more alike: other thresholds of the probability, and their trade.

Every choice is made on the validation part and measured on the test part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy

from lamina.trust import rates
from lamina.trust.bootstrap import interval

GRID = numpy.linspace(0.01, 0.99, 99)  # thresholds that are tried; the middle one is 0.5
TRAINED = 0.5
SMALLEST = 20  # positive and negative validation examples of a group that gets a threshold
STEPS = 11  # from the thresholds as trained to those of a choice
PARITY = ("selection rate",)
OPPORTUNITY = ("true positive rate",)
ODDS = ("true positive rate", "false positive rate")
CHOICES = (
    ("demographic parity", PARITY, "the same share of every group is chosen"),
    ("equal opportunity", OPPORTUNITY, "of the truly positive, the same share is found"),
    ("equalised odds", ODDS, "true and false positive rates as alike as thresholds make them"))


@dataclass(frozen=True)
class Scored:
    """Examples of a part: the score of being positive, 0..1; the truth; the group's name."""

    score: numpy.ndarray
    truth: numpy.ndarray
    groups: numpy.ndarray

    @cached_property
    def coded(self) -> tuple[list[str], numpy.ndarray]:
        """The groups' names, and the place of each example's group among them."""
        names, places = numpy.unique(self.groups, return_inverse=True)
        return names.tolist(), places

    def chosen(self, limits: dict[str, float]) -> numpy.ndarray:
        """Who is taken for positive when each group has its own threshold."""
        names, places = self.coded
        return self.score >= numpy.array([limits.get(name, TRAINED) for name in names])[places]

    def able(self, smallest: int) -> list[str]:
        """The groups with enough positive and negative examples for rates of their own."""
        names, places = self.coded
        positive = numpy.bincount(places, self.truth, len(names))
        negative = numpy.bincount(places, ~self.truth, len(names))
        return [name for name, fewer in zip(names, numpy.minimum(positive, negative), strict=True)
                if fewer >= smallest]

    def rates(self, limits: dict[str, float], names: Sequence[str]) -> dict[str, numpy.ndarray]:
        """Of those groups, each rate with these thresholds, (groups,)."""
        known, places = self.coded
        chosen = self.chosen(limits)
        wanted = [known.index(name) for name in names]

        def share(picked: numpy.ndarray, among: numpy.ndarray) -> numpy.ndarray:
            return (numpy.bincount(places, picked & among, len(known))[wanted]
                    / numpy.bincount(places, among, len(known))[wanted])

        return {"selection rate": share(chosen, numpy.ones_like(chosen)),
                "true positive rate": share(chosen, self.truth),
                "false positive rate": share(chosen, ~self.truth)}


def trade(validation: Scored, test: Scored, weights: numpy.ndarray) -> dict[str, Any] | None:
    """Named choices of thresholds and the curves between; None without two groups large enough.

    weights: bootstrap draws of the test examples.
    """
    known = test.able(rates.SMALLEST)
    names = [name for name in validation.able(SMALLEST) if name in known]
    if len(names) < 2:
        return None
    curves = Curves.of(validation, names)
    found = [("as trained", dict.fromkeys(names, TRAINED), f"one threshold for all, {TRAINED:g}")]
    found += [(name, curves.alike(wanted), what) for name, wanted, what in CHOICES]
    limits = {name: chosen for name, chosen, _ in found}
    return {
        "groups": names,
        "choices": [measured(name, what, chosen, test, names, weights)
                    for name, chosen, what in found],
        "curves": [{"name": name, "rates": list(wanted), "each": path(limits[name], test, names,
                                                                      wanted),
                    "one": curves.front(wanted, test)}
                   for name, wanted, _ in CHOICES if wanted != OPPORTUNITY]}


def measured(name: str, what: str, limits: dict[str, float], test: Scored, names: Sequence[str],
             weights: numpy.ndarray) -> dict[str, Any]:
    """A choice on the test part: its accuracy and its gaps, with 95 % intervals."""
    chosen = test.chosen(limits)
    right = chosen == test.truth
    low, high = interval(weights @ right.astype(numpy.float32) / weights.sum(1))
    known = [rate for rate in rates.of_labels(chosen, test.truth) if rate.name in (*PARITY, *ODDS)]
    gaps = rates.Grouped.of(known, test.groups, names, weights).gaps()
    return {"name": name, "what": what, "thresholds": limits,
            "accuracy": {"value": float(right.mean()), "low": low, "high": high},
            "gaps": list(gaps.values()),
            "equalised_odds": max(gaps[wanted]["value"] for wanted in ODDS)}


def path(limits: dict[str, float], test: Scored, names: Sequence[str], wanted: Sequence[str]
         ) -> list[tuple[float, float]]:
    """(gap, accuracy) on the way from the thresholds as trained to these."""
    return [point(test, {name: TRAINED + share * (limit - TRAINED)
                         for name, limit in limits.items()}, names, wanted)
            for share in numpy.linspace(0, 1, STEPS)]


def point(part: Scored, limits: dict[str, float], names: Sequence[str], wanted: Sequence[str]
          ) -> tuple[float, float]:
    """(widest gap of those rates, accuracy) with these thresholds."""
    known = part.rates(limits, names)
    return (float(max(numpy.ptp(known[rate]) for rate in wanted)),
            float((part.chosen(limits) == part.truth).mean()))


@dataclass(frozen=True)
class Curves:
    """What every threshold of GRID gives on the validation part.

    by_rate: (groups, thresholds) of each rate; pooled: (thresholds,) of each rate over all;
    shares: of the examples in each group, (groups,).
    """

    names: list[str]
    by_rate: dict[str, numpy.ndarray]
    pooled: dict[str, numpy.ndarray]
    shares: numpy.ndarray

    @classmethod
    def of(cls, part: Scored, names: list[str]) -> "Curves":
        """The curves of these groups."""
        masks = [part.groups == name for name in names]
        each = [of_thresholds(part.score[mask], part.truth[mask]) for mask in masks]
        some = numpy.logical_or.reduce(masks)
        return cls(names, {rate: numpy.stack([known[rate] for known in each]) for rate in each[0]},
                   of_thresholds(part.score[some], part.truth[some]),
                   numpy.array([mask.sum() / some.sum() for mask in masks]))

    def alike(self, wanted: Sequence[str]) -> dict[str, float]:
        """A threshold for each group so that these rates are alike in all of them.

        Each group takes the threshold that is nearest to a common level; of all levels, the one
        with the highest accuracy less the largest distance from it.
        """
        stacked = numpy.stack([self.by_rate[rate] for rate in wanted], axis=-1)
        levels = numpy.stack([self.pooled[rate] for rate in wanted], axis=-1)
        far = abs(stacked[None] - levels[:, None, None]).max(-1)  # (levels, groups, thresholds)
        places = far.argmin(-1)  # (levels, groups)
        rows = numpy.arange(len(self.names))
        right = self.by_rate["accuracy"][rows, places] @ self.shares
        distance = numpy.take_along_axis(far, places[..., None], -1)[..., 0].max(1)
        best = places[int((right - distance).argmax())]
        return {name: round(float(GRID[place]), 4)
                for name, place in zip(self.names, best, strict=True)}

    def front(self, wanted: Sequence[str], test: Scored) -> list[tuple[float, float]]:
        """(gap, accuracy) on test of each common threshold that none beats in both on validation.
        """
        gaps = numpy.max([numpy.ptp(self.by_rate[rate], axis=0) for rate in wanted], axis=0)
        right = self.pooled["accuracy"]
        best = [place for place in range(len(GRID))
                if not ((gaps <= gaps[place]) & (right > right[place])).any()]
        return sorted({point(test, dict.fromkeys(test.coded[0], float(GRID[place])),
                             self.names, wanted) for place in best})


def of_thresholds(score: numpy.ndarray, truth: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """Selection, true and false positive rates and accuracy at every threshold of GRID."""
    def above(values: numpy.ndarray) -> numpy.ndarray:
        return 1 - numpy.searchsorted(numpy.sort(values), GRID) / len(values)

    found, false, share = above(score[truth]), above(score[~truth]), truth.mean()
    return {"selection rate": above(score), "true positive rate": found,
            "false positive rate": false, "accuracy": share * found + (1 - share) * (1 - false)}
