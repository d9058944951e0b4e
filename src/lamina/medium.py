"""What unlabelled examples are made of: pictures, rows of a table, or windows of series.

A medium knows what the training part taught, turns examples into compact tensors, these into the
values that nets read and give back, and values into what a person can look at.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from lamina import columns, keys, windows
from lamina.columns import Column
from lamina.errors import UserError
from lamina.learning import Batch
from lamina.media import image, packed, series, table
from lamina.media.series import Calendar, Layout, Series
from lamina.nets.forecast import filled
from lamina.pixels import shapes_of
from lamina.settings import Checked, setting
from lamina.task import Example
from lamina.windows import Level

STUDIED = 1000  # training pictures whose sizes are looked at
FARTHEST = 10.0  # deviations from the mean to which a table's numbers are cut
SHARE = 0.5 ** 0.5  # of a category's value, so that two rows that differ in it are 1 apart


class Medium(Checked, ABC):
    """What examples are made of; a task keeps it in its facts."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Of the values of one example."""

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> Batch:
        """Compact tensors; ValueError or OSError says why an example cannot be read."""

    @abstractmethod
    def values(self, batch: Batch) -> Tensor:
        """What nets read and give back, float32 (batch, *shape)."""

    def known(self, batch: Batch) -> Tensor | None:
        """Which values there are, bool (batch, *shape); None: all of them."""
        return None

    @abstractmethod
    def shown(self, values: Tensor, batch: Batch) -> list[Any]:
        """Values as people have them: pixels, a row, the numbers of a window."""

    @abstractmethod
    def examples(self, given: Sequence[Any]) -> list[Example]:
        """Examples of what is handed to `predict`; UserError or ValueError."""

    @abstractmethod
    def describe(self) -> list[str]:
        """What the user should know, a line each."""


