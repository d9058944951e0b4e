"""An answer that says how strange an example is, whether that is worth an alarm, and why."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy
from torch import Tensor

from lamina import storage
from lamina.answers import Answer
from lamina.learning import Batch
from lamina.media import image
from lamina.media.series import Calendar
from lamina.medium import Medium, Rows, SeriesWindows
from lamina.nets.anomaly import Strangeness

NAMED = 3  # values that a line names
LISTED = 10  # in JSON and on pages
WIDTH = 176  # pixels of a picture on a page
CELLS = 8  # of a side of a picture, of which the strangest are named


class Part(NamedTuple):
    """One value of an example: what it is, what was expected, its share of the score, 0 to 1."""

    name: str
    value: Any
    expected: Any
    share: float

    def __str__(self) -> str:
        if self.value is None and self.expected is None:
            return f"{self.name} ({self.share:.0%})"
        value, expected = ("nothing" if one is None else f"{one:.5g}" if isinstance(one, float)
                           else str(one) for one in (self.value, self.expected))
        return f"{self.name} is {value}, expected {expected} ({self.share:.0%})"

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


@dataclass(frozen=True, slots=True)
class Anomaly(Answer):
    """A score with what deviates.

    score: higher is stranger. threshold: above it is an alarm. rarity: the share of the held-out
        examples that are as strange, so the alarm rate from which on this one alarms.
    parts: columns, steps of a window or places of a picture, the one with the largest share first.
    pixels, heat: of a picture, uint8 (height, width, channels), and what each pixel adds, (height,
        width). steps: of a window, in order.
    """

    score: float
    threshold: float
    rarity: float
    parts: Sequence[Part] = field(repr=False)
    pixels: numpy.ndarray | None = field(default=None, repr=False)
    heat: numpy.ndarray | None = field(default=None, repr=False)
    steps: Sequence[Part] = field(default=(), repr=False)
    kind: ClassVar[str] = "anomaly"

    @property
    def alarm(self) -> bool:
        """Whether the score is above the threshold."""
        return self.score > self.threshold

    def line(self) -> str:
        said = f"{'ALARM' if self.alarm else 'usual'}  score {self.score:.4g} (threshold " \
               f"{self.threshold:.4g}; {self.rarity:.1%} are as strange)"
        named = "; ".join(map(str, self.parts[:NAMED]))
        return f"{said}  {named}" if named else said

    def to_json(self) -> dict[str, Any]:
        drawn = {} if self.pixels is None else {
            "width": self.pixels.shape[1], "height": self.pixels.shape[0],
            "png": base64.b64encode(image.png(self.overlay())).decode()}
        steps = {"steps": [part.to_json() for part in self.steps]} if self.steps else {}
        return {"kind": self.kind, "alarm": self.alarm, "score": self.score,
                "threshold": self.threshold, "rarity": self.rarity,
                "deviations": [part.to_json() for part in self.parts[:LISTED]], **steps, **drawn}

    def overlay(self) -> numpy.ndarray:
        """The heat over the picture: uint8 (height, width, 3)."""
        from lamina.explanations.pictures import overlay

        return overlay(self.pixels, self.heat)

    def html(self) -> str:
        said = f"<b>{'alarm' if self.alarm else 'usual'}</b> <small>score {self.score:.4g}, " \
               f"threshold {self.threshold:.4g}; {self.rarity:.1%} are as strange</small>"
        return said + self.drawing()

    def drawing(self) -> str:
        """What deviates: heat over a picture, a window beside what was expected, or columns."""
        if self.pixels is not None:
            return "<br>" + image.html(self.overlay(), width=WIDTH,
                                       alternative="where the picture deviates")
        if not self.steps:
            rows = "".join(f"<li><small>{html.escape(str(part))}</small></li>"
                           for part in self.parts[:LISTED] if part.share >= 0.005)
            return f"<ul>{rows}</ul>"
        from lamina.report import chart

        found = [chart.Line(name, [(place, getattr(part, of)) for place, part in
                                   enumerate(self.steps)])
                 for name, of in (("is", "value"), ("expected", "expected"))]
        return str(chart.lines(found, across="steps", up="value")) + "<small>most at " \
            + html.escape("; ".join(map(str, self.parts[:NAMED]))) + "</small>"

    def save(self, path: Path) -> None:
        """Write .html, the drawing, .png, a picture's heat, or .json."""
        if path.suffix.lower() == ".png" and self.pixels is not None:
            storage.write(path, image.png(self.overlay()))
        elif path.suffix == ".html":
            from lamina.explanations.explanation import page

            storage.write(path, page("anomaly", self.html()).encode())
        else:
            Answer.save(self, path)


# ---- from what a net says -----------------------------------------------------------------------

def parts(medium: Medium, batch: Batch, values: Tensor, found: Strangeness) -> list[dict[str, Any]]:
    """Of each example the arguments of an Anomaly that say what deviates."""
    whole = found.score.clamp(min=1e-12).reshape(-1, *[1] * (values.ndim - 1))
    shares = (found.shares / whole).double().cpu().numpy()
    shown, expected = medium.shown(values, batch), medium.shown(found.expected, batch)
    if medium.kind == "images":
        return [{"parts": places(heat), "pixels": pixels, "heat": heat}
                for heat, pixels in zip(shares.sum(1), shown, strict=True)]
    if medium.kind == "rows":
        return [{"parts": columns_of(medium, *one)}
                for one in zip(shares, shown, expected, strict=True)]
    steps = [steps_of(medium, *one) for one in zip(
        batch["origin"].tolist(), shares[:, 0], shown, expected, strict=True)]
    return [{"parts": ranked(some), "steps": some} for some in steps]


def ranked(some: Sequence[Part]) -> list[Part]:
    """Those with the largest shares first."""
    return sorted(some, key=lambda part: -part.share)


def columns_of(medium: Rows, shares: numpy.ndarray, row: dict[str, Any],
               expected: dict[str, Any]) -> list[Part]:
    """The columns of a row; a column of several values has their shares together."""
    summed = dict.fromkeys(row, 0.0)
    for name, share in zip(medium.names, shares.tolist(), strict=True):
        summed[name] += share
    return ranked([Part(name, row[name], expected[name], share) for name, share in summed.items()])


def steps_of(medium: SeriesWindows, origin: tuple[float, float], shares: numpy.ndarray,
             values: Sequence[float], expected: Sequence[float]) -> list[Part]:
    """The steps of a window, in order; origin: the place of the first, and a time of its series."""
    first, start = origin
    calendar = medium.calendar if start == start else Calendar("order")  # NaN: a mere list
    return [Part(calendar.moment(int(first) + step, start), *of) for step, of in enumerate(
        zip(values, expected, shares.tolist(), strict=True))]


def places(heat: numpy.ndarray) -> list[Part]:
    """Cells of a picture, in pixels from its upper left corner."""
    rows, columns = (numpy.linspace(0, side, min(CELLS, side) + 1).astype(int)
                     for side in heat.shape)
    return ranked([Part(f"{left} to {right} across, {top} to {bottom} down", None, None,
                        float(heat[top:bottom, left:right].sum()))
                   for top, bottom in zip(rows, rows[1:], strict=False)
                   for left, right in zip(columns, columns[1:], strict=False)])
