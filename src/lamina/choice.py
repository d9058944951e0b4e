"""Which test answers a person should see: confident mistakes, the worst, typical ones."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy

from lamina.answers import Answer, Label
from lamina.case import Case
from lamina.gallery import Shown, show
from lamina.metrics.metric import mean, ratio, root_mean
from lamina.task import Example
from lamina.trust import calibration

LONGEST = 4.0  # seconds for answers that take long to make
SHOWN = 4  # of each sort
MOST = 3 * SHOWN  # that take long to make
CONFIDENT, WORST = "Most confident and wrong", "Worst"
COMMON, TYPICAL = "Typical mistakes", "Typical"

Pair = tuple[Example, Answer]


class Chosen:
    """Answers to test examples, the most instructive of each sort first, made while there is time.

    rows: of the metrics, per example.
    """

    def __init__(self, case: Case, rows: dict[str, numpy.ndarray]):
        self.coming = answers(case, rows)
        self.made: list[Shown] = []
        self.slowest = 0.0  # seconds that one took

    def make(self, seconds: float) -> None:
        """Go on for as many as fit into that time, all as slow as the slowest so far; the very
        first is made in any case."""
        end = time.monotonic() + seconds
        while not self.made or time.monotonic() + self.slowest <= end:
            began = time.monotonic()
            one = next(self.coming, None)
            if one is None:
                return
            self.made.append(one)
            self.slowest = max(self.slowest, time.monotonic() - began)

    def by_sort(self) -> list[Shown]:
        """All that were made."""
        sorts = list(dict.fromkeys(one.why for one in self.made))
        return sorted(self.made, key=lambda one: sorts.index(one.why))


def answers(case: Case, rows: dict[str, numpy.ndarray]) -> Iterator[Shown]:
    """All answers that may be shown; what takes long is made only when it is asked for."""
    if case.labels:
        return iter(label_answers(case))
    places = ranked_places(case, rows)
    if case.numbers:
        return iter([show(case.parts.test.examples[place], case.test_answers[place], why)
                     for place, why in places])
    return dear_answers(case, places)


def label_answers(case: Case) -> list[Shown]:
    """Mistakes by their certainty, by their distance from the truth and by their frequency."""
    answered: list[Pair] = list(zip(case.parts.test.examples, case.test_answers, strict=True))
    wrong = [pair for pair in answered if is_wrong(pair)]
    right = [pair for pair in answered if not is_wrong(pair)]
    seen: set[int] = set()

    def some(pairs: Iterable[Pair], why: str, most: int = SHOWN) -> list[Shown]:
        chosen = [pair for pair in pairs if id(pair[0]) not in seen][:most]
        seen.update(id(pair[0]) for pair in chosen)
        return [show(*pair, why) for pair in chosen]

    shown = some(sorted(wrong, key=lambda pair: -pair[1].probability), CONFIDENT)
    shown += some(sorted(wrong, key=probability_of_truth), WORST)
    shown += some(common_mistakes(wrong, seen), COMMON)
    middle = numpy.median([pair[1].probability for pair in right]) if right else 0.0
    return shown + some(sorted(right, key=lambda pair: abs(pair[1].probability - middle)), TYPICAL,
                        max(SHOWN, 2 * SHOWN - len(shown)))


def is_wrong(pair: Pair) -> bool:
    """Whether the answer is a label, and another than the target."""
    example, answer = pair
    return (isinstance(answer, Label) and example.target is not None
            and answer.label != example.target)


def probability_of_truth(pair: Pair) -> float:
    """What the answer gave to the true label; 0 where it does not know that label."""
    return pair[1].probabilities.get(pair[0].target, 0.0)


def common_mistakes(wrong: Sequence[Pair], seen: set[int]) -> Iterator[Pair]:
    """One unseen mistake of each confused pair of labels, the most frequent pairs first."""
    confused: defaultdict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in wrong:
        confused[str(pair[0].target), pair[1].label].append(pair)
    for pairs in sorted(confused.values(), key=len, reverse=True):
        if unseen := [pair for pair in pairs if id(pair[0]) not in seen]:
            yield sorted(unseen, key=lambda pair: pair[1].probability)[len(unseen) // 2]


def ranked_places(case: Case, rows: dict[str, numpy.ndarray]) -> list[tuple[int, str]]:
    """(place, why) of the worst and of typical examples, by a score that each has of its own.

    The first few, and no reason, where no score can be told for an example alone.
    """
    count = len(case.parts.test)
    for metric in case.task.metrics:
        if metric.name not in rows or metric.score not in (mean, ratio, root_mean):
            continue
        with numpy.errstate(all="ignore"):
            values = numpy.array([metric.score(rows[metric.name][i:i + 1]) for i in range(count)])
        if count <= SHOWN or not numpy.isfinite(values).all() or numpy.ptp(values) == 0:
            continue
        order = numpy.argsort(values, kind="stable")
        if metric.better == "lower":
            order = order[::-1]
        worst = list(map(int, order[:min(SHOWN, count // 2)]))
        usual = numpy.argsort(numpy.abs(values - numpy.median(values)), kind="stable")
        typical = [int(place) for place in usual if place not in worst][:SHOWN]
        return [(place, WORST) for place in worst] + [(place, TYPICAL) for place in typical]
    return [(place, "") for place in range(min(MOST, count))]


def allowance(minutes: float | None) -> float:
    """Seconds for answers that take long to make: a fifteenth of the run's, at most LONGEST."""
    return LONGEST if minutes is None else min(LONGEST, 60 * minutes / 15)


def dear_answers(case: Case, places: Sequence[tuple[int, str]]) -> Iterator[Shown]:
    """Answers that take long to make: the first of each sort, then the second of each …"""
    nth: defaultdict[str, int] = defaultdict(int)
    turns = []
    for place, why in places:
        turns.append((nth[why], place, why))
        nth[why] += 1
    for _, place, why in sorted(turns, key=lambda turn: turn[0]):
        [answer] = case.answers(case.parts.test, start=place, count=1)
        [answer] = calibration.apply([answer], case.calibration)
        yield show(case.parts.test.examples[place], answer, why)
