"""Explanations of what is read step by step: how much each step of a history did for a forecast,
and each frame of a sound for its transcript.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy
import torch

from lamina.explanations import attribution
from lamina.explanations.explanation import Explanation, bars
from lamina.probe import Probe
from lamina.report import chart

METHODS = ("integrated-gradients", "occlusion")
LISTED = 20  # strongest steps that are listed in a terminal


@dataclass(frozen=True, kw_only=True)
class SeriesExplanation(Explanation):
    """places: what the steps are called, oldest first. values: of the series there, in deviations
    from its mean in training; of a sound, its bands' mean. weights: what each step adds, (steps,).
    first: the number of the first step. across: what the numbers count.
    """

    places: Sequence[str]
    values: numpy.ndarray
    weights: numpy.ndarray
    first: int
    across: str
    kind: ClassVar[str] = "a series"

    def drawing(self) -> str:
        order = numpy.sort(numpy.argsort(-abs(self.weights), kind="stable")[:LISTED]).tolist()
        first = f"  the {len(order)} strongest of {len(self.places)} steps, oldest first\n"
        return first + bars([(self.places[i], float(self.weights[i])) for i in order])

    def drawing_html(self) -> str:
        steps = range(self.first, self.first + len(self.places))
        return "".join(str(chart.lines([chart.Line(name, list(zip(steps, of.tolist(), strict=True)
                                                               ))], across=self.across, up=name))
                       for name, of in (("values", self.values), ("what each adds", self.weights)))

    def parts(self) -> dict[str, Any]:
        return {"weights": [{"step": step, "weight": round(float(weight), 6)}
                            for step, weight in zip(self.places, self.weights, strict=True)]}


def explain(probe: Probe, method: str, *, name: str, most: int = attribution.STEPS[-1]
            ) -> SeriesExplanation:
    """Of the one window of the probe, by one of METHODS, or "auto"."""
    method = "integrated-gradients" if method == "auto" else method
    chosen = torch.zeros(1, dtype=torch.long, device=probe.inputs.device)
    found = attribution.integrated_gradients(probe, chosen, most=most) \
        if method == "integrated-gradients" else attribution.ablation(probe, chosen)
    [label] = probe.labels
    heard = probe.kind == "sound"
    values = probe.inputs[0].mean(1) if heard else probe.inputs[0, :, 0]
    return SeriesExplanation(
        name=name, answer=label, label=label, probability=None, places=probe.names,
        values=values.cpu().numpy(), first=0 if heard else -len(probe.names),
        across="frames of 10 ms" if heard else "steps before the forecast",
        weights=found.values[0].sum(1).double().cpu().numpy(), method=method, measure=label,
        relative_to=probe.relative_to, start=float(found.start[0]), end=float(found.end[0]),
        error=None if found.error is None else float(found.error[0]), steps=found.steps)
