"""The answer of a detector: boxes with labels, drawn on the picture."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy

from lamina.answers import Answer
from lamina.media import image, outlines
from lamina.media.boxes import Box, Boxes
from lamina.media.outlines import COLOURS, TRUE, Outline


@dataclass(frozen=True, slots=True)
class Detections(Answer):
    """Boxes in pixels of the picture, with a label and a score from 0 to 1 each, surest first.

    size: (height, width) of the picture. pixels: the picture as the net saw it, uint8 (height,
        width, channels); what is drawn is enlarged to `size`.
    names: all labels there are, so that each keeps its colour.
    truth: what is in the picture, None where that is not known.
    """

    boxes: list[Box]
    labels: list[str]
    scores: list[float]
    size: tuple[int, int]
    names: tuple[str, ...] = field(repr=False)
    pixels: numpy.ndarray = field(repr=False)
    truth: Boxes | None = field(default=None, repr=False)
    kind: ClassVar[str] = "boxes"

    def line(self) -> str:
        if not self.boxes:
            return "no box"
        surest = {label: max(score for one, score in zip(self.labels, self.scores, strict=True)
                             if one == label) for label in self.labels}
        return ", ".join(f"{count} {label} (up to {surest[label]:.0%})"
                         for label, count in Counter(self.labels).most_common())

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "width": self.size[1], "height": self.size[0],
                "boxes": [{"label": label, "score": score, "box": [round(side, 2) for side in box]}
                          for box, label, score in zip(self.boxes, self.labels, self.scores,
                                                       strict=True)]}

    def outlines(self) -> list[Outline]:
        """What was found, and dashed in white what is there."""
        colour = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(self.names)}
        true = self.truth.boxes if self.truth else ()
        return [*(Outline(box, "", TRUE, dashed=True) for box in true),
                *(Outline(box, f"{label} {score:.0%}", colour[label]) for box, label, score in
                  zip(self.boxes, self.labels, self.scores, strict=True))]

    def html(self) -> str:
        known = "" if self.truth is None else "<br><small>dashed: what is there</small>"
        return outlines.svg(self.pixels, self.size, self.outlines(),
                            alternative=f"boxes: {self.line()}") + known

    def save(self, path: Path) -> None:
        """Write .png, .jpg or .webp, the picture with the boxes, .svg, .html or .json."""
        suffix = path.suffix.lower()
        if suffix in (".png", ".jpg", ".jpeg", ".webp"):
            image.save(outlines.drawn(self.pixels, self.size, self.outlines()), path)
        elif suffix == ".svg":
            path.write_text(outlines.svg(self.pixels, self.size, self.outlines()))
        elif suffix == ".html":
            from lamina.explanations.explanation import page

            path.write_text(page(path.stem, self.html()))
        else:
            Answer.save(self, path)
