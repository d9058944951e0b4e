"""CTC: search and alignment beside the enumeration of all paths."""

import itertools
import math
from collections import defaultdict

import numpy
import pytest
import torch

from lamina.language import nothing
from lamina.nets import ctc, speech


def chances(frames: int, symbols: int, seed: int = 0) -> numpy.ndarray:
    found = numpy.random.default_rng(seed).normal(size=(frames, symbols)) * 1.5
    return found - numpy.logaddexp.reduce(found, 1, keepdims=True)


def said(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def enumerated(frames: numpy.ndarray) -> dict[tuple[int, ...], float]:
    """The log-probability of all that can be said, over all paths."""
    found: dict[tuple[int, ...], float] = defaultdict(lambda: -math.inf)
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        chance = sum(frames[time, symbol] for time, symbol in enumerate(path))
        found[said(path)] = numpy.logaddexp(found[said(path)], chance)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_beam_search_finds_the_likeliest_of_all(seed):
    frames = chances(5, 4, seed)
    every = enumerated(frames)
    assert ctc.beam_search(frames, 1000, nothing, nothing) == max(every, key=every.get)


@pytest.mark.parametrize("seed", range(5))
def test_beam_search_with_a_language_finds_the_best_of_all(seed):
    """Of a language that wants symbol 2 after 1, and many of them."""
    frames = chances(5, 4, seed)

    def extension(prefix, symbol):
        return 0.7 + 2 * (prefix[-1:] == (1,) and symbol == 2)

    def score(symbols):
        return sum(extension(symbols[:i], symbol) for i, symbol in enumerate(symbols)) \
            - (symbols[-1:] == (3,))

    every = {symbols: chance + score(symbols) for symbols, chance in enumerated(frames).items()}
    assert ctc.beam_search(frames, 1000, extension, lambda prefix: -float(prefix[-1:] == (3,))
                           ) == max(every, key=every.get)


def test_best_path_joins_repeats_and_drops_blanks():
    path = [0, 1, 1, 0, 1, 2, 2, 0]
    frames = numpy.log(numpy.full((8, 3), 0.1) + 0.7 * numpy.eye(3)[path])
    assert ctc.best_path(frames) == (1, 1, 2) == said(tuple(path))
    assert ctc.best_path(frames[:1]) == ()


def test_fewest_frames_count_the_blanks_between_equal_symbols():
    assert ctc.least_frames([1, 2, 3]) == 3
    assert ctc.least_frames([1, 1, 2, 2]) == 6


@pytest.mark.parametrize("symbols", [(1,), (1, 2), (2, 2), (1, 2, 1), ()])
def test_alignment_is_the_likeliest_path(symbols):
    frames = chances(6, 3, len(symbols))
    paths = [path for path in itertools.product(range(3), repeat=6) if said(path) == symbols]
    best = max(paths, key=lambda path: sum(frames[time, s] for time, s in enumerate(path)))
    spans = ctc.align(frames, symbols)
    built = [0] * 6
    for symbol, (start, stop) in zip(symbols, spans, strict=True):
        built[start:stop] = [symbol] * (stop - start)
    assert tuple(built) == best
    with pytest.raises(ValueError, match="4 symbols need 7 frames, got 6"):
        ctc.align(frames, (1, 1, 1, 1))


def test_words_are_timed_by_their_characters():
    frames = numpy.log(numpy.full((6, 4), 0.05) + 0.8 * numpy.eye(4)[[1, 1, 3, 0, 2, 2]])
    assert list(ctc.timed(frames, (1, 3, 2), ("a", "b", " "))) == [("a", 0, 2), ("b", 4, 6)]
    crowded = list(ctc.timed(frames[:2], (1, 3, 2, 2), ("a", "b", " ")))
    assert [word for word, _, _ in crowded] == ["a", "bb"] and crowded[1][2] == 2


def test_log_chance_is_that_over_all_paths():
    frames = chances(5, 3, 2)
    found = speech.log_chance(torch.from_numpy(frames)[None], torch.tensor([5]), (1, 2))
    assert float(found) == pytest.approx(enumerated(frames)[1, 2], abs=1e-9)
