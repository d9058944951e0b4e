"""BLEU and chrF of translations, the same as sacreBLEU's, as rows of counts per sentence.

Sums of the counts give the score of a corpus, so that they give its interval as well. Both are in
per cent. (Papineni et al. 2002; Popović 2015; Post 2018, "A call for clarity in reporting BLEU")
"""

import math
import re
from collections import Counter
from functools import lru_cache
from typing import Any

import numpy

from lamina.metrics.metric import Metric

ORDER = 4  # words of the longest n-gram of BLEU
CHARACTERS = 6  # of the longest n-gram of chrF
BETA = 2  # how many times recall counts as much as precision in chrF
ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
APART = tuple((re.compile(pattern), replacement) for pattern, replacement in (
    (r"([\{-\~\[-\` -\&\(-\+\:-\@\/])", r" \1 "),  # punctuation and symbols of ASCII
    (r"([^0-9])([\.,])", r"\1 \2 "),
    (r"([\.,])([^0-9])", r" \1 \2"),
    (r"([0-9])(-)", r"\1 \2 ")))


@lru_cache(maxsize=1 << 16)
def tokens(text: str) -> tuple[str, ...]:
    """The words and signs of a text as mteval-v13a, the script of the NIST and WMT, cuts them."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, letter in ENTITIES:
        text = text.replace(entity, letter)
    text = f" {text} "
    for pattern, replacement in APART:
        text = pattern.sub(replacement, text)
    return tuple(text.split())


def bleu_row(text: str, reference: str) -> tuple[float, ...]:
    """Lengths of text and reference in words, then matches and counts of n-grams of 1 to ORDER."""
    given, truth = tokens(text), tokens(reference)
    matches, counts = [], []
    for size in range(1, ORDER + 1):
        own, other = (Counter(zip(*(words[i:] for i in range(size)), strict=False))
                      for words in (given, truth))
        matches.append((own & other).total())
        counts.append(own.total())
    return len(given), len(truth), *matches, *counts


def bleu(rows: numpy.ndarray) -> float:
    """Geometric mean of the n-grams' precisions times the brevity penalty, in per cent.

    Precisions without a match are smoothed as in mteval-v13a: half of one match for the first of
    them, a quarter for the next.
    """
    length, wanted, *counts = rows.sum(0).tolist()
    matches, totals = counts[:ORDER], counts[ORDER:]
    if not any(matches) or not all(totals):
        return 0.0
    logs, missed = 0.0, 1.0
    for match, total in zip(matches, totals, strict=True):
        missed = missed if match else 2 * missed
        logs += math.log(100 * (match or 1 / missed) / total)
    return math.exp(logs / ORDER + min(0.0, 1 - wanted / length))


def chrf_row(text: str, reference: str) -> tuple[float, ...]:
    """Counts of character n-grams of 1 to CHARACTERS in text, in reference and in both."""
    given, truth = ("".join(one.split()) for one in (text, reference))
    row: list[float] = []
    for size in range(1, CHARACTERS + 1):
        own, other = (Counter(letters[i : i + size] for i in range(len(letters) - size + 1))
                      for letters in (given, truth))
        row += [own.total() if other else 0, other.total(), (own & other).total()]
    return tuple(row)


def chrf(rows: numpy.ndarray) -> float:
    """F-score of the n-grams' mean precision and mean recall, in per cent."""
    own, other, both = rows.sum(0).reshape(CHARACTERS, 3).T
    there = (own > 0) & (other > 0)
    if not both.any():
        return 0.0
    precision, recall = ((both[there] / counts[there]).mean() for counts in (own, other))
    return float(100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall))


def of_texts(row: Any) -> Any:
    """The metric's row of an answer with a text and its target."""
    return lambda answer, target: row(answer.text, target)


BLEU = Metric("BLEU", "higher", "how much the translations have in common with the references, in "
              "words and runs of up to four; 100: they are the same", of_texts(bleu_row), bleu,
              "points")
CHRF = Metric("chrF", "higher", "the same in runs of up to six characters, by precision and twice "
              "as much by recall", of_texts(chrf_row), chrf, "points")
