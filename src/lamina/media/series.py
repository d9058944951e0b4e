"""Series: tables to evenly spaced values, wide or long, with their calendar, gaps and companions.

Wide: a time column, and each other column of numbers is a series. Long: a column names the series
of each row. Rows after the last value of a series may hold what is known of its future.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy

from lamina.media import manifest, table

TIMES = ("date", "time", "datetime", "timestamp", "ds", "month", "day", "year", "step")
NAMES = ("series", "unique_id", "item_id", "id")
MONTH = re.compile(r"\d{4}-\d{1,2}")
EVEN = 0.9  # share of the distances that must be whole steps of a calendar
DAY, WEEK = 86400, 604800  # seconds
SPARSE = 20  # steps per value, from which on times are no calendar


class Calendar(NamedTuple):
    """How far the steps of a series are apart: `size` of a unit; order: one after the other."""

    unit: Literal["seconds", "months", "business days", "numbers", "order"]
    size: int = 1

    @property
    def season(self) -> int:
        """Steps after which things recur: of a day, else of a week, else of a year; 1: unknown."""
        if self.unit == "seconds":
            whole = next((span for span in (DAY, WEEK, 52 * WEEK) if span >= 2 * self.size), 0)
            return max(1, round(whole / self.size))
        return {"months": max(1, 12 // self.size), "business days": 5}.get(self.unit, 1)

    def places(self, times: numpy.ndarray) -> numpy.ndarray:
        """The steps at which such times lie, as real numbers; times: seconds, or numbers."""
        if self.unit == "order":
            return numpy.arange(len(times), dtype=float)
        if self.unit == "months":
            return months(times) / self.size
        if self.unit == "business days":
            return numpy.busday_count("1970-01-01", times.astype("datetime64[s]").astype(
                "datetime64[D]")).astype(float)
        return times / self.size

    def moment(self, place: int, start: float) -> str:
        """What the step is called; start: a time of the series, which gives day and hour."""
        if self.unit in ("numbers", "order"):
            return str(place * self.size)
        if self.unit == "seconds":
            exact = place * self.size + start % self.size
            return datetime.fromtimestamp(exact, UTC).strftime(
                "%Y-%m-%d" if self.size % DAY == 0 and start % DAY == 0 else "%Y-%m-%d %H:%M")
        if self.unit == "business days":
            return str(numpy.busday_offset("1970-01-01", place))
        return str(numpy.datetime64(place * self.size, "M"))

    def __str__(self) -> str:
        if self.unit == "seconds":
            for name, seconds in (("week", WEEK), ("day", DAY), ("hour", 3600), ("minute", 60)):
                if self.size % seconds == 0:
                    count = self.size // seconds
                    return f"one value per {name}" if count == 1 else f"every {count} {name}s"
            return f"every {self.size} seconds"
        if self.unit == "months":
            return "one value per month" if self.size == 1 else f"every {self.size} months"
        return {"business days": "one value per business day",
                "numbers": "numbered steps"}.get(self.unit, "in the order of the rows")


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """values: (steps,), NaN where there is none. known, observed: (steps, columns) beside them.

    first: the place of the first step in the calendar; start: its time. parts: what is declared
    of each step, "" for nothing, (steps,); None where nothing is.
    """

    name: str
    values: numpy.ndarray
    known: numpy.ndarray
    observed: numpy.ndarray
    calendar: Calendar
    first: int = 0
    start: float = 0.0
    parts: numpy.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def moment(self, step: int) -> str:
        """What the step is called: a date, or a number."""
        return self.calendar.moment(self.first + step, self.start)


class Layout(NamedTuple):
    """Which columns are what; series is "" in a wide table, time where rows are in order."""

    time: str
    series: str
    targets: tuple[str, ...]
    known: tuple[str, ...]
    observed: tuple[str, ...]
    rest: tuple[str, ...] = ()


def layout(rows: Sequence[table.Row], wanted: Layout) -> Layout:
    """The wanted columns, and for those not named the likely ones; ValueError: there is none."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    given = [name for name in wanted[:2] if name]
    given += [*wanted.targets, *wanted.known, *wanted.observed]
    for name in given:
        if name not in columns:
            raise ValueError(f"no column is called {name!r}; there are {', '.join(columns)}")
    free = [name for name in columns if name not in (*given, "split")]
    time = wanted.time or next((name for name in free if is_time(rows, name)), "")
    series = wanted.series or next((name for name in free if name.lower() in NAMES), "")
    numbers = [name for name in free if name not in (time, series) and is_number(rows, name)]
    targets = wanted.targets or tuple(numbers[-1:] if series else numbers)
    if not targets:
        raise ValueError(f"expected a column of numbers to forecast, got {', '.join(columns)}")
    rest = [name for name in free if name not in (time, series, *targets)]
    return Layout(time, series, targets, wanted.known, wanted.observed, tuple(rest))


