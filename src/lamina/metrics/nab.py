"""The score of the Numenta Anomaly Benchmark, which rewards early alarms in labelled windows.

Lavin and Ahmad 2015, section II.C: of the alarms in a window the earliest counts, by a sigmoid of
how early it is; an alarm outside costs more the further behind the last window it comes; a window
without an alarm costs a miss. The start of each series is for learning and counts nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

PROBATION = 0.15  # of a series, but of at most its first 5,000 steps' worth
LONGEST = 5000
STEEPNESS = 5.0
FAR = 3.0  # windows' lengths behind a window, from which on an alarm costs the whole weight

Windows = Sequence[tuple[int, int]]  # the first and the last step of each, in order


@dataclass(frozen=True, slots=True)
class Profile:
    """What a caught window earns, and what an alarm outside and a missed window cost."""

    name: str
    caught: float
    false_alarm: float
    missed: float


STANDARD = Profile("standard", 1.0, 0.11, 1.0)
LOW_FALSE_ALARMS = Profile("reward low FP", 1.0, 0.22, 1.0)
LOW_MISSES = Profile("reward low FN", 1.0, 0.11, 2.0)
PROFILES = STANDARD, LOW_FALSE_ALARMS, LOW_MISSES


def best(scores: Sequence[numpy.ndarray], windows: Sequence[Windows],
         profile: Profile = STANDARD) -> tuple[float, float]:
    """The benchmark's score at the one threshold for all series that is best, and that threshold.

    scores: of each series (steps,), higher is more anomalous. 100: every window is caught at its
    first step and nothing else; 0: no alarm at all. The published scores are such maxima.
    """
    gains, marks = [], []
    for series, some in zip(scores, windows, strict=True):
        worth, inside = worths(len(series), some, profile)
        start = probation(len(series))
        gains.append(gained(series[start:], worth[start:], inside[start:], profile))
        marks.append(series[start:])
    marks, gains = numpy.concatenate(marks), numpy.concatenate(gains)
    order = numpy.argsort(-marks, kind="stable")
    total = numpy.cumsum(gains[order])
    last = numpy.append(numpy.diff(marks[order]) != 0, True)  # all of one score alarm together
    place = int(numpy.argmax(numpy.where(last, total, -numpy.inf)))
    whole = (profile.caught + profile.missed) * sum(map(len, windows))
    if not total[place] > 0:
        return 0.0, float("inf")
    return float(100 * total[place] / whole), float(marks[order][place])


def score(alarms: Sequence[numpy.ndarray], windows: Sequence[Windows],
          profile: Profile = STANDARD) -> float:
    """The same of alarms that are given, each (steps,) of booleans."""
    total = 0.0
    for series, some in zip(alarms, windows, strict=True):
        worth, inside = worths(len(series), some, profile)
        start = probation(len(series))
        gains = gained(series.astype(float)[start:], worth[start:], inside[start:], profile)
        total += gains[series[start:]].sum()
    return float(100 * total / ((profile.caught + profile.missed) * sum(map(len, windows))))


def probation(steps: int) -> int:
    """How many steps at the start of a series count nothing."""
    return int(PROBATION * min(steps, LONGEST))


def worths(steps: int, windows: Windows, profile: Profile) -> tuple[numpy.ndarray, numpy.ndarray]:
    """What an alarm at each step is worth, and in which window it lies, -1 outside: (steps,)."""
    places = numpy.arange(steps)
    worth = numpy.full(steps, -profile.false_alarm)
    inside = numpy.full(steps, -1)
    for first, last in windows:  # of several windows before it the last one counts
        behind = (places - last) / max(1, last - first)
        after = (places > last) & (behind < FAR)
        worth[places > last] = -profile.false_alarm
        worth[after] = profile.false_alarm * early(behind[after])
    for number, (first, last) in enumerate(windows):
        here = slice(first, last + 1)
        position = (places[here] - last - 1) / (last - first + 1)
        worth[here] = profile.caught * early(position) / early(numpy.array(-1.0))
        inside[here] = number
    return worth, inside


def early(position: numpy.ndarray) -> numpy.ndarray:
    """Nearly 1 at -1, where a window begins, 0 at its end and nearly -1 at 1, behind it."""
    return 2 / (1 + numpy.exp(STEEPNESS * position)) - 1


def gained(scores: numpy.ndarray, worth: numpy.ndarray, inside: numpy.ndarray,
           profile: Profile) -> numpy.ndarray:
    """What each step adds to the score when alarms come in the order of the scores: (steps,).

    In a window the best of the alarms so far counts; the first one also saves the miss.
    """
    gains = worth.copy()
    for number in numpy.unique(inside[inside >= 0]):
        here = numpy.flatnonzero(inside == number)
        here = here[numpy.argsort(-scores[here], kind="stable")]
        so_far = numpy.maximum.accumulate(numpy.append(-profile.missed, worth[here]))
        gains[here] = numpy.diff(so_far)
    return gains
