"""Explanations of episodes: which observation made each action, and what was expected of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy
import torch

from lamina.errors import UserError, nearest
from lamina.explanations import attribution
from lamina.explanations.explanation import Explanation, bars
from lamina.explanations.pictures import overlay
from lamina.media import image
from lamina.probe import Probe
from lamina.report import chart

METHODS = ("integrated-gradients", "occlusion")
LONGEST, MOST_PICTURES = 500, 12  # steps that are looked at, of numbers and of pictures
DRAWN, FIRST = 4, 60  # observations whose part is drawn, over so many steps
MOMENTS = 4  # pictures that are shown


@dataclass(frozen=True, kw_only=True)
class EpisodeExplanation(Explanation):
    """values, returns: what the net expected at each step of the episode, and what then came.

    steps_seen: the steps that were looked into. actions: chosen there. names: of the numbers of an
    observation; none where it is a picture. weights: what each number of the observation added to
    the action, (steps seen, numbers) or (steps seen, height, width). frames: the pictures.
    """

    values: numpy.ndarray
    returns: numpy.ndarray
    steps_seen: numpy.ndarray
    actions: Sequence[str]
    names: Sequence[str]
    weights: numpy.ndarray
    frames: numpy.ndarray | None = None
    kind: ClassVar[str] = "an episode"

    def means(self) -> list[tuple[str, float]]:
        """How much each number of the observation moved the choice, mean over the steps."""
        order = numpy.argsort(-abs(self.weights).mean(0), kind="stable").tolist()
        return [(self.names[i], float(abs(self.weights[:, i]).mean())) for i in order]

    def drawing(self) -> str:
        steps = len(self.values)
        lines = [f"  value over {steps} steps {sparkline(self.values)}  "
                 f"{self.values[0]:.4g} at first, {self.values[-1]:.4g} at the end"]
        if self.names:
            lines += ["  how much each observation moves the choice, mean over the steps",
                      bars(self.means())]
        return "\n".join(lines)

    def drawing_html(self) -> str:
        kept = numpy.unique(numpy.linspace(0, len(self.values) - 1, 200).astype(int))
        expected = chart.lines(
            [chart.Line(name, [(int(i), float(of[i])) for i in kept])
             for name, of in (("expected by the net", self.values), ("came", self.returns))],
            across="step", up="discounted return from here")
        found = f"<figure><figcaption>Value over time</figcaption>{expected}</figure>"
        if not self.names:
            return found + self._moments()
        order = numpy.argsort(-abs(self.weights).mean(0), kind="stable")[:DRAWN].tolist()
        over_time = chart.lines(
            [chart.Line(self.names[i], list(zip(self.steps_seen[:FIRST].tolist(),
                                                self.weights[:FIRST, i].tolist(),
                                                strict=True))) for i in order],
            across="step", up=f"added to {self.label}")
        return (f'<div class="curves">{found}<figure><figcaption>What moved the choice at '
                f"first</figcaption>{over_time}</figure><figure><figcaption>Mean over the steps"
                f"</figcaption>{chart.bars(self.means())}</figure></div>")

    def _moments(self) -> str:
        """Some pictures with their heat."""
        chosen = numpy.unique(numpy.linspace(0, len(self.frames) - 1, MOMENTS).astype(int))
        shown = [image.html(overlay(self.frames[i], self.weights[i]), width=176,
                            alternative=f"step {self.steps_seen[i]}: {self.actions[i]}")
                 + f"<small>step {self.steps_seen[i]}</small>" for i in chosen]
        return f'<div style="display:flex;gap:8px;flex-wrap:wrap">{"".join(shown)}</div>'

    def parts(self) -> dict[str, Any]:
        found = {"values": self.values.round(6).tolist(), "returns": self.returns.tolist(),
                 "steps_seen": self.steps_seen.tolist(), "actions": list(self.actions)}
        if self.names:
            found |= {"importance": dict(self.means()), "observations": list(self.names),
                      "weights": self.weights.round(6).tolist()}
        return found


def explain(probe: Probe, method: str, *, action: str | None = None,
            most: int = attribution.STEPS[-1], **about: Any) -> EpisodeExplanation:
    """Of the whole episode of the probe, by one of METHODS, or "auto".

    action: the one that is explained at every step; default the one chosen there.
    """
    method = "integrated-gradients" if method == "auto" else method
    if action is not None and action not in probe.labels:
        raise UserError(f"the model has no action {action!r}: {nearest(action, probe.labels)}")
    with torch.no_grad():
        outputs = torch.cat([probe.outputs(part) for part in probe.inputs.split(256)])
    limit = LONGEST if probe.names else MOST_PICTURES
    kept = torch.linspace(0, len(outputs) - 1, min(limit, len(outputs))).long()
    seen = attribution.thinned(probe, kept.to(probe.inputs.device))
    best = outputs.argmax(1)[kept.to(outputs.device)]
    chosen = best if action is None else torch.full_like(best, probe.labels.index(action))
    found = attribution.integrated_gradients(seen, chosen, most=most) \
        if method == "integrated-gradients" else attribution.ablation(seen, chosen)
    label = "the action chosen" if action is None else action
    note = "" if len(kept) == len(outputs) else \
        f"{len(kept)} of {len(outputs)} steps were looked at"
    values = found.values.double().cpu().numpy()
    frames = None if probe.names else seen.inputs.byte().cpu().numpy()
    return EpisodeExplanation(
        values=outputs.max(1).values.double().cpu().numpy(), frames=frames,
        returns=probe.targets.double().cpu().numpy(), steps_seen=kept.numpy(), names=probe.names,
        weights=values if probe.names else values.sum(-1),
        actions=[probe.labels[i] for i in best.tolist()], label=label, probability=None,
        method=method, measure=measured(probe, label), note=note,
        relative_to=probe.relative_to, start=float(found.start.mean()),
        end=float(found.end.mean()), steps=found.steps,
        error=None if found.error is None else float(found.error.max()), **about)


def measured(probe: Probe, label: str) -> str:
    return f"how much higher {label!r} is valued than the other actions, mean over the steps" \
        if label in probe.labels else \
        "how much higher the action chosen is valued than the others, mean over the steps"


def sparkline(values: numpy.ndarray, width: int = 40) -> str:
    """A curve of one line."""
    some = [part.mean() for part in numpy.array_split(values, min(width, len(values)))]
    low, high = min(some), max(some)
    span = (high - low) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (value - low) / span)] for value in some)