def is_time(rows: Sequence[table.Row], name: str) -> bool:
    """Whether a column holds dates, or is called as times are."""
    cells = [cell for row in rows[:100] if (cell := table.text(row.get(name))) is not None]
    return bool(cells) and (name.lower() in TIMES or bool(form_of(cells)))


def is_number(rows: Sequence[table.Row], name: str) -> bool:
    """Whether most of a column's first cells that are not missing are numbers."""
    cells = [cell for row in rows[:1000] if (cell := table.text(row.get(name))) is not None]
    return len(table.readable(cells)) > 0.5 * len(cells)


def form_of(cells: Sequence[str]) -> str:
    """How the dates are written; "month" for 1949-01, "" where they are none."""
    return "month" if all(MONTH.fullmatch(cell) for cell in cells) else table.form_of(cells)


def read(rows: Sequence[table.Row], columns: Layout, *, calendar: Calendar | None = None,
         notes: list[str]) -> list[Series]:
    """The series of a table; adds to `notes` gaps, doubled times and uneven calendars.

    calendar: what the steps must be; found from the times by default. ValueError names a cell.
    """
    named: dict[str, list[table.Row]] = {}
    for row in rows:
        named.setdefault(table.text(row.get(columns.series)) or "" if columns.series else "",
                         []).append(row)
    times = {name: times_of(some, columns.time) for name, some in named.items()}
    if calendar is None:
        longest = max(times, key=lambda name: len(times[name][0]))
        calendar = calendar_of(*times[longest], notes)
    found = []
    for name, some in named.items():
        found += of_rows(name, some, times[name][0], columns, calendar, notes)
    return found


def times_of(rows: Sequence[table.Row], column: str) -> tuple[numpy.ndarray, bool]:
    """The time of each row, and whether these are seconds since 1970 or mere numbers."""
    if not column:
        return numpy.arange(len(rows), dtype=float), False
    cells = [table.text(row.get(column)) for row in rows]
    if None in cells:
        raise ValueError(f"row {cells.index(None) + 1} has no time in the column {column!r}")
    form = form_of(cells)
    if not form and len(table.readable(cells)) == len(cells):
        return table.readable(cells), False
    if form == "month":
        cells, form = [f"{cell[:4]}-{int(cell[5:]):02d}-01" for cell in cells], "iso"
    times = table.readable(cells, form) if form else ()
    if len(times) < len(cells):
        raise ValueError(f"column {column!r}: expected times of one form, such as {cells[0]!r}; "
                         "not all of its cells are")
    return times, True


def calendar_of(times: numpy.ndarray, dated: bool, notes: list[str]) -> Calendar:
    """The calendar on which nearly all of the times lie; notes say where there is none."""
    ordered = numpy.unique(times)
    if len(ordered) < 3:
        return Calendar("order")
    for likely in candidates(ordered) if dated else [Calendar("numbers", common(ordered))]:
        steps = numpy.diff(likely.places(ordered))
        even = (abs(steps - steps.round()) < 0.02) & (steps > 0.5)
        if even.mean() >= EVEN and steps.sum() < SPARSE * len(ordered):
            return likely
    usual, count = Counter(numpy.diff(ordered).tolist()).most_common(1)[0]
    notes.append(f"the times are irregular: their commonest distance, {usual:g} "
                 f"{'seconds' if dated else 'steps'}, holds for {count / (len(ordered) - 1):.0%} "
                 "of them; the rows are taken in order, as if they were evenly spaced")
    return Calendar("order")


