"""Changes of a table's rows: columns that are missing, noise, and small changes that do harm.

It takes nothing but the model's answers. Numbers move by fractions of their column's deviation
among the rows that are attacked, stay inside their range there, and stay whole where all are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from lamina import columns, keys
from lamina.attacks.subject import Subject
from lamina.errors import UserError, nearest
from lamina.media import packed, table
from lamina.task import Example

STEPS = (0.05, 0.1, 0.2, 0.5, 1.0)  # of a number, in deviations
CHANGES = (1, 2, 3)  # columns that a search may change
REACH = 0.5  # deviations by which a number may move in such a search
CATEGORIES = 4  # other categories of a column that a search tries
UNIT = "deviations"
SHOWN = 4


@dataclass(frozen=True)
class Cell:
    """A column that may change. deviation 0: its values are names, and may become `others`."""

    name: str
    deviation: float
    low: float
    high: float
    whole: bool
    others: tuple[Any, ...]

    def moved(self, value: Any, by: float) -> Any:
        """The number of a cell moved by so many deviations; as it is where there is none."""
        try:
            number = table.number(table.text(value) or "")
        except ValueError:
            return value
        goal = min(max(number + by * self.deviation, self.low), self.high)
        if self.whole:
            goal = number + numpy.trunc(goal - number)  # never further than allowed
        return float(goal)

    def candidates(self, value: Any) -> list[Any]:
        """What a search tries in its place."""
        if self.deviation:
            return [self.moved(value, -REACH), self.moved(value, REACH)]
        return [other for other in self.others if other != value]


def measured(subject: Subject, steps: Sequence[float], changes: Sequence[int],
             fixed: Sequence[str]) -> dict[str, Any]:
    """Scores without columns, under noise, and under changes that are searched for.

    steps: of the search over numbers; changes: of the search over columns; each may be none.
    fixed: columns that no search may change.
    """
    examples = subject.part.examples
    names = list(dict.fromkeys(name for example in examples for name in example.input))
    for name in fixed:
        if name not in names:
            raise UserError(f"fixed: no column is called {name!r}: {nearest(name, names)}")
    cells = cells_of(subject)
    names = [cell.name for cell in cells]
    free = [cell for cell in cells if cell.name not in fixed]
    clean = subject.score(subject.rows(examples))
    numbers = [cell for cell in free if cell.deviation]
    counts = [count for count in (1, 2, 4, 8, 16, 32) if count < len(names)]
    curves = [subject.curve(
        "missing columns", "corruption", "columns", "of each row other ones, at random",
        subject.changed("missing", counts, lambda example, count, random: without(
            example, random.permutation(names)[: int(count)])))]
    if any(cell.deviation for cell in cells):
        noise = [cell for cell in cells if cell.deviation]
        curves.append(subject.curve(
            "noise on numbers", "corruption", UNIT, "Gaussian, on every number",
            subject.changed("noise", STEPS[1:], lambda example, strength, random: shifted(
                example, noise, strength * random.standard_normal(len(noise))))))
    search = Search(subject)
    if numbers and steps:
        curves.append(subject.curve(
            "numbers moved", "attack", UNIT, "each number a little up or down, the way that does "
            "more harm, column by column", search.numbers(numbers, steps)))
    if free and changes:
        curves.append(subject.curve(
            "columns changed", "attack", "columns", "the worst columns of each row: a number by "
            f"{REACH:g} deviations, a category to another", search.columns(free, changes)))
    return {"clean": clean, "curves": [curve for curve in curves if curve], "masked": [],
            "columns": alone(subject, names), "fixed": list(fixed), "examples": search.shown(),
            "changed": search.counts()}


def cells_of(subject: Subject) -> list[Cell]:
    """The columns that the model reads, and how they may change."""
    rows = [example.input for example in subject.part.examples]
    given = packed.Columns(rows)
    known = getattr(subject.task.facts, "columns", None) or columns.study(rows)[0]
    found = []
    for column in known:
        texts = table.texts(given[column.name])
        if column.kind == "number":
            values = columns.parsed(column, texts)
            values = values[numpy.isfinite(values)]
            deviation = float(values.std()) if len(values) else 0.0
            if deviation:
                found.append(Cell(column.name, deviation, float(values.min()), float(values.max()),
                                  bool((values == values.round()).all()), ()))
                continue
        others = sorted({text for text in texts if text is not None})
        if column.kind != "category":
            others = []
        random = keys.numpy_generator(subject.seed, "categories", column.name)
        chosen = random.permutation(len(others))[: CATEGORIES + 1]
        found.append(Cell(column.name, 0.0, 0.0, 0.0, False,
                          tuple(others[index] for index in sorted(chosen))))
    return found


def without(example: Example, names: Sequence[str]) -> Example:
    """The row with these cells empty."""
    return replace(example, input=example.input | dict.fromkeys(map(str, names)))


def shifted(example: Example, cells: Sequence[Cell], by: Sequence[float]) -> Example:
    """The row with these numbers moved, each by so many deviations."""
    return replace(example, input=example.input | {
        cell.name: cell.moved(example.input.get(cell.name), step)
        for cell, step in zip(cells, by, strict=True)})


def alone(subject: Subject, names: Sequence[str]) -> list[dict[str, Any]]:
    """The score with each column missing in all rows, the worst first; ends early as time does."""
    def points() -> Iterator[tuple[float, numpy.ndarray]]:
        for place, name in enumerate(names):
            yield place, subject.rows([without(one, [name]) for one in subject.part.examples])

    curve = subject.curve("", "corruption", "", "", points())
    if curve is None:
        return []
    found = [{"name": names[place], "value": value, "low": low, "high": high}
             for place, value, low, high in zip(curve["strengths"], curve["values"], curve["low"],
                                                curve["high"], strict=True)]
    return sorted(found, key=lambda one: one["value"],
                  reverse=subject.metric.better == "lower")


class Search:
    """Greedy searches for changes that do harm; both begin at the rows as they are."""

    def __init__(self, subject: Subject):
        self.subject = subject
        self.current = list(subject.part.examples)

    def numbers(self, cells: Sequence[Cell],
                steps: Sequence[float]) -> Iterator[tuple[float, numpy.ndarray]]:
        """(deviations, rows): column by column, keep the better of a step up and a step down."""
        self.current = list(self.subject.part.examples)
        harms = self.subject.harm(self.current)
        for step in sorted(steps):
            for cell in cells:
                self.keep_worst(harms, [self.with_values(cell, lambda value, by=by: cell.moved(
                    value, by)) for by in (-step, step)])
            yield step, self.subject.rows(self.current)

    def columns(self, cells: Sequence[Cell],
                changes: Sequence[int]) -> Iterator[tuple[float, numpy.ndarray]]:
        """(columns, rows): of all single changes the worst, then the next in another column."""
        self.current = list(self.subject.part.examples)
        harms = self.subject.harm(self.current)
        for number in range(1, max(changes) + 1):
            tries = [self.tries(index, cells) for index in range(len(self.current))]
            found = self.subject.harm([one for several in tries for one in several]) \
                if any(tries) else numpy.zeros(0)
            ends = numpy.cumsum([len(several) for several in tries])
            for index, several in enumerate(tries):
                here = found[ends[index] - len(several) : ends[index]]
                if len(here) and here.max() > harms[index]:
                    self.current[index], harms[index] = several[here.argmax()], here.max()
            if number in changes:
                yield number, self.subject.rows(self.current)

    def with_values(self, cell: Cell, change: Callable[[Any], Any]) -> list[Example]:
        """Every current row with the column as `change` makes it of the row's first value."""
        return [replace(now, input=now.input | {cell.name: change(first.input.get(cell.name))})
                for now, first in zip(self.current, self.subject.part.examples, strict=True)]

    def keep_worst(self, harms: numpy.ndarray, several: Sequence[list[Example]]) -> None:
        """Of each row keep what does most harm, the current one included."""
        for tried in several:
            found = self.subject.harm(tried)
            for index in (found > harms).nonzero()[0].tolist():
                self.current[index], harms[index] = tried[index], found[index]

    def tries(self, index: int, cells: Sequence[Cell]) -> list[Example]:
        """The current row with one more column changed, in every way that is tried."""
        now, first = self.current[index], self.subject.part.examples[index]
        return [replace(now, input=now.input | {cell.name: value}) for cell in cells
                if now.input.get(cell.name) == first.input.get(cell.name)
                for value in cell.candidates(first.input.get(cell.name))
                if value != first.input.get(cell.name)]

    def pairs(self) -> list[tuple[Example, Example, list[str]]]:
        """(before, after, names of the columns that changed) of the rows that did."""
        found = []
        for before, after in zip(self.subject.part.examples, self.current, strict=True):
            names = [name for name in after.input if after.input[name] != before.input.get(name)]
            if names:
                found.append((before, after, names))
        return found

    def counts(self) -> dict[str, int]:
        """How many rows the last search changed in each column, the most first."""
        times: dict[str, int] = {}
        for _, _, names in self.pairs():
            for name in names:
                times[name] = times.get(name, 0) + 1
        return dict(sorted(times.items(), key=lambda item: (-item[1], item[0])))

    def shown(self) -> list[dict[str, Any]]:
        """The rows whose answers changed most."""
        pairs = self.pairs()
        if not pairs:
            return []
        gain = self.subject.harm([after for _, after, _ in pairs]) \
            - self.subject.harm([before for before, _, _ in pairs])
        chosen = [pairs[index] for index in (-gain).argsort()[:SHOWN].tolist()]
        before, after = (self.subject.answers([pair[side] for pair in chosen]) for side in (0, 1))
        return [{"truth": str(pair[0].target), "before": first.line(), "after": second.line(),
                 "changes": [{"column": name, "from": table.text(pair[0].input.get(name)),
                              "to": table.text(pair[1].input.get(name))} for name in pair[2]]}
                for pair, first, second in zip(chosen, before, after, strict=True)]
