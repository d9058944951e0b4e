"""The answer of tasks that make pictures from nothing, or from a label."""

import html
from dataclasses import dataclass
from typing import Any, ClassVar

from lamina.answers import Image


@dataclass(frozen=True, slots=True)
class Sample(Image):
    """A made picture.

    asked: the label that it was made for; "" where none was told.
    read: the label that the reader, a classifier trained beside, sees in it; "" where it knows
        none. chance: how sure it is.
    """

    asked: str = ""
    read: str = ""
    chance: float = 0.0
    kind: ClassVar[str] = "sample"

    def line(self) -> str:
        return (f"{self.asked}: " if self.asked else "") + Image.line(self) + self.reading()

    def reading(self) -> str:
        """What the reader sees."""
        return f", read as {self.read} ({self.chance:.0%})" if self.read else ""

    def to_json(self) -> dict[str, Any]:
        return {**Image.to_json(self), "kind": self.kind, "asked": self.asked, "read": self.read,
                "chance": self.chance}

    def html(self) -> str:
        return f"{Image.html(self)}<small>{html.escape(self.asked + self.reading())}</small>"
