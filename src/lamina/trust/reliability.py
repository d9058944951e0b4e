"""Do the probabilities come true, and do sets and intervals hold the truth? On the test part.

What the report says under `calibration`: the calibration errors before and after temperature
scaling, the reliability diagram, and the coverage that was measured, also by class or by size.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy

from lamina.answers import Answer, Label, Number
from lamina.case import Case
from lamina.findings import Finding
from lamina.keys import numpy_generator
from lamina.metrics import calibration as metrics
from lamina.scoring import wilson
from lamina.task import Example
from lamina.trust import bootstrap
from lamina.trust.calibration import Calibration, judged, logarithms, places
from lamina.trust.conformal import deviation

MOST = 20_000  # test examples that are looked at
MOST_CLASSWISE = 2_000_000  # examples times classes
DRAWN_BINS = 10  # of the reliability diagram
NOTICEABLE = 0.05  # calibration error
MISSED = 0.02  # coverage, all examples
MISSED_BY_GROUP = 0.1  # coverage, one label or one fifth of the numbers
SMALLEST = 30  # examples of a label or a fifth
SIZES = ("the smallest fifth", "the second fifth", "the middle fifth", "the fourth fifth",
         "the largest fifth")


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Calibration and coverage on the test part; None where answers are no labels or numbers."""
    if case.calibration is None:
        return None, []
    end = time.monotonic() + seconds
    fitted = Calibration.make(case.calibration)
    examples, answers = judged(case.parts.test.examples, case.test_answers)
    _, raw = judged(case.parts.test.examples, case.raw_test_answers)
    if not answers:
        return None, []
    found: dict[str, Any] = {"kind": fitted.kind, "n": len(answers), "fitted_on": fitted.examples}
    findings: list[Finding] = []
    if case.labels:
        chosen = sample(len(answers))
        if len(chosen) < len(answers):
            found["sampled"] = f"{len(chosen):,} of {len(answers):,} test examples"
        found |= errors([examples[i] for i in chosen], [raw[i] for i in chosen],
                        [answers[i] for i in chosen], case.seed, end)
        found["temperature"] = fitted.temperature
        findings += untrue(found)
    found["coverage"] = coverage(fitted, examples, answers)
    return found, findings + uncovered(found["coverage"], fitted)