# ---- pictures -----------------------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Pictures(Medium):
    """Pictures of one size; values are grey or colour levels from 0 to 1."""

    height: int = setting(28, "pixels", low=1, high=1024)
    width: int = setting(28, "pixels", low=1, high=1024)
    channels: int = setting(1, "1 grey, 3 colour", low=1, high=3)
    found: str = ""  # the sizes of the training pictures, where they differ
    kind: ClassVar[str] = "images"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.channels, self.height, self.width

    def encode(self, examples: Sequence[Example]) -> Batch:
        """image: uint8 (n, channels, height, width)."""
        pixels = numpy.stack([self.decoded(example.input) for example in examples])
        return {"image": torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()}

    def decoded(self, given: Any) -> numpy.ndarray:
        """The pixels, uint8 (height, width, channels)."""
        return image.decode(given, size=(self.height, self.width), channels=self.channels)

    def values(self, batch: Batch) -> Tensor:  # (batch, channels, height, width)
        return (batch["image"].float() / 255).contiguous(memory_format=torch.channels_last)

    def shown(self, values: Tensor, batch: Batch) -> list[numpy.ndarray]:
        pixels = (values.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
        return list(pixels.cpu().numpy())

    def examples(self, given: Sequence[str]) -> list[Example]:
        return [Example(file) for file in image.given(given)]

    def describe(self) -> list[str]:
        fitted = f"; they come in {self.found}: each is scaled to fill that, and cut around its " \
                 "centre" if self.found else ""
        return [f"pictures of {self.width} by {self.height} pixels, "
                f"{'grey' if self.channels == 1 else 'colour'}{fitted}"]


def study_pictures(train: Sequence[Example], longest: int) -> Pictures:
    """The commonest size of the training pictures, scaled down to a longer side of `longest`."""
    chosen = keys.numpy_generator(0, "study").permutation(len(train))[:STUDIED]
    shapes = shapes_of([train[place].input for place in chosen])
    sizes = sorted({shape[:2] for shape in shapes}, key=lambda size: size[0] * size[1])
    height, width = (float(numpy.median([shape[side] for shape in shapes])) for side in (0, 1))
    scale = min(1.0, longest / max(height, width))
    found = "" if len(sizes) == 1 and scale == 1 else \
        f"{sizes[0][1]} by {sizes[0][0]} pixels" if len(sizes) == 1 else \
        f"{len(sizes):,} sizes, {sizes[0][1]} by {sizes[0][0]} to {sizes[-1][1]} by {sizes[-1][0]}"
    return Pictures(height=max(1, round(height * scale)), width=max(1, round(width * scale)),
                    channels=max(shape[2] for shape in shapes), found=found)


# ---- rows ---------------------------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Rows(Medium):
    """Rows of a table. Values: numbers in deviations from their means in training, at most
    FARTHEST of them, missing ones 0 with a flag beside them; then categories, one-hot.

    means, deviations: of the columns' numbers, flags left out. useless: columns left out, and why.
    """

    columns: tuple[Column, ...]
    useless: tuple[str, ...] = ()
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    kind: ClassVar[str] = "rows"

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.names),)

    @property
    def names(self) -> list[str]:
        """The column of each value; it comes several times where it has several."""
        numbers = [column.name for column in self.columns for _ in range(column.numbers)]
        return numbers + [column.name for column in self.columns for _ in range(column.vectors)]

    def encode(self, examples: Sequence[Example]) -> Batch:
        """numbers: float32 (n, numbers); there: bool, as numbers; categories: int32 (n, columns),
        indices into the values after the numbers.
        """
        rows = [example.input for example in examples]
        categories = columns.encode(self.columns, rows)["categories"]
        scale = iter(zip(self.means, self.deviations, strict=True))
        given, numbers, there = packed.Columns(rows), [], []
        for column in (column for column in self.columns if column.kind != "category"):
            found = columns.parsed(column, table.texts(given[column.name]))
            missing = numpy.isnan(found)
            for part in columns.measured(column, found):
                mean, deviation = next(scale)
                scaled = numpy.clip((part - mean) / deviation, -FARTHEST, FARTHEST)
                numbers.append(numpy.where(missing, 0.0, scaled))
                there.append(~missing)
            if column.absent:
                numbers.append(SHARE * missing)
                there.append(numpy.ones_like(missing))
        return {"numbers": stacked(numbers, len(rows), numpy.float32),
                "there": stacked(there, len(rows), bool), "categories": categories}

    def values(self, batch: Batch) -> Tensor:  # (batch, size)
        numbers, categories = batch["numbers"], batch["categories"].long()
        flat = numbers.new_zeros(len(numbers), sum(column.vectors for column in self.columns))
        return torch.cat([numbers, flat.scatter_(1, categories, SHARE)], 1)

    def known(self, batch: Batch) -> Tensor | None:
        return functional.pad(batch["there"], (0, sum(c.vectors for c in self.columns)), value=True)

    def shown(self, values: Tensor, batch: Batch) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for row in values.tolist():
            scale, place, cells = iter(zip(self.means, self.deviations, strict=True)), 0, {}
            for column in (column for column in self.columns if column.kind != "category"):
                own = row[place : place + column.numbers]
                place += column.numbers
                numbers = [value * deviation + mean for value, _, (mean, deviation) in
                           zip(own, column.features, scale)]
                absent = column.absent and own[-1] > SHARE / 2
                cells[column.name] = None if absent else cell(column, numbers)
            for column in (column for column in self.columns if column.kind == "category"):
                own = row[place : place + column.vectors]
                place += column.vectors
                best = max(range(len(own)), key=own.__getitem__)
                cells[column.name] = column.categories[best - columns.FIRST] \
                    if best >= columns.FIRST else None
            rows.append({column.name: cells[column.name] for column in self.columns})
        return rows

    def examples(self, given: Sequence[Any]) -> list[Example]:
        return [Example(row) for item in given for row in columns.rows_given(item, self.columns)]

    def describe(self) -> list[str]:
        return columns.describe(self.columns, self.useless)


def stacked(parts: Sequence[numpy.ndarray], count: int, kind: type) -> Tensor:
    """The arrays (count,) side by side, (count, arrays)."""
    return torch.from_numpy(numpy.array(parts, dtype=kind).reshape(-1, count).T.copy())


def cell(column: Column, numbers: Sequence[float]) -> str:
    """The text of a number or a date."""
    if column.form:
        days = dict(zip((f.part for f in column.features), numbers, strict=True)).get("days")
        return "?" if days is None else datetime.fromtimestamp(
            86400 * round(min(max(days, -7e5), 2e6)), UTC).strftime("%Y-%m-%d")
    whole = all(knot == round(knot) for knot in column.features[0].knots)
    return f"{round(numbers[0])}" if whole else f"{numbers[0]:.4g}"


def study_rows(train: Sequence[Example]) -> Rows:
    """The useful columns of the training rows; UserError: there is none."""
    rows = [example.input for example in train]
    useful, useless = columns.study(rows)
    if not useful:
        raise UserError(f"no column can be used: {', '.join(useless) or 'there are none'}")
    given, means, deviations = packed.Columns(rows), [], []
    for column in (column for column in useful if column.kind != "category"):
        values = columns.parsed(column, [readable(cell, column) for cell in given[column.name]])
        for part in columns.measured(column, values):
            there = part[~numpy.isnan(values)]
            means.append(float(there.mean()))
            deviations.append(float(there.std()) or 1.0)
    return Rows(columns=useful, useless=useless, means=means, deviations=deviations)


