"""Nets that continue a series: linear ones, a recurrent one and a transformer over patches.

Each takes the values of a window (batch, channels, time), the series itself first and then what
was observed beside it, and gives `size` numbers; `Forecaster` puts them on the window's own scale.
"""

import math
from statistics import NormalDist
from typing import Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina.nets.dropout import Dropout

SMOOTHED = 25  # steps of the moving average, as in Zeng et al. 2023
SHORT = 1024  # steps of a window whose moving average is a product with a matrix
ENOUGH = 100  # values of the validation part that widths are fitted on
SMALLEST = 1e-5  # variance of a window, so that a constant one divides by no zero


class Forecaster(nn.Module):
    """A net on windows that are centred and scaled by themselves, as Kim et al. 2022 do (RevIN).

    quantiles: that the outputs after the first, the mean, are; they start as a normal curve's.
    centre: what a window is centred on, its mean or, as in NLinear, its last value.
    effect: what the numbers known in advance do to each future step; None where there are none.
    widths: by what the bands of each known series are multiplied, outermost first; row 0 holds for
        all others.
    """

    def __init__(self, body: nn.Module, *, horizon: int, quantiles: tuple[float, ...], known: int,
                 width: int, series: int, centre: Literal["mean", "last"]):
        super().__init__()
        self.body, self.horizon, self.centre = body, horizon, centre
        self.start = nn.Parameter(torch.tensor(
            [0.0, *(NormalDist().inv_cdf(quantile) for quantile in quantiles)]))
        self.register_buffer("widths", torch.ones(1 + series, len(quantiles) // 2))
        self.effect = None if not known else nn.Sequential(
            nn.Linear(known, width), nn.GELU(), nn.Linear(width, 1 + len(quantiles)))

    def forward(self, past: Tensor, known: Tensor | None) -> Tensor:
        """past: (batch, channels, time); known: (batch, horizon, columns), where there are any.

        Gives (batch, horizon, outputs) on the scale of the first channel.
        """
        own = past[:, :1]
        scale = (own.var(2, keepdim=True, correction=0) + SMALLEST).sqrt()  # (batch, 1, 1)
        centre = own[:, :, -1:] if self.centre == "last" else own.mean(2, keepdim=True)
        window = torch.cat([(own - centre) / scale, past[:, 1:]], dim=1)
        found = self.body(window).view(-1, self.horizon, len(self.start)) + self.start
        if self.effect is not None:
            found = found + self.effect(known)
        return found * scale + centre

    def widened(self, found: Tensor, which: Tensor) -> Tensor:
        """The answers with quantiles in order and bands of the fitted widths.

        which: the number of each series, 0 for an unknown one, (batch,).
        """
        mean, quantiles = found[..., :1], found[..., 1:].sort(-1).values
        middle = quantiles.shape[2] // 2
        widths = self.widths[which]  # (batch, bands)
        factors = torch.cat([widths, torch.ones_like(widths[:, :1]), widths.flip(1)], 1)
        centre = quantiles[..., middle : middle + 1]
        return torch.cat([mean, centre + factors[:, None] * (quantiles - centre)], 2)

    def fit_widths(self, found: Tensor, truth: Tensor, which: Tensor,
                   quantiles: tuple[float, ...]) -> None:
        """Let each band hold its share of the truth, NaN where there is none, (batch, horizon)."""
        ordered = found[..., 1:].sort(-1).values
        middle = ordered.shape[2] // 2
        miss = truth - ordered[..., middle]
        for band in range(middle):
            below, above = ((ordered[..., side] - ordered[..., middle]).abs()
                            for side in (band, -1 - band))
            needed = miss.abs() / torch.where(miss < 0, below, above).clamp(min=SMALLEST)
            share = quantiles[-1 - band] - quantiles[band]
            for series in range(len(self.widths)):
                some = needed if series == 0 else needed[which == series]
                some = some[~some.isnan()]
                enough = len(some) >= ENOUGH
                self.widths[series, band] = torch.tensor(
                    numpy.quantile(some.cpu().numpy(), share)) if enough else self.widths[0, band]


class NLinear(nn.Module):
    """One linear layer from the window to the future (Zeng et al. 2023, section 4)."""

    def __init__(self, *, channels: int, context: int, size: int):
        super().__init__()
        self.future = nn.Linear(channels * context, size)

    def forward(self, window: Tensor) -> Tensor:  # (batch, channels, time) -> (batch, size)
        return self.future(window.flatten(1))


class DLinear(nn.Module):
    """A linear layer for the moving average, one for the rest (Zeng et al. 2023, section 4)."""

    def __init__(self, *, channels: int, context: int, size: int):
        super().__init__()
        self.trend = nn.Linear(channels * context, size)
        self.rest = nn.Linear(channels * context, size)
        # as a matrix (time, time): of short windows a product is several times faster on a CPU
        short = context <= SHORT
        self.register_buffer("smoothing", smoothed(torch.eye(context)) if short else None,
                             persistent=False)

    def forward(self, window: Tensor) -> Tensor:  # (batch, channels, time) -> (batch, size)
        trend = smoothed(window) if self.smoothing is None else window @ self.smoothing
        return self.trend(trend.flatten(1)) + self.rest((window - trend).flatten(1))


def smoothed(series: Tensor) -> Tensor:
    """The moving average over SMOOTHED values along the time, (..., time), its ends repeated."""
    around = functional.pad(series, (SMOOTHED // 2, SMOOTHED // 2), mode="replicate")
    return functional.avg_pool1d(around, SMOOTHED, stride=1)


class LSTM(nn.Module):
    """Reads the window patch by patch; its last state gives the future."""

    def __init__(self, *, channels: int, patch: int, layers: int, width: int, dropout: float,
                 size: int):
        super().__init__()
        self.patch = patch
        self.cells = nn.LSTM(channels * patch, width, layers, batch_first=True,
                             dropout=dropout if layers > 1 else 0.0)
        self.dropout = Dropout(dropout)
        self.future = nn.Linear(width, size)

    def forward(self, window: Tensor) -> Tensor:  # (batch, channels, time) -> (batch, size)
        _, (state, _) = self.cells(patches(window, self.patch))
        return self.future(self.dropout(state[-1]))


class PatchTransformer(nn.Module):
    """Attention between overlapping patches of the window (PatchTST, Nie et al. 2023).

    Layer norm stands where the paper has batch norm, so that no answer depends on its batch.
    """

    def __init__(self, *, channels: int, context: int, patch: int, layers: int, width: int,
                 heads: int, dropout: float, size: int):
        super().__init__()
        self.patch = patch
        count = patch_count(context, patch)
        self.embedding = nn.Linear(channels * patch, width)
        self.place = nn.Parameter(torch.empty(count, width).uniform_(-0.02, 0.02))
        self.dropout = Dropout(dropout)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, functional.gelu,
                                           batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width),
                                            enable_nested_tensor=False)
        self.future = nn.Linear(count * width, size)

    def forward(self, window: Tensor) -> Tensor:  # (batch, channels, time) -> (batch, size)
        tokens = self.embedding(patches(window, self.patch)) + self.place
        read = self.blocks(self.dropout(tokens))  # (batch, patches, width)
        return self.future(self.dropout(read.flatten(1)))


def patch_count(context: int, patch: int) -> int:
    """How many patches `patches` makes of a window of so many steps."""
    return max(0, math.ceil((context - patch) / stride(patch))) + 1


def stride(patch: int) -> int:
    """Steps from the start of a patch to that of the next: half of it."""
    return max(1, patch // 2)


def patches(window: Tensor, patch: int) -> Tensor:
    """(batch, patches, channels x patch); the first value is repeated until patches fit."""
    step, time = stride(patch), window.shape[2]
    whole = patch + (patch_count(time, patch) - 1) * step
    filled = functional.pad(window, (whole - time, 0), mode="replicate")
    cut = filled.unfold(2, patch, step)  # (batch, channels, patches, patch)
    return cut.transpose(1, 2).flatten(2)


def filled(values: Tensor) -> Tensor:  # (batch, time) -> (batch, time)
    """Gaps, NaN, hold the last value before them; those at the start the first one there is."""
    there = ~values.isnan()
    steps = torch.arange(values.shape[1], device=values.device)
    last = torch.where(there, steps, -1).cummax(1).values
    first = there.int().argmax(1, keepdim=True)
    return values.gather(1, torch.where(last < 0, first, last)).nan_to_num()


def quantile_loss(answers: Tensor, target: Tensor, quantiles: Tensor) -> Tensor:
    """What a miss costs each quantile (Koenker and Bassett 1978), shaped as `answers`.

    answers: (..., quantiles); target: (...).
    """
    miss = target[..., None] - answers
    return torch.maximum(quantiles * miss, (quantiles - 1) * miss)
