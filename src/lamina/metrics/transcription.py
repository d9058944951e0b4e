"""How far transcripts are from what was said: errors per word and per character.

The rows of each metric are (edits, words or characters of the truth).
"""

from collections.abc import Sequence
from typing import Any

import numpy

from lamina.metrics.metric import Metric, ratio


def edits(found: Sequence[Any], truth: Sequence[Any]) -> int:
    """The fewest insertions, deletions and substitutions that make one the other (Levenshtein
    1966).
    """
    numbers: dict[Any, int] = {}
    given = numpy.array([numbers.setdefault(one, len(numbers)) for one in found], int)
    ahead = numpy.arange(len(found) + 1)
    row = ahead.copy()  # of the first i of the truth, to the first j of what was found
    for i, one in enumerate(truth, 1):
        step = row[:-1] + (given != numbers.get(one, -1))
        row = numpy.concatenate([[i], numpy.minimum(row[1:] + 1, step)])
        row = numpy.minimum.accumulate(row - ahead) + ahead  # insertions, one after another
    return int(row[-1])


WER = Metric(
    "wer", "lower", "word error rate: words that must be put in, taken out or changed, per word "
    "that was said", lambda answer, target: (edits(answer.text.split(), target.split()),
                                             len(target.split())), ratio, unit="fraction")
CER = Metric(
    "cer", "lower", "character error rate: the same of characters, spaces among them",
    lambda answer, target: (edits(answer.text, target), len(target)), ratio, unit="fraction")
