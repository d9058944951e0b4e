"""An answer that says what an example is to a net: its code, and what the code gives back."""

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy

from lamina import storage
from lamina.answers import Answer
from lamina.media import image

SHOWN = 6  # numbers of a code on a terminal
SIDE, GAP = 256, 8  # pixels of the longer side of a saved picture, and between the two


@dataclass(frozen=True, slots=True)
class Reconstruction(Answer):
    """code: its numbers. error: mean squared, per value, of what it gives back.

    given, made: the example and what the code gives back: pixels, uint8 (height, width, channels),
    a row by column, or the numbers of a window, None in gaps.
    """

    code: list[float]
    error: float
    given: Any = field(repr=False)
    made: Any = field(repr=False)
    kind: ClassVar[str] = "reconstruction"

    def line(self) -> str:
        more = f" … ({len(self.code)} numbers)" if len(self.code) > SHOWN else ""
        return "code  " + "  ".join(f"{number:.3g}" for number in self.code[:SHOWN]) + more + \
            f"  mean squared error {self.error:.4g}"

    def to_json(self) -> dict[str, Any]:
        made = self.made
        if isinstance(made, numpy.ndarray):
            made = {"png": base64.b64encode(image.png(made)).decode()}
        return {"kind": self.kind, "code": self.code, "error": self.error, "reconstruction": made}

    def html(self) -> str:
        if isinstance(self.made, numpy.ndarray):
            drawn = image.html(self.made, alternative="what the code gives back")
        elif isinstance(self.made, dict):
            rows = ((name, self.given[name], made) for name, made in self.made.items())
            cells = "".join(f'<tr><th scope="row">{html.escape(name)}</th>' + "".join(
                f"<td>{html.escape('–' if text is None else str(text))}</td>" for text in two)
                + "</tr>" for name, *two in rows)
            drawn = '<table class="row"><tr><th>column</th><th>given</th><th>given back</th></tr>' \
                    f"{cells}</table>"
        else:
            from lamina.report import chart

            drawn = str(chart.lines([
                chart.Line("given", list(enumerate(self.given))),
                chart.Line("given back", list(enumerate(self.made)))], across="steps", up="value"))
        return f"{drawn}<small>mean squared error {self.error:.4g}</small>"

    def save(self, path: Path) -> None:
        """Write .png, the pictures side by side, .html, the drawing, or .json."""
        if path.suffix == ".html":
            from lamina.explanations.explanation import page

            given = image.html(self.given, alternative="what was given") \
                if isinstance(self.made, numpy.ndarray) else ""
            storage.write(path, page("reconstruction", given + self.html()).encode())
        elif path.suffix == ".png" and isinstance(self.made, numpy.ndarray):
            scale = max(1, SIDE // max(self.made.shape[:2]))
            given, made = (pixels.repeat(scale, axis=0).repeat(scale, axis=1)
                           for pixels in (self.given, self.made))
            gap = numpy.full((len(given), GAP, given.shape[2]), 255, numpy.uint8)
            storage.write(path, image.png(numpy.concatenate([given, gap, made], axis=1)))
        else:
            Answer.save(self, path)
