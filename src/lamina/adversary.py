"""Training against attacks: each batch is made as hard as an attacker could (Madry et al. 2018)."""

from dataclasses import dataclass

from torch import nn

from lamina.learning import Batch
from lamina.task import Task


@dataclass(frozen=True)
class Adversary:
    """Changes each batch by at most `strength` of the range of its inputs."""

    strength: float

    def __call__(self, task: Task, net: nn.Module, batch: Batch) -> Batch:
        raise NotImplementedError
