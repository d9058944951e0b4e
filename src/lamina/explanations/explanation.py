"""What every explanation has: the answer that is explained, and what its parts add up to."""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from lamina import storage
from lamina.errors import UserError

FOR, AGAINST = (0, 150, 160), (226, 98, 20)  # colours: teal speaks for the answer, orange against
STYLE = Path(__file__).parents[1] / "page" / "style.css"
FOUND = {"integrated-gradients": "Integrated gradients: what each part adds to",
         "occlusion": "Occlusion: what hiding each part takes from",
         "grad-cam": "Grad-CAM: where the net found what speaks for",
         "attention": "Attention rollout: how much of each part reaches"}  # by method
LEGEND = "Teal speaks for the answer, orange against it; the stronger the colour, the more."


@dataclass(frozen=True, kw_only=True)
class Explanation(ABC):
    """Which parts of one input made its answer; each kind of input is drawn in its own way.

    name: of the input. answer: what the model says. label: the answer that is explained, and
        probability: what the model gives it, None where there are none.
    method: how the parts were found. measure: what they add to. relative_to: the neutral input.
    start, end: the measure at the neutral and at the given input.
    error: how far the parts are from adding up to end - start, as a share; None where the method
        does not promise it. steps: of the integral.
    note: what else should be known.
    """

    name: str
    answer: str
    label: str
    probability: float | None
    method: str
    measure: str
    relative_to: str
    start: float | None = None
    end: float | None = None
    error: float | None = None
    steps: int | None = None
    note: str = ""
    kind: ClassVar[str]

    @abstractmethod
    def drawing(self) -> str:
        """For a terminal: in colour where it is one, plain numbers in a pipe."""

    @abstractmethod
    def drawing_html(self) -> str:
        """For a page, escaped."""

    @abstractmethod
    def parts(self) -> dict[str, Any]:
        """The parts and their numbers as JSON types."""

    # ---- made of the above ------------------------------------------------------------------

    def headline(self) -> str:
        """The answer that is explained."""
        chance = "" if self.probability is None else f"  {self.probability:.1%}"
        if self.label == self.answer:
            return f"{self.answer}{chance}"
        return f"{self.label}{chance}  (the model answers {self.answer})"

    def account(self) -> str:
        """How the parts were found and what they add up to, in one or two sentences."""
        found = f"{FOUND[self.method]} {self.measure}"
        if self.start is not None and self.end is not None:
            found += f", {self.end:.3g} here and {self.start:.3g} for {self.relative_to}"
        if self.error is not None:
            found += (f". The parts add up to {self.end - self.start:.3g} within {self.error:.2%} "
                      f"({self.steps:,} steps)")
        return found + (f". {self.note}" if self.note else "")

    def text(self) -> str:
        """The explanation for a terminal."""
        return f"{self.name}: {self.headline()}\n{self.drawing()}\n{self.account()}"

    def html(self) -> str:
        """A fragment for a page."""
        return (f'<figure class="explanation"><figcaption><b>{escape(self.headline())}</b> '
                f"<small>{escape(self.name)}</small></figcaption>{self.drawing_html()}"
                f'<p class="soft">{escape(self.account())}</p></figure>')

    def to_json(self) -> dict[str, Any]:
        """The whole explanation as JSON types."""
        found = {"kind": self.kind, "name": self.name, "answer": self.answer, "label": self.label,
                 "probability": self.probability, "method": self.method, "measure": self.measure,
                 "relative_to": self.relative_to, "start": self.start, "end": self.end,
                 "completeness_error": self.error, "steps": self.steps, "note": self.note}
        return found | self.parts()

    def save(self, path: Path) -> None:
        """Write a small page (.html) or .json."""
        if path.suffix == ".html":
            storage.write(path, page(self.name, self.html()).encode(errors="replace"))
        elif path.suffix == ".json":
            storage.write(path, (json.dumps(self.to_json(), indent=2) + "\n").encode())
        else:
            raise UserError(f"{path.name}: an explanation of {self.kind} is saved as "
                            + ", ".join(self.suffixes()))

    def suffixes(self) -> tuple[str, ...]:
        """The files that it can be written to."""
        return (".html", ".json")


def page(title: str, body: str) -> str:
    """A whole page around a fragment, which asks for nothing from elsewhere."""
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
            "img-src data:; style-src 'unsafe-inline'\">"
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f'<title>{escape(title)}</title><style>{STYLE.read_text()}</style></head><body>'
            f'<div class="page"><main><section><h2>Why this answer?</h2>{body}'
            f'<p class="soft">{LEGEND}</p></section></main></div></body></html>\n')


def in_colour() -> bool:
    """Whether what is printed is seen on a terminal that wants colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def mixed(strength: float, under: Sequence[float] = (255, 255, 255)) -> tuple[int, ...]:
    """The colour of a part of that strength, -1 to 1, over a ground."""
    over, share = (FOR if strength > 0 else AGAINST), min(1.0, abs(strength))
    return tuple(round(share * a + (1 - share) * b) for a, b in zip(over, under, strict=True))


def bars(rows: Sequence[tuple[str, float]], width: int = 24) -> str:
    """A line with a bar for each (name, value): to the right what speaks for, left against."""
    most = max((abs(value) for _, value in rows), default=0.0) or 1.0
    longest = min(48, max((len(name) for name, _ in rows), default=0))
    lines = []
    for name, value in rows:
        size = round(width * abs(value) / most)
        if in_colour():
            paint = "\x1b[38;2;{};{};{}m".format(*(FOR if value > 0 else AGAINST))
            bar = f"{paint}{'█' * size}\x1b[0m"
        else:
            bar = ("+" if value > 0 else "-") * size
        short = name if len(name) <= longest else name[:longest - 1] + "…"
        lines.append(f"  {short:<{longest}}  {value:+9.3g}  {bar}".rstrip())
    return "\n".join(lines)