def candidates(times: numpy.ndarray) -> list[Calendar]:
    """Calendars that sorted seconds since 1970 may lie on, the likeliest first."""
    usual = common(times)
    days = times.astype("datetime64[s]").astype("datetime64[D]")
    found = [Calendar("seconds", usual)]
    if usual >= 27 * DAY:
        found.insert(0, Calendar("months", max(1, common(months(times)))))
    steps = numpy.diff(days).astype(int)
    if usual == DAY and numpy.is_busday(days).all() and (steps == 3).mean() > 0.1:
        found.insert(0, Calendar("business days"))
    return found


def common(times: numpy.ndarray) -> int:
    """The commonest distance of sorted times."""
    return max(1, int(Counter(numpy.diff(times).round().tolist()).most_common(1)[0][0]))


def months(times: numpy.ndarray) -> numpy.ndarray:
    """Whole months since January 1970 of seconds."""
    return times.astype("datetime64[s]").astype("datetime64[M]").astype(int).astype(float)


def of_rows(name: str, rows: Sequence[table.Row], times: numpy.ndarray, columns: Layout,
            calendar: Calendar, notes: list[str]) -> list[Series]:
    """A series for each target column, of the rows of one name, every step in its place."""
    exact = calendar.places(times)
    steps = exact - exact[0]
    places = math.floor(exact[0]) + steps.round().astype(int)
    if (abs(steps - steps.round()) > 0.05).mean() > 0.5:
        raise ValueError(f"{name or 'the series'}: expected {calendar}; its times lie between")
    order = numpy.argsort(places, kind="stable")
    first, steps = int(places.min()), int(numpy.ptp(places)) + 1
    if steps > SPARSE * max(50, len(rows)):
        raise ValueError(f"{name or 'the series'}: expected {calendar}, got {len(rows):,} rows "
                         f"over {steps:,} such steps")
    called = f"{name}: " if name else ""
    if len(numpy.unique(places)) < len(places):
        notes.append(f"{called}{len(places) - len(numpy.unique(places))} times come twice; the "
                     "last row of each counts")
    if len(numpy.unique(places)) < steps:
        notes.append(f"{called}{steps - len(numpy.unique(places)):,} of {steps:,} steps have no "
                     "row: gaps, which are filled with the last value and never scored")

    def spread(column: str) -> numpy.ndarray:
        values = numpy.full(steps, numpy.nan)
        values[places[order] - first] = numbers(rows, column)[order]
        return values

    beside = [numpy.stack([spread(column) for column in some], 1) if some
              else numpy.empty((steps, 0)) for some in (columns.known, columns.observed)]
    parts = None
    if any(row.get("split") for row in rows):
        parts = numpy.full(steps, "", dtype=object)
        parts[places[order] - first] = numpy.array(
            [manifest.split_of(row.get("split")) or "" for row in rows], dtype=object)[order]
    several = len(columns.targets) > 1
    return [Series(" / ".join(word for word in (name, target if several or not name else "")
                              if word), spread(target), *beside, calendar, first,
                   float(times[order[0]]), parts) for target in columns.targets]


def numbers(rows: Sequence[table.Row], column: str) -> numpy.ndarray:
    """The column's numbers, NaN where missing, (rows,); ValueError names a cell that is none."""
    cells = [table.text(row.get(column)) for row in rows]
    try:
        return numpy.array([numpy.nan if cell is None else table.number(cell) for cell in cells])
    except ValueError:
        wrong = next(cell for cell in cells if cell is not None and not table.readable([cell]).size)
        raise ValueError(f"column {column!r}: expected numbers, got {wrong!r}") from None


def listed(values: Sequence[Any]) -> Series:
    """The series of a plain list of numbers, None where one is missing."""
    found = numbers([{"value": value} for value in values], "value")
    return Series("the list", found, *(numpy.empty((len(found), 0)) for _ in range(2)),
                  Calendar("order"), start=math.nan)
