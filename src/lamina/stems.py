"""Stems of words: what several words begin with stands for those that training did not have.

Tokens are those of nets.text: after the words come the stems.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from lamina.nets.text import FIRST, UNKNOWN

SIZES = (6, 5, 4)  # letters


def of(word: str) -> list[str]:
    """What the word begins with, the longest first."""
    return [word[:size] for size in SIZES if size <= len(word)]


def shared(words: Sequence[str]) -> tuple[str, ...]:
    """The stems that two or more of the words have."""
    counted = Counter(stem for word in words for stem in of(word))
    return tuple(sorted(stem for stem, times in counted.items() if times > 1))


@lru_cache(maxsize=4)
def places(words: tuple[str, ...], stems: tuple[str, ...]
           ) -> tuple[dict[str, int], dict[str, int]]:
    """The token of each word and of each stem."""
    return ({word: token for token, word in enumerate(words, FIRST)},
            {stem: token for token, stem in enumerate(stems, FIRST + len(words))})


def tokens(given: Sequence[str], words: tuple[str, ...], stems: tuple[str, ...]) -> list[int]:
    """The tokens of words; of one that is not known its longest stem, else UNKNOWN."""
    whole, parts = places(words, stems)
    return [whole.get(word) or next((parts[stem] for stem in of(word) if stem in parts), UNKNOWN)
            for word in given]


def made_of(words: tuple[str, ...], stems: tuple[str, ...]) -> Tensor:
    """Of each token itself and its stems, the longest first: (tokens, 1 + stems), padded with 0."""
    _, parts = places(words, stems)
    found = torch.zeros(FIRST + len(words) + len(stems), 1 + len(SIZES), dtype=torch.long)
    found[:, 0] = torch.arange(len(found))
    for token, word in enumerate((*words, *stems), FIRST):
        known = [parts[stem] for stem in of(word) if parts.get(stem, token) != token]
        found[token, 1 : 1 + len(known)] = torch.tensor(known, dtype=torch.long)
    return found
