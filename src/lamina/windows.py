"""Series cut for learning and judging: parts in time, passages to draw windows from, and the
rolling forecasts of an evaluation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy
import torch
from torch import Tensor

from lamina import keys
from lamina.errors import UserError
from lamina.learning import Batch
from lamina.media import manifest, series
from lamina.media.files import listing
from lamina.media.series import Calendar, Layout, Series
from lamina.settings import Checked, setting
from lamina.source import Source
from lamina.splits import PARTS
from lamina.store import rows as rows_of
from lamina.task import Example

SHARES = {"validation": 0.1, "test": 0.2}  # of each series, cut from its end where none is declared
MOST = {"validation": 5000, "test": 20_000}  # forecasts of the rolling evaluation
LONGEST_CONTEXT = 336  # steps, where none is asked for
PASSAGE = 4  # windows' lengths in a passage of the training part
MANY = 20  # series, from which on each is a group of its own
NAME_BYTES = 64  # of a series' name
FOR_STEPS = ("values", "known", "observed")  # tensors with a value for each step

Spread = tuple[float, ...]  # the mean and the deviation of each column, one after the other
Cut = dict[str, tuple[int, int]]  # of each part the first step, and the step after its last


@dataclass(frozen=True, kw_only=True)
class Level(Checked):
    """Where the values of a series lay in training. naive: the error of the season before."""

    name: str
    mean: float
    deviation: float = setting(1.0, "", low=0)
    naive: float = setting(1.0, "", low=0)


@dataclass(frozen=True, eq=False, repr=False)
class Stretch:
    """A history: the steps `start` to `stop` of a series, and the columns known beyond them.

    size: to how many steps its tensors are filled up. context, layout: what the data ask for.
    """

    series: Series
    start: int
    stop: int
    size: int
    context: int
    layout: Layout

    def __repr__(self) -> str:
        return f"{self.series.name}, forecast from {self.series.moment(self.stop)}"


def tables(path: Path, wanted: Layout, calendar: Calendar | None, notes: list[str]
           ) -> tuple[list[Series], Layout]:
    """The series of a file, or of all files of a folder, and what the columns are for.

    wanted: columns that are named already. calendar: None where it is to be found. UserError: no
    table is there, or one that cannot be read so.
    """
    files = listing(path, manifest.SUFFIXES)
    found: list[Series] = []
    layout = wanted
    for file in files:
        try:
            table = [row for row in manifest.rows(file) if "" not in row]
            layout = series.layout(table, wanted)
            some = series.read(table, layout, calendar=calendar, notes=notes)
        except (OSError, ValueError) as reason:
            raise UserError(f"{file}: {reason}") from None
        calendar = some[0].calendar
        prefix = file.path.stem if len(files) > 1 else ""
        found += [replace(one, name=" / ".join(filter(None, (prefix, one.name)))) for one in some]
    if not found:
        raise UserError(f"{path}: found no table; expected {', '.join(manifest.SUFFIXES[:5])}")
    return found, layout


def ends(one: Series, horizon: int, called: str = "horizon") -> Cut:
    """Where the parts of a series end; ValueError: it is too short.

    horizon: steps that each part must have at least. called: what they are to the user.
    """
    least = 3 * horizon + 1
    if len(one) < least:
        raise ValueError(f"it has {len(one)} values, " + (
            f"fewer than the {called} of {horizon} steps; " if len(one) < horizon else "")
            + f"expected at least {least}: {horizon} steps for each part")
    if numpy.isnan(one.values).mean() > 0.5:
        raise ValueError("most of its values are missing")
    if one.parts is None:
        test = max(horizon, round(SHARES["test"] * len(one)))
        valid = max(horizon, round(SHARES["validation"] * len(one)))
        test = min(test, len(one) - 2 * horizon - 1)
        valid = min(valid, len(one) - test - horizon - 1)
        cuts = (0, len(one) - test - valid, len(one) - test, len(one))
        return dict(zip(PARTS, zip(cuts, cuts[1:]), strict=True))
    found = {}
    for part in PARTS:
        places = numpy.flatnonzero(one.parts == part)
        if len(places) < horizon + (part == "train"):
            raise ValueError(f"its {part} part has {len(places)} values, fewer than the {called} "
                             f"of {horizon} steps")
        found[part] = int(places[0]), int(places[-1]) + 1
    return found


def usual_context(cuts: Sequence[tuple[Series, Cut]], horizon: int) -> int:
    """As many steps as a window may have, of which most series hold a good many windows."""
    train = numpy.median([cut["train"][1] - cut["train"][0] for _, cut in cuts])
    return int(min(LONGEST_CONTEXT, max(1, (train - horizon) // 2)))


def passages(one: Series, cut: Cut, context: int, horizon: int,
             layout: Layout) -> Iterator[Stretch]:
    """The training part in passages that overlap by all but a step of a window."""
    span = context + horizon
    first, last = cut["train"]
    for start in range(first, max(first + 1, last - span + 1), (PASSAGE - 1) * span + 1):
        stop = min(start + PASSAGE * span, last) - horizon
        yield Stretch(one, start, stop, PASSAGE * span - horizon, context, layout)


def rolling(part: str, cuts: Sequence[tuple[Series, Cut]], context: int,
            horizon: int, layout: Layout, every: int) -> list[Example]:
    """A forecast from every step of the part, or from every few, whose future is known."""
    count = sum(cut[part][1] - cut[part][0] - horizon + 1 for _, cut in cuts)
    every = every or max(1, -(-count // MOST[part]))
    found = []
    for one, cut in cuts:
        first, last = cut[part]
        for stop in range(last - horizon, first - 1, -every):
            future = one.values[stop : stop + horizon]
            history = one.values[max(0, stop - context) : stop]
            if numpy.isnan(future).all() or numpy.isnan(history).all():
                continue
            block = one.name if len(cuts) > MANY else f"block {(last - stop) // horizon}"
            found.append(Example(Stretch(one, max(0, stop - context), stop, context, context,
                                         layout), future, f"{part}: {block}"))
    return found[::-1]


def level_of(name: str, values: numpy.ndarray, season: int) -> Level:
    """The level of training values; a series without spread has the deviation 1."""
    season = min(season, max(1, len(values) // 2))
    naive = numpy.nanmean(abs(values[season:] - values[:-season])) if len(values) > 1 else 1.0
    deviation = float(numpy.nanstd(values)) or 1.0
    return Level(name=name, mean=float(numpy.nanmean(values)), deviation=deviation,
                 naive=float(naive) if naive > 0 else deviation)


def encoded(one: Stretch, target: numpy.ndarray | None, horizon: int, *, which: int, level: Level,
            known: Spread, observed: Spread) -> dict[str, numpy.ndarray]:
    """The arrays of one stretch; ValueError where columns known in advance end too early.

    which: the number of its series, 0 for one that is new.
    """
    own, whole = one.series, one.stop - one.start + horizon
    if 2 * own.known.shape[1] != len(known) or 2 * own.observed.shape[1] != len(observed):
        raise ValueError("expected a table with the columns that the model knows beside the series")
    values = numpy.full(one.size + horizon, numpy.nan, numpy.float32)
    values[-whole:-horizon] = (own.values[one.start : one.stop] - level.mean) / level.deviation
    if target is not None:
        values[-horizon:] = (target - level.mean) / level.deviation
    name = numpy.frombuffer(own.name.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0"), numpy.uint8)
    found = {"values": values, "steps": numpy.array(whole), "which": numpy.array(which),
             "level": numpy.array([level.mean, level.deviation, level.naive]),
             "origin": numpy.array([own.first + one.stop, own.start]), "name": name}
    if known:
        beside = own.known[one.start : one.stop + horizon]
        if len(beside) < whole or numpy.isnan(beside[-horizon:]).all():
            raise ValueError(f"the columns known in advance end before the {horizon} steps that "
                             "are asked for: add rows with them and without a value")
        found["known"] = scaled(beside, known, whole, one.size + horizon)
    if observed:
        found["observed"] = scaled(own.observed[one.start : one.stop], observed, whole,
                                   one.size + horizon)
    return found


def scaled(beside: numpy.ndarray, spread: Spread, whole: int, size: int) -> numpy.ndarray:
    """Columns in deviations from their means, 0 where there are none, float32 (size, columns).

    beside: the first of the last `whole` steps.
    """
    mean, deviation = numpy.array(spread).reshape(-1, 2).T
    found = numpy.zeros((size, len(mean)), numpy.float32)
    found[size - whole : size - whole + len(beside)] = numpy.nan_to_num(
        (beside - mean) / numpy.where(deviation > 0, deviation, 1.0))
    return found


class Windows(Source):
    """Every window of `context` and `horizon` steps of the passages, in an order by (seed, epoch).

    A series that is shorter than that gives windows that begin before it.
    """

    def __init__(self, passages: Batch, context: int, horizon: int, batch_size: int, *, seed: int):
        self.passages, self.seed = passages, seed
        self.span = context + horizon
        size = passages["values"].shape[1]
        rows, ends = [], []
        for row, steps in enumerate(passages["steps"].tolist()):
            first = self.span if steps >= self.span else horizon + max(1, (steps - horizon) // 2)
            ends.append(torch.arange(size - steps + first, size + 1))
            rows.append(torch.full((len(ends[-1]),), row))
        self.rows, self.ends = torch.cat(rows), torch.cat(ends)
        self.batch_size = min(batch_size, max(16, len(self.rows) // 16))
        self.length = -(-len(self.rows) // self.batch_size)
        self.order = lru_cache(maxsize=2)(self.order)

    def batch(self, step: int) -> Batch:
        """The batch of that step."""
        epoch, index = divmod(step, self.length)
        chosen = self.order(epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        places = self.ends[chosen][:, None] + torch.arange(-self.span, 0)
        batch = {}
        for name in (name for name in FOR_STEPS if name in self.passages):
            whole = rows_of(self.passages[name], self.rows[chosen])
            index = places.to(whole.device)
            if whole.ndim == 3:
                index = index[:, :, None].expand(-1, -1, whole.shape[2])
            batch[name] = whole.gather(1, index)
        return batch

    def order(self, epoch: int) -> Tensor:
        """The permutation of that epoch."""
        return torch.randperm(len(self.rows), generator=keys.generator(self.seed, "order", epoch))
