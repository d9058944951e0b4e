"""The text that has most words in common with another one: it learns nothing."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy

COMMON = 20_000  # texts: a word that more of them have tells little and takes long to count


def nearest(known: Sequence[Sequence[str]], asked: Sequence[Sequence[str]]) -> list[int]:
    """For each of `asked` the place of the most alike of `known`, the first of equals.

    Alike is the cosine of the texts' words, each counted by how rare it is among `known` (tf-idf,
    Salton and Buckley 1988).
    """
    counts = [Counter(words) for words in known]
    found = Counter(word for each in counts for word in each)
    rarity = {word: math.log((1 + len(known)) / count) for word, count in found.items()}
    inside: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for place, each in enumerate(counts):
        length = math.hypot(*(count * rarity[word] for word, count in each.items())) or 1.0
        for word, count in each.items():
            inside[word].append((place, count * rarity[word] / length))
    lists = {word: (numpy.array([place for place, _ in some]), numpy.array([w for _, w in some]))
             for word, some in inside.items() if len(some) <= COMMON}
    best = []
    for words in asked:
        scores = numpy.zeros(len(known))
        for word, count in Counter(words).items():
            if word in lists:
                places, weights = lists[word]
                scores[places] += count * rarity[word] * weights
        best.append(int(scores.argmax()))
    return best
