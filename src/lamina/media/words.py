"""The words of a text, as a net that learns words from scratch takes them."""

import re

import numpy

# letters and digits, with apostrophes and hyphens inside ("don't"); any other sign is a word too
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """The words and signs of a text, in lower case."""
    return WORD.findall(text.lower())


def middle_out(tokens: numpy.ndarray, longest: int) -> numpy.ndarray:
    """The tokens, or of too many the first and the last half of `longest` (Sun et al. 2019)."""
    if len(tokens) <= longest:
        return tokens
    return numpy.concatenate((tokens[: longest - longest // 2], tokens[-(longest // 2) :]))
