"""Several curves with their bands, intervals on one axis, and bars: safe HTML with inline SVG.

Text stands beside the drawings at its own size, so that it stays readable on a phone; curves are
told apart by colour, dashes and markers alike.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from lamina.numbers import decimals, number
from lamina.report.axis import Axis, along, log_ticks, ticks

WIDTH, HEIGHT = 360, 232
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 24, 38
LARGEST_LINES = 12  # drawn; the rest is counted
LARGEST_ROWS = 12  # shown at once; the rest is folded
LARGEST_FOLDED = 200  # rows behind the fold; the rest is counted
LONGEST_NAME = 200  # characters
MARKED = 24  # points of a curve that all get a marker; of more, about eight do
COLOURS, DASHES = 6, ("", "7 3", "2 3", "9 3 2 3")
MARKERS = ("M{x} {y}m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0",
           "M{x} {y}m-3 -3h6v6h-6z", "M{x} {y}m0 -4l4 7h-8z", "M{x} {y}m0 -4.4l4.4 4.4l-4.4 4.4"
           "l-4.4-4.4z", "M{x} {y}m0 4l4-7h-8z")


@dataclass(frozen=True, slots=True)
class Line:
    """A curve through (x, y) points; low and high, as long as the points, bound its band."""

    name: str
    points: Sequence[tuple[float, float]]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None


def lines(given: Sequence[Line], *, across: str, up: str, unit: str = "", log_across: bool = False,
          diagonal: bool = False, low: float | None = None, high: float | None = None) -> Markup:
    """Curves on common axes; where there are several, a legend gives the last value of each.

    across, up: what the axes show. unit: of `up`; "fraction" is shown as per cent.
    diagonal: draw where both axes are equal; they then have the same ends.
    low, high: ends of the axis `up`; default those of the data.
    """
    kept = [(line.name, finite(line, log_across)) for line in given]
    kept = [(name, points) for name, points in kept if points]
    drawn = kept[:LARGEST_LINES]
    if not drawn:
        return Markup('<p class="soft">There is nothing to draw.</p>')
    axes = both_axes([p for _, points in drawn for p in points], log_across, diagonal, low, high)
    ups = [y for _, points in drawn for _, *ys in points for y in ys]
    places = decimals(max(ups) - min(ups) or abs(ups[0]), 3)
    ends = [(name, points[-1][0], number(points[-1][1], places, unit)) for name, points in drawn]
    told = "; ".join(f"{clipped(name)}: {value} at {x:g}" for name, x, value in ends)
    parts = [Markup('<div class="lines"><svg class="plot" viewBox="0 0 {} {}" role="img" '
                    'aria-label="{}">').format(WIDTH, HEIGHT, f"{up} against {across}. {told}"),
             frame(*axes, across, up, unit)]
    if diagonal:
        x, y = axes
        ends_of = max(x.low, y.low), min(x.high, y.high)
        parts.append(Markup('<path class="diagonal" d="M{} {}L{} {}"/>').format(
            x.at(ends_of[0]), y.at(ends_of[0]), x.at(ends_of[1]), y.at(ends_of[1])))
    parts += [curve(index, points, *axes) for index, (_, points) in enumerate(drawn)]
    parts.append(Markup("</svg>"))
    if len(kept) > 1:
        parts.append(legend(ends, len(kept) - len(drawn)))
    return Markup("").join([*parts, Markup("</div>")])


def finite(line: Line, log_across: bool) -> list[tuple[float, float, float, float]]:
    """The (x, y, low, high) that can be drawn, from left to right; y where there is no band."""
    found = []
    for index, (x, y) in enumerate(line.points):
        ends = [y if side is None or index >= len(side) or not drawable(side[index])
                else side[index] for side in (line.low, line.high)]
        if drawable(x) and drawable(y) and (x > 0 or not log_across):
            found.append((float(x), float(y), float(ends[0]), float(ends[1])))
    return sorted(found)


def drawable(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def both_axes(points: Sequence[tuple[float, ...]], log_across: bool, diagonal: bool,
              low: float | None, high: float | None) -> tuple[Axis, Axis]:
    """The axes across and up, with the given ends of `up`."""
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    bottom = min(min(p[1:]) for p in points) if low is None else low
    top = max(max(p[1:]) for p in points) if high is None else high
    if diagonal:
        left = bottom = low if low is not None else min(left, bottom)
        right = top = high if high is not None else max(right, top)
    start, end = LEFT, WIDTH - RIGHT
    if log_across:
        rungs = log_ticks(left, right * (1 if right > left else 2))
        x = Axis(min(left, rungs[0]), max(right, rungs[-1]), start, end, rungs, log=True)
    else:
        x = bounded(left, right, start, end, fixed=diagonal)
    return x, bounded(bottom, top, HEIGHT - BOTTOM, TOP, fixed=low is not None or high is not None)


def bounded(low: float, high: float, start: float, end: float, *, fixed: bool) -> Axis:
    """An axis whose ends are round numbers, or the given ones."""
    if not fixed or high <= low:
        return along(low, high, start, end)
    rungs = [rung for rung in ticks(low, high) if low - 1e-9 <= rung <= high + 1e-9]
    return Axis(low, high, start, end, rungs) if rungs else along(low, high, start, end)


def frame(x: Axis, y: Axis, across: str, up: str, unit: str) -> Markup:
    """Grid, numbers and titles of the axes."""
    parts = [Markup('<path class="grid" d="M{} {}H{}"/><text x="{}" y="{}" text-anchor="end">{}'
                    '</text>').format(LEFT, place, WIDTH - RIGHT, LEFT - 6, place + 4, text)
             for place, text in y.labels(unit)]
    labels = [label for label in x.labels() if LEFT - 1 <= label[0] <= WIDTH - RIGHT + 1]
    every = math.ceil(len(labels) / 6)
    parts += [Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
        place, HEIGHT - BOTTOM + 16, "end" if place > WIDTH - RIGHT - 8 else "middle", text)
        for place, text in labels[::every]]
    parts.append(Markup('<text class="title" x="{}" y="{}" text-anchor="end">{}</text>').format(
        WIDTH - RIGHT, HEIGHT - 5, clipped(across, 44)))
    parts.append(Markup('<text class="title" x="0" y="11">{}</text>').format(clipped(up, 52)))
    return Markup("").join(parts)


def curve(index: int, points: Sequence[tuple[float, float, float, float]], x: Axis,
          y: Axis) -> Markup:
    """A line, its band and its markers."""
    def inside(value: float) -> float:
        return y.at(min(max(value, y.low), y.high))

    colour, dash = f"c{index % COLOURS}", DASHES[index % len(DASHES)]
    parts = []
    if len(points) > 1 and any(low < high for _, _, low, high in points):
        edge = [f"{x.at(p[0])} {inside(p[3])}" for p in points]
        edge += [f"{x.at(p[0])} {inside(p[2])}" for p in reversed(points)]
        parts.append(f'<path class="band {colour}" d="M{"L".join(edge)}Z"/>')
    elif points[0][2] < points[0][3]:
        place = x.at(points[0][0])
        parts.append(f'<path class="stroke {colour}" d="M{place} {inside(points[0][2])}V'
                     f'{inside(points[0][3])}"/>')
    if len(points) > 1:
        path = "L".join(f"{x.at(p[0])} {inside(p[1])}" for p in points)
        parts.append(f'<path class="stroke {colour}" stroke-dasharray="{dash}" d="M{path}"/>')
    every = 1 if len(points) <= MARKED else math.ceil(len(points) / 8)
    marker = MARKERS[index % len(MARKERS)]
    marks = "".join(marker.format(x=x.at(p[0]), y=inside(p[1])) for p in points[::-1][::every])
    parts.append(f'<path class="marker {colour}" d="{marks}"/>')
    return Markup("".join(parts))  # numbers and our own words alone


def legend(ends: Sequence[tuple[str, float, str]], left_out: int) -> Markup:
    """Each curve's stroke, marker and name with its last value."""
    rows = []
    for index, (name, _, value) in enumerate(ends):
        colour, dash = f"c{index % COLOURS}", DASHES[index % len(DASHES)]
        marker = MARKERS[index % len(MARKERS)].format(x=15, y=7)
        rows.append(Markup(
            '<li><svg class="plot" viewBox="0 0 30 14" aria-hidden="true"><path class="stroke {}" '
            'stroke-dasharray="{}" d="M1 7H29"/><path class="marker {}" d="{}"/></svg>'
            '<bdi title="{}">{}</bdi><b>{}</b></li>').format(
                colour, dash, colour, marker, clipped(name), clipped(name), value))
    if left_out:
        rows.append(Markup("<li>and {} more</li>").format(number(left_out)))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(rows))


