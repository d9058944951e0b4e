"""Training against attacks: each batch is first made as hard as an attacker could make it.

    min over weights of the mean of (max over allowed changes of the loss)

(Madry et al. 2018, eq. 2.1). The inner maximum is found by a few steps of PGD. While it is searched
the net stands as it does when it answers: no dropout, the running statistics of batch
normalisation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lamina.attacks.gradient import Ball, pgd
from lamina.errors import UserError
from lamina.keys import generator
from lamina.learning import Batch, Phase
from lamina.metrics.metric import Metric
from lamina.probe import Probe
from lamina.scoring import Part
from lamina.source import Batches
from lamina.task import Task, tensors

STEPS = 2  # of the attack on a batch
ROBUST = Metric("robust accuracy", "higher", "fraction of right answers to attacked examples")
JUDGED, JUDGING_STEPS = 500, 10  # validation examples that choose the best weights; steps on each


@dataclass(frozen=True)
class Adversary:
    """Changes each batch by at most `strength` of the range of its inputs."""

    strength: float
    steps: int = STEPS

    def __call__(self, task: Task, net: nn.Module, batch: Batch) -> Batch:
        """The batch with the inputs that the net does worst on, as far as it was found.

        By torch's own generator, which the loop keys by (seed, step).
        """
        net.eval()
        probe = task.probe(net, batch)
        return {**batch, place(probe, batch): self.hardest(probe, self.steps)}

    def hardest(self, probe: Probe, steps: int,
                random: torch.Generator | None = None) -> Tensor:
        """The probe's inputs, changed; shaped as they are."""
        ball = Ball(probe.inputs, self.strength * (probe.high - probe.low), probe.low, probe.high)
        return pgd(probe.outputs, ball, probe.targets, steps=steps, generator=random)

    def score(self, task: Task, net: nn.Module, part: Part, device: torch.device) -> float:
        """The fraction of right answers to attacked examples: the first JUDGED of the part.

        The random starts are the same at every call, so that scores can be compared.
        """
        net.eval()
        random = generator(task.settings.seed, "robust accuracy", device=device)
        right = []
        for start in range(0, min(JUDGED, len(part)), task.examples_at_once):
            some = slice(start, min(start + task.examples_at_once, JUDGED))
            batch = {name: values.to(device) for name, values in tensors(part.batch, some).items()}
            probe = task.probe(net, batch)
            with torch.no_grad():
                logits = probe.outputs(self.hardest(probe, JUDGING_STEPS, random))
            right.append(logits.argmax(1) == probe.targets)
        return torch.cat(right).float().mean().item()


    def check(self, task: Task, net: nn.Module, phases: Sequence[Phase]) -> None:
        """UserError if the net cannot be trained against attacks, before it is."""
        why = "learns in several phases or with several parts"
        if len(phases) == 1 and list(phases[0].optimizers) == [net]:
            why = "has no images with labels to be attacked"
            if isinstance(phases[0].batches, Batches):
                batch = tensors(phases[0].batches.data, slice(2))
                if attackable(task, net, batch):
                    return
        raise UserError(f"adversarial: expected a task that learns labels of images with one net, "
                        f"such as image-classification; this one {why}; leave --adversarial out")


def attackable(task: Task, net: nn.Module, batch: Batch) -> bool:
    """Whether the inputs of the batch are images with labels."""
    try:
        probe = task.probe(net, batch)
    except NotImplementedError:
        return False
    return probe.kind == "image" and len(probe.labels) > 1 and probe.targets is not None and any(
        values.shape == probe.inputs.shape for values in batch.values())


def place(probe: Probe, batch: Batch) -> str:
    """The name under which the batch holds the probe's inputs."""
    return next(name for name, values in batch.items() if values.shape == probe.inputs.shape)
