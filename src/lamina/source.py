"""Where batches come from: endless, and resumable from a few integers.

A source may be a data set (`Batches`, `Buckets`), an environment that is played, or a teacher.
"""

import math
from abc import ABC
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lamina.ahead import Ahead
from lamina.keys import generator, key
from lamina.store import Stored, is_stored, rows

if TYPE_CHECKING:
    from lamina.findings import Finding

AHEAD = 4  # batches that are read before they are asked for, side by side
ALIKE = 1.1  # lengths whose ratio is at most this may share a batch


class Source(ABC):
    """An endless iterator of batches whose whole state can be saved and taken back.

    Where the number of a step decides its batch, `batch` is all that a source has to say.
    """

    length: int | None = None  # batches per epoch; None where there is no such thing
    step: int = 0  # batches given so far
    ahead: Ahead | None = None  # where batches are worth being made before they are asked for

    def __iter__(self):
        return self

    def __next__(self) -> dict[str, Tensor]:
        """The next batch; every tensor's first dimension is the example."""
        self.step += 1
        return (self.ahead or self.batch)(self.step - 1)

    def batch(self, step: int) -> dict[str, Tensor]:
        """The batch of that step, whichever came before."""
        raise NotImplementedError(f"{type(self).__name__} has neither batch nor __next__")

    def state_dict(self) -> dict[str, Any]:
        """Numbers, text, lists, dicts and tensors: all that `load_state_dict` needs."""
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self.step = state["step"]

    def findings(self) -> "list[Finding]":
        """What a person should know of how these batches came about, once all are drawn."""
        return []


class Batches(Source):
    """Batches of a data set held as tensors, in an order that only (seed, epoch) decides.

    data: tensors with one shared first dimension, on any device; batches are indexed from them,
    ahead of time where they come from a file.
    among: places of the examples that are drawn from; None: all.
    The last batch of an epoch may be smaller, unless drop_last.
    """

    def __init__(self, data: dict[str, Tensor | Stored], batch_size: int, *, seed: int,
                 drop_last: bool = False, among: Tensor | None = None):
        self.data, self.among = data, among
        self.count = len(next(iter(data.values())) if among is None else among)
        self.batch_size = min(batch_size, self.count)
        self.seed = seed
        whole, rest = divmod(self.count, self.batch_size)
        self.length = whole if drop_last or not rest else whole + 1
        self.order = lru_cache(maxsize=2)(self.order)  # of this epoch and, reading ahead, the next
        self.ahead = reading_ahead(self.batch, data)
        self.device = "cpu" if self.ahead else next(iter(data.values())).device  # of the places

    def batch(self, step: int) -> dict[str, Tensor]:
        """The batch of that step."""
        epoch, index = divmod(step, self.length)
        start = index * self.batch_size
        chosen = self.order(epoch)[start : start + self.batch_size]
        return {name: rows(values, chosen) for name, values in self.data.items()}

    def order(self, epoch: int) -> Tensor:
        """The permutation of that epoch."""
        random = generator(self.seed, "order", epoch)
        order = torch.randperm(self.count, generator=random)
        return (order if self.among is None else self.among.cpu()[order]).to(self.device)


class Buckets(Source):
    """Batches of examples of like lengths, so that little of a batch is padding.

    An epoch sees each example once; which ones share a batch, and the order of the batches, only
    (seed, epoch) decides.
    data: tensors with one shared first dimension. lengths: of those that are ragged, by name, how
    much of each row counts, (examples,); a batch holds them as long as its longest row.
    size: the most elements of the ragged tensors that a batch holds, padding included; an example
    that is longer than that is a batch of its own.
    """

    def __init__(self, data: dict[str, Tensor | Stored], lengths: dict[str, Tensor], size: int, *,
                 seed: int):
        self.data, self.seed = data, seed
        self.lengths = {name: length.cpu() for name, length in lengths.items()}
        total = torch.stack([*self.lengths.values()]).sum(0).clamp(min=1)
        kinds = (total.double().log() / math.log(ALIKE)).ceil()
        self.buckets: list[tuple[Tensor, int]] = []  # places, and how many of them make a batch
        for kind in kinds.unique():
            places = (kinds == kind).nonzero().flatten()
            padded = sum(int(length[places].max()) for length in self.lengths.values())
            self.buckets.append((places, max(1, size // max(1, padded))))
        self.length = sum(-(-len(places) // count) for places, count in self.buckets)
        self.order = lru_cache(maxsize=2)(self.order)
        self.ahead = reading_ahead(self.batch, data)

    def batch(self, step: int) -> dict[str, Tensor]:
        """The batch of that step."""
        epoch, index = divmod(step, self.length)
        chosen = self.order(epoch)[index]
        found = {name: rows(values, chosen) for name, values in self.data.items()}
        return found | {name: found[name][:, : int(length[chosen].max())]
                        for name, length in self.lengths.items()}

    def order(self, epoch: int) -> list[Tensor]:
        """The places of each batch of that epoch."""
        random = generator(self.seed, "order", epoch)
        batches = [some for places, count in self.buckets
                   for some in places[torch.randperm(len(places), generator=random)].split(count)]
        return [batches[i] for i in torch.randperm(len(batches), generator=random).tolist()]


class Beside(Source):
    """Batches of several kinds of example side by side, each in an order of its own: unpaired
    domains.

    values: (examples, ...). places: of the examples of each kind, by its name; an epoch is one
    pass over the most frequent one.
    """

    def __init__(self, values: Tensor | Stored, places: dict[str, Tensor], batch_size: int, *,
                 seed: int):
        size = min(batch_size, *map(len, places.values()))
        self.parts = {name: Batches({name: values}, size, seed=key(seed, name), drop_last=True,
                                    among=among) for name, among in places.items()}
        self.length = max(part.length for part in self.parts.values())

    def __next__(self) -> dict[str, Tensor]:
        return {name: values for part in self.parts.values() for name, values in next(part).items()}

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def reading_ahead(make: Callable[[int], dict[str, Tensor]], data: dict[str, Tensor | Stored]
                  ) -> Ahead | None:
    """What makes batches before they are asked for, where rows of the data must be read first."""
    return Ahead(make, threads=AHEAD, count=AHEAD) if is_stored(data) else None
