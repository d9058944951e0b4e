"""Honest numbers: rows of a part, scores with 95 % intervals, baselines that do not learn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from torch import nn

from lamina.ahead import Ahead
from lamina.answers import Answer, Label, Number
from lamina.device import Machine
from lamina.errors import UserError
from lamina.intervals import interval, paired, resamples, wilson
from lamina.learning import Batch
from lamina.metrics.metric import Metric
from lamina.store import Store, free_memory
from lamina.task import Example, Task, tensors

__all__ = ["Part", "batches", "check_damage", "confusion", "encode", "interval", "named", "paired",
           "point_scores", "resamples", "rows", "scores", "wilson"]

DAMAGE_ALLOWED = 0.05  # of all examples
CHUNK = 4_000_000  # bytes encoded by one thread at a time
FEW = 200_000  # numbers in the answers to a part that are kept for another use


@dataclass
class Part:
    """A part of a data set, as people have it and as tensors."""

    examples: Sequence[Example]
    batch: Batch

    def __len__(self) -> int:
        return len(self.examples)


def encode(task: Task, examples: Sequence[Example], damaged: list[str], *, name: str = "data",
           limit: int | None = None) -> Part:
    """The examples as tensors, decoded in parallel; damaged ones are named and left out.

    limit: bytes of memory that they may take, by default half of what is free; what needs more
    is kept in a file. UserError: all of them are damaged.
    """
    store = Store(len(examples), free_memory() // 2 if limit is None else limit)
    size = chunk_size(task, examples)
    chunks = Ahead(lambda i: encode_chunk(task, examples[i * size : (i + 1) * size]),
                   threads=torch.get_num_threads(), count=2 * torch.get_num_threads())
    kept: list[Example] = []
    for number in range(-(-len(examples) // size)):
        some, batch, lost = chunks(number)
        damaged += lost
        if some:
            store.add(batch)
            kept += some
    if not kept:
        raise UserError(f"every example of the {name} part is damaged; the first: {damaged[-1]}")
    return Part(kept, store.batch())


def chunk_size(task: Task, examples: Sequence[Example]) -> int:
    """How many examples a thread encodes at a time: about CHUNK bytes of them."""
    for example in examples:
        _, batch, _ = encode_chunk(task, [example])
        if batch:
            size = sum(values.nbytes for values in batch.values())
            return max(1, min(1024, CHUNK // max(1, size)))
    return 1


def check_damage(damaged: Sequence[str], count: int) -> None:
    """UserError if more than 5 % of `count` examples, the damaged among them, are damaged."""
    if len(damaged) > DAMAGE_ALLOWED * count:
        raise UserError(f"{len(damaged)} of {count} examples are damaged, expected at most "
                        f"{DAMAGE_ALLOWED:.0%}; the first: {damaged[0]}")


def encode_chunk(task: Task, examples: Sequence[Example]
                 ) -> tuple[Sequence[Example], Batch, list[str]]:
    """(examples kept, their tensors, "name: why" of the damaged)."""
    if not examples:  # begun ahead, beyond the end
        return [], {}, []
    try:
        return examples, task.encode(examples), []
    except (ValueError, OSError) as reason:
        if len(examples) == 1:
            return [], {}, [f"{named(examples[0])}: {reason}"]
    half = len(examples) // 2
    first, second = (encode_chunk(task, part) for part in (examples[:half], examples[half:]))
    batch = {key: torch.cat([part[1][key] for part in (first, second) if part[0]])
             for key in first[1] or second[1]}
    return [*first[0], *second[0]], batch, first[2] + second[2]


def named(example: Example) -> str:
    """A short name of an example, for a message."""
    text = str(example.input) if not isinstance(example.input, numpy.ndarray) else "an array"
    return text if len(text) <= 120 else text[:117] + "..."


def batches(task: Task, part: Part, device: torch.device
            ) -> Iterator[tuple[Batch, Sequence[Example]]]:
    """The part in order, in batches that nothing is learnt from."""
    for start in range(0, len(part), task.examples_at_once):
        chosen = slice(start, start + task.examples_at_once)
        batch = {k: v.to(device) for k, v in tensors(part.batch, chosen).items()}
        yield batch, part.examples[chosen]


def rows(task: Task, net: nn.Module, part: Part, machine: Machine,
         kept: list[Answer] | None = None) -> dict[str, numpy.ndarray]:
    """For each metric that can be measured, what each example contributes: (examples, columns).

    kept: gets the answers that were scored, if they are small.
    """
    net.eval()
    found: dict[str, list[numpy.ndarray]] = {metric.name: [] for metric in task.metrics}
    with torch.inference_mode(), machine.autocast():
        for batch, examples in batches(task, part, machine.device):
            if kept is not None and task.scored_by_answers:
                answers = task.answer(net, batch)
                kept += answers if are_few(answers, len(part)) else []
                some = task.rows(answers, examples)
            else:
                some = task.evaluate(net, batch, examples)
            for name, values in some.items():
                found[name].append(values)
    return {name: numpy.concatenate(values) for name, values in found.items() if values}


def are_few(answers: Sequence[Answer], count: int) -> bool:
    """Whether so many answers of this kind are numbers, or labels of few classes."""
    first = answers[0]
    return isinstance(first, Number) or (
        isinstance(first, Label) and count * len(first.probabilities) <= FEW)


def point_scores(metrics: Sequence[Metric], found: dict[str, numpy.ndarray]) -> dict[str, float]:
    """The scores alone."""
    return {metric.name: metric.score(found[metric.name]) for metric in metrics
            if metric.name in found}


def scores(metrics: Sequence[Metric], found: dict[str, numpy.ndarray], *, seed: int,
           groups: Sequence[str | None] = ()) -> list[dict[str, Any]]:
    """Each score with its 95 % interval, as report.json holds them."""
    table = []
    for metric in (metric for metric in metrics if metric.name in found):
        values = found[metric.name]
        low, high = interval(metric, values, seed=seed, groups=groups)
        table.append({"name": metric.name, "value": metric.score(values), "low": low,
                      "high": high, "n": len(values), "unit": metric.unit,
                      "better": metric.better, "help": metric.help})
    return table


def confusion(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """{"labels", "counts"} of (true label, answered label); rows are the true labels."""
    labels = sorted({label for pair in pairs for label in pair}, key=natural)
    place = {label: index for index, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for true, answered in pairs:
        counts[place[true]][place[answered]] += 1
    return {"labels": labels, "counts": counts}


def natural(text: str) -> tuple[int, float, str]:
    """Sorts numbers by value, before words."""
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
