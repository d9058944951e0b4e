"""Which group an example belongs to: a column of its row, or what the data call its group."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from lamina.errors import UserError, nearest
from lamina.media import table
from lamina.task import Data, Example

SMALLEST = 30  # test examples of a group that is looked at alone
FEW = 10  # different numbers that still name groups of their own
MISSING, OTHERS = "(missing)", "(small groups)"


def check(data: Data, names: Sequence[str]) -> None:
    """UserError unless each name is a column of the rows, or "group" where examples have groups."""
    known = {str(name) for example in data.train[:1000] if isinstance(example.input, Mapping)
             for name in example.input}
    if any(example.group is not None for example in data.train):
        known.add("group")
    for name in names:
        if name not in known:
            raise UserError(f"groups: the examples have no column {name!r}: "
                            + (nearest(name, known) if known else
                               "they are no rows of a table and have no groups of their own"))


def cell(example: Example, name: str) -> str | None:
    """What the example has in that column."""
    if name == "group" and example.group is not None:
        return example.group
    return table.text(example.input.get(name)) if isinstance(example.input, Mapping) else None


@dataclass(frozen=True)
class Grouping:
    """How one column divides examples. cuts: where numbers are divided; empty for names."""

    name: str
    cuts: tuple[float, ...] = ()

    @classmethod
    def learn(cls, name: str, train: Sequence[Example]) -> "Grouping":
        """By the column's values, or by the quartiles of a column with more than FEW numbers."""
        cells = [found for example in train if (found := cell(example, name)) is not None]
        values = table.readable(cells)
        if len(values) < table.ENOUGH * len(cells) or len(set(values)) <= FEW:
            return cls(name)
        return cls(name, tuple(numpy.unique(numpy.percentile(values, (25, 50, 75))).tolist()))

    def of(self, examples: Sequence[Example]) -> list[str]:
        """The group of each example."""
        return [self.group(cell(example, self.name)) for example in examples]

    def group(self, found: str | None) -> str:
        """The group of one value of the column."""
        if found is None:
            return MISSING
        if not self.cuts:
            return found
        try:
            value = table.number(found)
        except ValueError:
            return MISSING
        place = int(numpy.searchsorted(self.cuts, value))
        if place == 0:
            return f"up to {self.cuts[0]:g}"
        if place == len(self.cuts):
            return f"above {self.cuts[-1]:g}"
        return f"above {self.cuts[place - 1]:g} to {self.cuts[place]:g}"

    @property
    def order(self) -> list[str]:
        """The groups of numbers, from low to high."""
        return [self.group(repr(cut)) for cut in self.cuts] + \
            [f"above {self.cuts[-1]:g}"] * bool(self.cuts)


def pooled(groups: Sequence[str], smallest: int = SMALLEST) -> tuple[list[str], dict[str, int]]:
    """The groups with those of fewer examples than `smallest` taken together; the sizes of these.
    """
    counts = Counter(groups)
    small = {name: count for name, count in counts.items() if count < smallest}
    if len(small) < 2:  # one alone gains nothing by another name
        small = {}
    return [OTHERS if name in small else name for name in groups], small
