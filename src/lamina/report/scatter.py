"""Points in two dimensions, told apart by colour and marker: safe HTML with inline SVG."""

from collections.abc import Sequence

from markupsafe import Markup

from lamina.numbers import number
from lamina.report.axis import Axis
from lamina.report.plots import COLOURS, MARKERS, clipped
from lamina.scoring import natural

SIDE, EDGE = 360, 8  # of the square drawing and its margin
MOST_LABELS = COLOURS * len(MARKERS)  # that can be told apart; the rest share the last look


def scatter(points: Sequence[tuple[float, float]], labels: Sequence[str | None],
            named: str) -> Markup:
    """The points, each with its label's look, and a legend with how many there are of each.

    named: what is drawn, for those who cannot see it.
    """
    if not points:
        return Markup('<p class="soft">There is nothing to draw.</p>')
    x, y = (spanning([p[axis] for p in points], start, end)
            for axis, start, end in ((0, EDGE, SIDE - EDGE), (1, SIDE - EDGE, EDGE)))
    names = sorted({label for label in labels if label is not None}, key=natural)
    place = {name: min(index, MOST_LABELS - 1) for index, name in enumerate(names)}
    marks: dict[int, list[str]] = {}
    for (across, up), label in zip(points, labels, strict=True):
        index = place.get(label, 0)
        marks.setdefault(index, []).append(
            MARKERS[index % len(MARKERS)].format(x=x.at(across), y=y.at(up)))
    drawn = "".join(f'<path class="marker {look(index)}" d="{"".join(found)}"/>'
                    for index, found in sorted(marks.items()))
    rows = [Markup('<li><svg class="plot" viewBox="0 0 30 14" aria-hidden="true"><path '
                   'class="marker {}" d="{}"/></svg><bdi title="{}">{}</bdi><b>{}</b></li>').format(
                look(index), MARKERS[index % len(MARKERS)].format(x=15, y=7), clipped(name),
                clipped(name), number(sum(label == name for label in labels)))
            for name, index in place.items()]
    return Markup('<div class="lines"><svg class="plot" viewBox="0 0 {} {}" role="img" aria-label='
                  '"{}">{}</svg>{}</div>').format(
        SIDE, SIDE, f"{named}: {len(points):,} points", Markup(drawn),
        Markup('<ul class="legend">{}</ul>').format(Markup("").join(rows)) if rows else "")


def spanning(values: Sequence[float], start: float, end: float) -> Axis:
    """An axis from the least to the greatest of the values."""
    low, high = min(values), max(values)
    return Axis(low, high if high > low else low + 1, start, end, ())


def look(index: int) -> str:
    """The class of a label's colour: of neighbouring labels neither colour nor marker is equal."""
    return f"c{index % COLOURS}"
