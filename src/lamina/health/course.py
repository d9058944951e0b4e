"""What the log says of a training: its learning rate, its spikes, where its curve was going."""

import math
from collections.abc import Sequence
from typing import Any

import numpy

from lamina.case import Case
from lamina.findings import Finding
from lamina.health import forecast
from lamina.health.forecast import Forecast
from lamina.metrics.metric import Metric

Lines = list[dict[str, Any]]
USUAL_UPDATE = 5e-3  # of a step, over the weights: the median of healthy runs, see docs/health.md
SMALLEST_UPDATE = 1e-4  # the median
LARGEST_UPDATE = 0.25  # of any step; healthy runs stay below 0.05
SPIKES = 3  # so many are worth a word
WARMED_UP = 0.15  # of the way: what comes before is steeper than any power law
WORTH_SAYING = 0.1  # of the error that is left, gained by twice the time


def last_phase(log: Lines) -> Lines:
    """The lines of the phase that the run ended with."""
    return [line for line in log if line["phase"] == log[-1]["phase"]] if log else []


def error_of(metric: Metric, score: float, scores: Sequence[float]) -> float | None:
    """How far a score is from perfect; None where it is not known what is perfect."""
    if metric.better == "lower":
        return score if min(scores) >= 0 else None
    return 1 - score if max(scores) <= 1 else None


def unit_of(metric: Metric, scores: Sequence[float]) -> str:
    """The unit in which the page shows scores: shares between 0 and 1 as per cent."""
    share = metric.better == "higher" and all(0 <= score <= 1 for score in scores)
    return metric.unit or ("fraction" if share else "")


def peak_rate(lines: Lines) -> float:
    return max((line["learning_rate"] for line in lines), default=0.0)


def update_size(lines: Lines, name: str) -> float | None:
    """The median length of a step over that of the weights, while the rate was high."""
    peak = peak_rate(lines)
    known = [line["updates"][name] for line in lines if line["learning_rate"] >= peak / 2
             and line.get("updates", {}).get(name) is not None]
    return float(numpy.median(known)) if known else None


def gradient_bursts(lines: Lines, name: str) -> float:
    """The longest gradient over the median one; infinite where one was not finite."""
    known = [line["gradients"][name] for line in lines if name in line.get("gradients", {})]
    if any(norm is None for norm in known):
        return math.inf
    middle = float(numpy.median(known)) if known else 0.0
    return max(known) / middle if middle > 0 else 1.0


def spikes(losses: Sequence[float]) -> list[int]:
    """Where a loss jumps far above its neighbours: six deviations, and by half of its value.

    A jump that lasts for a few lines of the log counts once.
    """
    values = numpy.asarray(losses, float)
    if len(values) < 20 or values.min() <= 0:
        return []
    logs = numpy.log(values)
    around = numpy.array([numpy.median(logs[max(0, i - 4) : i + 5]) for i in range(len(logs))])
    above = logs - around
    deviation = 1.4826 * numpy.median(abs(above))
    high = numpy.flatnonzero(above > max(6 * deviation, math.log(1.5)))
    return high[numpy.diff(high, prepend=-10) > 4].tolist()


