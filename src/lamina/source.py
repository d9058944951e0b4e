"""Where batches come from: endless, and resumable from a few integers.

A source may be a data set in memory (`Batches`), an environment that is played, or a teacher.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lamina.keys import generator, key

if TYPE_CHECKING:
    from lamina.findings import Finding


class Source(ABC):
    """An endless iterator of batches whose whole state can be saved and taken back."""

    length: int | None = None  # batches per epoch; None where there is no such thing

    def __iter__(self):
        return self

    @abstractmethod
    def __next__(self) -> dict[str, Tensor]:
        """The next batch; every tensor's first dimension is the example."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Numbers, text, lists, dicts and tensors: all that `load_state_dict` needs."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""

    def findings(self) -> "list[Finding]":
        """What a person should know of how these batches came about, once all are drawn."""
        return []


class Batches(Source):
    """Batches of a data set held as tensors, in an order that only (seed, epoch) decides.

    data: tensors with one shared first dimension, on any device; batches are indexed from them.
    The last batch of an epoch may be smaller, unless drop_last.
    """

    def __init__(self, data: dict[str, Tensor], batch_size: int, *, seed: int,
                 drop_last: bool = False):
        self.data = data
        self.count = len(next(iter(data.values())))
        self.batch_size = min(batch_size, self.count)
        self.seed = seed
        whole, rest = divmod(self.count, self.batch_size)
        self.length = whole if drop_last or not rest else whole + 1
        self.step = 0
        self._order: tuple[int, Tensor] | None = None

    def __next__(self) -> dict[str, Tensor]:
        epoch, index = divmod(self.step, self.length)
        start = index * self.batch_size
        chosen = self.order(epoch)[start : start + self.batch_size]
        self.step += 1
        return {name: values[chosen] for name, values in self.data.items()}

    def order(self, epoch: int) -> Tensor:
        """The permutation of that epoch."""
        if self._order is None or self._order[0] != epoch:
            device = next(iter(self.data.values())).device
            order = torch.randperm(self.count, generator=generator(self.seed, "order", epoch))
            self._order = epoch, order.to(device)
        return self._order[1]

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = state["step"]


class Beside(Source):
    """Batches of several data sets side by side, each in an order of its own: unpaired domains.

    data: tensors by name, of any lengths; an epoch is one pass over the longest.
    """

    def __init__(self, data: dict[str, Tensor], batch_size: int, *, seed: int):
        size = min(batch_size, *(len(values) for values in data.values()))
        self.parts = {name: Batches({name: values}, size, seed=key(seed, name), drop_last=True)
                      for name, values in data.items()}
        self.length = max(part.length for part in self.parts.values())

    def __next__(self) -> dict[str, Tensor]:
        return {name: values for part in self.parts.values() for name, values in next(part).items()}

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
