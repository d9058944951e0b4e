"""What learning is: a task yields the losses it wants lowered, one loop lowers them.

    def learn(self, net, batch):
        yield Update(cross_entropy(net(batch["image"]), batch["label"]), net)

A generative adversarial net yields twice: the loop steps the first part's optimizer before it asks
for the second loss, so the second loss already sees the change.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.optim import Optimizer

from lamina.source import Source

Batch = dict[str, Tensor]  # the first dimension of every tensor is the example


@dataclass(frozen=True, slots=True)
class Update:
    """Lower `loss` by changing `part`, and only it.

    loss: a scalar, the mean over what was counted.
    part: the module whose parameters change; it must have an optimizer in the phase.
    name: the loss's name in the log and in the report.
    count: how many things the mean is over (default: the examples of the batch); weighs ragged
        micro-batches and ragged processes.
    """

    loss: Tensor
    part: nn.Module
    name: str = "loss"
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training with its own batches, losses and optimizers.

    name: what the log calls it.
    batches: an endless, resumable source.
    learn: yields the updates of one step.
    optimizers: for each part that an Update may name, what steps it (several may share a part).
    share: its part of the whole run's steps, relative to the other phases.
    schedule: what multiplies every learning rate at a progress from 0 to 1 within the phase.
    clip: the largest norm of a part's gradient; longer gradients are scaled down to it.
    """

    name: str
    batches: Source
    learn: Callable[[Batch], Iterator[Update]]
    optimizers: Mapping[nn.Module, tuple[Optimizer, ...]]
    schedule: Callable[[float], float]
    share: float = 1.0
    clip: float | None = None
