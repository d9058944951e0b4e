"""Sound: files to samples and back. Samples are float32 (samples,), one channel, about -1 to 1.

libsndfile, through the package soundfile, does the decoding; whatever it raises for a damaged
file becomes a ValueError here.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from lamina.media.files import File

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
LONGEST = 2 * 60 * 60  # seconds; a small file can unpack to far more than memory holds
CROSSINGS = 16  # of zero on each side of the resampling filter
ROLLOFF = 0.945  # of the lower Nyquist frequency, where that filter begins to fall
KAISER = 14.77  # shape of its window


class Form(NamedTuple):
    """What a file's header says. rate: samples per second, of each channel."""

    samples: int
    rate: int
    channels: int

    @property
    def seconds(self) -> float:
        """The length of the sound."""
        return self.samples / self.rate


def form(file: File) -> Form:
    """Length, rate and channels, without decoding; ValueError or OSError as `decode`."""
    with _open(file) as opened:
        return Form(opened.frames, opened.samplerate, opened.channels)


def decode(file: File, *, rate: int | None = None, start: float = 0.0,
           stop: float | None = None) -> tuple[numpy.ndarray, int]:
    """The samples of a sound file, float32 (samples,), and how many there are per second.

    Several channels are mixed to one. rate: that of the samples, in hertz; None keeps the file's.
    start, stop: the part that is wanted, in seconds; None is the end. Only that part is decoded.
    ValueError: not a sound, cut short, not a number, or longer than LONGEST. OSError: no such
    file.
    """
    import soundfile

    with _open(file) as opened:
        found, first = opened.samplerate, round(start * opened.samplerate)
        last = opened.frames if stop is None else min(opened.frames, round(stop * found))
        expected = last - first
        if expected > LONGEST * found:
            raise ValueError(f"{expected / found:,.0f} seconds are too long; "
                             f"expected at most {LONGEST:,}")
        try:
            if first:
                opened.seek(first)
            channels = opened.read(expected, dtype="float32", always_2d=True)
        except soundfile.SoundFileError as reason:
            raise ValueError(f"not a readable sound ({reason})") from None
    if not len(channels) or len(channels) < expected:
        raise ValueError(f"cut short: {len(channels):,} of {expected:,} samples")
    samples = channels.mean(axis=1)
    if not numpy.isfinite(samples).all():
        raise ValueError("some samples are no finite numbers")
    if rate is None:
        return samples, found
    return resample(samples, found, rate), rate


def resample(samples: numpy.ndarray, rate: int, new_rate: int) -> numpy.ndarray:
    """The sound with `new_rate` samples per second, float32; it keeps its length and its start.

    What the lower of the two rates cannot hold is filtered out: a sinc with a Kaiser window, one
    filter for each of the phases that repeat (Smith, "Digital Audio Resampling", 2002).
    """
    if rate <= 0 or new_rate <= 0:
        raise ValueError(f"expected rates above 0 hertz, got {rate} and {new_rate}")
    common = math.gcd(rate, new_rate)
    up, down = new_rate // common, rate // common
    if up == down or not len(samples):
        return samples.astype(numpy.float32)
    cutoff = ROLLOFF * min(1.0, up / down)  # of the old Nyquist frequency
    reach = math.ceil(CROSSINGS / cutoff)
    length = -(-len(samples) * up // down)
    padded = numpy.pad(samples.astype(numpy.float64), (reach, reach + down + 1))
    windows = numpy.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    found = numpy.empty(length, numpy.float32)
    for phase in range(min(up, length)):
        start, past = divmod(phase * down, up)  # a whole old sample, and a fraction past it
        time = numpy.arange(-reach, reach + 1) - past / up
        inside = numpy.clip(1 - (time / reach) ** 2, 0, None)
        kernel = cutoff * numpy.sinc(cutoff * time) * numpy.i0(KAISER * numpy.sqrt(inside)) \
            / numpy.i0(KAISER)
        wanted = found[phase::up]
        wanted[:] = windows[start::down][: len(wanted)] @ kernel
    return found


def save(samples: numpy.ndarray, rate: int, path: Path) -> None:
    """Write the samples to a file whose suffix names the format."""
    import soundfile

    soundfile.write(path, samples, rate)


@contextmanager
def _open(file: File) -> Iterator[Any]:
    import soundfile

    # a file on the disk is read where it is asked for, so that long ones need no memory
    with file.path.open("rb") if file.member is None else io.BytesIO(file.read()) as data:
        try:
            opened = soundfile.SoundFile(data)
        except soundfile.SoundFileError as reason:
            raise ValueError(f"not a readable sound ({str(reason).rpartition(': ')[2]})") from None
        with opened:
            yield opened
