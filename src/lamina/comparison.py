"""Two runs on the same test examples: is the difference real?"""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from lamina import scoring, tasks
from lamina.errors import UserError
from lamina.folder import read_settings
from lamina.judge import ROWS


def compared(runs: list[Path]) -> list[dict[str, Any]]:
    """For each run after the first and each score: both values, the difference, a sentence.

    UserError: the runs were not judged on the same test examples.
    """
    first = read_settings(runs[0])
    kind = tasks.find(first["task"])
    task = kind(kind.Settings.make(first["settings"]),
                kind.Facts.make(first["facts"], what="fact"))
    before = rows_of(runs[0])
    found = []
    for other in runs[1:]:
        settings = read_settings(other)
        if settings["task"] != first["task"]:
            raise UserError(f"{other} is a run of {settings['task']}, {runs[0]} of "
                            f"{first['task']}; compare runs of one task")
        if settings["data"]["fingerprint"] != first["data"]["fingerprint"]:
            raise UserError(f"{other} and {runs[0]} were not judged on the same data; train both "
                            "on the same data set with the same --seed of the split")
        after = rows_of(other)
        for metric in task.metrics:
            if metric.name in before and metric.name in after:
                found.append(one(metric, before[metric.name], after[metric.name],
                                 runs[0].name, other.name, len(before[metric.name])))
    return found


def one(metric: Any, before: Any, after: Any, first: str, second: str, n: int) -> dict[str, Any]:
    """The paired difference of one score, and what it means in words."""
    value, low, high = scoring.paired(metric, before, after, seed=0)
    better = high < 0 if metric.better == "lower" else low > 0
    worse = low > 0 if metric.better == "lower" else high < 0
    verdict = "better" if better else "worse" if worse else "not distinguishable"
    than = f"than {first}" if better or worse else f"from {first}"
    sentence = (f"{second} is {verdict} {than} in {metric.name}: {value:+.4g}, "
                f"95 % interval {low:+.4g} to {high:+.4g}, n = {n:,}")
    return {"metric": metric.name, "first": first, "second": second,
            "first_value": metric.score(before), "second_value": metric.score(after),
            "difference": value, "low": low, "high": high, "n": n, "verdict": verdict,
            "sentence": sentence}


def rows_of(run: Path) -> dict[str, Any]:
    """What each test example contributed to each score of a run."""
    path = run / ROWS
    if not path.is_file():
        raise UserError(f"{run} was not judged yet; lamina resume {run} finishes it")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as reason:
        raise UserError(f"{path} is damaged ({reason}); lamina resume {run} writes it anew"
                        ) from None
