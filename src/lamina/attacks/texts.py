"""Typos in texts, at random or chosen to do harm; it takes nothing but the model's answers.

A typo is one of those that people make: a neighbouring key, two letters swapped, one left out or
one doubled. Synonyms are not tried: without a list of them, words that a model holds for similar
are as often opposites.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from lamina import keys
from lamina.answers import Text
from lamina.attacks.subject import Subject
from lamina.metrics.metric import ratio
from lamina.task import Example

ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a keyboard, half a key apart
KINDS = ("neighbour", "swap", "missing", "doubled")
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)  # of the characters
EDITS = (1, 2, 3)  # typos that a search may make
TRIES = 10  # places that a search looks at for each typo
CONTEXT = 60  # characters of a text that is continued, and of its continuation
UNIT = "share of the characters"
SHOWN = 4


def measured(subject: Subject, shares: Sequence[float], edits: Sequence[int]) -> dict[str, Any]:
    """Scores under typos and missing characters, and under typos that are searched for."""
    subject = continued(subject)
    clean = subject.rows(subject.part.examples)
    curves = [
        subject.curve("typos", "corruption", UNIT, "neighbouring keys, swapped, missing and "
                      "doubled letters at random places", subject.changed("typos", shares, typos)),
        subject.curve("missing characters", "corruption", UNIT, "left out at random places",
                      subject.changed("missing", shares, missing))]
    search = Search(subject)
    if edits:
        curves.append(subject.curve(
            "searched typos", "attack", "typos", f"each the worst of {TRIES} at random places",
            search.points(edits)))
    return {"clean": subject.score(clean), "curves": [curve for curve in curves if curve],
            "masked": [], "examples": search.shown()}


# ---- typos --------------------------------------------------------------------------------------

def typos(example: Example, share: float, random: numpy.random.Generator) -> Example:
    """The example with that share of its characters mistyped, at least one."""
    text = example.input
    for _ in range(max(1, round(share * len(text)))):
        text = mistyped(text, random)
    return replace(example, input=text)


def missing(example: Example, share: float, random: numpy.random.Generator) -> Example:
    """The example without that share of its characters, at least one; never empty."""
    text = example.input
    count = min(max(1, round(share * len(text))), max(0, len(text) - 1))
    gone = set(random.choice(len(text), count, replace=False).tolist()) if count else set()
    return replace(example, input="".join(letter for place, letter in enumerate(text)
                                          if place not in gone))


def mistyped(text: str, random: numpy.random.Generator) -> str:
    """The text with one typo in a word; as it is where it has no letter or digit."""
    places = [place for place, letter in enumerate(text) if letter.isalnum()]
    if not places:
        return text
    place, kind = places[random.integers(len(places))], KINDS[random.integers(len(KINDS))]
    before, letter, after = text[:place], text[place], text[place + 1 :]
    if kind == "swap" and after:
        return before + after[0] + letter + after[1:]
    if kind == "missing" and len(text) > 1:
        return before + after
    near = neighbours(letter)
    if kind == "neighbour" and near:
        return before + near[random.integers(len(near))] + after
    return before + letter + letter + after


def neighbours(letter: str) -> list[str]:
    """The keys beside a letter's or digit's, in its case; none where it has no key."""
    for row, line in enumerate(ROWS):
        column = line.find(letter.lower())
        if column < 0:
            continue
        # each row stands half a key further to the right than the one above
        near = [(row, column - 1), (row, column + 1), (row - 1, column), (row - 1, column + 1),
                (row + 1, column), (row + 1, column - 1)]
        found = [ROWS[r][c] for r, c in near if 0 <= r < len(ROWS) and 0 <= c < len(ROWS[r])]
        return [key.upper() if letter.isupper() else key for key in found]
    return []


# ---- search -------------------------------------------------------------------------------------

class Search:
    """Greedy: at each typo, of TRIES at random keep the one that does most harm, if any does."""

    def __init__(self, subject: Subject):
        self.subject = subject
        self.current = list(subject.part.examples)

    def points(self, edits: Sequence[int]) -> Iterator[tuple[float, numpy.ndarray]]:
        """(typos, rows) as more are allowed."""
        harms = self.subject.harm(self.current)
        for number in range(1, max(edits) + 1):
            tries = [self.tries(index, number) for index in range(len(self.current))]
            found = self.subject.harm([one for several in tries for one in several])
            found = found.reshape(len(tries), TRIES)
            for index, best in enumerate(found.argmax(1)):
                if found[index, best] > harms[index]:
                    self.current[index] = tries[index][best]
                    harms[index] = found[index, best]
            if number in edits:
                yield number, self.subject.rows(self.current)

    def tries(self, index: int, number: int) -> list[Example]:
        """The example with one more typo, in TRIES ways."""
        random = keys.numpy_generator(self.subject.seed, "search", number, index)
        example = self.current[index]
        return [replace(example, input=mistyped(example.input, random)) for _ in range(TRIES)]

    def shown(self) -> list[dict[str, Any]]:
        """Texts that were harmed most, before and after."""
        pairs = [(before, after) for before, after
                 in zip(self.subject.part.examples, self.current, strict=True) if before != after]
        if not pairs:
            return []
        before, after = ([pair[side] for pair in pairs] for side in (0, 1))
        gain = self.subject.harm(after) - self.subject.harm(before)
        return [{"truth": str(before[index].target)[:200], "input": before[index].input[:400],
                 "changed": after[index].input[:400], "harm": float(gain[index])}
                for index in (-gain).argsort()[:SHOWN].tolist()]


# ---- texts that are continued -------------------------------------------------------------------

@dataclass(frozen=True)
class Continued(Subject):
    """Texts that go on: the score is that of the continuation alone, not of the changed context."""

    def rows(self, examples: Sequence[Example]) -> numpy.ndarray:
        """The rows of contexts with what follows less those of the contexts; rows are sums."""
        contexts = [Example(example.input[:1], example.input[1:]) for example in examples]
        return super().rows(examples) - super().rows(contexts)


def continued(subject: Subject) -> Subject:
    """The subject itself, or where it continues texts, its texts cut to context and continuation.

    Only what a net is shown can mislead it, so the two are short.
    """
    if not isinstance(subject.answer, Text) or subject.metric.score is not ratio:
        return subject
    cut = [replace(example, input=example.input[-CONTEXT:], target=example.target[:CONTEXT])
           for example in subject.part.examples if len(example.input) > 1 and example.target]
    if not cut:
        return subject
    part = replace(subject.part, examples=cut)
    return Continued(subject.task, subject.net, subject.machine, part, subject.seed, subject.end)
