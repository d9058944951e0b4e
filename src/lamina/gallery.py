"""Examples beside the answers to them, as HTML for the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from markupsafe import escape

from lamina.answers import Answer, Label
from lamina.media import image
from lamina.media.files import File

if TYPE_CHECKING:
    from lamina.task import Example

LONGEST_TEXT = 400  # characters of an excerpt
LARGEST_PICTURE = 192  # pixels of the longer side of an input's picture


@dataclass(frozen=True)
class Shown:
    """One example of the gallery, as HTML; `right` is None where right and wrong do not apply.

    why: what it is an example of.
    """

    example_html: str
    target_html: str | None
    answer_html: str
    right: bool | None
    why: str = ""


def show(example: "Example", answer: Answer, why: str = "") -> Shown:
    """An example beside the answer to it, as HTML."""
    right = None
    if isinstance(answer, Label) and example.target is not None:
        right = answer.label == example.target
    target = None if example.target is None else drawn(example.target, "expected")
    return Shown(drawn(example.input, "input"), target, answer.html(), right, why)


def drawn(given: Any, role: str) -> str:
    """An input or a target as HTML, by its type; `role` is said to those who cannot see it."""
    if isinstance(given, File) and given.name.lower().endswith(image.SUFFIXES):
        name = given.name.replace("\\", "/").rsplit("/", 1)[-1]
        return picture(given, f"{role}: {name}") + f"<small>{escape(name)}</small>"
    if isinstance(given, numpy.ndarray) and given.dtype == numpy.uint8 and given.ndim in (2, 3):
        return picture(given, f"{role}: a picture")
    if isinstance(given, Mapping):
        cells = ((name, "–" if value is None else excerpt(value, 60))
                 for name, value in given.items())
        rows = (f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
                for name, value in cells)
        return f'<table class="row">{"".join(rows)}</table>'
    if isinstance(given, str) and (len(given) > 40 or "\n" in given):
        return f"<pre>{escape(excerpt(given))}</pre>"
    if isinstance(given, float):
        return f"{given:.6g}"
    return str(escape(excerpt(given)))


def picture(given: File | numpy.ndarray, alternative: str) -> str:
    """The picture, scaled down where it is large; its name where it cannot be read."""
    try:
        pixels = image.decode(given)
        height, width = pixels.shape[:2]
        scale = LARGEST_PICTURE / max(height, width)
        if scale < 1:
            size = max(1, round(height * scale)), max(1, round(width * scale))
            pixels = image.decode(pixels, size=size)
    except (ValueError, OSError):
        return f"<p>{escape(alternative)} (not readable)</p>"
    return image.html(pixels, alternative=alternative)


def excerpt(given: Any, length: int = LONGEST_TEXT) -> str:
    """The beginning of its text."""
    text = str(given)
    return text if len(text) <= length else text[:length].rstrip() + " …"
