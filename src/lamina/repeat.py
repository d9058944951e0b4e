"""`--repeat 5`: the same training with five seeds, to tell what of a score is the seed's.

The interval of a score says what other test examples would change; it knows nothing of another
start, another order of the batches. The other seeds are trained first, each with the whole budget
and in a run folder of its own, then the main run, whose report holds the spread.
"""

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from lamina import storage, tasks, verbs
from lamina.errors import UserError
from lamina.findings import Finding
from lamina.folder import folder_for, plain_folder, read_settings
from lamina.health.course import unit_of
from lamina.interrupt import Stopped
from lamina.intervals import student
from lamina.metrics.metric import Metric
from lamina.options import Options
from lamina.parts import prepare
from lamina.run import Point
from lamina.settings import Settings

FILE = "seeds.json"  # in the main run's folder: the folders of the other seeds
FREE = ("run", "repeat", "learning_curve", "offline", "save_seconds")  # may differ between repeats


def train_first(task: str, data: str, options: Options, settings: dict[str, Any], *,
                watch: Callable[[Point], None], say: Callable[[str], None], began: float,
                command: str) -> Options:
    """Train with the other seeds; gives the options of the main run, which names its folder.

    Runs of the same command that are finished are kept, interrupted ones go on. Stopped: a signal
    came; it names the command that goes on.
    """
    chosen = tasks.find(task).Settings.make(settings, what=f"setting of {task}")
    folder, first = folder_for(options.run, data), plain_folder(options.run, data)
    say(announced(task, options, chosen.seed))
    places: list[Path] = []
    unchanged = same_data(task, data, options, chosen)
    try:
        for seed in range(chosen.seed + 1, chosen.seed + options.repeat):
            wanted = replace(options, repeat=1, learning_curve=False)
            place, stands = place_of(first, seed, task, wanted, chosen, unchanged)
            say(f"training {len(places) + 1} of {options.repeat}: seed {seed}, {place}")
            if stands == "finished":
                say(f"{place} is finished already and is kept")
            elif stands == "begun":
                verbs.resume(place, watch=watch, say=say)
            else:
                asked = {name: value for name, value in
                         replace(wanted, run=str(place)).to_json().items()
                         if value != getattr(Options(), name)}
                verbs.train(task, data, watch=watch, say=say, began=began,
                            **asked, **{**settings, "seed": seed})
            places.append(place)
            began = time.monotonic()
    except Stopped as stopped:
        say(f"{len(places)} of {options.repeat} trainings are finished and will be kept")
        stopped.command = command
        raise
    storage.write_json(folder / FILE, {"folders": [str(place) for place in places]})
    say(f"training {options.repeat} of {options.repeat}: seed {chosen.seed}, {folder}")
    return replace(options, run=str(folder))


def announced(task: str, options: Options, seed: int) -> str:
    """How long it will take, said before it begins: the budget is that of each training."""
    budget = options.budget(tasks.find(task).budget)
    amount, unit = next((value, name) for name, value in (
        ("minute", budget.minutes), ("epoch", budget.epochs), ("step", budget.steps))
        if value is not None)
    plural = "" if str(amount) in ("1", "1.0") else "s"
    shown = f"{amount:g}" if isinstance(amount, float) else str(amount)
    whole = f"; about {options.repeat * budget.minutes:g} minutes in all" if budget.minutes else ""
    return (f"{options.repeat} trainings of {shown} {unit}{plural} each, seeds {seed} to "
            f"{seed + options.repeat - 1}{whole}")


# ---- runs that may be kept ----------------------------------------------------------------------

def place_of(first: Path, seed: int, task: str, options: Options, chosen: Settings,
             unchanged: Callable[[str], bool]) -> tuple[Path, str]:
    """The folder of a seed and how it stands: finished, begun or new."""
    for number in count(1):
        place = first.with_name(f"{first.name}-seed-{seed}" + (f"-{number}" if number > 1 else ""))
        if not (place / "settings.json").is_file():
            return place, "new"
        if is_same(place, task, options, replace(chosen, seed=seed)) and \
                unchanged(read_settings(place)["data"]["fingerprint"]):
            return place, "finished" if (place / "report.json").is_file() else "begun"
    raise AssertionError