def sample(count: int) -> range:
    """Every so many of the examples, at most MOST."""
    return range(0, count, -(-count // MOST))


# ---- calibration --------------------------------------------------------------------------------

def errors(examples: Sequence[Example], raw: Sequence[Label], calibrated: Sequence[Label],
           seed: int, end: float) -> dict[str, Any]:
    """The errors before and after, the two reliability diagrams, and what chance would give."""
    truth = places(examples, raw)
    drawn = bootstrap.weights(len(truth), [example.group for example in examples], seed=seed,
                              draws=200 if len(truth) > 5000 else 500)
    found: dict[str, Any] = {"bins": metrics.BINS}
    for name, answers in (("before", raw), ("after", calibrated)):
        logs = logarithms(answers)
        probabilities = numpy.exp(logs)
        right = numpy.array([answer.label == str(example.target)
                             for example, answer in zip(examples, answers, strict=True)])
        confidence = numpy.array([answer.probability for answer in answers])
        found[name] = {
            "error": of_bins(metrics.gaps(confidence, right), drawn),
            "negative_log_likelihood": of_mean(metrics.surprise(logs, truth), drawn),
            "brier": of_mean(metrics.brier(probabilities, truth), drawn),
            "classwise_error": classwise(probabilities, truth, drawn, end),
            "diagram": diagram(confidence, right)}
    found["by_chance"] = by_chance(confidence, seed)
    return found


def of_mean(values: numpy.ndarray, drawn: numpy.ndarray) -> dict[str, float]:
    """A mean over examples with its 95 % interval."""
    low, high = bootstrap.interval(drawn @ values / drawn.sum(1))
    return {"value": float(values.mean()), "low": low, "high": high}


def of_bins(gaps: numpy.ndarray, drawn: numpy.ndarray) -> dict[str, float]:
    """The calibration error of these gaps, (examples, bins), with its 95 % interval."""
    value = float(abs(gaps.sum(0)).sum() / len(gaps))
    low, high = bootstrap.interval(abs(drawn @ gaps).sum(1) / drawn.sum(1), value)
    return {"value": value, "low": max(0.0, low), "high": high}


def classwise(probabilities: numpy.ndarray, truth: numpy.ndarray, drawn: numpy.ndarray,
              end: float) -> dict[str, float | None] | None:
    """The mean error over the classes; its interval where time allows, None where it is too dear.
    """
    if probabilities.size > MOST_CLASSWISE:
        return None
    value = metrics.classwise_error(probabilities, truth)
    total, began = numpy.zeros(len(drawn)), time.monotonic()
    for place, column in enumerate(probabilities.T):
        total += abs(drawn @ metrics.gaps(column, truth == place)).sum(1) / drawn.sum(1)
        each = (time.monotonic() - began) / (place + 1)
        if time.monotonic() + each * (probabilities.shape[1] - place - 1) > end:
            return {"value": value, "low": None, "high": None}
    low, high = bootstrap.interval(total / probabilities.shape[1], value)
    return {"value": value, "low": max(0.0, low), "high": high}


def by_chance(confidence: numpy.ndarray, seed: int, draws: int = 200) -> float:
    """The error that perfect probabilities stay below 99 times in 100, with so many examples.

    The answers come true as often as they say, drawn anew each time (Bröcker and Smith 2007).
    """
    random = numpy_generator(seed, "calibrated by chance")
    bins = metrics.equal_mass(confidence)
    found = []
    for _ in range(draws):
        gap = confidence - (random.random(len(confidence)) < confidence)
        found.append(abs(numpy.bincount(bins, gap)).sum() / len(gap))
    return float(numpy.percentile(found, 99))


def diagram(confidence: numpy.ndarray, right: numpy.ndarray) -> list[dict[str, float]]:
    """The bins of a reliability diagram: mean confidence, share right with its interval, n."""
    bins = metrics.equal_mass(confidence, DRAWN_BINS)
    rows = []
    for place in numpy.unique(bins):
        inside = bins == place
        low, high = wilson(right[inside].sum(), inside.sum())
        rows.append({"confidence": float(confidence[inside].mean()),
                     "right": float(right[inside].mean()), "low": low, "high": high,
                     "n": int(inside.sum())})
    return rows


def untrue(found: dict[str, Any]) -> list[Finding]:
    """A finding where the calibrated probabilities still do not come true."""
    error = found["after"]["error"]
    if found["n"] < 100 or error["value"] < max(NOTICEABLE, found["by_chance"]):
        return []
    bins = found["after"]["diagram"]
    excess = sum((row["confidence"] - row["right"]) * row["n"] for row in bins)
    return [Finding(
        "warning", f"the probabilities are {'too high' if excess > 0 else 'too low'}",
        f"calibration error {error['value']:.1%}, 95 % interval {error['low']:.1%} to "
        f"{error['high']:.1%}; perfect probabilities would stay below {found['by_chance']:.1%}",
        "do not take them at their word: a larger validation part that is like the test part "
        "would calibrate them better")]


# ---- coverage -----------------------------------------------------------------------------------

def coverage(fitted: Calibration, examples: Sequence[Example], answers: Sequence[Answer]
             ) -> dict[str, Any]:
    """How often sets or intervals hold the truth, and how large they are, over all and by group."""
    found: dict[str, Any] = {"wanted": fitted.coverage, "examples": fitted.examples}
    if fitted.limit is None:
        return found | {"why": f"{fitted.examples} validation examples are too few for "
                               f"{fitted.coverage:.0%}"}
    held = numpy.array([holds(answer, example)
                        for example, answer in zip(examples, answers, strict=True)])
    sizes = numpy.array([extent(answer) for answer in answers])
    found |= covered(held, sizes) | {"threshold": fitted.limit}
    if isinstance(answers[0], Label):
        found |= {"none": float((sizes == 0).mean()), "several": float((sizes > 1).mean())}
        names = numpy.array([str(example.target) for example in examples])
        order = list(answers[0].probabilities)
    else:
        targets = numpy.array([example.target for example in examples], dtype=float)
        ranks = metrics.equal_mass(targets, len(SIZES))
        names, order = numpy.array(SIZES)[ranks], list(SIZES)
    present = set(names.tolist())
    found["by"] = [{"name": name, **covered(held[names == name], sizes[names == name])}
                   for name in [name for name in order if name in present][:100]]
    return found


def holds(answer: Answer, example: Example) -> bool:
    """Whether the answer's set or interval has the truth in it."""
    if isinstance(answer, Number):
        return answer.low <= example.target <= answer.high
    return str(example.target) in answer.likely


def extent(answer: Answer) -> float:
    """The labels in the set, or the width of the interval."""
    return answer.high - answer.low if isinstance(answer, Number) else len(answer.likely)


def covered(held: numpy.ndarray, sizes: numpy.ndarray) -> dict[str, float]:
    """The share that is held, its 95 % interval, n and the mean size."""
    low, high = wilson(held.sum(), len(held))
    return {"value": float(held.mean()), "low": low, "high": high, "n": len(held),
            "size": float(sizes.mean())}


def uncovered(found: dict[str, Any], fitted: Calibration) -> list[Finding]:
    """Findings where the measured coverage misses what was asked for, in all or in one group."""
    if "value" not in found:
        return []
    wanted, kind = found["wanted"], "sets" if fitted.kind == "label" else "intervals"
    findings = []
    off = found["value"] - wanted
    if abs(off) > max(MISSED, 3 * deviation(found["examples"], found["n"], wanted)):
        findings.append(Finding(
            "warning", f"the {kind} hold the truth {'less' if off < 0 else 'more'} often than "
            "asked for", f"{found['value']:.1%} of {found['n']:,} test examples, asked for "
            f"{wanted:.0%}", "the validation and the test part differ: make them from the same "
            "source, or learn the thresholds on data like those that the model will meet"))
    short = [row for row in found["by"] if row["n"] >= SMALLEST
             and row["high"] < wanted - MISSED_BY_GROUP]
    if short:
        worst = min(short, key=lambda row: row["value"])
        findings.append(Finding(
            "hint", f"the {kind} hold the truth of some examples less often than of others",
            f"{worst['value']:.1%} of {worst['name']} ({worst['n']:,} test examples), "
            f"{found['value']:.1%} of all",
            "the coverage is a promise over all examples; ask for a higher --coverage, or collect "
            "more of these"))
    return findings