def readable(given: Any, column: Column) -> str | None:
    """The cell's text, None where it is missing or of another kind (named when it is encoded)."""
    text = table.text(given)
    return text if text is not None and len(table.readable([text], column.form)) else None


# ---- series -------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False, repr=False)
class Window:
    """The steps `start` to `stop` of a series; layout: the columns of its table by their use."""

    series: Series
    start: int
    stop: int
    layout: Layout

    @property
    def values(self) -> numpy.ndarray:
        """(steps,), NaN in gaps."""
        return self.series.values[self.start : self.stop]

    def __repr__(self) -> str:
        return f"{self.series.name or 'the series'}, {self.series.moment(self.start)} to " \
               f"{self.series.moment(self.stop - 1)}"


@dataclass(frozen=True, kw_only=True)
class SeriesWindows(Medium):
    """Windows of series; values are in deviations from the mean of their series in training.

    layout and calendar as the training data had them. levels: of the known series; a new one is
    measured by its own values.
    """

    steps: int = setting(64, "of a window", low=2, high=100_000)
    unit: str
    step: int = setting(1, "", low=1)
    time: str
    series: str
    targets: tuple[str, ...]
    levels: tuple[Level, ...]
    kind: ClassVar[str] = "series"

    @property
    def shape(self) -> tuple[int, ...]:
        return 1, self.steps

    @property
    def layout(self) -> Layout:
        """The columns by their use."""
        return Layout(self.time, self.series, self.targets, (), ())

    @property
    def calendar(self) -> Calendar:
        """How far the steps are apart."""
        return Calendar(self.unit, self.step)

    def encode(self, examples: Sequence[Example]) -> Batch:
        """window: float32 (n, steps), NaN in gaps; level: float64 (n, 2), mean and deviation."""
        known = {level.name: level for level in self.levels}
        found, levels = [], []
        for one in (example.input for example in examples):
            if numpy.isnan(one.values).all():
                raise ValueError("none of its steps has a value")
            level = known.get(one.series.name) or windows.level_of("", one.series.values, 1)
            found.append((one.values - level.mean) / level.deviation)
            levels.append((level.mean, level.deviation))
        return {"window": torch.from_numpy(numpy.stack(found).astype(numpy.float32)),
                "level": torch.tensor(levels, dtype=torch.float64)}

    def values(self, batch: Batch) -> Tensor:  # (batch, 1, steps)
        return filled(batch["window"])[:, None]

    def known(self, batch: Batch) -> Tensor | None:
        return ~batch["window"].isnan()[:, None]

    def shown(self, values: Tensor, batch: Batch) -> list[list[float]]:
        mean, deviation = batch["level"].T[:, :, None]
        return (values[:, 0].double() * deviation + mean).tolist()

    def examples(self, given: Sequence[Any]) -> list[Example]:
        """Each is a table's path, a folder of tables, or a list of numbers: '[112, 118, 132]'."""
        found = []
        for item in given:
            if isinstance(item, str) and not item.lstrip().startswith("["):
                listed, _ = windows.tables(Path(item), self.layout, self.calendar, [])
            else:
                try:
                    listed = [series.listed(json.loads(item) if isinstance(item, str) else item)]
                except (ValueError, TypeError) as reason:
                    raise UserError("expected a path or a list of numbers such as [112, 118]: "
                                    f"{reason}") from None
            for one in listed:
                if len(one) < self.steps:
                    raise UserError(f"{one.name or 'the series'} has {len(one)} values; expected "
                                    f"at least the {self.steps} of a window")
                found += [Example(Window(one, stop - self.steps, stop, self.layout)) for stop in
                          reversed(range(len(one), self.steps - 1, -self.steps))]
        return found

    def describe(self) -> list[str]:
        return [f"windows of {self.steps} steps, {self.calendar}, of {len(self.levels):,} series"]


def study_windows(train: Sequence[Example]) -> SeriesWindows:
    """The levels of the series of the training windows."""
    ends: dict[str, tuple[Series, int]] = {}
    for one in (example.input for example in train):
        ends[one.series.name] = one.series, max(one.stop, ends.get(one.series.name, (None, 0))[1])
    first = train[0].input
    layout = first.layout
    return SeriesWindows(
        steps=first.stop - first.start, unit=first.series.calendar.unit,
        step=first.series.calendar.size, time=layout.time, series=layout.series,
        targets=layout.targets, levels=tuple(windows.level_of(name, one.values[:end], 1)
                                             for name, (one, end) in ends.items()))
