"""An answer that says what was said, and when."""

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy

from lamina import storage
from lamina.answers import Answer
from lamina.media import image
from lamina.media.recordings import clock

PIXELS = 120  # of a drawing's width, per second
NARROW = 280  # pixels that a drawing takes at least, where the sound is that long
HEIGHT, TEXT = 128, 22  # pixels of the spectrogram, and of the line of words below it


class Word(NamedTuple):
    """A word, and from when to when it is said, in seconds from the recording's beginning."""

    word: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Transcript(Answer):
    """What was said.

    words: with their times. start, end: of the sound, in seconds of its recording. notes: what a
    person should know of the sound. energies: its log-mel spectrogram, (frames, bands).
    """

    words: tuple[Word, ...]
    start: float
    end: float
    notes: tuple[str, ...] = ()
    energies: numpy.ndarray | None = field(default=None, repr=False, compare=False)
    kind: ClassVar[str] = "transcript"

    @property
    def text(self) -> str:
        """The words in a row."""
        return " ".join(word.word for word in self.words)

    def line(self) -> str:
        noted = f"  ({'; '.join(self.notes)})" if self.notes else ""
        when = f"{clock(self.start)}  " if self.start else ""
        return f"{when}{self.text or '(nothing)'}{noted}"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "text": self.text, "start": round(self.start, 3),
                "end": round(self.end, 3), "notes": list(self.notes), "words": [
                    {"word": word, "start": round(start, 3), "end": round(end, 3)}
                    for word, start, end in self.words]}

    def html(self) -> str:
        noted = f"<br><small>{html.escape('; '.join(self.notes))}</small>" if self.notes else ""
        return f"<b>{html.escape(self.text) or '(nothing)'}</b>{noted}<br>{self.drawing()}"

    def drawing(self) -> str:
        """The spectrogram with the words under the time in which each is said, as SVG."""
        width = max(PIXELS, round(PIXELS * (self.end - self.start)))
        parts = [f'<svg viewBox="0 0 {width} {HEIGHT + TEXT}" '
                 f'style="width:{width}px;min-width:{min(width, NARROW)}px;max-width:100%" '
                 'role="img" aria-label="the spectrogram, with the words in time">']
        if self.energies is not None and len(self.energies):
            drawn = base64.b64encode(image.png(greys(self.energies))).decode()
            parts.append(f'<image width="{width}" height="{HEIGHT}" preserveAspectRatio="none" '
                         f'href="data:image/png;base64,{drawn}"/>')
        for word in self.words:
            left, right = (round(PIXELS * (moment - self.start), 1) for moment in word[1:])
            parts.append(
                f'<path d="M{left} 0V{HEIGHT}M{right} 0V{HEIGHT}" stroke="#e0752d" opacity=".7"/>'
                f'<text x="{(left + right) / 2:.1f}" y="{HEIGHT + 15}" text-anchor="middle" '
                f'font-size="12" fill="currentColor">{html.escape(word.word)}</text>')
        return "".join([*parts, "</svg>"])

    def save(self, path: Path) -> None:
        """Write .txt, the words, .html, the drawing, or .json, the words with their times."""
        if path.suffix == ".txt":
            storage.write(path, f"{self.text}\n".encode())
        elif path.suffix == ".html":
            from lamina.explanations.explanation import page

            storage.write(path, page("transcript", self.html()).encode())
        else:
            Answer.save(self, path)


def greys(energies: numpy.ndarray) -> numpy.ndarray:
    """(frames, bands) as a picture, low bands at the bottom, loud ones dark: uint8 (bands, frames).
    """
    low, high = numpy.percentile(energies, (5, 99.5))
    loud = ((energies - low) / max(high - low, 1e-6)).clip(0, 1)
    return (255 * (1 - loud)).astype(numpy.uint8).T[::-1]
