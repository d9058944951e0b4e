"""The input columns of a table: what the training rows taught of them, and rows to tensors.

Shared by the tasks that read tables; a task keeps the columns in its facts.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy
import torch

from lamina.errors import UserError, nearest
from lamina.learning import Batch
from lamina.media import manifest, packed, table
from lamina.media.files import File
from lamina.settings import Checked

KNOTS = 257  # most values or quantiles of a column among which a number is given its rank
LARGEST_VOCABULARY = 10_000  # categories of one column
LEVELS = 32  # equally likely values of a column that are kept of its training values
UNKNOWN, ABSENT, FIRST = 0, 1, 2  # a category column's first rows in the table of vectors


@dataclass(frozen=True, kw_only=True)
class Feature(Checked):
    """One number drawn from a column: "value", or a part of a date such as "weekday sine".

    knots: the different training values, or equally likely ones, rising.
    median: stands in where the value is missing.
    """

    part: str
    median: float
    knots: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Column(Checked):
    """An input column. absent: some training rows had no value there. form: of its dates.

    levels: the training values of each of its numbers, or of its index into its categories, at
        LEVELS equally likely places.
    """

    name: str
    kind: Literal["number", "category", "date"]
    absent: bool
    form: str = ""
    features: tuple[Feature, ...] = ()
    categories: tuple[str, ...] = ()
    levels: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self):
        super().__post_init__()
        highest = self.vectors - 1 if self.kind == "category" else 1
        if any(len(level) != LEVELS or not all(0 <= value <= highest for value in level)
               for level in self.levels) or len(self.levels) not in (0, self.numbers or 1):
            raise UserError(f"column {self.name!r}: its levels are no training values")
        known = table.calendar(numpy.zeros(1)) if self.form else {"value"}
        for feature in self.features:  # facts may come out of anybody's model file
            if feature.part not in known or not feature.knots:
                raise UserError(f"column {self.name!r}: {feature.part!r} is no part of a "
                                f"{self.kind}, or it has no knots")

    @property
    def numbers(self) -> int:
        """How many numbers of a row come from this column."""
        return 0 if self.kind == "category" else len(self.features) + self.absent

    @property
    def vectors(self) -> int:
        """How many rows of the shared table of vectors belong to this column."""
        return FIRST + len(self.categories) if self.kind == "category" else 0


def study(rows: Sequence[table.Row]) -> tuple[list[Column], list[str]]:
    """The useful columns of the training rows; the others, each with why it is left out."""
    columns, useless = [], []
    given = packed.Columns(rows)
    for name in given.names:
        cells = table.texts(given[name])
        present = [cell for cell in cells if cell is not None]
        kind = table.kind_of(present, name)
        if kind.name == "useless":
            useless.append(f"{name!r} ({kind.why})")
            continue
        absent = len(present) < len(cells)
        if kind.name == "category":
            common = Counter(present).most_common(LARGEST_VOCABULARY)
            kept = sorted(cell for cell, count in common if count > 1)  # the rest teach "unknown"
            column = Column(name=name, kind="category", absent=absent, categories=kept)
            values = [numpy.array(places(column, cells))]
        else:
            numbers = table.readable(present, kind.form) if kind.values is None else kind.values
            column = Column(name=name, kind=kind.name, absent=absent, form=kind.form,
                            features=features_of(numbers, kind.form))
            missing = numpy.full(len(cells) - len(present), numpy.nan)
            values = ranks(column, numpy.concatenate([numbers, missing]))
        columns.append(replace(column, levels=[levels_of(each) for each in values]))
    return columns, useless


def levels_of(values: numpy.ndarray) -> tuple[float, ...]:
    """Those of the values that lie at LEVELS equally likely places."""
    middles = (numpy.arange(LEVELS) + 0.5) / LEVELS
    return tuple(numpy.quantile(values, middles, method="inverted_cdf").tolist())


def typical(columns: Sequence[Column]) -> Batch:
    """LEVELS rows, encoded; each column's values are spread as in training, by itself.

    UserError: the columns keep no levels.
    """
    if not all(column.levels for column in columns):
        raise UserError("the model file does not say how its columns were spread; train it again")
    numbers = [level for column in columns if column.kind != "category" for level in column.levels]
    categories, start = [], 0
    for column in columns:
        if column.kind == "category":
            categories.append(numpy.array(column.levels[0]) + start)
            start += column.vectors
    return {"numbers": torch.tensor(numbers).reshape(-1, LEVELS).T.contiguous(),
            "categories": torch.from_numpy(numpy.array(categories, dtype=numpy.int32)
                                           .reshape(-1, LEVELS).T.copy())}


def features_of(values: numpy.ndarray, form: str) -> tuple[Feature, ...]:
    """What is drawn from a column of numbers, or of dates where there is a form."""
    parts = table.calendar(values) if form else {"value": values}
    found = []
    for part, numbers in parts.items():
        knots = numpy.unique(numbers)
        if len(knots) > KNOTS:
            knots = numpy.unique(numpy.quantile(numbers, numpy.linspace(0, 1, KNOTS)))
        if len(knots) > 1:
            found.append(Feature(part=part, median=float(numpy.median(numbers)),
                                 knots=tuple(knots.tolist())))
    return tuple(found)


def encode(columns: Sequence[Column], rows: Sequence[table.Row]) -> Batch:
    """numbers: float32 (rows, numbers), ranks in 0..1; categories: int32 (rows, categories).

    A category is an index into one table that all columns share. ValueError names a column and a
    cell that is neither missing nor of the column's kind, and a row that could not be read.
    """
    damage = next((table.damage(row) for row in rows if table.damage(row)), None)
    if damage:
        raise ValueError(damage)
    given, numbers, categories, start = packed.Columns(rows), [], [], 0
    for column in columns:
        cells = table.texts(given[column.name])
        if column.kind == "category":
            categories.append([start + place for place in places(column, cells)])
            start += column.vectors
        else:
            numbers += ranks(column, parsed(column, cells))
    stacked = numpy.array(numbers, dtype=numpy.float32).reshape(-1, len(rows))
    indices = numpy.array(categories, dtype=numpy.int32).reshape(-1, len(rows))
    return {"numbers": torch.from_numpy(stacked.T.copy()),
            "categories": torch.from_numpy(indices.T.copy())}


def places(column: Column, cells: Sequence[str | None]) -> list[int]:
    """The index of each cell's category among the column's own vectors."""
    known = {name: FIRST + i for i, name in enumerate(column.categories)} | {None: ABSENT}
    return [known.get(cell, UNKNOWN) for cell in cells]


def parsed(column: Column, cells: Sequence[str | None]) -> numpy.ndarray:
    """The cells as numbers, (rows,), of dates in seconds; NaN where there is none."""
    values = numpy.full(len(cells), numpy.nan)
    if not column.form:
        present = [i for i, cell in enumerate(cells) if cell is not None]
        found = table.readable([cells[i] for i in present])
        if len(found) == len(present):
            values[present] = found
            return values
    for i, cell in enumerate(cells):
        if cell is not None:
            try:
                values[i] = table.seconds(cell, column.form) if column.form else table.number(cell)
            except (ValueError, OverflowError):
                raise ValueError(f"column {column.name!r}: expected a {column.kind}, got {cell!r}"
                                 ) from None
    return values


def measured(column: Column, values: numpy.ndarray) -> list[numpy.ndarray]:
    """The numbers of the column's features, each (rows,), the median where there is none."""
    missing = numpy.isnan(values)
    parts = table.calendar(values) if column.form else {"value": values}
    return [numpy.where(missing, feature.median, parts[feature.part])
            for feature in column.features]


