"""The answer of tasks that act: one game, played to its end."""

import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy

from lamina.answers import Answer
from lamina.errors import UserError
from lamina.media import game, image


@dataclass(frozen=True, slots=True)
class Episode(Answer):
    """One game played to its end; its pictures are drawn by playing the actions again."""

    environment: str
    seed: int
    actions: list[int] = field(repr=False)
    rewards: list[float] = field(repr=False)
    kind: ClassVar[str] = "episode"

    @property
    def total(self) -> float:
        """The return: the sum of the rewards."""
        return float(sum(self.rewards))

    def line(self) -> str:
        return f"return {self.total:g} in {len(self.actions)} steps (seed {self.seed})"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "environment": self.environment, "seed": self.seed,
                "return": self.total, "steps": len(self.actions), "actions": self.actions}

    def frames(self, every: int = 1) -> list[numpy.ndarray]:
        """A picture of every so many steps of the episode, uint8 (height, width, 3)."""
        return game.replay(self.environment, self.seed, self.actions, every=every)

    def html(self) -> str:
        try:
            every = max(4, len(self.actions) // 60)  # drawing takes far longer than playing
            picture = image.html_film(self.frames(every), seconds_per_frame=0.08)
        except game.NotDrawable as reason:
            picture = f"<small>{html.escape(str(reason))}</small>"
        return f"{picture}<p>{html.escape(self.line())}</p>"

    def save(self, path: Path) -> None:
        if path.suffix.lower() not in (".gif", ".mp4"):
            return Answer.save(self, path)
        try:
            image.save_film(self.frames(), path, frames_per_second=30)
        except game.NotDrawable as reason:
            raise UserError(str(reason)) from None
