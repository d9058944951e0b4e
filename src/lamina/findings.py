"""What a person should know of the data, the training or the model, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from lamina.gallery import drawn
from lamina.scoring import named
from lamina.task import Data

LEVELS = ("error", "warning", "hint")  # most urgent first


@dataclass(frozen=True, slots=True)
class Sighting:
    """One example that shows a finding: its part of the data, its place there, what is seen."""

    part: Literal["train", "validation", "test"]
    index: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """level: error (do not trust the scores), warning (look at this) or hint (could be better).

    what: one clause. evidence: numbers and names. do: what helps. examples: the clearest few.
    """

    level: Literal["error", "warning", "hint"]
    what: str
    evidence: str
    do: str
    examples: tuple[Sighting, ...] = ()

    def line(self) -> str:
        """One line for a terminal."""
        return f"{self.level}: {self.what} ({self.evidence}); {self.do}"

    def to_json(self, data: Data) -> dict[str, Any]:
        """The finding as JSON types; "html" of an example is for pages alone."""
        found: dict[str, Any] = {"level": self.level, "what": self.what,
                                 "evidence": self.evidence, "do": self.do}
        if self.examples:
            found["examples"] = [seen(sighting, data) for sighting in self.examples]
        return found


def seen(sighting: Sighting, data: Data) -> dict[str, Any]:
    """An example of a finding as JSON types, with its picture, row or excerpt as "html"."""
    example = getattr(data, sighting.part)[sighting.index]
    return {"part": sighting.part, "index": sighting.index, "name": named(example),
            "note": sighting.note, "html": drawn(example.input, sighting.note or "example")}


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The most urgent first."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))
