"""How the model holds up under attacks and corruption: the cheap part, for the report."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import nn

from lamina.attacks import pictures, rows, texts
from lamina.attacks.pictures import Effort
from lamina.attacks.subject import Subject, judged_by, said, sample
from lamina.device import Machine
from lamina.findings import Finding
from lamina.keys import seed_all
from lamina.media.files import File
from lamina.numbers import number
from lamina.scoring import Part
from lamina.task import Task, tensors

if TYPE_CHECKING:
    from lamina.case import Case

MOST, LEAST = 500, 20  # examples that are tried; with time for fewer nothing is measured
TRIAL = 16  # examples whose time is taken first
STRENGTHS, SEVERITIES = (0.01, 0.03, 0.1), (1, 3, 5)
STEPS, RESTARTS = 10, 2  # of PGD
SHARES = (0.02, 0.1)  # of a text's characters
NEEDED = {"image": 110, "row": 12, "text": 6}  # passes over the examples that the parts take
VISIBLE = 0.1  # strength from which on a change is plain to see
FULL = Effort(pictures.STRENGTHS, (1, 2, 3, 4, 5), 40, 2, pictures.EUCLIDEAN)


def measure(case: "Case", seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Scores under corruption and attack, on a sample of the test part."""
    began = time.monotonic()
    given = sample(case.parts.test, MOST, case.seed)
    kind = kind_of(case.task, case.net, given, case.machine)
    if kind is None:
        return None, []
    subject = Subject(case.task, case.net, case.machine, given, case.seed, began + seconds)
    columns = len(given.examples[0].input) if kind == "row" else 0  # each is left out in turn
    passes = NEEDED[kind] + columns
    count = int(0.8 * seconds / (passes * pace(subject, kind)))
    if count < min(LEAST, len(given)):
        return None, []
    subject = Subject(case.task, case.net, case.machine, sample(given, count, case.seed),
                      case.seed, began + seconds)
    strength = case.options.adversarial
    strengths = sorted({*STRENGTHS, strength} - {0.0})
    found = measured(subject, kind, Effort(strengths, SEVERITIES, STEPS, RESTARTS),
                     shares=SHARES, edits=(), steps=(), changes=(), fixed=())
    if not found["curves"]:
        return None, []
    found["sampled"] = said(len(subject.part), len(case.parts.test))
    if strength:
        found["adversarial"] = {"strength": strength, **step_costs(case)}
    found["seconds"] = round(time.monotonic() - began, 2)
    return found, list(findings(found, strength))


def kind_of(task: Task, net: nn.Module, given: Part, machine: Machine) -> str | None:
    """What is attacked: "row", "text" or "image"; None where no way is known."""
    if not len(given):
        return None
    first = given.examples[0].input
    if isinstance(first, Mapping):
        return "row"
    if isinstance(first, str) and isinstance(given.examples[0].target, str):
        return "text"
    if not isinstance(first, (numpy.ndarray, File)):
        return None
    batch = {name: values.to(machine.device)
             for name, values in tensors(given.batch, slice(1)).items()}
    try:
        probe = task.probe(net, batch)
    except NotImplementedError:
        return None
    labelled = probe.kind == "image" and len(probe.labels) > 1 and probe.targets is not None
    return "image" if labelled else None


def measured(subject: Subject, kind: str, effort: Effort, *, shares: Sequence[float],
             edits: Sequence[int], steps: Sequence[float], changes: Sequence[int],
             fixed: Sequence[str]) -> dict[str, Any]:
    """All curves of a subject of that kind.

    shares, edits: see texts.measured. steps, changes, fixed: see rows.measured.
    """
    if kind == "image":
        found = pictures.measured(subject, effort)
    elif kind == "text":
        found = texts.measured(subject, shares, edits)
    else:
        found = rows.measured(subject, steps, changes, fixed)
    metric = subject.metric
    return {"kind": kind, "metric": {"name": metric.name, "better": metric.better,
                                     "unit": metric.unit, "fraction": judged_by(metric)},
            **found}


def pace(subject: Subject, kind: str) -> float:
    """Seconds that one example takes to be answered; the first pass warms up."""
    if kind == "text":
        subject = texts.continued(subject)
    some = Part(subject.part.examples[:TRIAL], tensors(subject.part.batch, slice(TRIAL)))
    batch = {name: values.to(subject.machine.device) for name, values in some.batch.items()}
    took = 0.0
    for _ in range(2):
        began = time.perf_counter()
        if kind == "image":
            probe = subject.task.probe(subject.net, batch)
            with torch.no_grad():
                probe.outputs(probe.inputs)
        else:
            subject.rows(some.examples)
        took = time.perf_counter() - began
    return max(took / len(some), 1e-7)


