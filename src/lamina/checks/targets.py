"""The targets themselves: classes that are rare or absent, numbers far from all others; and
whether the test part is large enough for what one wants to know.
"""

from collections import Counter

import numpy

from lamina.checks.checked import Checked, share
from lamina.checks.material import PARTS, Material
from lamina.findings import Finding, Sighting
from lamina.metrics.metric import Metric

FEW = 10  # training examples of a class
IMBALANCE = 20  # times as many examples of the most frequent class as of the rarest
FAR = 15.0  # spreads (half the distance between the quartiles) from the median
CAPPED = 0.02  # share of the targets that equal the highest or lowest
USUAL = 0.9  # the score for which a test part's precision is told
COARSE, TOO_COARSE = 0.03, 0.07  # half widths of a 95 % interval: a hint, a warning


def find(material: Material) -> Checked:
    """Faults of labels or of numbers."""
    if material.labels:
        return Checked(faults_of_labels(material), looked=f"all {total(material):,} labels")
    if material.numbers:
        return Checked(faults_of_numbers(material), looked=f"all {total(material):,} numbers")
    return Checked([], left_out="the targets are neither labels nor numbers")


def total(material: Material) -> int:
    """The examples of all parts."""
    return sum(len(material.part(name)) for name in PARTS)


def faults_of_labels(material: Material) -> list[Finding]:
    """Classes with few examples, much rarer than others, or absent from a part."""
    counts = {name: Counter(str(example.target) for example in material.part(name).examples)
              for name in PARTS}
    train, found = counts["train"], []
    few = {label: count for label, count in train.items() if count < FEW}
    if few:
        examples = [Sighting("train", place, f"label {example.target}") for place, example in
                    enumerate(material.part("train").examples) if str(example.target) in few]
        found.append(Finding(
            "warning", "some classes have very few training examples", listed(few),
            "collect more of them, or join them with others", tuple(examples[:6])))
    (most, highest), (least, lowest) = train.most_common(1)[0], train.most_common()[-1]
    if len(train) > 1 and highest >= IMBALANCE * lowest:
        found.append(Finding(
            "warning" if highest > 0.9 * sum(train.values()) else "hint",
            "the classes are of very different sizes",
            f"{highest:,} training examples of {most!r} ({share(highest, sum(train.values()))}), "
            f"{lowest:,} of {least!r}",
            "judge by macro F1 or by the score of each class; accuracy follows the large ones"))
    for name in ("test", "validation"):
        absent = {label: train[label] for label in train if label not in counts[name]}
        if absent:
            found.append(Finding(
                "warning", f"some classes do not occur in the {name} part",
                f"{len(absent)} of {len(train)}; training examples: {listed(absent)}",
                "split so that every class is in every part; nothing is known of these otherwise"))
    return found


def listed(counts: dict[str, int]) -> str:
    """Names and numbers, the smallest first."""
    rows = sorted(counts.items(), key=lambda row: row[1])
    more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
    return ", ".join(f"{label!r} {count:,}" for label, count in rows[:8]) + more


def faults_of_numbers(material: Material) -> list[Finding]:
    """Targets far from all others, and targets that seem to be cut at an end of the scale."""
    found: list[Finding] = []
    values = {name: numpy.array([example.target for example in material.part(name).examples],
                                dtype=float) for name in PARTS}
    train = values["train"]
    low, middle, high = numpy.quantile(train, [0.25, 0.5, 0.75])
    spread = (high - low) / 2
    far = [(abs(value - middle) / spread, name, place) for name in PARTS
           for place, value in enumerate(values[name].tolist())
           if abs(value - middle) > FAR * spread] if spread > 0 else []
    if far and len(far) < 0.01 * total(material):  # more is the shape of the distribution
        far.sort(reverse=True)
        worst = values[far[0][1]][far[0][2]]
        found.append(Finding(
            "warning", "some targets lie far from all others",
            f"{len(far):,} of {total(material):,}; the farthest is {worst:.6g}, the median "
            f"{middle:.6g}, the quartiles {low:.6g} and {high:.6g}",
            "look whether they are mistakes of entry or of units",
            tuple(Sighting(name, place, f"target {values[name][place]:.6g}")
                  for _, name, place in far[: min(6, material.shown)])))
    for end, name in ((train.max(), "highest"), (train.min(), "lowest")):
        capped = int((train == end).sum())
        if len(numpy.unique(train)) > 50 and capped > CAPPED * len(train) and (
                name == "highest" or end != 0):
            found.append(Finding(
                "hint", f"many targets equal the {name} one, as if they were cut there",
                f"{capped:,} of {len(train):,} ({share(capped, len(train))}) are {end:.6g}",
                "the model cannot learn what lies beyond; say so where it is used"))
    return found


def size(material: Material) -> Checked:
    """How sure a score on the test part can be at most."""
    count, known = len(material.part("test")), total(material)
    if not count or not material.kind:
        return Checked([], left_out="there is no such check for these inputs")
    metrics: tuple[Metric, ...] = material.task.metrics
    if material.labels:
        half = 1.96 * (USUAL * (1 - USUAL) / count) ** 0.5
        needed = {value: round(1.96**2 * value * (1 - value) / 0.01**2) for value in (USUAL, 0.5)}
        evidence = (f"{count:,} test examples give a score of {USUAL:.0%} a 95 % interval of about "
                    f"±{100 * half:.1f} points; ±1 point needs {needed[USUAL]:,} examples, near "
                    f"50 % {needed[0.5]:,}")
    else:
        half = 1.96 / count**0.5 / 3  # a deviation counts as three tenths of a scale
        evidence = (f"{count:,} test examples give a mean such as {metrics[0].name!r} a 95 % "
                    f"interval of about ±{1.96 / count**0.5:.2f} deviations of what it is a mean "
                    f"of; ±0.05 needs {round((1.96 / 0.05) ** 2):,} examples")
    found = []
    if half > COARSE:
        found.append(Finding(
            "warning" if half > TOO_COARSE else "hint",
            "the test part is small: only large differences can be told", evidence,
            "collect more test examples" + ("" if known < 3 * count else
                                            ", or hold out more of those there are")))
    return Checked(found, evidence)
