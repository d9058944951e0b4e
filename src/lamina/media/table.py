"""Tables: files to rows, cells to numbers, dates and categories, columns to kinds.

A cell is what a file holds: text, or the own types of JSON and Parquet.
"""

import contextlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy

from lamina.media import manifest, packed
from lamina.media.files import File, listing

Row = Mapping[str, Any]

MISSING = frozenset({"", "?", "-", ".", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "none",
                     "nil", "missing"})
DAY_FORMS = ("%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y",
             "%d %B %Y", "%B %d, %Y")
FORMS = ("iso", *(day + time for time in ("", " %H:%M", " %H:%M:%S") for day in DAY_FORMS))
ROW_NAME = re.compile(r"|index|row|no|nr|number|#|unnamed: 0|(.*[ _.-])?(id|key)")
ENOUGH = 0.98  # share of a column's cells that must be readable for it to be of a kind
MOSTLY = 0.95  # share of a target's cells that must be numbers for it to be a number
FEW = 20  # different whole numbers that are still taken for labels
SECONDS_PER_DAY = 86400


class Table(NamedTuple):
    """The rows of a file; `part` is what its name declares; `damaged` is "name: why" of a row."""

    name: str
    part: str | None
    rows: list[Row]
    damaged: list[str]

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in the order of the file."""
        return packed.Columns(self.rows).names


class Kind(NamedTuple):
    """What a column holds. form: of its dates. why: it is of no use. values: of its numbers."""

    name: Literal["number", "category", "date", "useless"]
    form: str = ""
    why: str = ""
    values: numpy.ndarray | None = None


def tables(path: Path) -> list[Table]:
    """The table at a path: a file, or those of a folder's files that are named for a part.

    ValueError, OSError: no table is there, more than one without a part, or one is unreadable.
    """
    files = listing(path, manifest.SUFFIXES) if path.is_dir() else [File(path)]
    named = [file for file in files if manifest.split_in_name(file.parts[-1])]
    if not named and len(files) != 1:
        found = ", ".join(file.parts[-1] for file in files[:5]) or "none"
        raise ValueError(f"{path}: expected one table, or files named train, validation and test, "
                         f"as {', '.join(manifest.SUFFIXES[:5])}; found {found}")
    return [read(file, manifest.split_in_name(file.parts[-1]) if named else None)
            for file in named or files]


def read(file: File, part: str | None = None) -> Table:
    """The table in a file."""
    rows = manifest.rows(file)
    return Table(str(file), part, [row for row in rows if not damage(row)],
                 [f"{file} {damage(row)}" for row in rows if damage(row)])


def damage(row: Row) -> str:
    """Why the row could not be read; "" where it could."""
    return row.get("", "") if not isinstance(row, packed.Row) and len(row) == 1 else ""


def text(cell: Any) -> str | None:
    """The cell as text; None where its value is missing ("", "?", "NA", null, ...)."""
    if isinstance(cell, str):
        cell = cell.strip()
        return None if len(cell) < 8 and cell.lower() in MISSING else cell
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return None if math.isnan(cell) else str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, date):  # a datetime is one too
        return cell.isoformat()
    if isinstance(cell, (list, dict)):
        return json.dumps(cell, sort_keys=True, default=str)
    return str(cell)


def texts(cells: Sequence[Any]) -> list[str | None]:
    """The cells of a column as texts; None where a value is missing."""
    return [text(cell) for cell in cells]


def target(cell: Any) -> str | None:
    """The target as text; None where there is none. "none" and "NA" may well be labels."""
    known = text(cell)
    if known is None and isinstance(cell, str) and cell.strip().lower() not in ("", "?", "nan"):
        return cell.strip()
    return known


def number(cell: str) -> float:
    """The finite number that the text is; ValueError where it is none."""
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {cell!r}")
    return value


def seconds(cell: str, form: str) -> float:
    """Seconds from 1970 (UTC) to the date; `form` is "iso" or a strptime format."""
    moment = datetime.fromisoformat(cell) if form == "iso" else datetime.strptime(cell, form)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def readable(cells: Sequence[str], form: str = "") -> numpy.ndarray:
    """Numbers, or seconds of dates of that form, of those cells that are such."""
    if not form:
        with contextlib.suppress(ValueError):  # as is usual: all are numbers
            values = numpy.array([float(cell) for cell in cells], dtype=numpy.float64)
            return values[numpy.isfinite(values)]
    found = []
    for cell in cells:
        try:
            found.append(seconds(cell, form) if form else number(cell))
        except (ValueError, OverflowError):
            continue
    return numpy.array(found, dtype=numpy.float64)


def kind_of(cells: Sequence[str], name: str) -> Kind:
    """The kind of a column of that name with these cells, missing ones left out."""
    counts = Counter(cells)
    if len(counts) < 2:
        return Kind("useless", why=f"it is always {cells[0]!r}" if cells else "it is empty")
    values = readable(cells)
    if len(values) >= ENOUGH * len(cells):
        counter = ROW_NAME.fullmatch(name.lower()) and counts_rows(values)
        return Kind("useless", why="it counts the rows") if counter else \
            Kind("number", values=values)
    form = form_of(list(counts))
    if form:
        return Kind("date", form)
    if len(cells) >= 20 and len(counts) > 0.9 * len(cells):
        return Kind("useless", why="nearly every row has a text of its own there")
    return Kind("category")


def counts_rows(values: numpy.ndarray) -> bool:
    """Whether these are the numbers of rows: whole, all different, with few gaps."""
    return bool(len(values) >= 50 and len(numpy.unique(values)) == len(values)
                and (values == values.round()).all() and numpy.ptp(values) < 2 * len(values))


def form_of(cells: Sequence[str]) -> str:
    """The form in which nearly all of the different cells are dates, or ""."""
    few = cells[:100]
    likely = [form for form in FORMS if len(readable(few, form)) >= ENOUGH * len(few)]
    found = {form: len(readable(cells, form)) for form in likely}
    best = max(found, key=found.get, default="")
    return best if best and found[best] >= ENOUGH * len(cells) else ""


def calendar(moments: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """What a net can use of dates in seconds since 1970, NaN where missing, each (rows,).

    The days since 1970 and the year; month, day, weekday and hour as points of a circle, so that
    December lies beside January.
    """
    known = ~numpy.isnan(moments)
    time = numpy.where(known, moments, 0).astype("datetime64[s]")
    month, day = time.astype("datetime64[M]"), time.astype("datetime64[D]")
    found = {"days": moments / SECONDS_PER_DAY,
             "year": time.astype("datetime64[Y]").astype(float) + 1970}
    circles = {"month": month.astype(int) % 12 / 12,
               "day": (day - month.astype("datetime64[D]")).astype(int) / 31,
               "weekday": (day.astype(int) + 3) % 7 / 7,  # 1 January 1970 was a Thursday
               "hour": (time - day).astype(int) / SECONDS_PER_DAY}
    for name, turn in circles.items():
        found[f"{name} sine"] = numpy.sin(2 * math.pi * turn).round(6)
        found[f"{name} cosine"] = numpy.cos(2 * math.pi * turn).round(6)
    return {name: numpy.where(known, values, numpy.nan) for name, values in found.items()}


def target_kind(cells: Sequence[str]) -> tuple[Literal["labels", "numbers"], str]:
    """Whether a target column holds labels or numbers, and what decided it.

    Text is labels; so are at most FEW different whole numbers, if each recurs often.
    """
    different = set(cells)
    if len(readable(cells)) < MOSTLY * len(cells):
        return "labels", f"{len(different):,} different texts"
    values = numpy.unique(readable(list(different)))
    if len(values) <= min(FEW, len(cells) / 5) and (values == values.round()).all():
        return "labels", f"{len(values)} different whole numbers"
    return "numbers", f"{len(values):,} different numbers"


def label(cell: str) -> str:
    """The label that the text means: "1.0" and "1" are the same."""
    try:
        value = number(cell)
    except ValueError:
        return cell
    return str(int(value)) if value.is_integer() else cell
