"""Axes of drawings: round numbers, and where a value lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lamina.numbers import decimals, number

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 54, 66, 12, 30  # margins that hold the numbers


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """About so many round numbers, from at or below `low` to at or above `high`."""
    if high <= low:
        low, high = low - (abs(low) / 10 or 1), high + (abs(high) / 10 or 1)
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.75)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [index * step for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers of a logarithmic axis: decades, with 2 and 5 between where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    between = (1,) if last - first > 2 else (1, 2, 5)
    rungs = [m * 10.0**power for power in range(first - 1, last + 1) for m in between]
    below, above = [r for r in rungs if r <= low], [r for r in rungs if r >= high]
    return [r for r in rungs if below[-1] <= r <= (above[0] if above else rungs[-1])]


@dataclass(frozen=True)
class Axis:
    """Places the values from `low` to `high` between two points of a drawing."""

    low: float
    high: float
    start: float
    end: float
    rungs: Sequence[float]
    log: bool = False

    def at(self, value: float) -> float:
        """Where the value lies, in the drawing's units."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 2)

    def labels(self, unit: str = "") -> list[tuple[float, str]]:
        """The place and the text of each round number."""
        step = self.rungs[1] - self.rungs[0] if len(self.rungs) > 1 else self.rungs[0]
        return [(self.at(rung), shortened(rung, decimals(rung if self.log else step, 1), unit))
                for rung in self.rungs]


def along(low: float, high: float, start: float, end: float, log: bool = False) -> Axis:
    """An axis that begins and ends at round numbers."""
    rungs = log_ticks(low, high) if log else ticks(low, high)
    return Axis(rungs[0], rungs[-1], start, end, rungs, log)


def shortened(value: float, places: int, unit: str) -> str:
    """The label of a round number; thousands and millions are shortened."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size:
            return f"{value / size:,.4g}{letter}".replace("-", "\N{MINUS SIGN}")
    return number(value, places, unit if unit == "fraction" else "")
