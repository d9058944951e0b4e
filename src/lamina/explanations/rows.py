"""Explanations of a table's rows: how much each column did for the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy
import torch
from torch import Tensor

from lamina.explanations import attribution
from lamina.explanations.explanation import Explanation, bars
from lamina.probe import Probe
from lamina.report import chart

METHODS = ("integrated-gradients", "occlusion")
LISTED = 20  # strongest columns that are listed in a terminal


@dataclass(frozen=True, kw_only=True)
class RowExplanation(Explanation):
    """columns, cells: of the row. weights: what each column adds, (columns,)."""

    columns: Sequence[str]
    cells: Sequence[Any]
    weights: numpy.ndarray
    kind: ClassVar[str] = "a row"

    def rows(self) -> list[tuple[str, float]]:
        """("column = cell", what it adds), the strongest first."""
        order = numpy.argsort(-abs(self.weights), kind="stable").tolist()
        return [(f"{self.columns[i]} = {'–' if self.cells[i] in (None, '') else self.cells[i]}",
                 float(self.weights[i])) for i in order]

    def drawing(self) -> str:
        rest = len(self.columns) - LISTED
        return bars(self.rows()[:LISTED]) + (f"\n  and {rest} weaker columns" if rest > 0 else "")

    def drawing_html(self) -> str:
        return str(chart.bars(self.rows()))

    def parts(self) -> dict[str, Any]:
        return {"columns": [{"name": name, "cell": cell, "weight": round(float(weight), 6)}
                            for name, cell, weight in
                            zip(self.columns, self.cells, self.weights, strict=True)]}


def explain(probe: Probe, chosen: Tensor, method: str, *,
            row: Mapping[str, Any], label: str, most: int = attribution.STEPS[-1],
            **about: Any) -> RowExplanation:
    """Of the one row of the probe, by one of METHODS, or "auto"."""
    method = "integrated-gradients" if method == "auto" else method
    columns, groups = grouped(probe)
    found = attribution.integrated_gradients(probe, chosen, most=most) \
        if method == "integrated-gradients" else attribution.ablation(probe, chosen, groups)
    added = torch.zeros(len(columns), dtype=torch.float64, device=groups.device).index_add(
        0, groups, found.values[0].sum(1).double())
    return RowExplanation(
        columns=columns, cells=[row.get(name) for name in columns], weights=added.cpu().numpy(),
        method=method, measure=attribution.measure(probe, label), label=label,
        relative_to=probe.relative_to, start=float(found.start[0]), end=float(found.end[0]),
        error=None if found.error is None else float(found.error[0]), steps=found.steps, **about)


def grouped(probe: Probe) -> tuple[list[str], Tensor]:
    """The columns, and for each vector of the inputs the index of its column, (vectors,)."""
    columns = list(dict.fromkeys(probe.names))
    place = {name: index for index, name in enumerate(columns)}
    return columns, torch.tensor([place[name] for name in probe.names],
                                 device=probe.inputs.device)
