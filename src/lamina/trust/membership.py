"""Can one tell from the model who was in the training part? An attack, and how often it is right.

The attacker sees how much of its probability the model gives to the true label of an example and
says "trained on" where that is high (Yeom et al. 2018, adversary 1). A model that remembers its
examples is surer of them than of others like them.
"""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy

from lamina.case import Case
from lamina.findings import Finding
from lamina.keys import numpy_generator
from lamina.scoring import Part, wilson
from lamina.task import Data, tensors

SAMPLE = 5000  # examples of either kind at most
CHUNK = 256
FEWEST = 30  # of either kind
SMALLEST = 1e-45  # probability whose logarithm is taken
FALSE_ALARMS = 0.01
HINT, WARNING = 0.55, 0.65  # lower ends of the interval of the AUC


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The attack's AUC with its 95 % interval, its hits at 1 % of false alarms, its advantage.

    None where the answers are no labels or too few examples can be compared.
    """
    if not case.labels:
        return None, []
    part, caution = outsiders(case.data)
    pairs = matched(case.data.train, getattr(case.data, part), case.seed)
    inside, outside = attacked(case, part, pairs, seconds)
    kept = numpy.isfinite(inside) & numpy.isfinite(outside)
    inside, outside = inside[kept], outside[kept]
    if len(inside) < FEWEST:
        return None, []
    value, low, high = area(inside, outside)
    hits = hits_at(inside, outside, FALSE_ALARMS)
    section = {
        "attack": "threshold on the loss of the true label",
        "auc": value, "low": low, "high": high, "n": len(inside), "outsiders": part,
        "hits": hits, "hits_interval": list(wilson(hits * len(inside), len(inside))),
        "false_alarms": FALSE_ALARMS, "advantage": advantage(inside, outside),
        "curve": curve(inside, outside), "caution": caution,
        "sampled": f"{len(inside):,} of {len(case.data.train):,} training examples and as many of "
                   f"the {part} part, the same number of each label"}
    return section, findings(section)


def findings(section: dict[str, Any]) -> list[Finding]:
    """A hint or a warning where the attack is clearly better than guessing."""
    if section["low"] <= HINT:
        return []
    return [Finding(
        "warning" if section["low"] > WARNING else "hint",
        "the model gives away who was in its training part",
        f"from its answers alone, training examples are told from others with an AUC of "
        f"{section['auc']:.3f} ({section['low']:.3f} to {section['high']:.3f}, "
        f"n = {section['n']:,}); guessing gives 0.5",
        "where the training examples are confidential: train for less time, on more data or with "
        "more regularisation, or with --private-epsilon; else this is a sign of overfitting only")]


# ---- whom to compare --------------------------------------------------------------------------

def outsiders(data: Data) -> tuple[str, str]:
    """The part whose examples stand for those that were not trained on, and a caution or ""."""
    grouped = any(example.group is not None for example in data.train[:1000])
    same = "; the parts share no group, so groups differ too" if grouped else ""
    if "test" in data.cut:
        return "test", same.removeprefix("; ")
    if "validation" in data.cut:
        return "validation", "the validation part chose the weights, which helps it a little, so " \
                             "the attack may look slightly weaker than it is" + same
    return "test", "the test part was declared by the data's maker: where it differs from the " \
                   "training part, the attack tells that difference too" + same


def matched(members: Sequence[Any], others: Sequence[Any], seed: int) -> list[tuple[int, int]]:
    """Indices of pairs, one of each kind with the same label, in a random order."""
    random = numpy_generator(seed, "membership")
    found: list[tuple[int, int]] = []
    first, second = (by_label(examples) for examples in (members, others))
    for label in sorted(first.keys() & second.keys(), key=str):
        found += zip(random.permutation(first[label]).tolist(),
                     random.permutation(second[label]).tolist(), strict=False)
    return [found[i] for i in random.permutation(len(found))[:SAMPLE]]


def by_label(examples: Sequence[Any]) -> dict[Any, list[int]]:
    """The indices of the examples of each label."""
    places: dict[Any, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        if example.target is not None:
            places[example.target].append(index)
    return places


def attacked(case: Case, part: str, pairs: Sequence[tuple[int, int]], seconds: float
             ) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The confidence in the true label of as many pairs as the time allows, at least CHUNK."""
    end = time.monotonic() + seconds
    inside: list[float] = []
    outside: list[float] = []
    for start in range(0, len(pairs), CHUNK):
        some = pairs[start : start + CHUNK]
        inside += confidences(case, case.parts.training, [pair[0] for pair in some])
        outside += confidences(case, getattr(case.parts, part), [pair[1] for pair in some])
        if time.monotonic() > end:
            break
    return numpy.array(inside), numpy.array(outside)


