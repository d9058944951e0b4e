"""What more data would give: the same training on an eighth, a quarter and half of the data first.

The smaller parts lie inside the larger ones. Each training gets the steps of the whole one, or
with --minutes a quarter of the time, and a run folder of its own beside the main one's.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamina import tasks, verbs
from lamina.budget import Budget
from lamina.errors import UserError
from lamina.findings import Finding
from lamina.folder import folder_for, read_settings
from lamina.health import forecast
from lamina.health.course import WORTH_SAYING, error_of, unit_of
from lamina.metrics.metric import Metric
from lamina.options import Options
from lamina.repeat import is_same, same_data
from lamina.run import Point
from lamina.settings import Settings

FRACTIONS = (0.125, 0.25, 0.5)
MORE = (2.0, 10.0)  # times the data


def train_first(task: str, data: str, options: Options, settings: dict[str, Any], *,
                watch: Callable[[Point], None], say: Callable[[str], None]) -> Options:
    """Train on the smaller parts; gives the options of the main run, which names its folder.

    The runs lie beside that folder; those that are finished already are kept.
    """
    folder, budget = folder_for(options.run, data), options.budget(tasks.find(task).budget)
    length = (f"{budget.minutes / (len(FRACTIONS) + 1):.3g} minutes each, as long as the main one"
              if budget.minutes else "of as many steps as the main one")
    say(f"{len(FRACTIONS)} trainings on less data come first, {length}")
    chosen = tasks.find(task).Settings.make(settings, what=f"setting of {task}")
    for fraction in FRACTIONS:
        place = folder_of(folder, fraction)
        asked = replace(options, learning_curve=False, repeat=1, run=str(place),
                        fraction=fraction * options.fraction, **shortened(budget, fraction))
        if (place / "settings.json").is_file():
            same(place, task, data, asked, chosen)
        if (place / "report.json").is_file():
            say(f"{place} is finished already and is kept")
        elif (place / "settings.json").is_file():
            verbs.resume(place, watch=watch, say=say)
        else:
            changed = {name: value for name, value in asked.to_json().items()
                       if value != getattr(Options(), name)}
            verbs.train(task, data, watch=watch, say=say, **changed, **settings)
    return replace(options, run=str(folder))


def folder_of(folder: Path, fraction: float) -> Path:
    """Where the training on that fraction lies, beside the folder of the main run."""
    return folder.with_name(f"{folder.name}-{fraction:g}-of-data")


def shortened(budget: Budget, fraction: float) -> dict[str, Any]:
    """The same steps for a part of the data, or an equal share of the minutes."""
    return {"minutes": budget.minutes and budget.minutes / (len(FRACTIONS) + 1),
            "epochs": budget.epochs and budget.epochs / fraction, "steps": budget.steps}


def same(folder: Path, task: str, data: str, asked: Options, chosen: Settings) -> None:
    """UserError if a run was made by another command, or from other data than these are now."""
    if not (is_same(folder, task, asked, chosen) and same_data(task, data, asked, chosen)(
            read_settings(folder)["data"]["fingerprint"])):
        raise UserError(f"{folder} was trained with other settings, steps, data or versions than "
                        "are asked for now; remove it, or give another --run folder")


# ---- what the report says -------------------------------------------------------------------


def section(folder: Path, metric: Metric, document: dict[str, Any], *, seed: int
            ) -> tuple[dict[str, Any] | None, list[Finding]]:
    """What report.json holds under "learning_curve", and whether more data are worth it.

    document: of the main run: its scores and its data. None where no smaller run is finished.
    """
    reports = [(str(place), json.loads((place / "report.json").read_text()))
               for place in (folder_of(folder, fraction) for fraction in FRACTIONS)
               if (place / "report.json").is_file()]
    points = [point(name, report, metric) for name, report in
              [*reports, (str(folder), document)]]
    if len(points) < 2:
        return None, []
    points.sort(key=lambda one: one["examples"])
    more = predicted(points, metric, seed=seed)
    found = {"metric": metric.name, "better": metric.better,
             "unit": unit_of(metric, [one["value"] for one in points]),
             "points": points, "more": more,
             "seconds": sum(report["cost"]["seconds"] for _, report in reports)}
    return found, [advice(points[-1], more[0], metric)] if more else []


def point(run: str, report: dict[str, Any], metric: Metric) -> dict[str, Any]:
    """The chief score of a run and how many examples it learnt from."""
    score = next(score for score in report["scores"] if score["name"] == metric.name)
    return {"run": run, "examples": report["data"]["train"],
            **{key: score[key] for key in ("value", "low", "high")}}


def predicted(points: list[dict[str, Any]], metric: Metric, *, seed: int) -> list[dict[str, Any]]:
    """The score with 2 and 10 times the data, with 95 % bands; empty where it cannot be told."""
    scores = [one["value"] for one in points]
    if any(one[key] is None for one in points for key in ("value", "low", "high")):
        return []
    errors = [error_of(metric, score, scores) for score in scores]
    if None in errors:
        return []
    fitted = forecast.fit([one["examples"] for one in points], errors, seed=seed,
                          deviations=[(one["high"] - one["low"]) / 3.92 for one in points])
    if fitted is None:
        return []
    found = []
    for times in MORE:
        then = fitted.at(times)
        values = (then.value, then.low, then.high) if metric.better == "lower" else \
            (1 - then.value, 1 - then.high, 1 - then.low)
        found.append({"times": times, "examples": round(times * points[-1]["examples"]),
                      **dict(zip(("value", "low", "high"), values, strict=True))})
    return found


def advice(now: dict[str, Any], twice: dict[str, Any], metric: Metric) -> Finding:
    """Whether twice the data would be worth collecting."""
    known = [now["value"], twice["value"]]
    error, then = (error_of(metric, value, known) for value in known)
    evidence = (f"{metric.name} {now['value']:.4g} from {now['examples']:,} examples, about "
                f"{twice['value']:.4g} ({twice['low']:.4g} to {twice['high']:.4g}) from twice as "
                "many")
    if then < (1 - WORTH_SAYING) * error:
        return Finding("hint", "more data would help", evidence, "collect more examples")
    return Finding("hint", "more data of this kind would hardly help", evidence,
                   "look at the errors, at the labels, or at another net instead")