# ---- rows -----------------------------------------------------------------------------------


def intervals(given: Sequence[tuple[str, float | None, float | None, float | None]],
              unit: str = "") -> Markup:
    """A dot on its interval for each (name, value, low, high), all on one axis."""
    known = [value for _, *values in given for value in values if drawable(value)]
    if not known:
        return Markup('<p class="soft">There is nothing to draw.</p>')
    axis = along(min(known), max(known), 0, 100)
    widths = [high - low for _, _, low, high in given
              if drawable(low) and drawable(high) and high > low]
    spread = max(known) - min(known) or abs(known[0])
    places = decimals(median(widths)) if widths else decimals(spread, 3)

    def row(one: tuple) -> Markup:
        name, value, low, high = one
        sure = drawable(low) and drawable(high)
        ends = f"{number(low, places)} to {number(high, places, unit)}" if sure else ""
        if sure and unit == "fraction":
            ends = f"{number(100 * low, max(0, places - 2))} to {number(high, places, unit)}"
        span = f'<path class="span" d="M{axis.at(low)} 8H{axis.at(high)}"/>' if sure else ""
        mark = f'<path class="mark" d="M{axis.at(value)} 8h.001"/>' if drawable(value) else ""
        return drawn_row(name, number(value, places, unit), ends, span + mark)

    return folded(given, row, axis, unit)