def confidences(case: Case, part: Part, chosen: Sequence[int]) -> list[float]:
    """log p / (1 - p) of the true label's probability p, by example.

    It falls as the loss -log p rises, and tells apart what float32 rounds to p = 1
    (Carlini et al. 2022, equation 4).
    """
    some = Part([part.examples[i] for i in chosen], tensors(part.batch, list(chosen)))
    found = []
    for example, answer in zip(some.examples, case.answers(some), strict=True):
        right = answer.probabilities.get(str(example.target), 0.0)
        rest = sum(value for label, value in answer.probabilities.items()
                   if label != str(example.target))
        found.append(math.log(max(right, SMALLEST)) - math.log(max(rest, SMALLEST))
                     if math.isfinite(right + rest) else math.nan)
    return found


# ---- how well it goes -------------------------------------------------------------------------

def area(inside: numpy.ndarray, outside: numpy.ndarray) -> tuple[float, float, float]:
    """(AUC, low, high): the chance that a member scores above an outsider, a tie counting half.

    The 95 % interval is that of DeLong et al. 1988; where one kind wholly surpasses the other, in
    which that has no width, Wilson's.
    """
    above = placements(inside, outside)  # for each member, the share of outsiders below it
    below = 1 - placements(outside, inside)
    value = float(above.mean())
    if value in (0.0, 1.0):
        count = min(len(inside), len(outside))
        return value, *wilson(value * count, count)
    spread = 0.0
    for shares in (above, below):
        spread += float(shares.var(ddof=1)) / len(shares) if len(shares) > 1 else 0.25
    half = 1.959964 * math.sqrt(spread)
    return value, max(0.0, value - half), min(1.0, value + half)


def placements(values: numpy.ndarray, among: numpy.ndarray) -> numpy.ndarray:
    """For each value the share of `among` below it, a tie counting half."""
    ordered = numpy.sort(among)
    left, right = (numpy.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (left + right) / (2 * len(ordered))


def hits_at(inside: numpy.ndarray, outside: numpy.ndarray, false_alarms: float) -> float:
    """The share of members found by the lowest threshold that so few outsiders surpass."""
    ordered = numpy.sort(outside)[::-1]
    return float((inside > ordered[int(false_alarms * len(ordered))]).mean())


def advantage(inside: numpy.ndarray, outside: numpy.ndarray) -> float:
    """Hits less false alarms of "trained on where the loss is below the training part's mean".

    (Yeom et al. 2018, section 3.1; the attacker is taken to know that mean)
    """
    losses = [numpy.logaddexp(0, -values) for values in (inside, outside)]  # -log p
    threshold = losses[0].mean()
    return float((losses[0] < threshold).mean() - (losses[1] < threshold).mean())


def curve(inside: numpy.ndarray, outside: numpy.ndarray, points: int = 50
          ) -> list[tuple[float, float]]:
    """(share of false alarms, share of hits) of thresholds from none to all."""
    both = numpy.sort(numpy.concatenate((inside, outside)))[::-1]
    thresholds = both[numpy.linspace(0, len(both) - 1, points).astype(int)]
    return [(0.0, 0.0), *((float((outside >= t).mean()), float((inside >= t).mean()))
                          for t in thresholds)]
