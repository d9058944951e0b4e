"""Small charts as inline SVG.

The page's style sheet gives the colours; a chart only names its parts by class.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy

from lamina.numbers import decimals, number
from lamina.report.axis import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    along,
    log_ticks,
    shortened,
    ticks,
)
from lamina.report.plots import Line, bars, intervals, lines
from lamina.report.scatter import scatter

__all__ = ["Axis", "Line", "along", "bars", "confusion", "curve", "interval", "intervals", "lines",
           "log_ticks", "scatter", "shortened", "ticks"]

LARGEST_MATRIX = 20  # labels of a confusion matrix that is drawn whole
LARGEST_COUNT = 120  # points of a drawn curve; more are drawn as mean and range


def buckets(points: Sequence[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    """(x, mean, lowest, highest) of neighbouring points, at most LARGEST_COUNT of them."""
    size = math.ceil(len(points) / LARGEST_COUNT)
    groups = [points[start:start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group),
             min(y for _, y in group), max(y for _, y in group)) for group in groups]


def curve(points: Sequence[tuple[float, float]], *, name: str, unit: str = "",
          log: bool = False) -> str:
    """The curve of (step, value) points, its last value written at its end."""
    unit = unit if unit == "fraction" else ""  # others would not fit beside the curve
    drawn = buckets(points)
    lowest, highest = min(b[2] for b in drawn), max(b[3] for b in drawn)
    steps = max(drawn[-1][0], 1)
    whole = [tick for tick in ticks(0, steps, 3) if tick <= steps and tick == int(tick)]
    across = Axis(0, steps, LEFT, WIDTH - RIGHT, whole)
    up = along(lowest, highest, HEIGHT - BOTTOM, TOP, log)
    last = number(drawn[-1][1], decimals(drawn[-1][1] if log else highest - lowest, 3), unit)
    parts = [f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="'
             f'{escape(name)}: {last} at step {steps:,.0f}; between '
             f'{number(lowest, 4, unit)} and {number(highest, 4, unit)}">']
    for y, text in up.labels(unit):
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
                     f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{text}</text>')
    for x, text in across.labels():
        parts.append(f'<text x="{x}" y="{HEIGHT - 8}" text-anchor="middle">{text}</text>')
    if len(drawn) < len(points):
        upper = [f"{across.at(x)} {up.at(top)}" for x, _, _, top in drawn]
        lower = [f"{across.at(x)} {up.at(bottom)}" for x, _, bottom, _ in reversed(drawn)]
        parts.append(f'<path class="range" d="M{"L".join(upper + lower)}Z"/>')
    line = "L".join(f"{across.at(x)} {up.at(y)}" for x, y, _, _ in drawn)
    x, y = across.at(drawn[-1][0]), up.at(drawn[-1][1])
    parts.append(f'<path class="line" d="M{line}"/><circle class="dot" cx="{x}" cy="{y}" r="3.5"/>'
                 f'<text class="last" x="{x + 8}" y="{y + 4}">{last}</text></svg>')
    return "".join(parts)


def interval(axis: Axis, value: float, low: float | None, high: float | None) -> str:
    """A score as a dot on its interval, stretched to the width of its box; axis 0 to 100."""
    span = "" if low is None or high is None else \
        f'<path class="span" d="M{axis.at(low)} 8H{axis.at(high)}"/>'
    return ('<svg class="interval" viewBox="0 0 100 16" preserveAspectRatio="none" '
            f'aria-hidden="true"><path class="track" d="M0 8H100"/>{span}'
            f'<path class="mark" d="M{axis.at(value)} 8h.001"/></svg>')


def confusion(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """The cells of the heat table, and the pairs that were taken for one another most."""
    if not given:
        return None
    labels, counts = list(map(str, given["labels"])), numpy.array(given["counts"])
    shares = counts / numpy.maximum(counts.sum(1, keepdims=True), 1)
    pairs = [(counts[i, j], i, j) for i, j in numpy.argwhere(counts) if i != j]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    whole = len(labels) <= LARGEST_MATRIX
    rows = [(labels[i], [
        {"count": int(counts[i, j]), "right": i == j,
         "heat": f"{shares[i, j] ** (1 if i == j else 1 / 3):.3f}",
         "title": f"{labels[i]} answered as {labels[j]}: {counts[i, j]:,} ({shares[i, j]:.1%})"}
        for j in range(len(labels))]) for i in range(len(labels))] if whole else []
    named = [{"true": labels[i], "answered": labels[j], "count": int(times),
              "share": number(shares[i, j], 3, "fraction")}
             for times, i, j in pairs[:3 if whole else 15]]
    return {"labels": labels, "rows": rows, "pairs": named,
            "upright": len(labels) * max(map(len, labels)) > 60}
