"""Naive Bayes over words: labels from counting alone."""

from collections.abc import Sequence

import numpy


def chances(texts: Sequence[Sequence[str]], truth: numpy.ndarray, asked: Sequence[Sequence[str]], *,
            several: bool) -> numpy.ndarray:
    """The chance of each label, (asked, labels), counted in `texts` and their truth.

    texts, asked: the words of each. truth: (texts, labels), 1 where a label holds. several: each
    label holds or not by itself; else one of them does.
    """
    place = {word: index for index, word in enumerate({word for text in texts for word in text})}
    sets = [[sorted({place[word] for word in text if word in place}) for text in part]
            for part in (texts, asked)]
    odds, expected = log_odds(sets[0], truth, len(place), several=several)
    logits = numpy.stack([odds[words].sum(0) + expected for words in sets[1]])
    if several:
        return (1 + numpy.tanh(logits / 2)) / 2
    shares = numpy.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def log_odds(texts: Sequence[Sequence[int]], truth: numpy.ndarray, size: int, *, several: bool
             ) -> tuple[numpy.ndarray, numpy.ndarray]:
    """How much each word speaks for each label, (size, labels), and what each label starts with.

    Multinomial naive Bayes over words that occur, add-one smoothed (Wang and Manning 2012, section
    2.1). several: beside the texts without the label; else the log of the likelihood.
    """
    counts, seen = numpy.zeros((size, truth.shape[1])), numpy.zeros((size, 1))
    for words, labels in zip(texts, truth, strict=True):
        counts[words] += labels
        seen[words] += 1
    yes = truth.sum(0, dtype=float)
    found = numpy.log((1 + counts) / (1 + counts).sum(0))
    if not several:
        return found, numpy.log(yes / len(truth))
    rest = seen - counts
    return (found - numpy.log((1 + rest) / (1 + rest).sum(0)),
            numpy.log((1 + yes) / (1 + len(truth) - yes)))
