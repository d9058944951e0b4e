"""The kinds of answer, each with its JSON, its terminal line, its HTML and its file.

A task returns answers; nothing else in the package asks which task it is.
"""

import base64
import html
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy

from lamina.errors import UserError
from lamina.media import image


class Answer(ABC):
    """What a model says about one example."""

    kind: ClassVar[str]

    @abstractmethod
    def line(self) -> str:
        """One line for a terminal."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The whole answer as JSON types."""

    @abstractmethod
    def html(self) -> str:
        """A fragment for a page, escaped."""

    def pieces(self) -> Iterator[str]:
        """The line, in pieces as they become known."""
        yield self.line()

    def save(self, path: Path) -> None:
        """Write the answer to a file; the suffix chooses the form, JSON where it is not drawn."""
        if path.suffix != ".json":
            raise UserError(f"{path.name}: a {self.kind} is saved as .json")
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Label(Answer):
    """A class with the probability of each class.

    likely: the classes that fit well enough, likeliest first, perhaps none: together they hold the
        truth with the chance `coverage`. None where no coverage is known.
    """

    label: str
    probabilities: dict[str, float]
    likely: tuple[str, ...] | None = None
    coverage: float | None = None
    kind: ClassVar[str] = "label"

    @property
    def probability(self) -> float:
        return self.probabilities[self.label]

    def line(self) -> str:
        return f"{self.label}  {self.probability:.1%}" + self.range_line()

    def range_line(self) -> str:
        """The likely classes, for a terminal."""
        if self.likely is None:
            return ""
        more = f" and {len(self.likely) - 5} more" if len(self.likely) > 5 else ""
        named = ", ".join(self.likely[:5]) + more or "none fits well enough"
        return f"  ({100 * self.coverage:.4g}% set: {named})"

    def to_json(self) -> dict[str, Any]:
        known = {} if self.likely is None else {"set": list(self.likely),
                                                "coverage": self.coverage}
        return {"kind": self.kind, "label": self.label, "probability": self.probability,
                "probabilities": self.probabilities, **known}

    def html(self) -> str:
        return f"<b>{html.escape(self.label)}</b> <small>{self.probability:.1%}</small>"


@dataclass(frozen=True, slots=True)
class Labels(Answer):
    """All classes that fit, with the probability of each by itself: perhaps several, perhaps none.
    """

    probabilities: dict[str, float]
    kind: ClassVar[str] = "labels"

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that fit more likely than not, likeliest first."""
        order = sorted(self.probabilities, key=self.probabilities.get, reverse=True)
        return tuple(label for label in order if self.probabilities[label] > 0.5)

    @property
    def label(self) -> str:
        """The likeliest, whether or not it fits."""
        return max(self.probabilities, key=self.probabilities.get)

    def line(self) -> str:
        return ", ".join(f"{label}  {self.probabilities[label]:.1%}" for label in self.labels) \
            or f"none  ({self.label}  {self.probabilities[self.label]:.1%})"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "labels": list(self.labels),
                "probabilities": self.probabilities}

    def html(self) -> str:
        return "<br>".join(f"<b>{html.escape(label)}</b> <small>"
                           f"{self.probabilities[label]:.1%}</small>" for label in self.labels) \
            or "<small>none</small>"


@dataclass(frozen=True, slots=True)
class Number(Answer):
    """A quantity.

    low, high: between which the truth lies with the chance `coverage`; None where that is unknown.
    """

    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    kind: ClassVar[str] = "number"

    def line(self) -> str:
        return self.quantity() + self.range_line()

    def quantity(self) -> str:
        """The value with its unit."""
        return f"{self.value:,.6g} {self.unit}".rstrip()

    def range_line(self) -> str:
        """The interval, for a terminal."""
        if self.low is None or self.high is None:
            return ""
        return f"  ({100 * self.coverage:.4g}%: {self.low:,.6g} to {self.high:,.6g})"

    def to_json(self) -> dict[str, Any]:
        known = {} if self.low is None else {"low": self.low, "high": self.high,
                                             "coverage": self.coverage}
        return {"kind": self.kind, "value": self.value, "unit": self.unit, **known}

    def html(self) -> str:
        between = "" if self.low is None or self.high is None else \
            f" <small>{self.low:,.4g} to {self.high:,.4g}</small>"
        return f"<b>{html.escape(self.quantity())}</b>{between}"


class Text(Answer):
    """A text, perhaps one that is still being written: `pieces` may be an iterator."""

    kind: ClassVar[str] = "text"

    def __init__(self, pieces: str | Iterable[str]):
        self._known: list[str] = [pieces] if isinstance(pieces, str) else []
        self._coming = iter(()) if isinstance(pieces, str) else iter(pieces)

    def pieces(self) -> Iterator[str]:
        yield from self._known
        for piece in self._coming:
            self._known.append(piece)
            yield piece

    @property
    def text(self) -> str:
        """The whole text; waits for what is still coming."""
        return "".join(self.pieces())

    def line(self) -> str:
        return self.text

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "text": self.text}

    def html(self) -> str:
        return f"<pre>{html.escape(self.text)}</pre>"

    def save(self, path: Path) -> None:
        if path.suffix == ".txt":
            path.write_text(self.text)
        else:
            super().save(path)


@dataclass(frozen=True, slots=True)
class Image(Answer):
    """A picture: uint8 (height, width, channels) with 1 or 3 channels."""

    pixels: numpy.ndarray
    kind: ClassVar[str] = "image"

    def line(self) -> str:
        height, width = self.pixels.shape[:2]
        return f"image of {width} by {height} pixels (write it with --save FILE.png)"

    def to_json(self) -> dict[str, Any]:
        height, width = self.pixels.shape[:2]
        encoded = base64.b64encode(image.png(self.pixels)).decode()
        return {"kind": self.kind, "width": width, "height": height, "png": encoded}

    def html(self) -> str:
        return image.html(self.pixels)

    def save(self, path: Path) -> None:
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
            image.save(self.pixels, path)
        else:
            Answer.save(self, path)
