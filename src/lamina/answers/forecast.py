"""The answer of forecasting: what comes next in a series, and how far it may be off."""

import csv
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lamina.answers import Answer


@dataclass(frozen=True, slots=True)
class Forecast(Answer):
    """The next values of a series, step by step.

    moments: what each step is called. values: the mean. quantiles: by their level, "0.1" to "0.9".
    history: the values before, None in gaps. truth: what came, None where that is not known.
    """

    name: str
    moments: list[str] = field(repr=False)
    values: list[float] = field(repr=False)
    quantiles: dict[str, list[float]] = field(repr=False)
    history: list[float | None] = field(repr=False)
    truth: list[float | None] = field(repr=False)
    kind: ClassVar[str] = "forecast"

    @property
    def band(self) -> tuple[list[float], list[float], float]:
        """The outermost quantiles, low and high, and their coverage."""
        low, *_, high = sorted(self.quantiles, key=float)
        return self.quantiles[low], self.quantiles[high], float(high) - float(low)

    def line(self) -> str:
        low, high, coverage = self.band
        steps = [f"{moment}  {value:,.5g}  ({below:,.5g} to {above:,.5g})" for moment, value, below,
                 above in zip(self.moments, self.values, low, high, strict=True)]
        if len(steps) > 8:
            steps[4:-3] = [f"… {len(steps) - 7} more steps, all in --json or --save …"]
        return "\n".join([f"{self.name}  ({100 * coverage:.3g}% of what comes lies between)",
                          *("  " + step for step in steps)])

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "series": self.name, "moments": self.moments,
                "values": self.values, "quantiles": self.quantiles}

    def html(self) -> str:
        from lamina.report import chart

        low, high, coverage = self.band
        start = len(self.history)
        steps = range(start, start + len(self.values))
        lines = [chart.Line("before", list(enumerate(self.history))),
                 chart.Line(f"forecast with its {100 * coverage:.3g} % band",
                            list(zip(steps, self.values, strict=True)), low, high)]
        if any(value is not None for value in self.truth):
            lines.append(chart.Line("what came", list(zip(steps, self.truth, strict=True))))
        first, last = html.escape(self.moments[0]), html.escape(self.moments[-1])
        return str(chart.lines(lines, across="steps", up=self.name)) \
            + f"<small>forecast from {first} to {last}</small>"

    def save(self, path: Path) -> None:
        """Write .csv, one row a step, .html, the drawing, or .json."""
        if path.suffix == ".csv":
            with path.open("w", newline="") as file:
                out = csv.writer(file)
                out.writerow(["time", "series", "mean", *self.quantiles])
                out.writerows(zip(self.moments, [self.name] * len(self.moments), self.values,
                                  *self.quantiles.values(), strict=True))
        elif path.suffix == ".html":
            from lamina.explanations.explanation import page

            path.write_text(page(self.name, self.html()))
        else:
            Answer.save(self, path)
