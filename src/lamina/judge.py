"""The verdict on a trained net: its test scores, its baselines, its answers, what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from safetensors.numpy import save as arrays_to

from lamina import choice, scoring
from lamina.case import Case
from lamina.findings import Finding
from lamina.metrics.metric import improves

ROWS = "test-rows.safetensors"  # what each test example contributed, for `lamina compare`
GROUPS = "/groups"  # beside the scores in that file: the number of each one's group, or -1
FEW_GROUPS = 20


@dataclass
class Verdict:
    """What the test part says. document: the scores, baselines and confusion of report.json."""

    document: dict[str, Any]
    chosen: choice.Chosen
    rows: dict[str, numpy.ndarray]

    def rows_bytes(self) -> bytes:
        """The rows as a safetensors file."""
        return arrays_to({name: numpy.ascontiguousarray(rows) for name, rows in self.rows.items()})


def verdict(case: Case) -> Verdict:
    """Scores of the test part with intervals, beside those of baselines that do not learn."""
    task, test, seed = case.task, case.parts.test, case.seed
    groups = [example.group for example in test.examples]
    found = case.test_rows
    document: dict[str, Any] = {
        "scores": scoring.scores(task.metrics, found, seed=seed, groups=groups),
        "baselines": [
            {"name": name, "scores": scoring.scores(
                [m for m in task.metrics if m.name in rows], rows, seed=seed, groups=groups)}
            for name, rows in task.baselines(case.data.train, test.examples).items()]}
    chosen = choice.Chosen(case, found)
    chosen.make(choice.allowance(case.options.minutes))
    if case.labels:
        document["confusion"] = scoring.confusion(
            [(str(example.target), answer.label)
             for example, answer in zip(test.examples, case.test_answers, strict=True)
             if example.target is not None])
    return Verdict(document, chosen, found | numbered(groups))


def numbered(groups: Sequence[str | None]) -> dict[str, numpy.ndarray]:
    """The groups as numbers, for the file of rows; nothing where there are none."""
    names = dict.fromkeys(group for group in groups if group is not None)
    place = {name: number for number, name in enumerate(names)}
    return {GROUPS: numpy.array([place.get(group, -1) for group in groups])} if place else {}


def findings(document: dict[str, Any], case: Case) -> list[Finding]:
    """What the scores say a person should know."""
    chief = document["scores"][0]
    metric = case.task.metrics[0]
    found = []
    for place, baseline in enumerate(document["baselines"]):  # the first one is a constant
        score = next((s for s in baseline["scores"] if s["name"] == chief["name"]), None)
        if score and not improves(metric, chief["value"], score["value"]):
            found.append(Finding(
                "warning" if place else "error",
                f"not better than {baseline['name']}, which does not learn",
                f"{chief['name']} {chief['value']:.4g} against {score['value']:.4g}",
                "train longer, and look at the curves: the loss should fall"))
    groups = {example.group for example in case.parts.test.examples}
    if None not in groups and len(groups) < FEW_GROUPS:
        found.append(Finding("warning", "the test part holds few groups",
                             f"{len(groups)} groups: examples of a group are alike, so that the "
                             "scores rest on no more", "collect more groups for the test part"))
    return found
