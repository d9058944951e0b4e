"""How long to learn: minutes become a number of steps, once; schedules run over progress 0 to 1."""

import math
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from lamina.errors import UserError

DIGITS = re.compile("[0-9]{1,12}")


@dataclass(frozen=True)
class Budget:
    """What ends a run; exactly one of the three. `target` may end it sooner."""

    minutes: float | None = None  # of the whole process: reading, learning, evaluating, writing
    epochs: float | None = None  # passes over the training part
    steps: str | None = None  # optimizer steps, as `Plan` writes them

    def __post_init__(self):
        given = [name for name in ("minutes", "epochs", "steps") if getattr(self, name) is not None]
        if len(given) != 1:
            raise UserError("expected one of --minutes, --epochs and --steps, got "
                            + (" and ".join(given) or "none"))
        if not isinstance(getattr(self, given[0]), str) and getattr(self, given[0]) <= 0:
            raise UserError(f"{given[0]}: expected more than 0, got {getattr(self, given[0]):g}")
        if self.steps is not None:
            Plan(self.steps)


class Plan:
    """The number of steps of a run, and how it was revised while the run went on.

    Written "900", or "900,700@400": 900 steps were planned, and from step 400 on 700 in all,
    because the machine had become slower. Progress runs from 0 to 1 without a jump, so the same
    text repeats the same learning rates, step for step.
    """

    def __init__(self, text: str | int):
        self.totals: list[int] = []
        self.starts: list[int] = []
        self.progress_at: list[float] = []
        for part in str(text).split(","):
            total, _, start = part.partition("@")
            if not DIGITS.fullmatch(total) or bool(start) != bool(self.totals) or \
                    (start and not DIGITS.fullmatch(start)):
                raise UserError(f"steps: expected a whole number such as 900, got {text!r}")
            self.revise(int(start or 0), int(total))

    def revise(self, start: int, total: int) -> None:
        """From step `start` on, plan `total` steps in all."""
        if total <= start or (self.starts and start <= self.starts[-1]):
            raise UserError(f"steps: expected more than {start}, got {total}")
        self.progress_at.append(self.progress(start) if self.starts else 0.0)
        self.starts.append(start)
        self.totals.append(total)

    @property
    def total(self) -> int:
        return self.totals[-1]

    def progress(self, step: int) -> float:
        """How much of the run is done when `step` steps are: 0 to 1."""
        index = bisect_right(self.starts, step) - 1
        start, total, done = self.starts[index], self.totals[index], self.progress_at[index]
        return min(1.0, done + (1 - done) * (step - start) / (total - start))

    def __str__(self) -> str:
        first, *rest = zip(self.totals, self.starts, strict=True)
        return ",".join([str(first[0]), *(f"{total}@{start}" for total, start in rest)])


def trapezoid(*, warmup: float, decay: float) -> Callable[[float], float]:
    """Rises over the first `warmup` of the progress, falls to 0 over the last `decay`.

    (Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed durations")
    """
    def factor(progress: float) -> float:
        rise = (progress + 1e-3) / (warmup + 1e-3) if warmup else 1.0
        fall = (1 - progress) / decay if decay else 1.0
        return max(0.0, min(1.0, rise, fall))
    return factor


def cosine(*, warmup: float) -> Callable[[float], float]:
    """Rises over `warmup`, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    def factor(progress: float) -> float:
        if progress < warmup:
            return (progress + 1e-3) / (warmup + 1e-3)
        rest = (progress - warmup) / (1 - warmup)
        return (1 + math.cos(math.pi * min(1.0, rest))) / 2
    return factor


def constant(progress: float) -> float:
    """Never changes."""
    return 1.0
