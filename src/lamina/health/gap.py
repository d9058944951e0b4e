"""Under- and overfitting: what a net gets right where it learnt, and on new examples."""

import math
import time
from typing import Any

import numpy
import torch
from torch import nn

from lamina import scoring
from lamina.case import Case
from lamina.findings import Finding
from lamina.health import course
from lamina.keys import numpy_generator
from lamina.scoring import Part
from lamina.settings import hints
from lamina.task import tensors

FIRST = 16  # examples scored at first; then twice as many each time
COMPARED = 2000  # examples of the training part that are scored, and as many of validation
OVERFITTED, BADLY_OVERFITTED = 0.1, 0.25  # of what was learnt that does not carry over
LEARNT_WELL = 0.8  # of an untrained net's error
ALIKE = 0.25  # of the training error: a gap below that is not what is wrong

# settings that tasks have under these names, and what helps where learning does not carry over
STRONGER = {"dropout": lambda now: min(0.5, max(0.1, 2 * now)),
            "weight_decay": lambda now: 4 * now, "shift": lambda now: now + 2}
SMALLER = {"width": lambda now: now // 2, "layers": lambda now: now - 1}
LARGER = {"width": lambda now: 2 * now, "depth": lambda now: now + 1,
          "layers": lambda now: now + 1, "blocks": lambda now: now + 1}



def measured(case: Case, end: float) -> dict[str, Any] | None:
    """The chief score on a sample of the training part beside that of the validation part.

    learnt: the share of an untrained net's error that was overcome on the training sample.
    lost: the share of that which does not carry over to new examples, with its 95 % interval.
    of_error: the upper end of the gap over the error that is left on the training sample.
    None where the training part is not scored as the validation part is, or there is no time.
    """
    metric = case.task.metrics[0]
    parts = {"train": case.parts.training, "validation": case.parts.validation}
    if any(example.target is None for part in parts.values() for example in part.examples[:1]) \
            or set(case.parts.train) != set(case.parts.validation.batch):
        return None
    found: dict[str, Any] = {"sampled": {}}
    third = (end - time.monotonic()) / 3
    untrained = scored(case, fresh(case), parts["train"], end - 2 * third, count=256)
    half = end - third
    for (name, part), stop in zip(parts.items(), (half, end), strict=True):
        rows = scored(case, case.net, part, stop)
        if rows is None or untrained is None or len(rows) < 2:
            return None
        low, high = scoring.interval(metric, rows, seed=case.seed)
        found[name] = {"value": metric.score(rows), "low": low, "high": high, "n": len(rows)}
        found["sampled"][name] = f"{len(rows):,} of {len(part):,}"
    start, train, new = metric.score(untrained), found["train"], found["validation"]
    sign = 1 if metric.better == "higher" else -1
    span = sign * (train["value"] - start)
    gap = sign * (train["value"] - new["value"])
    spread = math.hypot(*(one["high"] - one["low"] for one in (train, new))) / 2
    known = [start, train["value"], new["value"]]
    error = course.error_of(metric, start, known)
    left = course.error_of(metric, train["value"], known)
    found |= {"untrained": start, "gap": gap, "learnt": span / error if error else None,
              "of_error": (gap + spread) / left if left else None,
              "lost": [value / span for value in (gap, gap - spread, gap + spread)]
              if span > 0 else None}
    return found if all(map(math.isfinite, (*known, spread))) else None


def fresh(case: Case) -> nn.Module:
    """The net as it was before it learnt."""
    return case.task.start().to(case.machine.device)


def scored(case: Case, net: nn.Module, part: Part, end: float, count: int = COMPARED
           ) -> numpy.ndarray | None:
    """The rows of the chief metric on a random sample of a part, until the time is over."""
    order = numpy_generator(case.seed, "health").permutation(len(part))[:count]
    rows: list[numpy.ndarray] = []
    first, size, took = 0, FIRST, 0.0
    while first < len(order) and (not rows or time.monotonic() + 2 * took < end):
        began, chosen = time.monotonic(), order[first : first + size]
        some = Part([part.examples[index] for index in chosen],
                    tensors(part.batch, torch.from_numpy(chosen)))
        found = scoring.rows(case.task, net, some, case.machine)
        if case.task.metrics[0].name not in found:
            return None
        rows.append(found[case.task.metrics[0].name])
        took = time.monotonic() - began
        first, size = first + size, min(2 * size, case.task.examples_at_once)
    return numpy.concatenate(rows) if rows else None


def half_width(gap: dict[str, Any] | None) -> float:
    """Half of the validation score's interval."""
    return (gap["validation"]["high"] - gap["validation"]["low"]) / 2 if gap else math.inf


def findings(case: Case, gap: dict[str, Any], *, explained: bool) -> list[Finding]:
    """Learning that does not carry over to new examples, and nets too small to learn.

    explained: whether something else that was found may be why little was learnt.
    """
    metric = case.task.metrics[0]
    evidence = (f"{metric.name} {gap['train']['value']:.4g} on {gap['sampled']['train']} training "
                f"examples, {gap['validation']['value']:.4g} on {gap['sampled']['validation']} "
                "validation examples")
    lost = gap["lost"]
    if lost and lost[0] > OVERFITTED and lost[1] > OVERFITTED / 2:
        return [Finding("warning" if lost[1] > BADLY_OVERFITTED else "hint",
                        f"overfitted: {lost[0]:.0%} of what it learnt does not hold for new "
                        "examples", evidence, "more data helps most"
                        + options(case, "; against it: ", STRONGER)
                        + options(case, "; a smaller net: ", SMALLER))]
    examples, size = len(case.parts.training), sum(p.numel() for p in case.net.parameters())
    short = gap["learnt"] is not None and gap["learnt"] < LEARNT_WELL and size < examples
    alike = gap["of_error"] is not None and gap["of_error"] < ALIKE
    if (case.labels or case.numbers) and short and alike and not explained:
        return [Finding("hint", "underfitted: the net may be too small for what there is to learn",
                        f"{evidence}; {size:,} weights for {examples:,} examples",
                        "a larger net" + options(case, ": ", LARGER))]
    return []


def options(case: Case, before: str, changes: dict[str, Any]) -> str:
    """The flags that change these settings, where the task's net has them."""
    settings, words = case.task.settings, []
    for name, change in changes.items():
        spec = type(settings).__dataclass_fields__.get(name)
        now = getattr(settings, name, None)
        if spec is None or not isinstance(now, (int, float)) or (name != "dropout" and not now):
            continue
        net = getattr(settings, "net", None)
        of_other = net is not None and any(kind in spec.metadata["help"] for kind in nets(settings)
                                           if kind != net) and net not in spec.metadata["help"]
        new = change(now)
        low, high = spec.metadata["low"], spec.metadata["high"]
        if not of_other and new != now and (low is None or new >= low) \
                and (high is None or new <= high):
            words.append(f"--{name.replace('_', '-')} {new:g} (now {now:g})")
    return before + " or ".join(words) if words else ""


def nets(settings: Any) -> tuple[str, ...]:
    """The kinds of net among which the task's user may choose."""
    return getattr(hints(type(settings)).get("net"), "__args__", ())
