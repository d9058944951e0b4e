"""Connectionist temporal classification (Graves et al. 2006): from frames to symbols.

Log-probabilities are NumPy arrays (frames, symbols); symbol 0 is the blank.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence

import numpy

BLANK = 0
UNLIKELY = 12.0  # nats below a frame's likeliest symbol at which others are not tried
TRIED = 12  # symbols of a frame that are tried at most

Prefix = tuple[int, ...]


def least_frames(symbols: Sequence[int]) -> int:
    """The fewest frames that can say so: one a symbol, and a blank between equal neighbours."""
    return len(symbols) + sum(a == b for a, b in zip(symbols, symbols[1:], strict=False))


def best_path(frames: numpy.ndarray) -> Prefix:
    """The likeliest symbol of each frame, repeats as one, without blanks (section 3.2)."""
    path = frames.argmax(1)
    return tuple(path[(path != BLANK) & (numpy.diff(path, prepend=-1) != 0)].tolist())


def beam_search(frames: numpy.ndarray, beam: int, extension: Callable[[Prefix, int], float],
                ending: Callable[[Prefix], float]) -> Prefix:
    """The symbols whose log-probability and language score together are the highest.

    Prefix beam search (Hannun et al. 2014, algorithm 1): the sum over all paths of a prefix that
    end in a blank, and of those that do not.
    beam: prefixes that are kept. extension: what it adds to a prefix's score that a symbol follows
    it; ending: that nothing does.
    """
    beams: dict[Prefix, tuple[float, float]] = {(): (0.0, -math.inf)}
    language: dict[Prefix, float] = {(): 0.0}
    for frame in frames.tolist():
        found: dict[Prefix, tuple[float, float]] = {}
        fused: dict[Prefix, float] = {}
        likely = tried(frame)

        def add(prefix: Prefix, score: float, blank: float, other: float) -> None:
            old = found.get(prefix, (-math.inf, -math.inf))
            found[prefix] = added(old[0], blank), added(old[1], other)
            fused[prefix] = score

        for prefix, (blank, other) in beams.items():
            both, score = added(blank, other), language[prefix]
            add(prefix, score, both + frame[BLANK],
                other + frame[prefix[-1]] if prefix else -math.inf)
            for symbol in likely:
                longer = (*prefix, symbol)
                known = fused.get(longer, language.get(longer))
                start = blank if prefix and symbol == prefix[-1] else both
                if start > -math.inf:
                    add(longer, score + extension(prefix, symbol) if known is None else known,
                        -math.inf, start + frame[symbol])
        kept = sorted(found, key=lambda prefix: added(*found[prefix]) + fused[prefix],
                      reverse=True)[:beam]
        beams = {prefix: found[prefix] for prefix in kept}
        language = {prefix: fused[prefix] for prefix in kept}
    return max(beams, key=lambda prefix: added(*beams[prefix]) + language[prefix] + ending(prefix))


def tried(frame: Sequence[float]) -> list[int]:
    """The symbols of a frame that are worth a try, without the blank."""
    least = max(frame) - UNLIKELY
    likely = [symbol for symbol in range(1, len(frame)) if frame[symbol] > least]
    return sorted(likely, key=frame.__getitem__, reverse=True)[:TRIED]


def added(a: float, b: float) -> float:
    """The logarithm of the sum of two numbers whose logarithms are given."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


def align(frames: numpy.ndarray, symbols: Sequence[int]) -> list[tuple[int, int]]:
    """For each symbol the frames from which and before which it is said, on the likeliest path.

    ValueError: there are fewer frames than `least_frames`.
    """
    if len(frames) < least_frames(symbols):
        raise ValueError(f"{len(symbols)} symbols need {least_frames(symbols)} frames, got "
                         f"{len(frames)}")
    states = [BLANK]
    for symbol in symbols:
        states += [symbol, BLANK]
    emitted = frames[:, states]  # (frames, states)
    skips = numpy.array([i > 1 and state != BLANK and state != states[i - 2]
                         for i, state in enumerate(states)])
    score = numpy.full(len(states), -numpy.inf)
    score[:2] = emitted[0, :2]
    came = numpy.zeros(emitted.shape, int)  # how many states back each one came from
    for time in range(1, len(frames)):
        before = numpy.stack([score, shifted(score, 1),
                              numpy.where(skips, shifted(score, 2), -numpy.inf)])
        came[time] = before.argmax(0)
        score = before.max(0) + emitted[time]
    state = len(states) - 1 if len(states) == 1 or score[-1] >= score[-2] else len(states) - 2
    path = [state]
    for time in range(len(frames) - 1, 0, -1):
        path.append(path[-1] - came[time, path[-1]])
    places = numpy.array(path[::-1])
    found = [numpy.flatnonzero(places == 2 * index + 1) for index in range(len(symbols))]
    return [(int(place[0]), int(place[-1]) + 1) for place in found]


def shifted(score: numpy.ndarray, by: int) -> numpy.ndarray:
    """Each state's score moved on by so many states."""
    return numpy.concatenate([numpy.full(min(by, len(score)), -numpy.inf), score[:-by]])


def timed(frames: numpy.ndarray, symbols: Sequence[int], characters: Sequence[str]
          ) -> Iterator[tuple[str, float, float]]:
    """Each word with the frames from which and before which it is said, on the likeliest path.

    characters: of the symbols from 1 on. Where the frames are too few for such a path, the symbols
    are spread evenly over them.
    """
    if len(frames) >= least_frames(symbols):
        spans = align(frames, symbols)
    else:
        ends = numpy.linspace(0, len(frames), len(symbols) + 1)
        spans = list(zip(ends[:-1], ends[1:], strict=True))
    text = "".join(characters[symbol - 1] for symbol in symbols)
    for word in re.finditer(r"\S+", text):
        yield word[0], spans[word.start()][0], spans[word.end() - 1][1]
