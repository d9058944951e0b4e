"""A model of sequences that is counted: interpolated Kneser-Ney."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

START, END = "<s>", "</s>"


class KneserNey:
    """The chance of each token after those before it.

    Interpolated Kneser-Ney with one discount for each order, from counts of counts (Kneser and Ney
    1995; Chen and Goodman 1999, equations 19 and 20). Below the highest order a token counts as
    often as there are different tokens before it, but for what begins a sequence. The lowest order
    is mixed with the uniform chance over the vocabulary, the end, and one unknown token.

    sequences: of tokens, without START and END. order: tokens of an n-gram, 1 or more.
    """

    def __init__(self, sequences: Sequence[Sequence[str]], order: int):
        self.order = order
        self.vocabulary = {END, *(token for sequence in sequences for token in sequence)}
        counts: Counter[tuple[str, ...]] = Counter()
        for sequence in sequences:
            padded = (*[START] * (order - 1), *sequence, END)
            counts.update(padded[i : i + order] for i in range(len(padded) - order + 1))
        self.following: list[dict[tuple[str, ...], dict[str, int]]] = []  # context -> token: count
        self.discounts: list[float] = []
        for _ in range(order):  # the highest order first
            following: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
            for gram, count in counts.items():
                following[gram[:-1]][gram[-1]] = count
            self.following.insert(0, dict(following))
            self.discounts.insert(0, discount(counts))
            shorter: Counter[tuple[str, ...]] = Counter()
            for gram, count in counts.items():
                shorter[gram[1:]] += count if gram[:2] == (START, START) else 1
            counts = shorter

    def chance(self, context: Sequence[str], token: str) -> float:
        """The chance of a token after a context, of which the last order - 1 tokens count."""
        found = 1 / (len(self.vocabulary) + 1)
        padded = (*[START] * (self.order - 1), *context)
        for size in range(self.order):
            after = self.following[size].get(padded[len(padded) - size :])
            if after is None:
                break
            total, less = sum(after.values()), self.discounts[size]
            found = (max(after.get(token, 0) - less, 0) + less * len(after) * found) / total
        return found

    def log(self, context: Sequence[str], token: str) -> float:
        """The logarithm of `chance`."""
        return math.log(self.chance(context, token))


def discount(counts: Counter[tuple[str, ...]]) -> float:
    """What is taken from each count: n1 / (n1 + 2 n2), of n-grams that were seen once and twice."""
    once, twice = (sum(count == times for count in counts.values()) for times in (1, 2))
    return min(max(once / (once + 2 * twice), 0.1), 0.95) if once + twice else 0.5
