"""Explanations of a few test answers, for the report."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy

from lamina import explanations
from lamina.case import Case
from lamina.explanations import importance
from lamina.findings import Finding
from lamina.probe import Probe
from lamina.task import tensors

LEAST = 0.3  # seconds under which nothing is begun
IMPORT = 1.0  # seconds that captum takes to import
STEPS = 512  # of an integral, at most


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Explanations of the clearest few test answers, and the importance of columns."""
    if seconds < LEAST + (0.0 if "captum" in sys.modules else IMPORT):
        return None, []
    end = time.monotonic() + seconds
    found: dict[str, Any] = {"explained": []}
    try:
        kind = probe_of(case, 0).kind
    except NotImplementedError:
        return None, []
    if kind == "columns":
        if shuffled := importance.permutation(case, seconds * 0.6):
            found["importance"] = shuffled
    took = 0.0
    for why, index in chosen(case, kind):
        began = time.monotonic()
        if began + took > end:
            break
        explanation = explain(case, index)
        found["explained"].append({"why": why, "index": index, "html": explanation.html(),
                                   **truth(case, index), **brief(explanation.to_json())})
        took = time.monotonic() - began
    if not found["explained"] and "importance" not in found:
        return None, []
    return found, []


def truth(case: Case, index: int) -> dict[str, str]:
    """The true answer, where it is a label or a number."""
    target = case.parts.test.examples[index].target
    return {"target": str(target)} if case.labels or case.numbers else {}


def brief(told: dict[str, Any]) -> dict[str, Any]:
    """What report.json holds of an explanation: no pictures and no long tables of numbers."""
    return {name: value for name, value in told.items()
            if name not in ("heat", "png", "weights", "values", "returns", "steps_seen", "actions",
                            "attention_of_last_place", "rollout")}


def probe_of(case: Case, index: int) -> Probe:
    """Of one test example."""
    batch = tensors(case.parts.test.batch, slice(index, index + 1))
    return case.task.probe(case.net, {name: values.to(case.machine.device)
                                      for name, values in batch.items()})


def explain(case: Case, index: int) -> explanations.Explanation:
    """The explanation of the answer to one test example."""
    probe = probe_of(case, index)
    answer = None
    if probe.kind in explanations.ANSWERED and probe.labels:
        answer = case.test_answers[index]
    return explanations.explained(case.net, probe, case.parts.test.examples[index], answer,
                                  most=STEPS)


def chosen(case: Case, kind: str) -> Iterator[tuple[str, int]]:
    """Which test examples are explained, and why they were chosen."""
    count = len(case.parts.test)
    if kind == "episode":
        yield "the first test episode", 0
        return
    if case.labels:
        yield from labelled(case)
    elif case.numbers:
        errors = numpy.array([abs(answer.value - example.target) for answer, example in
                              zip(case.test_answers, case.parts.test.examples, strict=True)])
        order = numpy.argsort(errors, kind="stable")
        yield "typical", int(order[count // 2])
        yield "the largest error", int(order[-1])
    else:
        for index in sorted({count // 3, 2 * count // 3}):
            yield "from the test part", index


def labelled(case: Case) -> Iterator[tuple[str, int]]:
    """Right answers of middling certainty, the most certain wrong ones, and the least certain."""
    sure = numpy.array([answer.probability for answer in case.test_answers])
    right = numpy.array([answer.label == example.target for answer, example in
                         zip(case.test_answers, case.parts.test.examples, strict=True)])
    order = numpy.argsort(-sure, kind="stable")
    good, bad = order[right[order]], order[~right[order]]
    if len(good):
        yield "right, of middling certainty", int(good[len(good) // 2])
    for index in bad[:2]:
        yield f"wrong, the most certain of {len(bad):,}", int(index)
    if len(good) > 1:
        yield "right, but the least certain", int(good[-1])
