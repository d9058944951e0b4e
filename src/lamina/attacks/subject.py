"""What is attacked: a model, some test examples, and its score on them as they are changed."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
import torch
from torch import nn

from lamina import keys, scoring
from lamina.answers import Answer, Label, Number
from lamina.device import Machine
from lamina.metrics.metric import ACCURACY, Metric
from lamina.scoring import Part
from lamina.task import Example, Task, tensors

Curve = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A model and the examples it is attacked with. end: when to stop, on the monotonic clock."""

    task: Task
    net: nn.Module
    machine: Machine
    part: Part
    seed: int
    end: float = float("inf")

    # ---- what it says -----------------------------------------------------------------------

    def answers(self, examples: Sequence[Example]) -> list[Answer]:
        """The answers to these examples."""
        part = Part(examples, self.task.encode(examples))
        with torch.inference_mode(), self.machine.autocast():
            return [answer for batch, _ in scoring.batches(self.task, part, self.machine.device)
                    for answer in self.task.answer(self.net, batch)]

    @cached_property
    def answer(self) -> Answer:
        """The answer to the first example; its type is the type of all."""
        return self.answers(self.part.examples[:1])[0]

    @property
    def judged(self) -> bool:
        """Whether each answer can be judged by itself: a label or a number."""
        return isinstance(self.answer, (Label, Number))

    @cached_property
    def metric(self) -> Metric:
        """What the curves show: accuracy where the answers are labels, else the task's first."""
        return ACCURACY if isinstance(self.answer, Label) else self.task.metrics[0]

    def rows(self, examples: Sequence[Example]) -> numpy.ndarray:
        """What each example contributes to the metric, (examples, columns)."""
        if self.judged:
            return judged(self.metric, self.answers(examples), examples)
        part = Part(examples, self.task.encode(examples))
        return scoring.rows(self.task, self.net, part, self.machine)[self.metric.name]

    def harm(self, examples: Sequence[Example]) -> numpy.ndarray:
        """How bad the answer to each example is, (examples,): what a search drives up.

        Of a label the best wrong probability less the true one; of a number the error; else the
        metric, turned so that more is worse.
        """
        if self.judged:
            return numpy.array([harm(answer, example.target) for answer, example
                                in zip(self.answers(examples), examples, strict=True)])
        sign = 1.0 if self.metric.better == "lower" else -1.0
        return numpy.array([sign * self.metric.score(row[None]) for row in self.rows(examples)])

    # ---- what is told of it -----------------------------------------------------------------

    def score(self, rows: numpy.ndarray) -> dict[str, Any]:
        """The score of such rows with its 95 % interval."""
        low, high = scoring.interval(self.metric, rows, seed=self.seed,
                                     groups=[example.group for example in self.part.examples])
        return {"value": self.metric.score(rows), "low": low, "high": high, "n": len(rows)}

    def curve(self, name: str, kind: str, unit: str, how: str,
              points: Iterator[tuple[float, numpy.ndarray]]) -> Curve | None:
        """The scores at growing strengths; ends early where time does. None: no time for any.

        kind: "attack" or "corruption". unit: of the strength. points: (strength, rows).
        """
        strengths, found = [], []
        while time.monotonic() < self.end:
            point = next(points, None)
            if point is None:
                break
            strengths.append(point[0])
            found.append(self.score(point[1]))
        if not found:
            return None
        return {"name": name, "kind": kind, "unit": unit, "how": how, "strengths": strengths,
                "values": [one["value"] for one in found], "low": [one["low"] for one in found],
                "high": [one["high"] for one in found], "n": found[0]["n"]}

    def changed(self, name: str, strengths: Sequence[float],
                change: Callable[[Example, float, numpy.random.Generator], Example]
                ) -> Iterator[tuple[float, numpy.ndarray]]:
        """(strength, rows) of examples that are each changed at random."""
        for strength in strengths:
            yield strength, self.rows([
                change(example, strength, keys.numpy_generator(self.seed, name, strength, index))
                for index, example in enumerate(self.part.examples)])


def judged(metric: Metric, answers: Sequence[Answer],
           examples: Sequence[Example]) -> numpy.ndarray:
    """The metric's rows of these answers."""
    return numpy.array([metric.row(answer, example.target) for answer, example
                        in zip(answers, examples, strict=True)], dtype=float)


def harm(answer: Label | Number, target: Any) -> float:
    """How bad the answer is."""
    if isinstance(answer, Number):
        return abs(answer.value - target)
    wrong = max((chance for label, chance in answer.probabilities.items() if label != target),
                default=0.0)
    return wrong - answer.probabilities.get(target, 0.0)


def judged_by(metric: Metric) -> bool:
    """Whether the metric is a fraction of right answers, shown as per cent."""
    return metric is ACCURACY


def sample(part: Part, count: int, seed: int) -> Part:
    """So many examples of the part that have a target, chosen at random, in their order."""
    known = [index for index, example in enumerate(part.examples) if example.target is not None]
    order = keys.numpy_generator(seed, "robustness").permutation(len(known))[:count]
    chosen = sorted(known[index] for index in order)
    return Part([part.examples[index] for index in chosen],
                tensors(part.batch, torch.tensor(chosen, dtype=torch.long)))


def said(count: int, of: int) -> str:
    """What was sampled, in words."""
    return f"all {of:,} test examples" if count >= of else f"{count:,} of {of:,} test examples"
