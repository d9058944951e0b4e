"""The verdict on a trained net: its test scores, its baselines, its answers, what to do next."""

import time
from dataclasses import dataclass
from typing import Any

import numpy
from safetensors.numpy import save as arrays_to

from lamina import calibration, scoring
from lamina.answers import Answer, Label
from lamina.case import Case
from lamina.findings import Finding
from lamina.metrics.metric import improves
from lamina.report import Shown, show
from lamina.task import Example

ROWS = "test-rows.safetensors"  # what each test example contributed, for `lamina compare`
GALLERY = 12  # answers shown
GALLERY_SECONDS = 4.0


@dataclass
class Verdict:
    """What the test part says. document: the scores, baselines and confusion of report.json."""

    document: dict[str, Any]
    gallery: list[Shown]
    rows: dict[str, numpy.ndarray]

    def rows_bytes(self) -> bytes:
        """The rows as a safetensors file."""
        return arrays_to({name: numpy.ascontiguousarray(rows) for name, rows in self.rows.items()})


def verdict(case: Case) -> Verdict:
    """Scores of the test part with intervals, beside those of baselines that do not learn."""
    task, test, seed = case.task, case.parts.test, case.seed
    groups = [example.group for example in test.examples]
    found = scoring.rows(task, case.net, test, case.machine)
    document: dict[str, Any] = {
        "scores": scoring.scores(task.metrics, found, seed=seed, groups=groups),
        "baselines": [
            {"name": name, "scores": scoring.scores(
                [m for m in task.metrics if m.name in rows], rows, seed=seed, groups=groups)}
            for name, rows in task.baselines(case.data.train, test.examples).items()]}
    shown = label_answers(case) if case.labels else first_answers(case)
    if case.labels:
        document["confusion"] = scoring.confusion(
            [(str(example.target), answer.label)
             for example, answer in zip(test.examples, case.test_answers, strict=True)
             if example.target is not None])
    return Verdict(document, shown, found)


def first_answers(case: Case) -> list[Shown]:
    """The first few answers, as many as are made and drawn within a few seconds."""
    shown: list[Shown] = []
    began = time.monotonic()
    for start in range(min(GALLERY, len(case.parts.test))):
        [answer] = case.answers(case.parts.test, start=start, count=1)
        shown += [show(case.parts.test.examples[start], one)
                  for one in calibration.apply([answer], case.calibration)]
        if time.monotonic() - began > GALLERY_SECONDS:
            break
    return shown


def label_answers(case: Case) -> list[Shown]:
    """Labels chosen among all: the wrong ones given with most certainty, then right ones."""
    answered = list(zip(case.parts.test.examples, case.test_answers, strict=True))
    wrong = [pair for pair in answered if is_wrong(pair)]
    right = [pair for pair in answered if not is_wrong(pair)]
    wrong.sort(key=lambda pair: -pair[1].probability)
    chosen = wrong[: GALLERY // 2]
    chosen += right[: GALLERY - len(chosen)]
    return [show(*pair) for pair in chosen]


def is_wrong(pair: tuple[Example, Answer]) -> bool:
    """Whether the answer is a label, and another than the target."""
    example, answer = pair
    return (isinstance(answer, Label) and example.target is not None
            and answer.label != example.target)


def findings(document: dict[str, Any], case: Case) -> list[Finding]:
    """What the scores say a person should know."""
    chief = document["scores"][0]
    metric = case.task.metrics[0]
    found = []
    for baseline in document["baselines"]:
        score = next((s for s in baseline["scores"] if s["name"] == chief["name"]), None)
        if score and not improves(metric, chief["value"], score["value"]):
            found.append(Finding(
                "error", f"not better than {baseline['name']}, which does not learn",
                f"{chief['name']} {chief['value']:.4g} against {score['value']:.4g}",
                "train longer, and look at the curves: the loss should fall"))
    if chief["n"] < 100 and chief["high"] - chief["low"] > 0.1 * abs(chief["value"]):
        found.append(Finding("warning", "the test part is small",
                             f"{chief['n']} examples give the interval {chief['low']:.4g} to "
                             f"{chief['high']:.4g}", "collect more examples for the test part"))
    if document["data"]["damaged"]:
        found.append(Finding("warning", "damaged examples were left out",
                             f"{len(document['data']['damaged'])}: "
                             + "; ".join(document["data"]["damaged"][:3]),
                             "mend or remove these files"))
    return found + course(case.log, metric, document)


def course(log: list[dict[str, Any]], metric: Any, document: dict[str, Any]
           ) -> list[Finding]:
    """What the validation scores over time say: stopped too early, or too late."""
    scored = [line for line in log if metric.name in line.get("scores", {})]
    if len(scored) < 4:
        return []
    values = [line["scores"][metric.name] for line in scored]
    best = max(values) if metric.better == "higher" else min(values)
    place = values.index(best)
    evidence = (f"validation {metric.name}: best {best:.4g} at step {scored[place]['step']}, "
                f"last {values[-1]:.4g} at step {scored[-1]['step']}")
    chief = document["scores"][0]
    beyond_chance = abs(values[-1] - best) > (chief["high"] - chief["low"]) / 2
    if place < 0.6 * len(values) and beyond_chance:
        return [Finding("warning", "it became worse on new examples as it went on", evidence,
                        "the best weights were kept; train for less time, give it more data, or "
                        "choose a smaller net")]
    gain = abs(values[-1] - values[-2])
    if place == len(values) - 1 and gain > 0.05 * abs(values[-1] - values[0]) > 0:
        return [Finding("hint", "still improving when the time was over", evidence,
                        f"twice the time: {document['command'].split(' --')[0]} --steps "
                        f"{2 * scored[-1]['step']}")]
    return []
