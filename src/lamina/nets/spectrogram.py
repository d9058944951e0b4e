"""Logarithmic mel spectrograms, from samples to what nets read, and their variation in training."""

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW, HOP = 0.025, 0.010  # seconds
LOWEST = 20.0  # hertz; what is below is no speech
FLOOR = 1e-5  # added to a band's energy; that of a full sine is about 10,000
FULL = 32768.0  # the sample that stands for 1
CROSSINGS, ROLLOFF, KAISER = 16, 0.945, 14.77  # of the filter that resamples


class LogMel(nn.Module):
    """Logarithms of the energies in bands that are equally wide in mel.

    Frames of 25 ms every 10 ms under a Hann window; triangles of height 1 that overlap by half
    (Davis and Mermelstein 1980); mel = 2595 log10(1 + hertz / 700) (O'Shaughnessy 1987, as HTK).
    rate: samples per second. bands: how many.
    """

    def __init__(self, rate: int, bands: int):
        super().__init__()
        self.size, self.hop = round(WINDOW * rate), round(HOP * rate)
        self.points = 1 << (self.size - 1).bit_length()
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)
        self.register_buffer("filters", mel_filters(rate, self.points, bands), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """(batch, frames, bands) of int16 samples (batch, time); a frame lies all in the sound."""
        frames = (samples.float() / FULL).unfold(1, self.size, self.hop) * self.window
        power = torch.fft.rfft(frames, self.points).abs().square()
        return (power @ self.filters + FLOOR).log()

    def frames(self, length: Tensor) -> Tensor:
        """How many frames so many samples give."""
        return (length - self.size) // self.hop + 1


def mel_filters(rate: int, points: int, bands: int) -> Tensor:  # (points // 2 + 1, bands)
    """The weight of each frequency of a Fourier transform in each band."""
    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    edges = torch.linspace(mel(LOWEST), mel(rate / 2), bands + 2, dtype=torch.float64)
    edges = 700 * (10 ** (edges / 2595) - 1)
    hertz = torch.linspace(0, rate / 2, points // 2 + 1, dtype=torch.float64)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


def normalized(mel: Tensor, frames: Tensor) -> Tensor:
    """Each band of each recording at mean 0 and deviation 1 over its frames; 0 beyond its end.

    mel: (batch, time, bands), both ways. frames: (batch,), how many are real.
    """
    real = within(frames, mel.shape[1])[:, :, None]
    count = frames[:, None, None]
    mean = (mel * real).sum(1, keepdim=True) / count
    centred = (mel - mean) * real
    return centred / ((centred ** 2).sum(1, keepdim=True) / count + 1e-2).sqrt()


def within(length: Tensor, time: int) -> Tensor:  # (batch,) -> (batch, time)
    """Which places lie before each length."""
    return torch.arange(time, device=length.device) < length[:, None]


class SpecAugment(nn.Module):
    """Hides random bands and stretches of time while learning (Park et al. 2019, section 2).

    Without the warping of time, which helps least there.
    masks: how many of either kind. bands: width of a mask of frequencies, at most. share: of a
    recording's frames that a mask of time hides, at most.
    """

    def __init__(self, masks: int, *, bands: int, share: float = 0.1):
        super().__init__()
        self.masks, self.bands, self.share = masks, bands, share

    def forward(self, mel: Tensor, frames: Tensor) -> Tensor:  # (batch, time, bands) both ways
        if not self.training:
            return mel
        for _ in range(self.masks):
            widths = mel.new_full((len(mel),), mel.shape[2])
            mel = mel.masked_fill(stretch(widths, widths.clamp(max=self.bands), mel.shape[2]
                                          )[:, None], 0.0)
            mel = mel.masked_fill(stretch(frames, self.share * frames, mel.shape[1])[:, :, None],
                                  0.0)
        return mel


def stretch(length: Tensor, most: Tensor, time: int) -> Tensor:  # (batch,) -> (batch, time)
    """A random stretch of each length, of at most `most` places."""
    size = torch.rand(len(length), device=length.device) * most
    start = torch.rand(len(length), device=length.device) * (length - size)
    places = torch.arange(time, device=length.device)
    return (places >= start[:, None]) & (places < (start + size)[:, None].floor())


def resampled(samples: Tensor, ratio: Fraction) -> Tensor:
    """Sounds (batch, time) with `ratio` times as many samples: played so, they are slower.

    A windowed sinc, one filter for each phase that repeats (Smith, "Digital Audio Resampling",
    2002), of the samples' own type.
    """
    up, down = ratio.numerator, ratio.denominator
    cutoff = ROLLOFF * min(1.0, up / down)
    reach = math.ceil(CROSSINGS / cutoff)
    phase = torch.arange(up, device=samples.device)[:, None] * down
    time = torch.arange(-reach, reach + down, device=samples.device) - phase / up
    inside = (1 - (time / reach) ** 2).clamp(min=0)
    kernel = cutoff * torch.sinc(cutoff * time) * torch.i0(KAISER * inside.sqrt()) \
        / torch.i0(torch.tensor(KAISER)) * (inside > 0)
    length = -(-samples.shape[1] * up // down)
    padded = functional.pad(samples.float(), (reach, reach + down))
    found = functional.conv1d(padded[:, None], kernel[:, None], stride=down)  # (batch, up, blocks)
    made = found.transpose(1, 2).flatten(1)[:, :length]
    if samples.dtype.is_floating_point:
        return made
    return made.round().clamp(-FULL, FULL - 1).to(samples.dtype)


def mixed_speeds(samples: Tensor, length: Tensor, ratios: Sequence[Fraction]
                 ) -> tuple[Tensor, Tensor]:
    """Each sound (batch, time) with one of those times as many samples, and its new length (batch,)
    (speed perturbation, Ko et al. 2015).
    """
    kind = torch.randint(len(ratios), (len(samples),), device=samples.device)
    time = max(-(-samples.shape[1] * ratio.numerator // ratio.denominator) for ratio in ratios)
    made, lengths = samples.new_zeros(len(samples), time), length.clone()
    for number, ratio in enumerate(ratios):
        chosen = kind == number
        if chosen.any():
            some = samples[chosen] if ratio == 1 else resampled(samples[chosen], ratio)
            made[chosen, : some.shape[1]] = some
            lengths[chosen] = -(-length[chosen] * ratio.numerator // ratio.denominator)
    return made[:, : int(lengths.max())], lengths
