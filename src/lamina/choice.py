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


def answers(case: Case, rows: dict[str, numpy.ndarray]) -> list[Shown]:
    """Answers to test examples, the most instructive first; rows: of the metrics, per example."""
    if case.labels:
        return label_answers(case)
    places = ranked_places(case, rows)
    if case.numbers:
        return [show(case.parts.test.examples[place], case.test_answers[place], why)
                for place, why in places]
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


def dear_answers(case: Case, places: Sequence[tuple[int, str]]) -> list[Shown]:
    """Answers that take long to make: as many as are made and drawn within the allowance."""
    sorts = list(dict.fromkeys(why for _, why in places))
    nth: defaultdict[str, int] = defaultdict(int)
    turns = []
    for place, why in places:  # the first of each sort, then the second of each …
        turns.append((nth[why], sorts.index(why), place, why))
        nth[why] += 1
    made: list[tuple[int, Shown]] = []
    end = time.monotonic() + allowance(case.options.minutes)
    for _, sort, place, why in sorted(turns):
        [answer] = case.answers(case.parts.test, start=place, count=1)
        [answer] = calibration.apply([answer], case.calibration)
        made.append((sort, show(case.parts.test.examples[place], answer, why)))
        if time.monotonic() > end:
            break
    return [shown for _, shown in sorted(made, key=lambda one: one[0])]