def ranks(column: Column, values: numpy.ndarray) -> list[numpy.ndarray]:
    """The column's numbers, each (rows,) in 0..1; the last may say which values are missing."""
    found = [numpy.interp(numbers, feature.knots, numpy.linspace(0, 1, len(feature.knots)))
             for feature, numbers in zip(column.features, measured(column, values), strict=True)]
    return found + [numpy.isnan(values).astype(float)] * column.absent


def rows_given(item: Any, inputs: Sequence[Column]) -> list[table.Row]:
    """The rows of one thing given to `predict`; UserError where an input column is missing."""
    try:
        if isinstance(item, Mapping):
            name, rows = "the row", [dict(item)]
        elif item.lstrip().startswith("{"):
            name, rows = "the row", [json.loads(item)]
        else:
            name, rows = item, manifest.rows(File(Path(item)))
    except json.JSONDecodeError as reason:
        raise UserError(f'expected a row as JSON such as {{"age": 40}}: {reason}') from None
    except (OSError, ValueError) as reason:
        raise UserError(f"expected a table's path or a row as JSON: {reason}") from None
    if not rows:
        raise UserError(f"{name} has no rows")
    found = packed.Columns(rows).names
    for column in inputs:
        if column.name not in found:
            raise UserError(f"{name} has no column {column.name!r}: "
                            f"{nearest(column.name, found)}; the model reads "
                            + ", ".join(column.name for column in inputs))
    return rows


def points(columns: Sequence[Column], batch: Batch) -> torch.Tensor:
    """Ranks and one-hot categories of encoded rows, for distances, (rows, dimensions)."""
    flat = torch.zeros(len(batch["numbers"]), sum(column.vectors for column in columns))
    flat.scatter_(1, batch["categories"].long(), 0.5 ** 0.5)  # two categories are 1 apart
    return torch.cat([batch["numbers"], flat], dim=1)


def describe(columns: Sequence[Column], useless: Sequence[str]) -> list[str]:
    """What the user should know of the columns, one line for each kind."""
    lines = [f"left out: column {line}" for line in useless]
    for kind, many in (("number", "numbers"), ("category", "categories"), ("date", "dates")):
        names = [column.name + (f" ({column.form})" if column.form else "")
                 for column in columns if column.kind == kind]
        if names:
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            lines.append(f"{many}: {', '.join(names[:20])}{more}")
    return lines
