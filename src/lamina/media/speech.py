"""What is heard of a recording, and how its text is learnt."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy

from lamina.media import sound
from lamina.media.manifest import Item
from lamina.media.recordings import Recording

RATE = 16_000  # samples per second of what nets hear
SHORTEST = 0.025  # seconds; one frame of a spectrogram
SILENCE = 1e-4  # the peak of a sound that holds nothing


def tidied(text: str, *, kind: Literal["words", "kept"]) -> str:
    """A transcript as it is learnt: one line, and in lower case without punctuation, or as it is.
    """
    text = unicodedata.normalize("NFC", text)
    if kind == "words":
        text = re.sub(r"[^\w']|_|(?<!\w)'|'(?!\w)", " ", text.lower().replace("’", "'"))
    return " ".join(text.split())


def forms(items: Sequence[Item]) -> list[str]:
    """What a person should know of the recordings' rates and channels."""
    several = sum(item.input.channels > 1 for item in items)
    rates = Counter(item.input.rate for item in items)
    notes = [f"{sum(item.input.seconds for item in items) / 60:,.1f} minutes of speech"]
    if several:
        notes.append(f"{several:,} recordings have several channels, which are mixed to one")
    return notes + [f"{count:,} recordings " + resampling(rate)
                    for rate, count in sorted(rates.items()) if rate != RATE]


def resampling(rate: int) -> str:
    """What becomes of a sound of that rate."""
    if rate > RATE:
        return f"at {rate:,} hertz, brought to {RATE:,}"
    return f"at {rate:,} hertz, brought to {RATE:,}: nothing is heard above {rate // 2:,} hertz"


def noted(loud: bool, rate: int, channels: int) -> tuple[str, ...]:
    """What a person should know of one sound."""
    notes = [] if loud else ["silence"]
    notes += [f"{channels} channels mixed to one"] if channels > 1 else []
    return tuple(notes + [resampling(rate)] if rate < RATE else notes)


def listened(given: Recording, longest: int, *, spoken: bool) -> numpy.ndarray:
    """The samples of a recording, int16, the loudest of them at the end of the scale.

    longest: samples, at most. spoken: whether something is known to be said in it.
    ValueError: too short or too long, or silent though something is said.
    """
    if given.seconds * RATE > longest + 1:
        raise ValueError(f"it lasts {given.seconds:,.1f} seconds; expected at most "
                         f"{longest / RATE:.1f}, a quarter longer than the longest to learn from; "
                         "cut it into utterances")
    samples, _ = sound.decode(given, rate=RATE, start=given.start, stop=given.stop)
    if len(samples) < SHORTEST * RATE:
        raise ValueError(f"it lasts {len(samples) / RATE:.3f} seconds; expected {SHORTEST} or more")
    peak = float(abs(samples).max())
    if peak >= SILENCE:
        return numpy.round(32767 / peak * samples).astype(numpy.int16)[:longest]
    if spoken:
        raise ValueError("it is silent, but its text is not empty")
    return numpy.zeros(min(len(samples), longest), numpy.int16)


def placed(given: Recording) -> tuple[int, int, int]:
    """Its first sample in its file, and the samples of the file between which its words lie."""
    return round(RATE * given.start), round(RATE * given.first), round(RATE * given.last)
