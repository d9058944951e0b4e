"""A training at its end, with everything that may be asked about it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy
import torch
from torch import nn

from lamina import scoring
from lamina.answers import Answer, Label, Number
from lamina.device import Machine
from lamina.options import Options
from lamina.parts import Parts
from lamina.run import Run
from lamina.scoring import Part
from lamina.task import Data, Task, tensors
from lamina.trust import calibration


@dataclass
class Case:
    """A run at its end. net: with the best weights. log: the lines of log.jsonl."""

    run: Run
    net: nn.Module
    parts: Parts
    options: Options
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def task(self) -> Task:
        return self.run.task

    @property
    def machine(self) -> Machine:
        return self.run.machine

    @property
    def data(self) -> Data:
        return self.parts.data

    @property
    def seed(self) -> int:
        return self.task.settings.seed

    # ---- answers ----------------------------------------------------------------------------

    @cached_property
    def first_answer(self) -> Answer:
        """The answer to the first test example; its type is the type of all."""
        return self.answers(self.parts.test, count=1)[0]

    @property
    def labels(self) -> bool:
        """Whether the answers are labels with probabilities."""
        return isinstance(self.first_answer, Label)

    @property
    def numbers(self) -> bool:
        """Whether the answers are numbers."""
        return isinstance(self.first_answer, Number)

    def answers(self, part: Part, *, start: int = 0, count: int | None = None) -> list[Answer]:
        """Uncalibrated answers to the part's examples from `start` on."""
        end = len(part) if count is None else min(len(part), start + count)
        some = Part(part.examples[start:end], tensors(part.batch, slice(start, end)))
        self.net.eval()
        with torch.inference_mode(), self.machine.autocast():
            return [answer for batch, _ in scoring.batches(self.task, some, self.machine.device)
                    for answer in self.task.answer(self.net, batch)]

    @cached_property
    def calibration(self) -> dict[str, Any] | None:
        """What calibrates the answers, learnt on the validation part; kept in the model file."""
        return calibration.fit(self)

    @cached_property
    def validation_answers(self) -> list[Answer]:
        """Uncalibrated answers to the validation part; ask only where `labels` or `numbers`."""
        return self.run.answers or self.answers(self.parts.validation)

    @cached_property
    def raw_test_answers(self) -> list[Answer]:
        """Uncalibrated answers to the test part; ask only where `labels` or `numbers`."""
        return self.answers(self.parts.test)

    @cached_property
    def test_rows(self) -> dict[str, numpy.ndarray]:
        """What each test example contributes to each metric; the net answers only once."""
        if (self.labels or self.numbers) and self.task.scored_by_answers:
            return self.task.rows(self.raw_test_answers, self.parts.test.examples)
        return scoring.rows(self.task, self.net, self.parts.test, self.machine)

    @cached_property
    def test_answers(self) -> list[Answer]:
        """Calibrated answers to the test part; ask only where `labels` or `numbers`."""
        return calibration.apply(self.raw_test_answers, self.calibration)
