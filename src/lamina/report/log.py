"""The curves of a training, from the lines of its log."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lamina.report import chart
from lamina.report.scores import unit_of

Document = dict[str, Any]


def read_log(path: Path) -> list[dict]:
    """The lines of a log.jsonl; a line that a crash cut short is left out."""
    lines = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines


def curves(document: Document, log: Sequence[dict]) -> list[Document]:
    """One chart for each validation score and each loss, of each phase of training."""
    units = {score["name"]: unit_of(score) for score in document["scores"]}
    series: dict[tuple[str, str, str], dict[float, float]] = {}
    for kind in ("scores", "losses"):
        for line in log:
            for name, value in (line.get(kind) or {}).items():
                if value is not None and math.isfinite(value):
                    key = kind, name, line.get("phase", "")
                    series.setdefault(key, {})[line["step"]] = value  # a repeated step counts once
    phases = {phase for _, _, phase in series}
    found = []
    for (kind, name, phase), values in series.items():
        points = sorted(values.items())
        lowest, highest = min(values.values()), max(values.values())
        log_axis = kind == "losses" and lowest > 0 and highest > 20 * lowest
        title = name if kind == "losses" else f"{name}, validation"
        notes = ([phase] if len(phases) > 1 else []) + ["log axis"] * log_axis
        found.append({"name": title, "note": ", ".join(notes), "drawn": Markup(chart.curve(
            points, name=title, unit=units.get(name, "") if kind == "scores" else "",
            log=log_axis))})
    return found