def is_same(folder: Path, task: str, options: Options, chosen: Settings) -> bool:
    """Whether a run was asked for with the same words, on the same versions."""
    from lamina.device import versions

    try:
        written = read_settings(folder)
        asked = Options.make(written["options"]).to_json()
    except UserError:  # of another version, or damaged
        return False
    wanted = options.to_json()
    return (written["task"] == task and written["settings"] == chosen.to_json()
            and written.get("versions") == versions()
            and all(asked[name] == wanted[name] for name in wanted if name not in FREE))


def same_data(task: str, data: str, options: Options, chosen: Settings) -> Callable[[str], bool]:
    """Whether a fingerprint is that of the data as they are now; these are read at most once."""
    from lamina.session import find_data

    known: list[str] = []

    def unchanged(fingerprint: str) -> bool:
        if not known:
            kind = tasks.find(task)
            parts = prepare(kind(chosen), find_data(kind, data, offline=options.offline),
                            fraction=options.fraction)
            known.append(parts.summary(data)["fingerprint"])
        return known[0] == fingerprint
    return unchanged


# ---- what the report says -----------------------------------------------------------------------

def section(folder: Path, metrics: tuple[Metric, ...], document: dict[str, Any]
            ) -> tuple[dict[str, Any] | None, list[Finding]]:
    """What report.json holds under "seeds", and whether the seed matters.

    document: of the main run. None where there are no other seeds.
    """
    reports = [(str(folder), document), *other_reports(folder, document)]
    if len(reports) < 2:
        return None, []
    reports.sort(key=lambda pair: pair[1]["settings"]["seed"])
    scores = [spread(metric, document, [report for _, report in reports]) for metric in metrics]
    scores = [score for score in scores if score is not None]
    found = {"runs": [{"seed": report["settings"]["seed"], "run": name,
                       "seconds": report["cost"]["seconds"]} for name, report in reports],
             "scores": scores}
    return found, [finding for score in scores[:1] for finding in judged(score)]


def other_reports(folder: Path, document: dict[str, Any]
                  ) -> Iterator[tuple[str, dict[str, Any]]]:
    """The reports of the other seeds that were made with the same data."""
    path = folder / FILE
    for name in json.loads(path.read_text())["folders"] if path.is_file() else ():
        report = Path(name) / "report.json"
        if report.is_file():
            other = json.loads(report.read_text())
            if other["data"]["fingerprint"] == document["data"]["fingerprint"]:
                yield name, other


def spread(metric: Metric, document: dict[str, Any], reports: list[dict[str, Any]]
           ) -> dict[str, Any] | None:
    """A score over the seeds, beside its interval over test examples in the main run."""
    scores = [score for report in reports for score in report["scores"]
              if score["name"] == metric.name]
    values = [score["value"] for score in scores
              if score["value"] is not None and math.isfinite(score["value"])]
    if len(values) < max(2, len(reports)):
        return None
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    half = student(len(values) - 1) * deviation / math.sqrt(len(values))
    own = next(score for score in document["scores"] if score["name"] == metric.name)
    return {"name": metric.name, "unit": unit_of(metric, values), "better": metric.better,
            "values": values, "mean": mean, "deviation": deviation, "lowest": min(values),
            "highest": max(values), "low": mean - half, "high": mean + half,
            "own": {key: own[key] for key in ("value", "low", "high", "n")}}


def judged(score: dict[str, Any]) -> list[Finding]:
    """Whether seeds differ by more than test examples do: 95 % of them against the interval."""
    own = score["own"]
    if own["low"] is None or not 3.92 * score["deviation"] > own["high"] - own["low"]:
        return []
    return [Finding(
        "warning", "the score depends on the seed more than on the test examples",
        f"{score['name']} over {len(score['values'])} seeds: {score['mean']:.4g} ± "
        f"{score['deviation']:.2g}, {score['lowest']:.4g} to {score['highest']:.4g}; interval over "
        f"test examples {own['low']:.4g} to {own['high']:.4g}",
        "state the mean over seeds, not the best; compare settings over several seeds; training "
        "for longer or on more data makes seeds differ less")]
