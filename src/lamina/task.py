"""What a problem is: how to read, encode, build, learn and answer it.

A task is one file in `lamina/tasks/` with one final subclass of `Task`. It never steps an
optimizer, never prints, and keeps nothing but its settings and its facts.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy
import torch
from torch import Tensor, nn

from lamina.answers import Answer
from lamina.budget import Budget, trapezoid
from lamina.keys import seed_all
from lamina.learning import Batch, Phase, Update
from lamina.metrics.metric import Metric
from lamina.probe import Probe
from lamina.settings import Checked, Settings
from lamina.source import Batches


@dataclass(frozen=True, slots=True)
class Example:
    """One example as a person has it: a file, a text, a row, an array of pixels; never a tensor."""

    input: Any
    target: Any = None
    group: str | None = None


@dataclass
class Data:
    """The three parts of a data set, and how they came about.

    how: one sentence on the split, for the report.
    cut: the parts that the maker did not declare and that were cut from the training part.
    notes: what was found or decided while reading, for the user and the report.
    damaged: "name: why" of the examples left out.
    """

    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]
    how: str
    cut: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Facts(Checked):
    """What the training part taught: labels, a vocabulary, statistics. Plain JSON values."""

    def notes(self) -> list[str]:
        """What of it the user should know, a line each."""
        return []


class Task(ABC):
    """One kind of problem. `settings` are the user's choices; `facts` come from `study`."""

    Settings: ClassVar[type[Settings]] = Settings
    Facts: ClassVar[type[Facts]] = Facts
    metrics: tuple[Metric, ...]  # the first one chooses the best model
    budget: ClassVar[Budget] = Budget(minutes=5)  # when the user names none
    precisions: ClassVar[tuple[str, ...]] = ("float32",)  # what the loop may choose from
    threads: ClassVar[int | None] = None  # as many as help; None: all there are
    examples_at_once: ClassVar[int] = 512  # per batch where nothing is learnt
    reads_names: ClassVar[bool] = False  # whether `read` takes names that are no path
    private: ClassVar[dict[str, Any] | None] = None  # defaults of private runs; None: has none

    def __init__(self, settings: Settings, facts: Facts | None = None):
        self.settings = settings
        self.facts = facts

    # ---- data -------------------------------------------------------------------------------

    @abstractmethod
    def read(self, source: Path | str) -> Data:
        """The data set at a path (or of that name, where the task has names of its own)."""

    def study(self, train: Sequence[Example]) -> Facts:
        """What must be known before anything can be encoded or built; from the training part."""
        return self.Facts()

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> Batch:
        """Tensors of these examples, compact (uint8 pixels, integer tokens), without randomness.

        Targets are left out when any of the examples has none. ValueError or OSError says why an
        example cannot be read; the caller then names it and goes on without it.
        """

    def examples(self, given: Sequence[str]) -> list[Example]:
        """Examples of what a user hands to `predict`: paths, texts, rows; or ValueError."""
        return [Example(item) for item in given]

    # ---- learning ---------------------------------------------------------------------------

    @abstractmethod
    def build(self) -> nn.Module:
        """The net, from settings and facts alone."""

    def augment(self, batch: Batch) -> Batch:
        """A random variation of a batch; torch's own generators are keyed by (seed, step)."""
        return batch

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        """The losses of one step, one at a time; needed unless `phases` is given."""
        raise NotImplementedError(f"{type(self).__name__} has neither learn nor phases")

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        """The stretches of training; `train` is the encoded training part."""
        from torch.optim import AdamW

        yield Phase(
            name="train",
            batches=Batches(train, self.settings.batch_size, seed=self.settings.seed),
            learn=lambda batch: self.learn(net, batch),
            optimizers={net: (AdamW(net.parameters(), self.settings.learning_rate),)},
            schedule=trapezoid(warmup=0.05, decay=0.5),
        )

    def adjust(self, net: nn.Module, validation: Iterator[Batch]) -> None:
        """What the net takes from the validation part without learning, such as the widths of
        bands; before each evaluation. Asked of the same weights again it must do the same.
        """

    # ---- answering --------------------------------------------------------------------------

    @abstractmethod
    def answer(self, net: nn.Module, batch: Batch) -> list[Answer]:
        """What a person would read, for each example of an encoded batch."""

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        """For each metric, what each example contributes to it: (examples, columns)."""
        return self.rows(self.answer(net, batch), examples)

    @property
    def scored_by_answers(self) -> bool:
        """Whether `evaluate` asks for nothing but answers; then they need be asked for only once,
        for the scores and for whatever else looks at them."""
        return type(self).evaluate is Task.evaluate

    def rows(self, answers: Sequence[Answer],
             examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        """The metrics' rows of these answers beside the examples' targets."""
        pairs = list(zip(answers, (example.target for example in examples), strict=True))
        return {metric.name: numpy.array([metric.row(*pair) for pair in pairs], dtype=float)
                for metric in self.metrics}

    @abstractmethod
    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """Rows of answers that need no learning, by the baseline's name; at least one."""

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        """The net as a function of what an encoded batch is made of; explains and attacks."""
        raise NotImplementedError(f"{type(self).__name__} cannot be looked into")

    def exported(self, net: nn.Module) -> nn.Module:
        """The part of the net that answers need; what a model file holds."""
        return net

    @classmethod
    @abstractmethod
    def sample(cls, folder: Path) -> Path:
        """Writes a tiny data set in the user's own format; returns what `read` takes."""

    # ---- made of the above ------------------------------------------------------------------

    def start(self) -> nn.Module:
        """The net with the initial weights of this seed."""
        seed_all(self.settings.seed, "build")
        return self.build()


def images_last(net: nn.Module) -> bool:
    """Whether the net has two-dimensional convolutions, which run fastest with channels last."""
    return any(isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) for module in net.modules())


def arrange(net: nn.Module, layout: str) -> None:
    """Put the weights of two-dimensional convolutions, if there are any, in memory so."""
    if images_last(net):
        net.to(memory_format=torch.channels_last if layout == "channels_last"
               else torch.contiguous_format)


def tensors(batch: Batch, chosen: slice | Tensor) -> Batch:
    """Those examples of an encoded batch."""
    return {name: values[chosen] for name, values in batch.items()}
