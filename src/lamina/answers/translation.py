"""The answer of a translator: a text, and where the net looked for each of its words."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from lamina.answers import Answer

CELL = 22  # pixels of a square of the drawing
LETTER = 7.5  # pixels that a letter takes, about
FAINT = 0.04  # weights below are not drawn


@dataclass(frozen=True, slots=True)
class Translation(Answer):
    """A text written after another one.

    score: its mean log-probability per token, as the beam search compares them.
    source: the words that were read. words: those that were written.
    attention: how much each word that was written takes from each that was read, from 0 to 1,
        (words, source). No net looks only where it should: it is no alignment.
    unknown: characters of the source that training never saw.
    cut: whether the source is longer than what is read.
    """

    text: str
    score: float
    source: list[str] = field(repr=False)
    words: list[str] = field(repr=False)
    attention: list[list[float]] = field(repr=False)
    unknown: str = ""
    cut: bool = False
    kind: ClassVar[str] = "translation"

    def line(self) -> str:
        return self.text + self.careful()

    def careful(self) -> str:
        """What makes the answer doubtful, for a terminal."""
        told = [f"characters that training never saw: {' '.join(self.unknown)}"] \
            * bool(self.unknown) + ["only the beginning of the text was read"] * self.cut
        return f"  ({'; '.join(told)})" if told else ""

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "text": self.text, "score": self.score, "unknown": self.unknown,
                "cut": self.cut, "source": self.source, "words": self.words,
                "attention": [[round(weight, 4) for weight in row] for row in self.attention]}

    def html(self) -> str:
        doubt = f"<small>{escape(self.careful())}</small>" if self.careful() else ""
        drawing = f"<details><summary>where it looked</summary>{self.drawing()}</details>" \
            if self.words else ""
        return f"<pre>{escape(self.text)}</pre>{doubt}{drawing}"

    def drawing(self) -> str:
        """The attention as inline SVG: a row for each word written, a column for each read."""
        left = LETTER * max(map(len, self.words)) + 8
        above = LETTER * max(map(len, self.source)) + 8
        width, height = left + CELL * len(self.source) + 8, above + CELL * len(self.words) + 8
        parts = [f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" fill="currentColor" '
                 f'style="width:{width:.0f}px;max-width:100%;font:12px sans-serif">'
                 "<title>how much each word that was written (rows) takes from each that was read "
                 "(columns)</title>"]
        for place, word in enumerate(self.source):
            x = left + CELL * (place + 0.65)
            parts.append(f'<text transform="translate({x:.0f} {above - 5:.0f}) rotate(-90)">'
                         f"{escape(word)}</text>")
        squares = []
        for row, (word, weights) in enumerate(zip(self.words, self.attention, strict=True)):
            y = above + CELL * row
            parts.append(f'<text x="{left - 5:.0f}" y="{y + 0.65 * CELL:.0f}" text-anchor="end">'
                         f"{escape(word)}</text>")
            squares += [f'<rect x="{left + CELL * place:.0f}" y="{y:.0f}" width="{CELL - 1}" '
                        f'height="{CELL - 1}" fill-opacity="{weight:.2f}"><title>{escape(word)} '
                        f"from {escape(self.source[place])}: {weight:.0%}</title></rect>"
                        for place, weight in enumerate(weights) if weight >= FAINT]
        parts.append(f'<g style="fill:rgb(var(--tint, 11, 111, 121))">{"".join(squares)}</g>')
        return "".join(parts) + "</svg>"

    def save(self, path: Path) -> None:
        """Write .txt, the text, .html, with the drawing, or .json."""
        if path.suffix == ".txt":
            path.write_text(self.text + "\n")
        elif path.suffix == ".html":
            from lamina.explanations.explanation import page

            path.write_text(page(self.text, self.html().replace("<details>", "<details open>")))
        else:
            Answer.save(self, path)
