"""An answer that says what is where in a picture."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy

from lamina import storage
from lamina.answers import Answer
from lamina.media import image, masks

WIDTH = 256  # pixels of the picture on a page


@dataclass(frozen=True, slots=True)
class Mask(Answer):
    """A class for each pixel, and perhaps the object that it is of.

    pixels: the picture, uint8 (height, width, channels), perhaps scaled down.
    classes: the place of each pixel's class, (height, width). names, values: of the classes, in
        words and in masks.
    objects: the number of each pixel's object from 1 on, 0 for none; None where none are told.
    size: (height, width) of the picture itself, which files are written in.
    """

    pixels: numpy.ndarray = field(repr=False)
    classes: numpy.ndarray = field(repr=False)
    names: Sequence[str]
    values: Sequence[int]
    size: tuple[int, int]
    objects: numpy.ndarray | None = field(default=None, repr=False)
    kind: ClassVar[str] = "mask"

    @property
    def probabilities(self) -> dict[str, float]:
        """The share of the pixels that each class has."""
        counts = numpy.bincount(self.classes.ravel(), minlength=len(self.names))
        return dict(zip(self.names, (counts / self.classes.size).tolist(), strict=True))

    @property
    def label(self) -> str:
        """The class of most pixels among all but the first, if it has any."""
        shares = self.probabilities
        return max(self.names[1:], key=shares.get)

    @property
    def numbers(self) -> numpy.ndarray:
        """What a mask file holds: objects where they are told, else the classes' values."""
        shown = numpy.array(self.values)[self.classes] if self.objects is None else self.objects
        return masks.scaled(shown, *self.size)

    def line(self) -> str:
        shares = sorted(self.probabilities.items(), key=lambda pair: -pair[1])
        told = ", ".join(f"{name}  {share:.1%}" for name, share in shares if share > 0)
        return told if self.objects is None else f"{told}; {self.objects.max():,} objects"

    def to_json(self) -> dict[str, Any]:
        counted = {} if self.objects is None else {"objects": int(self.objects.max())}
        return {"kind": self.kind, "width": self.size[1], "height": self.size[0],
                "shares": self.probabilities, **counted,
                "png": base64.b64encode(masks.png(self.numbers)).decode()}

    def html(self) -> str:
        shown = self.classes if self.objects is None else self.objects
        drawn = image.html(masks.over(self.pixels, shown), width=WIDTH,
                           alternative=f"the mask over the picture: {self.line()}")
        colours = masks.colours(numpy.arange(len(self.names))).tolist()
        shares = self.probabilities
        legend = " ".join(
            f'<span style="border-bottom:3px solid rgb{tuple(colour)}">{html.escape(name)}</span> '
            f"{shares[name]:.1%}" for name, colour in zip(self.names, colours, strict=True)
            if shares[name]) if self.objects is None else html.escape(self.line())
        return f"{drawn}<br><small>{legend}</small>"

    def save(self, path: Path) -> None:
        """Write .png, the mask as it is given to learn from, .html, the drawing, or .json."""
        if path.suffix.lower() == ".png":
            storage.write(path, masks.png(self.numbers))
        elif path.suffix == ".html":
            from lamina.explanations.explanation import page

            storage.write(path, page("mask", self.html()).encode())
        else:
            Answer.save(self, path)