def fell(losses: Sequence[float]) -> float:
    """How far a loss fell from its first twentieth to its last tenth, over its first value."""
    first = numpy.mean(losses[: max(1, len(losses) // 20)])
    last = numpy.mean(losses[-max(1, len(losses) // 10) :])
    return float((first - last) / abs(first)) if first else 0.0


# ---- findings -------------------------------------------------------------------------------


def rate_findings(case: Case, lines: Lines, *, learnt: float | None) -> list[Finding]:
    """Whether the steps were too long or too short, with the number to try.

    learnt: the share of the error of an untrained net that was overcome; None: not known.
    """
    rollbacks = case.run.rollbacks
    if rollbacks:
        return [Finding("warning", "the learning rate was too high: a loss became infinite or NaN",
                        f"{rollbacks} times the run went back to a checkpoint and went on with "
                        "half the learning rate", f"--learning-rate {tried(case, 0.5**rollbacks)}")]
    phase = case.run.phases[-1]
    if not lines or len(phase.optimizers) > 1 or phase.batches.length is None \
            or case.run.privacy is not None:
        return []  # no loss falls of parts that learn against each other or from their own play,
        # and a private step is mostly noise
    name = next(iter(lines[-1]["losses"]))
    losses = [line["losses"][name] for line in lines]
    size, fall, jumps = update_size(lines, name), fell(losses), spikes(losses)
    if size is None:
        return []
    largest = max(line["updates"][name] for line in lines
                  if line.get("updates", {}).get(name) is not None)
    moved = f"a step changed the weights by {size:.2g} of their length, {USUAL_UPDATE:g} is usual"
    idle = fall < 0.05 if learnt is None else learnt < 0.05
    if largest > LARGEST_UPDATE and (idle or jumps or fall < 0.2):
        return [Finding("warning", "the learning rate is too high",
                        f"one step changed the weights by {largest:.2g} of their length, "
                        f"{USUAL_UPDATE:g} is usual; the {name} "
                        + (f"fell by {fall:.0%}" if fall > 0 else f"rose by {-fall:.0%}"),
                        f"--learning-rate {tried(case, 5 * USUAL_UPDATE / largest)}")]
    if size < SMALLEST_UPDATE:
        return [Finding("warning", "the learning rate is too low", f"{moved}; the {name} fell by "
                        f"{fall:.0%}", f"--learning-rate {tried(case, USUAL_UPDATE / size)}")]
    if len(jumps) >= SPIKES:
        steps = ", ".join(str(lines[index]["step"]) for index in jumps[:3])
        return [Finding("warning", "the loss jumped up again and again",
                        f"{len(jumps)} jumps of the {name}, first at step {steps}",
                        f"--learning-rate {tried(case, 1 / 3)}, or look for extreme values in the "
                        "data")]
    return []


def tried(case: Case, factor: float) -> str:
    """The learning rate times a factor, to one digit, as the flag takes it."""
    given = case.task.settings.learning_rate or case.run.rates[-1][0]
    value = given * min(1000.0, max(1e-3, factor))
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e") if value < 1e-4 \
        else f"{value:.1g}" if value < 1 else f"{value:.0f}"


def gradient_findings(lines: Lines) -> list[Finding]:
    """Gradients that burst while it learnt."""
    for name in lines[-1]["losses"] if lines else ():
        burst = gradient_bursts(lines, name)
        if burst > 1000:
            size = "infinite" if math.isinf(burst) else f"{burst:,.0f} times the median one"
            return [Finding("warning", "the gradient exploded while it learnt",
                            f"the longest gradient of the {name} was {size}",
                            "lower --learning-rate, or look for extreme values in the data")]
    return []


def budget_findings(case: Case) -> list[Finding]:
    """Whether the machine became slower than was planned for."""
    plan = case.run.plan
    if plan.total >= 0.8 * plan.totals[0] or case.run.step < plan.total:
        return []
    return [Finding("hint", "the time ended the training early",
                    f"{plan.total:,} of the {plan.totals[0]:,} steps that were planned, because "
                    "the machine became slower",
                    "train again while the machine is free, or give it more --minutes")]


def turned(metric: Metric, lines: Lines, half_width: float) -> list[Finding]:
    """Whether it became worse on new examples as it went on, beyond what chance explains."""
    scored = [line for line in lines if metric.name in line.get("scores", {})]
    if len(scored) < 4:
        return []
    values = [line["scores"][metric.name] for line in scored]
    best = max(values) if metric.better == "higher" else min(values)
    place = values.index(best)
    if place >= 0.6 * len(values) or abs(values[-1] - best) <= 2 * half_width:  # best of several
        return []
    return [Finding(
        "warning", "it became worse on new examples as it went on",
        f"validation {metric.name}: best {best:.4g} at step {scored[place]['step']}, last "
        f"{values[-1]:.4g} at step {scored[-1]['step']}",
        "the best weights were kept; train for less time, give it more data, or choose a smaller "
        "net")]


# ---- where the curve was going --------------------------------------------------------------


def ahead(case: Case, lines: Lines) -> Forecast | None:
    """The validation error after twice the time; None where the curve does not tell."""
    metric = case.task.metrics[0]
    if not lines:
        return None
    start = case.log[len(case.log) - len(lines) - 1]["step"] if len(lines) < len(case.log) else 0
    return twice(metric, lines, start, seed=case.seed)


def twice(metric: Metric, lines: Lines, start: int, *, seed: int) -> Forecast | None:
    """The same of the lines of one phase that began after step `start`."""
    peak = peak_rate(lines)
    if not peak:
        return None
    rates = numpy.array([line["learning_rate"] for line in lines]) / peak
    steps = numpy.diff([start, *(line["step"] for line in lines)])
    learnt = numpy.cumsum(steps * rates)  # steps at the full learning rate
    progress = (numpy.array([line["step"] for line in lines]) - start) / \
        (lines[-1]["step"] - start)
    used = [index for index, line in enumerate(lines)
            if metric.name in line.get("scores", {}) and progress[index] > WARMED_UP]
    scores = [lines[index]["scores"][metric.name] for index in used]
    if len(used) < forecast.LEAST_POINTS:
        return None
    errors = [error_of(metric, score, scores) for score in scores]
    if None in errors:
        return None
    varied = rates[used] if numpy.ptp(rates[used]) > 0.01 else None
    found = forecast.fit(learnt[used], errors, rates=varied, seed=seed)
    if found is None or found.explained < forecast.LEAST_EXPLAINED:
        return None
    return found.ahead(errors[-1], 2.0, seed=seed)
