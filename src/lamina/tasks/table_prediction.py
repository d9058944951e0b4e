"""row -> label or number: tables with numbers, categories, dates and gaps.

The target column decides which: text or a few different whole numbers are labels, other numbers
are predicted as such.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy
import torch
from torch import nn
from torch.nn import functional

from lamina import columns, probe, settings
from lamina.answers import Answer, Label, Number
from lamina.budget import Budget, cosine
from lamina.errors import UserError
from lamina.keys import numpy_generator
from lamina.learning import Batch, Phase, Update
from lamina.media import table
from lamina.metrics.classification import AUROC, MACRO_F1
from lamina.metrics.metric import ACCURACY, MAE, R2, RMSE, Metric
from lamina.nets import tabular
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import divide
from lamina.targets import as_targets, decide, items_of, target_column
from lamina.task import Data, Example, Facts, Task

NEIGHBOURS, MOST_NEIGHBOURS = 10, 4000  # of the baseline; training rows that it searches
SIZES = {"mlp": (256, 2), "residual": (192, 2), "attention": (64, 3)}  # width, depth


@dataclass(frozen=True, kw_only=True)
class TableSettings(settings.Settings):
    """What the user of table prediction may choose."""

    batch_size: int = setting(256, "rows per optimizer step; at most a 16th of the training rows",
                              low=1, high=65536)
    learning_rate: float = setting(5e-3, "peak step size of AdamW; attention takes a fifth of it",
                                   low=0, high=100)
    weight_decay: float = setting(0.1, "weight decay of AdamW", low=0, high=100)
    target_column: str = setting("", "the column to predict; the last one when empty")
    problem: Literal["auto", "classification", "regression"] = setting(
        "auto", "labels or numbers; auto decides by the target column")
    net: Literal["mlp", "residual", "attention"] = setting(
        "mlp", "fully connected, with residual blocks, or attention over the columns")
    width: int = setting(0, "numbers in a hidden layer; 0 for 256 (mlp), 192 (residual) or 64 "
                         "(attention)", low=0, high=4096)
    depth: int = setting(0, "hidden layers or blocks; 0 for 2 (attention: 3)", low=0, high=64)
    column_width: int = setting(16, "numbers in a column's vector (attention: the width)",
                                low=1, high=1024)
    bins: int = setting(96, "parts in which a number's range is encoded", low=1, high=1024)
    members: int = setting(4, "nets of the ensemble that share nearly all weights (not attention)",
                           low=1, high=128)
    dropout: float = setting(0.2, "fraction of hidden numbers left out while learning",
                             low=0, high=0.9)


@dataclass(frozen=True, kw_only=True)
class TableFacts(Facts):
    """What the training part taught. labels: the classes; empty where numbers are predicted.

    mean, deviation: of the targets where they are numbers. useless: columns left out, and why.
    """

    columns: tuple[columns.Column, ...]
    useless: tuple[str, ...]
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    def notes(self) -> list[str]:
        return columns.describe(self.columns, self.useless)


class TablePrediction(Task):
    """The row of a table to a label or a number."""

    Settings = TableSettings
    Facts = TableFacts
    budget = Budget(epochs=25)
    examples_at_once = 2048
    private: ClassVar[dict[str, Any]] = {"members": 1, "dropout": 0.0, "bins": 16, "width": 64}

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of labels accuracy and macro F1 (of two also the area under the ROC), or three errors."""
        if not self.facts.labels:
            return RMSE, MAE, R2
        return (ACCURACY, MACRO_F1, AUROC) if len(self.facts.labels) == 2 else (ACCURACY, MACRO_F1)

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        """A CSV, TSV, JSON lines or Parquet file, or a folder with one, or one for each part.

        A column `split` declares the part of a row, a column `group` what must stay together.
        """
        try:
            tables = table.tables(Path(source))
        except (OSError, ValueError) as reason:
            raise UserError(str(reason)) from None
        damaged = [line for part in tables for line in part.damaged]
        tables = [part for part in tables if part.rows]
        if not tables:
            raise UserError(f"{source} has no rows" + (f" ({damaged[0]})" if damaged else ""))
        inputs = [column.name for column in self.facts.columns] if self.facts else []
        target = target_column(tables, self.settings.target_column, inputs)
        notes = [f"target: the column {target!r}"
                 + ("" if self.settings.target_column else ", the last one")]
        notes += [f"{part.name} is left out: it has no column {target!r}"
                  for part in tables if target not in part.columns]
        items = [item for part in tables if target in part.columns
                 for item in items_of(part, target, damaged)]
        problem = self.settings.problem
        if self.facts:
            problem = "classification" if self.facts.labels else "regression"
        else:
            problem, why = decide(problem, [item.target for item in items], target)
            notes.append(f"{problem}: the target has {why}")
        data = divide(list(as_targets(items, problem, target, damaged)), notes=notes)
        data.damaged += damaged
        return data

    def study(self, train: Sequence[Example]) -> TableFacts:
        useful, useless = columns.study([example.input for example in train])
        if not useful:
            raise UserError(f"no column can be used: {', '.join(useless) or 'there are none'}")
        targets = [example.target for example in train]
        if isinstance(targets[0], str):
            return TableFacts(columns=useful, useless=useless, labels=sorted(set(targets)))
        return TableFacts(columns=useful, useless=useless, mean=float(numpy.mean(targets)),
                          deviation=float(numpy.std(targets)) or 1.0)

    def encode(self, examples: Sequence[Example]) -> Batch:
        batch = columns.encode(self.facts.columns, [example.input for example in examples])
        targets = [example.target for example in examples]
        if None in targets:
            return batch
        if not self.facts.labels:
            values = (numpy.array(targets, dtype=float) - self.facts.mean) / self.facts.deviation
            return batch | {"target": torch.from_numpy(values.astype(numpy.float32))}
        places = {label: i for i, label in enumerate(self.facts.labels)}
        for target in targets:
            if target not in places:
                raise ValueError(f"the label {target!r} does not occur in the training part")
        return batch | {"target": torch.tensor([places[target] for target in targets])}

    def examples(self, given: Sequence[Any]) -> list[Example]:
        """Each is the path of a table, all of whose rows are meant, or one row as JSON or dict."""
        return [Example(row) for item in given
                for row in columns.rows_given(item, self.facts.columns)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        chosen, inputs = self.settings, self.facts.columns
        width, depth = chosen.width or SIZES[chosen.net][0], chosen.depth or SIZES[chosen.net][1]
        numbers = sum(column.numbers for column in inputs)
        attention = chosen.net == "attention"
        members = 1 if attention else chosen.members
        vectors = tabular.ColumnVectors(
            numbers=numbers, categories=sum(column.vectors for column in inputs),
            bins=chosen.bins, width=width if attention else chosen.column_width)
        if attention:
            body = tabular.ColumnAttention(width=width, depth=depth, dropout=chosen.dropout,
                                           heads=math.gcd(4, width))
        else:
            seen = tabular.Members(
                columns=numbers + sum(column.kind == "category" for column in inputs),
                column_width=chosen.column_width, members=members)
            make = tabular.multilayer if chosen.net == "mlp" else tabular.residual
            body = make(seen, width=width, depth=depth, dropout=chosen.dropout)
        return tabular.RowNet(vectors, body, members=members, width=width,
                              outputs=len(self.facts.labels) or 1)

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        outputs = net(batch["numbers"], batch["categories"])  # (batch, members, outputs)
        target = batch["target"][:, None].expand(outputs.shape[:2])
        if self.facts.labels:
            loss = functional.cross_entropy(outputs.flatten(0, 1), target.flatten())
        else:
            loss = functional.mse_loss(outputs[:, :, 0], target)
        yield Update(loss, net)

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        rows = len(train["numbers"])
        matrices = [p for p in net.body.parameters() if p.ndim == 2]
        chosen = set(map(id, matrices))
        rest = [p for p in net.parameters() if id(p) not in chosen]
        rate = self.settings.learning_rate * (0.2 if self.settings.net == "attention" else 1.0)
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": self.settings.weight_decay},
             {"params": rest, "weight_decay": 0.0}], rate)
        yield Phase(
            name="train",
            batches=Batches(train, min(self.settings.batch_size, max(16, rows // 16)),
                            seed=self.settings.seed),
            learn=lambda batch: self.learn(net, batch),
            optimizers={net: (optimizer,)},
            schedule=cosine(warmup=0.05),
            clip=1.0,
        )

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Answer]:
        outputs = net(batch["numbers"], batch["categories"]).double()
        return answers((outputs.softmax(2) if self.facts.labels else outputs).mean(1), self.facts)

    def probe(self, net: nn.Module, batch: Batch) -> probe.Probe:
        facts, targets = self.facts, batch.get("target")
        if facts.labels:  # the logarithms of the ensemble's probabilities
            return probe.of_row(net, facts.columns, batch, lambda vectors: net.mix(
                vectors).log_softmax(2).logsumexp(1), facts.labels, targets)
        scale, centre = facts.deviation, facts.mean  # so that the outputs are the target's own
        return probe.of_row(net, facts.columns, batch, lambda vectors: net.mix(
            vectors).mean(1) * scale + centre, ("the number",),
            None if targets is None else targets * scale + centre)

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The most frequent class, or the mean and the median; and the nearest training rows."""
        targets = [example.target for example in train]
        if self.facts.labels:
            shares = {label: targets.count(label) / len(targets) for label in self.facts.labels}
            constant = {"most frequent class": Label(max(shares, key=shares.get), shares)}
        else:
            constant = {"mean": Number(float(numpy.mean(targets))),
                        "median": Number(float(numpy.median(targets)))}
        order = numpy_generator(0, "nearest rows").permutation(len(train))[:MOST_NEIGHBOURS]
        near = nearest_rows(self.encode([train[i] for i in order]), self.encode(test), self.facts)
        return {name: self.rows([answer] * len(test), test) for name, answer in constant.items()} \
            | {f"mean of {NEIGHBOURS} nearest rows": self.rows(answers(near, self.facts), test)}

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = numpy_generator(0, "table sample")
        path = folder / "customers.csv"
        with path.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["age", "plan", "joined", "minutes", "complaints", "left"])
            for _ in range(240):
                age, complaints = int(random.integers(18, 80)), int(random.poisson(1.0))
                plan = str(random.choice(["basic", "family", "business"]))
                joined = numpy.datetime64("2019-01-01") + int(random.integers(0, 1800))
                minutes = "" if random.random() < 0.05 else f"{random.gamma(2.0, 150):.1f}"
                leaves = complaints + (plan == "basic") + random.normal(0, 0.3) > 1.5
                out.writerow([age, plan, joined, minutes, complaints, "yes" if leaves else "no"])
        return path


# ---- answers ------------------------------------------------------------------------------------

def answers(values: torch.Tensor, facts: TableFacts) -> list[Answer]:
    """Labels of probabilities, or numbers of standardised ones; values: (rows, outputs)."""
    if not facts.labels:
        return [Number(value) for value in (values[:, 0] * facts.deviation + facts.mean).tolist()]
    return [Label(facts.labels[best], dict(zip(facts.labels, row, strict=True)))
            for best, row in zip(values.argmax(1).tolist(), values.tolist(), strict=True)]


def nearest_rows(known: Batch, asked: Batch, facts: TableFacts) -> torch.Tensor:
    """The mean target of the nearest known rows, by rank and category, (rows, outputs)."""
    targets = functional.one_hot(known["target"], len(facts.labels)).double() if facts.labels \
        else known["target"].double()[:, None]
    corpus = columns.points(facts.columns, known)
    found = []
    for part in columns.points(facts.columns, asked).split(4096):
        distance = torch.cdist(part, corpus)
        near = distance.topk(min(NEIGHBOURS, len(corpus)), largest=False).indices
        found.append(targets[near].mean(1))
    return torch.cat(found)
