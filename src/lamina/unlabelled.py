"""Examples that need no target: pictures, rows of a table, or windows of series.

Whichever a source holds is told by what lies there; labels, where there are some, are kept beside.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy

from lamina import settings, windows
from lamina.errors import UserError
from lamina.media import image, labelled, manifest, packed, series, table
from lamina.media.files import File, is_archive, listing
from lamina.media.manifest import Item
from lamina.media.series import Layout, Series
from lamina.medium import (
    Medium,
    SeriesWindows,
    Window,
    study_pictures,
    study_rows,
    study_windows,
)
from lamina.settings import setting
from lamina.splits import PARTS, divide
from lamina.task import Data, Example

LABELS = (*labelled.LABEL_COLUMNS, "y", "anomaly")  # columns of rows that are taken for labels
MARKS = ("label", "anomaly")  # the same of series, where y and target may be the values
LONGEST_SIDE = 64  # pixels, where none is asked for
MOST_WINDOWS = 50_000  # of a part, where no distance of windows is asked for


@dataclass(frozen=True, kw_only=True)
class UnlabelledSettings(settings.Settings):
    """How examples without targets are read."""

    kind: Literal["auto", "images", "rows", "series"] = setting(
        "auto", "what the data are; auto: pictures where there are some, series where a table "
        "begins with evenly spaced times, else rows")
    image_size: int = setting(0, "pixels of the longer side; 0: as the data, at most 64", low=0,
                              high=1024)
    window: int = setting(64, "steps of a window of series", low=2, high=100_000)
    every: int = setting(0, "steps between windows; 0: the fewest that give at most 50,000", low=0,
                         high=100_000)
    label_column: str = setting("", "of tables: the column of labels, which no net sees; default "
                                    f"one that is called {', '.join(LABELS)}")
    time_column: str = setting("", "of series: the column of times; recognised when empty")
    series_column: str = setting("", "of long tables: the column that names each row's series")


def read(source: Path | str, chosen: UnlabelledSettings, medium: Medium | None = None
         ) -> tuple[Data, Medium]:
    """The data set at a path, and what its examples are made of.

    A target is a label, a text, or None where there is none. medium: what a model was trained on;
    by default it is learnt from the training part. UserError: nothing that can be used is there.
    """
    path = Path(source)
    kind = medium.kind if medium else chosen.kind
    try:
        if kind == "auto":
            kind = kind_of(path, chosen)
        data = {"images": pictures, "rows": rows, "series": windows_of}[kind](path, chosen, medium)
    except (OSError, ValueError) as reason:
        raise UserError(str(reason)) from None
    medium = medium or study(data.train, chosen)
    labels = {example.target for part in PARTS for example in getattr(data, part)} - {None}
    data.notes[:0] = [f"{kind}" + ("" if chosen.kind != "auto" else
                                   " (--kind images, rows or series if they are others)"),
                      *medium.describe(),
                      f"labels of {len(labels):,} kinds, which no net sees" if labels else
                      "no labels"]
    return data, medium


def study(train: Sequence[Example], chosen: UnlabelledSettings) -> Medium:
    """What the examples of a training part are made of."""
    first = train[0].input
    if isinstance(first, Window):
        return study_windows(train)
    if isinstance(first, Mapping):
        return study_rows(train)
    return study_pictures(train, chosen.image_size or LONGEST_SIDE)


def kind_of(path: Path, chosen: UnlabelledSettings) -> Literal["images", "rows", "series"]:
    """What a source holds; ValueError: nothing that is known."""
    files = listing(path)
    for file in files:
        name = file.name.lower()
        if name.endswith(image.SUFFIXES) or labelled.is_idx(name) or is_archive(Path(file.name)):
            return "images"
        if name.endswith(".npz"):
            return "images" if any(a.ndim > 2 for a in arrays(file).values()) else "rows"
    lists = [file for file in files if file.name.lower().endswith(manifest.SUFFIXES)]
    if not lists:
        raise ValueError(f"{path} holds {'no files' if not files else 'nothing that is known'}; "
                         "expected pictures, a table (CSV, JSONL, Parquet), or an npz with images "
                         "or with X")
    first = [row for row in manifest.rows(lists[0]) if not table.damage(row)]
    if first and any(name in labelled.IMAGE_COLUMNS and str(cell).lower().endswith(image.SUFFIXES)
                     for name, cell in first[0].items()):
        return "images"
    return "series" if is_series(first, chosen) else "rows"


def is_series(found: Sequence[table.Row], chosen: UnlabelledSettings) -> bool:
    """Whether the first column holds evenly spaced times, each once in a series."""
    if not found:
        return False
    try:
        layout = series.layout(found, Layout(chosen.time_column, chosen.series_column, (), (), ()))
        if layout.time not in list(found[0])[: 2 if layout.series else 1]:
            return False
        one = [row for row in found if row.get(layout.series) == found[0].get(layout.series)]
        times, dated = series.times_of(one, layout.time)
        return len(numpy.unique(times)) == len(times) and \
            series.calendar_of(times, dated, []).unit != "order"
    except ValueError:
        return False


def arrays(file: File) -> dict[str, numpy.ndarray]:
    """The arrays of an npz file; ValueError: it is none, or holds objects."""
    try:
        with numpy.load(io.BytesIO(file.read()), allow_pickle=False) as loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as reason:
        raise ValueError(f"{file} is no readable npz file of plain arrays ({reason})") from None


# ---- pictures -----------------------------------------------------------------------------------

def pictures(path: Path, chosen: UnlabelledSettings, medium: Medium | None) -> Data:
    """Pictures in folders, archives, lists, idx and npz files, as image-classification has them,
    and without labels too.
    """
    found = labelled.pictures(path)
    if not found:
        raise ValueError(f"{path} holds no pictures; expected {', '.join(image.SUFFIXES[:3])} … "
                         "files, a list with the column image, idx files or an npz")
    if len({item.target for item in found}) == 1:
        found = [item._replace(target=None) for item in found]
    return divide(found)


# ---- rows ---------------------------------------------------------------------------------------

def rows(path: Path, chosen: UnlabelledSettings, medium: Medium | None) -> Data:
    """A table, or one for each part, with columns `split` and `group` if wanted; or an npz with X
    (rows, columns) and perhaps y.
    """
    damaged: list[str] = []
    if path.name.endswith(".npz"):
        items, notes = list(array_rows(File(path))), []
    else:
        tables = table.tables(path)
        damaged += [line for part in tables for line in part.damaged]
        names = next((part.columns for part in tables if part.rows), [])
        if not names:
            raise ValueError(f"{path} has no rows" + (f" ({damaged[0]})" if damaged else ""))
        label = label_column(names, chosen.label_column, LABELS)
        items = [item for part in tables for item in table_rows(part, label, damaged)]
        notes = [f"labels: the column {label!r}"] if label else []
    data = divide(items, notes=notes)
    data.damaged += damaged
    return data


def label_column(names: Sequence[str], wanted: str, usual: Sequence[str]) -> str:
    """The column of labels: the wanted one, else one that is called as usual, else ""."""
    if wanted and wanted not in names:
        raise ValueError(f"no column is called {wanted!r}; there are {', '.join(names)}")
    return wanted or next((name for name in names if name.lower() in usual), "")


def table_rows(part: table.Table, label: str, damaged: list[str]) -> Iterator[Item]:
    """The rows with their labels and the part and group they declare."""
    left_out = frozenset((label, "split", "group"))
    for number, row in enumerate(part.rows, 1):
        try:
            split = manifest.split_of(row.get("split"))
        except ValueError as reason:
            damaged.append(f"{part.name} row {number}: {reason}")
            continue
        named = table.target(row.get(label)) if label else None
        yield Item(packed.without(row, left_out), None if named is None else table.label(named),
                   table.text(row.get("group")), part.part or split)


def array_rows(file: File) -> Iterator[Item]:
    """The rows of the array X, with those of y for labels."""
    found = arrays(file)
    x = found.get("X", found.get("x"))
    if x is None or x.ndim != 2 or x.dtype.kind not in "fiub":
        raise ValueError(f"{file}: expected an array X of numbers (rows, columns), found "
                         + ", ".join(f"{name} {a.dtype} {a.shape}" for name, a in found.items()))
    y = found.get("y")
    if y is not None and len(y) != len(x):
        raise ValueError(f"{file}: {len(x)} rows in X but {len(y)} in y")
    names = [f"x{number}" for number in range(1, x.shape[1] + 1)]
    labels = [None] * len(x) if y is None else \
        [table.label(str(value)) for value in y.reshape(len(y), -1)[:, 0].tolist()]
    for row, label in zip(x.tolist(), labels, strict=True):
        yield Item(dict(zip(names, row, strict=True)), label)


# ---- series -------------------------------------------------------------------------------------

def windows_of(path: Path, chosen: UnlabelledSettings, medium: SeriesWindows | None) -> Data:
    """Windows of the series of a table, wide or long, or of a folder of tables, cut in time.

    The label of a window is the largest number that the column of labels has in it; without such
    a column the name of its series, where there are a few.
    """
    notes: list[str] = []
    layout = medium.layout if medium else Layout(chosen.time_column, chosen.series_column, (), (),
                                                 ())
    first = next(iter(listing(path, manifest.SUFFIXES)), None)
    names = list(next(iter(manifest.rows(first)), {})) if first else []
    label = label_column(names, chosen.label_column, MARKS)
    layout = layout._replace(observed=(label,) if label else ())
    found, layout = windows.tables(path, layout, medium.calendar if medium else None, notes)
    steps = medium.steps if medium else chosen.window
    data, cuts = Data([], [], [], "", notes=notes), []
    for one in found:
        try:
            cuts.append((one, windows.ends(one, steps, "window")))
        except ValueError as reason:
            data.damaged.append(f"{one.name or 'the series'}: {reason}")
    if not cuts:
        raise ValueError(f"no series is long enough: {data.damaged[0]}; shorten --window")
    layout = layout._replace(observed=(), rest=())
    for part in PARTS:
        setattr(data, part, list(part_windows(part, cuts, steps, chosen.every, layout)))
    data.cut = () if cuts[0][0].parts is not None else ("validation", "test")
    data.how = "in time, " + ("as declared: " if not data.cut else "from the end of each series: ")
    data.how += "the validation part follows the training part, the test part comes last"
    return data


def part_windows(part: str, cuts: Sequence[tuple[Series, windows.Cut]], steps: int, every: int,
                 layout: Layout) -> Iterator[Example]:
    """The windows that lie in a part, the last one at its end, the first one first."""
    count = sum(cut[part][1] - cut[part][0] - steps + 1 for _, cut in cuts)
    every = every or max(1, -(-count // MOST_WINDOWS))
    for one, cut in cuts:
        first, last = cut[part]
        for stop in reversed(range(last, first + steps - 1, -every)):
            window = Window(one, stop - steps, stop, layout)
            if numpy.isnan(window.values).all():
                continue
            label = one.name if 1 < len(cuts) <= windows.MANY else None
            if one.observed.shape[1]:
                inside = one.observed[stop - steps : stop, 0]
                label = None if numpy.isnan(inside).all() else f"{numpy.nanmax(inside):g}"
            yield Example(window, label, None if part == "train" else
                          f"{part}: {one.name} {(last - stop) // steps}")
