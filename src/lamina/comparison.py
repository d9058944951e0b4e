"""Runs on the same test examples: is the difference real?

It does not matter what the runs learnt from, with which settings or seed: what counts is that they
answered the same test examples, so that what all find hard or easy drops out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from safetensors import SafetensorError
from safetensors.numpy import load_file

from lamina import tasks
from lamina.errors import UserError
from lamina.folder import read_settings
from lamina.health.course import unit_of
from lamina.intervals import Difference, holm, paired
from lamina.judge import GROUPS, ROWS
from lamina.metrics.metric import Metric
from lamina.numbers import decimals, number

CHANCE = 0.05  # of calling a difference real that is none


@dataclass(frozen=True)
class Judged:
    """A finished run. rows: what each test example contributed to each score."""

    folder: Path
    settings: dict[str, Any]
    rows: dict[str, numpy.ndarray]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def tested(self) -> str:
        """What is the same for runs that were judged on the same examples."""
        data = self.settings["data"]
        return data.get("test_fingerprint", data["fingerprint"])

    @property
    def groups(self) -> list[str | None]:
        """The group of each test example; none where there are none."""
        codes = self.rows.get(GROUPS, numpy.array([], int)).tolist()
        return [None if code < 0 else str(code) for code in codes]


def compared(runs: list[Path]) -> list[dict[str, Any]]:
    """For each run after the first and each score: both values, the difference, a sentence.

    UserError: the runs were not judged on the same test examples.
    """
    first, *others = [judged(run) for run in runs]
    for other in others:
        check_same(first, other)
    kind = tasks.find(first.settings["task"])
    task = kind(kind.Settings.make(first.settings["settings"]),
                kind.Facts.make(first.settings["facts"], what="fact"))
    found = []
    for metric in task.metrics:
        beside = [other for other in others if metric.name in first.rows
                  and metric.name in other.rows]
        differences = [paired(metric, first.rows[metric.name], other.rows[metric.name], seed=0,
                              groups=first.groups) for other in beside]
        chances = holm([difference.p for difference in differences])
        found += [one(metric, first, other, difference, chance, len(beside))
                  for other, difference, chance in zip(beside, differences, chances, strict=True)]
    return sorted(found, key=lambda line: [other.name for other in others].index(line["second"]))


def judged(run: Path) -> Judged:
    """A run with its rows; UserError where it has none, or damaged ones."""
    settings, path = read_settings(run), run / ROWS
    if not path.is_file():
        raise UserError(f"{run} was not judged yet; lamina resume {run} finishes it")
    try:
        return Judged(run, settings, load_file(path))
    except (SafetensorError, OSError, ValueError) as reason:
        raise UserError(f"{path} is damaged ({reason}); lamina resume {run} writes it anew"
                        ) from None


def check_same(first: Judged, other: Judged) -> None:
    """UserError unless both did the same task on the same test examples."""
    if other.settings["task"] != first.settings["task"]:
        raise UserError(f"{other.folder} is a run of {other.settings['task']}, {first.folder} of "
                        f"{first.settings['task']}; compare runs of one task")
    if other.tested != first.tested:
        counts = [f"{run.settings['data'].get('test', 0):,}" for run in (first, other)]
        raise UserError(
            f"{other.folder} and {first.folder} were not judged on the same test examples "
            f"({counts[1]} and {counts[0]}); train both on data with the same test part, or score "
            f"both models on one data set: lamina evaluate {other.folder} DATA")


def one(metric: Metric, first: Judged, second: Judged, found: Difference, raised: float,
        comparisons: int) -> dict[str, Any]:
    """The difference of one score, and what it means in words. raised: its p after Holm."""
    values = [metric.score(run.rows[metric.name]) for run in (first, second)]
    sign = 1 if metric.better == "higher" else -1
    low, high = sorted((sign * found.low, sign * found.high))
    alone = "better" if low > 0 else "worse" if high < 0 else "not distinguishable"
    verdict = alone if raised < CHANCE or comparisons == 1 else "not distinguishable"
    n = len(second.rows[metric.name])
    document = {"metric": metric.name, "first": first.name, "second": second.name,
                "first_value": values[0], "second_value": values[1], "difference": found.value,
                "low": found.low, "high": found.high, "n": n, "p": found.p, "test": found.test,
                "comparisons": comparisons, "p_holm": raised, "verdict": verdict}
    points = unit_of(metric, values) == "fraction"
    scale, unit = (100.0, "points") if points else (1.0, metric.unit)
    gain = tuple(scale * value for value in (sign * found.value, low, high))
    if verdict == "worse":
        gain = -gain[0], -gain[2], -gain[1]
    said = sentence(document, *gain, unit)
    if comparisons > 1:
        said += f"; after Holm's correction for {comparisons} comparisons p = {raised:.2g}"
    if verdict != alone:
        said += f", so that what alone looks {alone} may be chance"
    return document | {"sentence": said}


def sentence(document: dict[str, Any], gain: float, low: float, high: float, unit: str) -> str:
    """ "B is better than A in accuracy by 0.6 points, 95 % interval 0.2 to 1.0, n = 10,000 …" """
    places = decimals(high - low)
    real = document["verdict"] in ("better", "worse")
    amount = f"{number(gain, places)} {unit}".rstrip()
    change = f"by {amount}" if real else f"(it is {'better' if gain >= 0 else 'worse'} by " \
        f"{number(abs(gain), places)} {unit}".rstrip() + ")"
    return (f"{document['second']} is {document['verdict']} {'than' if real else 'from'} "
            f"{document['first']} in {document['metric']} {change}, 95 % interval "
            f"{number(low, places)} to {number(high, places)}, n = {document['n']:,} "
            f"({document['test']}: p = {document['p']:.2g})")
