"""How the training went, in plain words: from its log, and from a few probes of the net."""

import time
from typing import Any

import numpy

from lamina.case import Case
from lamina.findings import Finding
from lamina.health import course, gap
from lamina.health.course import Lines
from lamina.health.forecast import Forecast
from lamina.health.layers import Look, look
from lamina.metrics.metric import Metric

DEAD, MOSTLY_DEAD = 0.5, 0.8  # of the units of a layer
VANISHED = 1e-4  # of the gradient per weight, from one end of the net to the other
WON = 0.05  # of its first loss is left to the part that judges


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """What the log and a few probes say of the training."""
    end = time.monotonic() + seconds
    metric, lines = case.task.metrics[0], course.last_phase(case.log)
    private = case.run.privacy is not None  # then nothing more may be told of training examples
    seen = Look() if private else look(case.run, 0.3 * seconds)
    compared = None if private else gap.measured(case, end)
    then = course.ahead(case, lines)
    found = course.rate_findings(case, lines, learnt=compared and compared["learnt"])
    found += course.gradient_findings(lines) + course.budget_findings(case)
    found += dead(seen) + vanished(seen) + won(case, lines, seen)
    found += course.turned(metric, lines, gap.half_width(compared))
    growing = [] if found or then is None else growth(metric, lines, then,
                                                      gap.half_width(compared))
    if compared is not None:
        found += gap.findings(case, compared, explained=bool(found or growing))
    found += growing + case.run.phases[-1].batches.findings()
    return section(case, lines, compared, seen, then), found


def section(case: Case, lines: Lines, compared: dict[str, Any] | None, seen: Look,
            then: Forecast | None) -> dict[str, Any]:
    """What report.json holds under "health"."""
    metric = case.task.metrics[0]
    scores = [line["scores"][metric.name] for line in lines
              if metric.name in line.get("scores", {})]
    return {
        "metric": metric.name, "better": metric.better,
        "unit": course.unit_of(metric, scores), "gap": compared,
        "forecast": None if then is None else {"now": scores[-1], **as_scores(metric, then)},
        "updates": {name: course.update_size(lines, name) for name in
                    (lines[-1]["losses"] if lines else ())},
        "usual_update": course.USUAL_UPDATE,
        "rollbacks": case.run.rollbacks,
        "layers": [{"name": name, "gradient": gradient, "weight": weight}
                   for name, (gradient, weight) in seen.gradients.items()],
        "units": [{"name": name, "units": len(highest), "dead": int((highest <= 0).sum())}
                  for name, highest in seen.units.items()],
        "watched": seen.examples}


def as_scores(metric: Metric, then: Forecast) -> dict[str, Any]:
    """A forecast of an error as one of the score."""
    values = (then.value, then.low, then.high)
    if metric.better == "higher":
        values = (1 - then.value, 1 - then.high, 1 - then.low)
    return {"times": then.at, **dict(zip(("value", "low", "high"), values, strict=True)),
            "explained": round(then.explained, 3)}


def growth(metric: Metric, lines: Lines, then: Forecast, noise: float) -> list[Finding]:
    """Whether it was still improving when the time was over, by more than chance explains."""
    last = next(line for line in reversed(lines) if metric.name in line.get("scores", {}))
    score = last["scores"][metric.name]
    now = 1 - score if metric.better == "higher" else score
    if now - then.value < max(course.WORTH_SAYING * now, noise) or then.high > now:
        return []
    given = as_scores(metric, then)
    return [Finding("hint", "still improving when the time was over",
                    f"twice the time would give about {given['value']:.4g} ({given['low']:.4g} to "
                    f"{given['high']:.4g}) of validation {metric.name}, now {score:.4g}",
                    f"--steps {2 * lines[-1]['step']}, or twice the --minutes")]


# ---- inside the net -------------------------------------------------------------------------


def dead(seen: Look) -> list[Finding]:
    """Layers in which many units never answer."""
    counts = {name: (int((highest <= 0).sum()), len(highest))
              for name, highest in seen.units.items()}
    worst = {name: pair for name, pair in counts.items() if pair[0] > DEAD * pair[1]}
    if not worst:
        return []
    some = ", ".join(f"{count} of {units} in {name}" for name, (count, units)
                     in sorted(worst.items(), key=lambda one: -one[1][0] / one[1][1])[:4])
    mostly = any(count > MOSTLY_DEAD * units for count, units in worst.values())
    return [Finding("warning" if mostly else "hint",
                    "dead units: they give 0 whatever they are shown, and cannot learn any more",
                    f"{some}, over {seen.examples} training examples",
                    "a lower --learning-rate, which kills fewer, or a smaller net")]


def vanished(seen: Look) -> list[Finding]:
    """Gradients that get lost, or grow without bound, on their way through the layers."""
    slopes = {name: gradient / weight for name, (gradient, weight) in seen.gradients.items()
              if weight > 0}
    if len(slopes) < 3:
        return []
    values, names = list(slopes.values()), list(slopes)
    third = max(1, len(values) // 3)
    first, last = float(numpy.median(values[:third])), float(numpy.median(values[-third:]))
    evidence = (f"gradient over weights {first:.1e} in {names[0]}, {last:.1e} in {names[-1]}")
    if first < VANISHED * last:
        return [Finding("warning", "the gradient vanishes: the first layers hardly learn",
                        evidence, "fewer layers, or a net with skip connections or normalisation")]
    if last < VANISHED * first:
        return [Finding("warning", "the gradient explodes on its way to the first layers",
                        evidence, "fewer layers, normalisation, or a lower --learning-rate")]
    return []


def won(case: Case, lines: Lines, seen: Look) -> list[Finding]:
    """Where two parts learn against each other: whether the one that only judges has won.

    It is the part that answers do not need. Its loss is compared with where it began.
    """
    needed = {id(p) for p in case.task.exported(case.net).parameters()}
    if len(case.run.phases[-1].optimizers) < 2 or len(lines) < 20:
        return []
    for name, part in seen.parts.items():
        losses = [line["losses"][name] for line in lines if name in line["losses"]]
        if any(id(p) in needed for p in part.parameters()) or len(losses) < 20:
            continue
        first, last = numpy.mean(losses[:3]), numpy.mean(losses[-len(losses) // 4 :])
        if 0 <= last < WON * first:
            return [Finding("warning", f"the {name} have won: they tell made from real at once, so "
                            "little can be learnt from them",
                            f"their loss fell from {first:.3g} to {last:.2g}",
                            "more training examples, a lower --learning-rate, or a larger net that "
                            "makes")]
    return []
