"""series -> future: forecasts with bands, of one series or of many, from tables wide or long.

Nets: `dlinear`, `nlinear`, `lstm`, `patch` (a transformer over patches). Every series is forecast
by itself, with weights that all of them share, beside columns that are known or observed with it.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn

from lamina import keys, windows
from lamina.answers.forecast import Forecast
from lamina.budget import Budget, cosine
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import series
from lamina.media.series import Calendar, Layout, Series
from lamina.metrics import forecast as metrics
from lamina.metrics import smoothing
from lamina.metrics.metric import Metric
from lamina.nets import forecast as nets
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts
from lamina.windows import Level, Stretch, Windows

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
FITTED = 500  # windows that the rates of exponential smoothing are fitted on
SHOWN = 3  # horizons of history that an answer shows


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    horizon: int = setting(24, "steps to forecast", low=1, high=10_000)
    context: int = setting(0, "steps that the net is shown; 0: 336, or half of what the shorter "
                           "series leave", low=0, high=100_000)
    net: Literal["dlinear", "nlinear", "lstm", "patch"] = setting(
        "dlinear", "the kind of net; patch: a transformer over patches of the window")
    time_column: str = setting("", "the column of times; recognised when empty")
    series_column: str = setting("", "of long tables: the column that names each row's series")
    targets: tuple[str, ...] = setting((), "columns to forecast; default all numbers, of long "
                                       "tables the last")
    known: tuple[str, ...] = setting((), "columns that are known in advance, as holidays are")
    observed: tuple[str, ...] = setting((), "columns that are known only when the values are")
    season: int = setting(0, "steps after which things recur; 0: by the calendar", low=0,
                          high=100_000)
    every: int = setting(0, "steps between the forecasts of the rolling evaluation; 0: the fewest "
                         "that give at most 20,000", low=0, high=100_000)
    patch: int = setting(16, "steps that lstm and patch read as one", low=1, high=1024)
    layers: int = setting(2, "layers of lstm and patch", low=1, high=64)
    width: int = setting(32, "channels of lstm and patch", low=4, high=4096)
    heads: int = setting(4, "heads of the attention of patch", low=1, high=128)
    dropout: float = setting(0.2, "fraction dropped while lstm and patch learn", low=0, high=0.9)
    batch_size: int = setting(256, "windows per optimizer step; at most a 16th of those there are",
                              low=1, high=65536)
    weight_decay: float = setting(0.0, "weight decay of AdamW", low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    """layout: the columns by their use. known, observed: their (mean, deviation) in training."""

    context: int = setting(1, "", low=1, high=100_000)
    season: int = setting(1, "", low=1, high=10_000_000)
    unit: Literal["seconds", "months", "business days", "numbers", "order"]
    step: int = setting(1, "", low=1)
    time: str
    series: str
    targets: tuple[str, ...]
    known: tuple[float, ...]
    observed: tuple[float, ...]
    levels: tuple[Level, ...]


class Forecasting(Task):
    """Learns to continue series."""

    Settings, Facts = Settings, Facts
    metrics: tuple[Metric, ...] = metrics.ALL
    budget = Budget(minutes=2)
    examples_at_once = 1024

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        notes: list[str] = []
        found, layout = windows.tables(Path(source), *wanted(self.settings, self.facts), notes)
        s, damaged = self.settings, []
        notes.insert(0, f"{len(found):,} series, {found[0].calendar}: "
                     + ", ".join(one.name for one in found[:8])
                     + (f" and {len(found) - 8:,} more" if len(found) > 8 else ""))
        if layout.rest:
            notes.append(f"not used: the columns {', '.join(layout.rest)}; name those that help "
                         "with --known or --observed")
        cuts = []
        for one in found:
            try:
                cuts.append((one, windows.ends(one, s.horizon)))
            except ValueError as reason:
                damaged.append(f"{one.name}: {reason}")
        if not cuts:
            raise UserError(f"no series is long enough: {damaged[0]}; shorten --horizon")
        context = self.facts.context if self.facts else \
            s.context or windows.usual_context(cuts, s.horizon)
        data = Data([], [], [], "", notes=notes, damaged=damaged)
        data.train = [Example(part, one.values[part.stop : part.stop + s.horizon])
                      for one, cut in cuts
                      for part in windows.passages(one, cut, context, s.horizon, layout)]
        data.validation, data.test = (windows.rolling(
            part, cuts, context, s.horizon, layout, s.every) for part in ("validation", "test"))
        declared = cuts[0][0].parts is not None
        data.cut = () if declared else ("validation", "test")
        data.how = "in time, " + ("as declared: " if declared else "from the end of each series: ")
        data.how += "the validation part follows the training part, the test part comes last"
        notes.append(f"rolling evaluation: {len(data.test):,} forecasts of {s.horizon} steps, each "
                     f"from {context} steps before it")
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        first = train[0].input
        season = self.settings.season or first.series.calendar.season
        seen: dict[str, tuple[Series, int]] = {}
        for example in train:
            one = example.input
            end = one.stop + self.settings.horizon
            seen[one.series.name] = one.series, max(end, seen.get(one.series.name, (None, 0))[1])
        levels = tuple(windows.level_of(name, one.values[:end], season)
                       for name, (one, end) in seen.items())

        def spread(beside: str) -> tuple[float, ...]:
            stacked = numpy.concatenate([getattr(one, beside)[:end] for one, end in seen.values()])
            return tuple(numpy.stack([numpy.nanmean(stacked, 0), numpy.nanstd(stacked, 0)], 1)
                         .flatten().tolist()) if stacked.shape[1] else ()

        layout, calendar = first.layout, first.series.calendar
        return Facts(context=first.context, season=season, unit=calendar.unit, step=calendar.size,
                     time=layout.time, series=layout.series, targets=layout.targets,
                     known=spread("known"), observed=spread("observed"), levels=levels)

    def encode(self, examples: Sequence[Example]) -> Batch:
        """values (n, size + horizon), in deviations from the mean, NaN where there are none, with
        what says how to read them: steps (n,), level (n, 3), which (n,), origin (n, 2), name;
        and known, observed (n, size + horizon, columns) where there are such.
        """
        levels = {level.name: (place, level) for place, level in enumerate(self.facts.levels, 1)}
        found = []
        for one, truth in ((example.input, example.target) for example in examples):
            which, level = levels.get(one.series.name) or (0, windows.level_of(
                one.series.name, one.series.values[one.start : one.stop], self.facts.season))
            found.append(windows.encoded(one, truth, self.settings.horizon, which=which,
                                         level=level, known=self.facts.known,
                                         observed=self.facts.observed))
        return {key: torch.from_numpy(numpy.stack([one[key] for one in found]))
                for key in found[0]}

    def examples(self, given: Sequence[Any]) -> list[Example]:
        """Each is a table's path, a folder of tables, or a list of numbers: '[112, 118, 132]'."""
        return [Example(one) for item in given
                for one in histories(item, self.settings, self.facts)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, facts = self.settings, self.facts
        channels = 1 + len(facts.observed) // 2 + len(facts.known) // 2
        size = s.horizon * (1 + len(QUANTILES))
        if s.net in ("dlinear", "nlinear"):
            make = nets.DLinear if s.net == "dlinear" else nets.NLinear
            body = make(channels=channels, context=facts.context, size=size)
        else:
            shape = dict(channels=channels, patch=min(s.patch, facts.context), layers=s.layers,
                         width=s.width, dropout=s.dropout, size=size)
            if s.net == "patch" and s.width % s.heads:
                raise UserError(f"heads: expected a divisor of the width {s.width}, got {s.heads}")
            body = nets.LSTM(**shape) if s.net == "lstm" else \
                nets.PatchTransformer(context=facts.context, heads=s.heads, **shape)
        return nets.Forecaster(body, horizon=s.horizon, quantiles=QUANTILES, width=s.width,
                               known=len(facts.known) // 2, series=len(facts.levels),
                               centre="last" if s.net == "nlinear" else "mean")

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        found, target = forecast(net, batch, self.settings.horizon, self.facts)
        there = ~target.isnan()
        count, truth = max(1, int(there.sum())), target.nan_to_num()
        error = (found[..., 0] - truth) ** 2 + nets.quantile_loss(
            found[..., 1:], truth, found.new_tensor(QUANTILES)).mean(2)
        yield Update((error * there).sum() / count, net, count=count)

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        batches = Windows(train, self.facts.context, s.horizon, s.batch_size, seed=s.seed)
        optimizer = torch.optim.AdamW(net.parameters(), s.learning_rate,
                                      weight_decay=s.weight_decay)
        yield Phase("train", batches, lambda batch: self.learn(net, batch), {net: (optimizer,)},
                    cosine(warmup=0.05), clip=1.0)

    def adjust(self, net: nn.Module, validation: Iterator[Batch]) -> None:
        """Widen or narrow each series' bands until they hold what the validation part has.

        Conformalized quantile regression (Romano et al. 2019), by a factor.
        """
        found, truth, which = zip(*((*forecast(net, batch, self.settings.horizon, self.facts),
                                     batch["which"]) for batch in validation), strict=True)
        net.fit_widths(torch.cat(found), torch.cat(truth), torch.cat(which), QUANTILES)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Forecast]:
        horizon = self.settings.horizon
        mean, deviation, _ = batch["level"].cpu().numpy().T[:, :, None]
        found, truth = (values * deviation.reshape(-1, *[1] * (values.ndim - 1))
                        + mean.reshape(-1, *[1] * (values.ndim - 1))
                        for values in answered(net, batch, horizon, self.facts))
        history = batch["values"][:, :-horizon][:, -SHOWN * horizon:].cpu().numpy()
        history = history * deviation + mean
        calendar = Calendar(self.facts.unit, self.facts.step)
        moments = [[(calendar if start == start else Calendar("order")).moment(
            int(first) + step, start) for step in range(horizon)]
            for first, start in batch["origin"].tolist()]  # of a mere list start is NaN
        return [Forecast(
            name=bytes(batch["name"][i].tolist()).rstrip(b"\0").decode(errors="replace"),
            moments=moments[i], values=found[i, :, 0].tolist(),
            quantiles={f"{q:g}": found[i, :, k].tolist() for k, q in enumerate(QUANTILES, 1)},
            history=present(history[i]), truth=present(truth[i])) for i in range(len(found))]

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        found, truth = answered(net, batch, self.settings.horizon, self.facts)
        low, high = found[:, :, 1], found[:, :, len(QUANTILES)]
        return errors(found[:, :, 0], truth, batch) | metrics.bands(low, high, truth)

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        window, ahead, _ = window_of(batch, self.settings.horizon, self.facts)
        inputs = window.transpose(1, 2).contiguous()
        flat = inputs.clone()
        flat[:, :, 0] = flat[:, :, :1].mean(1)
        flat[:, :, 1:] = 0.0  # columns beside the series at their mean in training
        mean, deviation = batch["level"][:1, :2].float().T

        def outputs(given: Tensor) -> Tensor:
            future = None if ahead is None else ahead.repeat(len(given) // len(ahead), 1, 1)
            found = net(given.transpose(1, 2), future)[..., 0].mean(1, keepdim=True)
            return found * deviation + mean

        names = [f"{inputs.shape[1] - place} steps before" for place in range(inputs.shape[1])]
        return Probe("series", inputs, outputs, flat, ("the mean of the forecast",), names=names,
                     relative_to="a flat series at the window's mean")

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The season before again, and exponential smoothing with rates fitted on training."""
        horizon, season, context = self.settings.horizon, self.facts.season, self.facts.context
        asked = self.encode(test)
        past, truth = windows_of(asked, context, horizon)
        rates = smoothing.fitted_rates(*windows_of(self.encode(train[-FITTED:]), context, horizon),
                                       season)
        return {"seasonal naive": errors(
                    smoothing.seasonal_naive(past, season, horizon), truth, asked),
                "exponential smoothing": errors(
                    smoothing.smoothed(past, season, horizon, **rates), truth, asked)}

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "forecasting sample")
        path = folder / "shops.csv"
        with path.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["date", "series", "holiday", "sales"])
            for shop, level in (("north", 120.0), ("south", 60.0), ("harbour", 200.0)):
                for day in range(420):
                    date = numpy.datetime64("2023-01-02") + day
                    week = 1 + 0.3 * numpy.sin(2 * numpy.pi * day / 7)
                    holiday = int(random.random() < 0.05)
                    sales = level * (week + 0.5 * holiday + random.normal(0, 0.05))
                    gap = random.random() < 0.01
                    out.writerow([date, shop, holiday, "" if gap else f"{sales:.1f}"])
        return path


# ---- reading ------------------------------------------------------------------------------------

def wanted(s: Settings, facts: Facts | None) -> tuple[Layout, Calendar | None]:
    """The columns that are asked for or were found before, and the calendar that was."""
    if facts is None:
        return Layout(s.time_column, s.series_column, s.targets, s.known, s.observed), None
    return Layout(facts.time, facts.series, facts.targets, s.known, s.observed), \
        Calendar(facts.unit, facts.step)


def histories(given: Any, s: Settings, facts: Facts) -> Iterator[Stretch]:
    """What is to be continued: a path's series, or a list's; UserError: it holds nothing known."""
    if isinstance(given, str) and not given.lstrip().startswith("["):
        found, layout = windows.tables(Path(given), *wanted(s, facts), [])
    else:
        try:
            values = json.loads(given) if isinstance(given, str) else given
            found = [series.listed(values)]
        except (ValueError, TypeError) as reason:
            raise UserError(f"expected a path or a list of numbers such as [112, 118]: {reason}"
                            ) from None
        layout = Layout("", "", (), (), ())
    for one in found:
        known = numpy.flatnonzero(~numpy.isnan(one.values))
        if not len(known):
            raise UserError(f"{one.name}: it has no value to forecast from")
        stop = int(known[-1]) + 1
        yield Stretch(one, max(0, stop - facts.context), stop, facts.context, facts.context, layout)


# ---- tensors ------------------------------------------------------------------------------------

def window_of(batch: Batch, horizon: int, facts: Facts) -> tuple[Tensor, Tensor | None, Tensor]:
    """What the net is shown, (batch, channels, time), what is known in advance, and the truth."""
    span = facts.context + horizon
    values = batch["values"][:, -span:]
    beside = [batch[kind][:, -span:-horizon] for kind in ("observed", "known") if kind in batch]
    past = nets.filled(values[:, :-horizon])
    window = torch.cat([past[:, :, None], *beside], 2).transpose(1, 2)
    ahead = batch["known"][:, -horizon:] if "known" in batch else None
    return window, ahead, values[:, -horizon:]


def forecast(net: nn.Module, batch: Batch, horizon: int, facts: Facts) -> tuple[Tensor, Tensor]:
    """What the net says, (batch, horizon, 1 + quantiles), and the truth, (batch, horizon)."""
    window, ahead, truth = window_of(batch, horizon, facts)
    return net(window, ahead), truth


def answered(net: nn.Module, batch: Batch, horizon: int, facts: Facts
             ) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The same with bands as wide as the validation part asked for, in double precision."""
    found, truth = forecast(net, batch, horizon, facts)
    return tuple(values.double().cpu().numpy()
                 for values in (net.widened(found.float(), batch["which"]), truth))


def windows_of(batch: Batch, context: int, horizon: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The last window of each example, gaps filled, and its future."""
    values = batch["values"][:, -context - horizon:]
    return nets.filled(values[:, :-horizon]).numpy(), values[:, -horizon:].numpy()


def errors(mean: numpy.ndarray, truth: numpy.ndarray, batch: Batch) -> dict[str, numpy.ndarray]:
    """Rows of the metrics of a mean forecast in deviations."""
    return metrics.errors(mean, truth, *batch["level"].cpu().numpy().T)


def present(values: numpy.ndarray) -> list[float | None]:
    """The numbers, None where there is none."""
    return [None if value != value else value for value in values.tolist()]