def bars(given: Sequence[tuple[str, float | None]], unit: str = "") -> Markup:
    """A horizontal bar from zero for each (name, value), to the left where it is negative."""
    known = [value for _, value in given if drawable(value)]
    if not known:
        return Markup('<p class="soft">There is nothing to draw.</p>')
    axis = along(min([0.0, *known]), max([0.0, *known]), 0, 100)
    places = decimals(max(map(abs, known)), 3)

    def row(one: tuple) -> Markup:
        name, value = one
        sign = " negative" if drawable(value) and value < 0 else ""
        bar = f'<path class="bar{sign}" d="M{axis.at(0)} 8H{axis.at(value)}"/>' \
            if drawable(value) else ""
        return drawn_row(name, number(value, places, unit), "",
                         f'{bar}<path class="zero" d="M{axis.at(0)} 0V16"/>')

    return folded(given, row, axis, unit)


def drawn_row(name: str, value: str, ends: str, inside: str) -> Markup:
    """A name, its drawing on the common axis, and its value; `inside` holds numbers alone."""
    return Markup('<li><bdi title="{}">{}</bdi><svg class="interval" viewBox="0 0 100 16" '
                  'preserveAspectRatio="none" aria-hidden="true"><path class="track" '
                  'd="M0 8H100"/>{}</svg><span class="value"><b>{}</b>{}</span></li>').format(
        clipped(name), clipped(name), Markup(inside), value,
        Markup(" <small>{}</small>").format(ends) if ends else "")


def folded(given: Sequence[tuple], row: Callable[[tuple], Markup], axis: Axis, unit: str) -> Markup:
    """The rows above their axis; where they are many, most of them are folded."""
    shown, more = given[:LARGEST_ROWS], given[LARGEST_ROWS:]
    if len(more) < 3:
        shown, more = given, ()
    labels = axis.labels(unit)
    texts = Markup("").join(  # moved left by their own place, so that none leaves the axis
        Markup('<span style="left:{0}%;transform:translateX(-{0}%)">{1}</span>').format(place, text)
        for place, text in labels[::math.ceil(len(labels) / 4)])
    scale = Markup('<li class="scale" aria-hidden="true"><span class="axis">{}</span></li>').format(
        texts)

    def listed(rows: Sequence[tuple]) -> Markup:
        return Markup('<ul class="rows">{}{}</ul>').format(Markup("").join(map(row, rows)), scale)

    if not more:
        return listed(shown)
    rest = more[:LARGEST_FOLDED]
    words = f"and {number(len(more))} more" + (
        f", {number(len(rest))} of them here" if len(rest) < len(more) else "")
    return Markup("{}<details><summary>{}</summary>{}</details>").format(
        listed(shown), words, listed(rest))


def clipped(text: object, length: int = LONGEST_NAME) -> str:
    """The beginning of a long text."""
    words = str(text)
    return words if len(words) <= length else words[:length - 1] + "\N{HORIZONTAL ELLIPSIS}"
