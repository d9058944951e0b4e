"""The parts of a data set, read, studied and encoded."""

import contextlib
import gc
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lamina import numbers
from lamina.learning import Batch
from lamina.scoring import Part, check_damage, encode
from lamina.splits import PARTS, content, share
from lamina.store import Stored, free_memory, is_stored, pieces
from lamina.task import Data, Example, Task


@dataclass
class Parts:
    """The parts of a data set, read and encoded."""

    data: Data
    train: Batch
    validation: Part
    test: Part

    @property
    def training(self) -> Part:
        """The training part with its examples."""
        return Part(self.data.train, self.train)

    @property
    def stored(self) -> bool:
        """Whether any of them is in a file."""
        return any(map(is_stored, (self.train, self.validation.batch, self.test.batch)))

    def summary(self, source: str) -> dict[str, Any]:
        """What settings.json, the model file and the report say of the data."""
        return {"source": source, "train": len(next(iter(self.train.values()))),
                "validation": len(self.validation), "test": len(self.test),
                "split": self.data.how,
                "fingerprint": fingerprint(self.train, self.validation.batch, self.test.batch),
                "test_fingerprint": tested(self.test.examples),
                "notes": self.data.notes, "damaged": self.data.damaged}


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage in cycles: reading makes many objects and hardly a cycle, and each
    search would go through all of them."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


@uncollected()
def prepare(task: Task, path: Path | str, *, fraction: float = 1.0,
            limit: int | None = None) -> Parts:
    """Read, study and encode the data set; facts are studied only where there are none yet.

    fraction: of the training part that is kept; validation and test stay whole.
    limit: bytes of memory for encoded data, by default half of what is free.
    """
    data = task.read(path)
    count = len(data.train) + len(data.validation) + len(data.test) + len(data.damaged)
    check_damage(data.damaged, count)
    if fraction < 1:
        whole, data.train = len(data.train), share(data.train, fraction)
        data.notes.append(f"learns from {len(data.train):,} of the {whole:,} training examples, "
                          "chosen by hash of content")
    if task.facts is None:
        task.facts = task.study(data.train)
        data.notes += task.facts.notes()
    left = free_memory() // 2 if limit is None else limit
    parts = []
    for name in PARTS:
        part = encode(task, getattr(data, name), data.damaged, name=name, limit=left)
        left -= sum(values.nbytes for values in part.batch.values() if isinstance(values, Tensor))
        data.notes += in_files(name, part.batch)
        setattr(data, name, part.examples)
        parts.append(part)
    check_damage(data.damaged, count)
    train, validation, test = parts
    return Parts(data, train.batch, validation, test)


def in_files(name: str, batch: Batch) -> list[str]:
    """A note that this part is not in memory, where it is not."""
    size = sum(values.nbytes for values in batch.values() if isinstance(values, Stored))
    return [f"the {name} part takes {numbers.size(size)}, more than is left of --memory-limit: it "
            "is read from a file while it is used"] * bool(size)


def fingerprint(*batches: Batch) -> str:
    """SHA-256 of encoded data: two data sets that learn alike have the same."""
    digest = hashlib.sha256()
    for batch in batches:
        for name, values in sorted(batch.items()):
            digest.update(repr((name, str(values.dtype), tuple(values.shape))).encode())
            for piece in pieces(values):
                digest.update(piece.numpy().data)
    return digest.hexdigest()


def tested(examples: Sequence[Example]) -> str:
    """SHA-256 of examples as people have them: the same however a model encodes them."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{content(example.input)} {content(example.target)}\n".encode())
    return digest.hexdigest()
