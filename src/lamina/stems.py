"""Stems of words: what several words begin with stands for those that training did not have."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from lamina.nets.text import FIRST, UNKNOWN

SIZES = (6, 5, 4)  # letters


def of(word: str) -> list[str]:
    """What the word begins with, the longest first."""
    return [word[:size] for size in SIZES if size <= len(word)]


def shared_stems(words: Sequence[str]) -> tuple[str, ...]:
    """The stems that two or more of the words have."""
    counted = Counter(stem for word in words for stem in of(word))
    return tuple(sorted(stem for stem, times in counted.items() if times > 1))


class Vocabulary:
    """The tokens of words, as nets.text has them, and after them those of stems."""

    def __init__(self, words: Sequence[str], stems: Sequence[str]):
        self.known = (*words, *stems)
        self.words = {word: token for token, word in enumerate(words, FIRST)}
        self.stems = {stem: token for token, stem in enumerate(stems, FIRST + len(words))}

    def tokens(self, given: Sequence[str]) -> list[int]:
        """The tokens of words; of one that is not known its longest stem, else UNKNOWN."""
        return [self.words.get(word) or next((self.stems[stem] for stem in of(word)
                                              if stem in self.stems), UNKNOWN) for word in given]

    def spelled(self, token: int) -> str:
        """What a token stands for."""
        if token < FIRST:
            return "(unknown)"
        return self.known[token - FIRST] + "…" * (token >= FIRST + len(self.words))

    def made_of(self) -> Tensor:
        """Of each token itself and its stems, the longest first: (tokens, 1 + stems), and 0."""
        found = torch.zeros(FIRST + len(self.known), 1 + len(SIZES), dtype=torch.long)
        found[:, 0] = torch.arange(len(found))
        for token, word in enumerate(self.known, FIRST):
            parts = [self.stems[stem] for stem in of(word) if self.stems.get(stem, token) != token]
            found[token, 1 : 1 + len(parts)] = torch.tensor(parts, dtype=torch.long)
        return found
