"""Attributions: how much each number of an input adds to an answer. Captum computes them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lamina.probe import Probe

ENOUGH = 0.01  # completeness error that is accepted
STEPS = (32, 128, 512, 2048)  # of the integral; more are tried until the error is small
AT_ONCE = 1 << 19  # numbers of the inputs that are worked on at the same time


@dataclass(frozen=True)
class Attribution:
    """What each input adds to `strength`, relative to the neutral input.

    values: shaped as the probe's inputs. start, end: the strength at the neutral and at the given
    input, (batch,). error: how far the values' sum is from end - start, as a share of it, (batch,).
    steps: of the integral. The last two are None where a method does not add up.
    """

    values: Tensor
    start: Tensor
    end: Tensor
    error: Tensor | None = None
    steps: int | None = None


def measure(probe: Probe, label: str) -> str:
    """What `strength` is, in words."""
    if not probe.labels:
        return "the picture that is made"
    if probe.kind == "episode":
        return f"how much higher {label!r} is valued than the other actions"
    return label if len(probe.labels) == 1 else f"the log-odds of {label!r}"


def strength(probe: Probe, chosen: Tensor) -> Callable[[Tensor], Tensor]:
    """How strongly each input speaks for its chosen output, (batch,), as `measure` says.

    Log-odds are the logit above log-sum-exp of the others: they do not saturate as a probability
    does. chosen: indices of outputs, (examples,); a batch may hold the examples several times.
    """
    def of(given: Tensor) -> Tensor:
        outputs = probe.outputs(given).float()
        index = chosen.repeat(len(outputs) // len(chosen))[:, None]
        own = outputs.gather(1, index)[:, 0]
        if outputs.shape[1] == 1 or probe.several:
            return own
        if probe.kind == "episode":
            return own - (outputs.sum(1) - own) / (outputs.shape[1] - 1)
        return own - outputs.scatter(1, index, -math.inf).logsumexp(1)

    return of


def at_once(inputs: Tensor) -> int:
    """How many inputs of this size are worked on at the same time."""
    return max(1, min(512, AT_ONCE // max(1, inputs[0].numel())))


def integrated_gradients(probe: Probe, chosen: Tensor, *, most: int = STEPS[-1]) -> Attribution:
    """The mean gradient between the neutral and the given input, times their difference.

    Sundararajan et al. 2017, equation 3, by the midpoint rule. The values add up to the
    difference of the strengths (completeness); steps are added until they do within 1 %.
    """
    from captum.attr import IntegratedGradients

    score = strength(probe, chosen)
    with torch.no_grad():
        start, end = score(probe.neutral), score(probe.inputs)
    for steps in (steps for steps in STEPS if steps <= most):
        with torch.enable_grad():
            values = IntegratedGradients(score).attribute(
                probe.inputs, probe.neutral, n_steps=steps, method="riemann_middle",
                internal_batch_size=max(len(probe.inputs), at_once(probe.inputs))).detach()
        error = incompleteness(values, end - start)
        if float(error.max()) < ENOUGH:
            break
    return Attribution(values, start, end, error, steps)


def incompleteness(values: Tensor, difference: Tensor) -> Tensor:  # (batch,)
    """How far the values' sums are from the differences, as a share of them.

    Where a difference is next to nothing, as a share of a tenth of all that adds and takes away.
    """
    flat = values.flatten(1)
    scale = torch.maximum(difference.abs(), flat.abs().sum(1) / 10).clamp(min=1e-6)
    return (flat.sum(1) - difference).abs() / scale


def ablation(probe: Probe, chosen: Tensor, groups: Tensor | None = None) -> Attribution:
    """How much the strength falls when a feature takes its neutral value, one at a time.

    groups: the feature that each place of dimension 1 belongs to; by default each is its own.
    values: the fall stands at each number of its feature divided by how many there are, so that
    they add up to the fall.
    """
    from captum.attr import FeatureAblation

    score = strength(probe, chosen)
    if groups is None:
        groups = torch.arange(probe.inputs.shape[1], device=probe.inputs.device)
    mask = groups.view(1, -1, *[1] * (probe.inputs.ndim - 2)).expand(1, *probe.inputs.shape[1:])
    with torch.no_grad():
        start, end = score(probe.neutral), score(probe.inputs)
        values = FeatureAblation(score).attribute(
            probe.inputs, probe.neutral, feature_mask=mask,
            perturbations_per_eval=max(1, at_once(probe.inputs) // len(probe.inputs)))
    sizes = mask.flatten().bincount()[mask]
    return Attribution(values / sizes, start, end)


def thinned(probe: Probe, kept: Tensor) -> Probe:
    """The probe of those of its inputs."""
    targets = None if probe.targets is None else probe.targets[kept]
    return replace(probe, inputs=probe.inputs[kept], neutral=probe.neutral[kept], targets=targets)
