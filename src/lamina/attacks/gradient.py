"""Gradient attacks: the small changes of an input that a net's own gradient finds.

FGSM (Goodfellow et al. 2015, "Explaining and harnessing adversarial examples", section 4) takes one
step, PGD (Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks",
section 2.1) many small ones, each followed by a projection back to what is allowed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

Outputs = Callable[[Tensor], Tensor]  # inputs (batch, ...) -> logits (batch, labels)


@dataclass(frozen=True)
class Ball:
    """What an attacker may hand in: inputs near the true ones, inside the range with a meaning.

    centre: (batch, ...). radius, low, high: in the units of the inputs.
    norm: of the change of an example: "max", its largest number, or "euclidean", the root of the
        sum of its squares.
    """

    centre: Tensor
    radius: float
    low: float
    high: float
    norm: Literal["max", "euclidean"] = "max"

    def project(self, inputs: Tensor) -> Tensor:
        """The nearest allowed inputs; for "euclidean" nearly so at the ends of the range."""
        change = inputs - self.centre
        if self.norm == "max":
            change = change.clamp(-self.radius, self.radius)
        else:
            change = change * (self.radius / lengths(change).clamp(min=1e-12)).clamp(max=1.0)
        return (self.centre + change).clamp(self.low, self.high)

    def start(self, generator: torch.Generator | None = None) -> Tensor:
        """Random allowed inputs, uniform over the ball; by torch's own generator where None."""
        if self.norm == "max":
            change = 2 * uniform(self.centre, generator) - 1
        else:
            change = torch.randn(self.centre.shape, generator=generator, device=self.centre.device)
            sizes = uniform(lengths(change), generator) ** (1 / self.centre[0].numel())
            change = change / lengths(change) * sizes
        return self.project(self.centre + self.radius * change)

    def steepest(self, slope: Tensor) -> Tensor:
        """The change of norm 1 along which a loss of that slope rises most; 0 where it is flat."""
        if self.norm == "max":
            return slope.sign()
        largest = slope.abs().amax(tuple(range(1, slope.ndim)), keepdim=True)
        slope = slope / largest.clamp(min=1e-38)  # first, for squares of tiny numbers are 0
        return slope / lengths(slope).clamp(min=1e-12)


def fgsm(outputs: Outputs, ball: Ball, targets: Tensor) -> Tensor:
    """One step of the ball's radius along the gradient's sign."""
    slope = gradient(outputs, ball.centre, targets)
    return ball.project(ball.centre + ball.radius * ball.steepest(slope))


def pgd(outputs: Outputs, ball: Ball, targets: Tensor, *, steps: int, margin: bool = False,
        generator: torch.Generator | None = None) -> Tensor:
    """Many steps from a random start; margin: the loss, see `gradient`.

    The steps shrink evenly from the radius to 0: large ones first leave poor maxima, as in Croce
    and Hein 2020, section 3; steps of one small size break fewer answers (docs/attack.md).
    """
    inputs = ball.start(generator)
    for step in range(steps):
        slope = gradient(outputs, inputs, targets, margin=margin)
        size = ball.radius * (1 - step / steps)
        inputs = ball.project(inputs + size * ball.steepest(slope))
    return inputs


def gradient(outputs: Outputs, inputs: Tensor, targets: Tensor, *, margin: bool = False) -> Tensor:
    """The slope of each example's loss at `inputs`, shaped as they are.

    The loss is the cross-entropy, or with `margin` how far the best wrong logit is above the true
    one (Carlini and Wagner 2017), which does not become flat where a net is too sure.
    """
    with torch.enable_grad():
        inputs = inputs.detach().requires_grad_()
        logits = outputs(inputs.view_as(inputs)).float()  # torch counts no work on a leaf's way
        loss = margins(logits, targets) if margin else \
            cross_entropy(logits, targets, reduction="none")
        return torch.autograd.grad(loss.sum(), inputs)[0]


def margins(logits: Tensor, targets: Tensor) -> Tensor:  # (batch, labels), (batch,) -> (batch,)
    """How far the best wrong logit is above the true one; above 0 the answer is wrong."""
    true = logits.gather(1, targets[:, None])[:, 0]
    wrong = logits.scatter(1, targets[:, None], -math.inf).amax(1)
    return wrong - true


def lengths(values: Tensor) -> Tensor:
    """The Euclidean norm of each example, (batch, 1, ...)."""
    flat = values.flatten(1).norm(dim=1)
    return flat.view(-1, *[1] * (values.ndim - 1))


def uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Random numbers between 0 and 1 in that shape."""
    return torch.rand(like.shape, generator=generator, device=like.device)