def step_costs(case: "Case") -> dict[str, float]:
    """Seconds of a step with and without the attack on its batch, each the less of two."""
    run, times = case.run, {}
    batch = {name: values[:64] for name, values in case.parts.train.items()}
    batch = {name: values.to(run.machine.device) for name, values in batch.items()}
    seed_all(case.seed, "cost of the attack")
    before = {name: values.clone() for name, values in case.net.state_dict().items()}
    for name, attacked in (("plain", False), ("hardened", True)) * 2:
        began = time.perf_counter()
        with run.machine.autocast():
            given = run.adversary(case.task, case.net, batch) if attacked else batch
            for update in case.task.learn(case.net.train(), given):
                torch.autograd.grad(update.loss, list(update.part.parameters()))
        times[name] = min(times.get(name, float("inf")), time.perf_counter() - began)
    case.net.load_state_dict(before)
    case.net.eval()
    return {"steps": run.adversary.steps, "times_slower": times["hardened"] / times["plain"]}


# ---- findings -----------------------------------------------------------------------------------

def findings(found: dict[str, Any], hardened: float) -> list[Finding]:
    """What a person should know of it. hardened: the strength that was trained against."""
    told = []
    if found["masked"]:
        told.append(Finding(
            "warning", "it looks safer against attacks than it is",
            "; ".join(found["masked"]), "do not trust the curve of the gradient attacks; an "
            "attacker needs no gradients"))
    told += fragile(found, hardened)
    told += corrupted(found)
    told += leaning(found)
    return told


def fragile(found: dict[str, Any], hardened: float) -> list[Finding]:
    """A hint where changes that are hard to see break most answers."""
    curve = next((one for one in found["curves"] if one["name"] == "PGD"), None)
    clean = found["clean"]["value"]
    if curve is None:
        return []
    for strength, value, high in zip(curve["strengths"], curve["values"], curve["high"],
                                     strict=True):
        if strength <= max(VISIBLE, hardened) and high < clean / 2:
            what = (f"changing every pixel by at most {strength:.3g} of the range of grey levels "
                    "breaks most answers")
            return [Finding(
                "hint", what, f"accuracy {clean:.1%} falls to {value:.1%}, n = {curve['n']:,}, "
                "under an attacker who knows the net; nearly all nets that were not trained "
                "against it are like this", "if somebody may want to fool it, train with "
                f"--adversarial {strength:g}; else nothing needs to be done")]
    return []


def corrupted(found: dict[str, Any]) -> list[Finding]:
    """A hint that names the corruption to which a model of pictures or texts is most sensitive."""
    if not found["metric"]["fraction"] or found["kind"] == "row":
        return []
    clean = found["clean"]
    worst = None
    for curve in (one for one in found["curves"] if one["kind"] == "corruption"):
        middle = len(curve["strengths"]) // 2
        if curve["high"][middle] < 0.75 * clean["low"]:
            if worst is None or curve["values"][middle] < worst[1]:
                worst = curve, curve["values"][middle], curve["strengths"][middle]
    if worst is None:
        return []
    curve, value, strength = worst
    where = f"{curve['unit']} {strength:g}"
    return [Finding("hint", f"it is sensitive to {curve['name']}",
                    f"{found['metric']['name']} {clean['value']:.1%} falls to {value:.1%} at "
                    f"{where}, n = {curve['n']:,}",
                    "if such inputs will come, add some to the training part")]


def leaning(found: dict[str, Any]) -> list[Finding]:
    """A hint where nearly all that is learnt hangs on one column."""
    columns = found.get("columns") or []
    if len(columns) < 3 or not found["metric"]["fraction"]:
        return []
    clean, (first, second) = found["clean"]["value"], columns[:2]
    lost, next_lost = clean - first["value"], clean - second["value"]
    if first["high"] < found["clean"]["low"] and lost > 0.1 and lost > 4 * max(next_lost, 0.01):
        return [Finding("hint", f"most of what it knows hangs on the column {first['name']!r}",
                        f"{found['metric']['name']} falls from {number(clean, 3)} to "
                        f"{number(first['value'], 3)} where it is missing, to "
                        f"{number(second['value'], 3)} at most for any other",
                        "make sure that it will be known, and filled in alike, in use")]
    return []
