"""Where the time of a training went, how near it came to the machine's limits, what slowed it."""

import os
from typing import Any

from lamina import device, limits
from lamina.case import Case
from lamina.cost import step_flops
from lamina.findings import Finding
from lamina.keys import seed_all
from lamina.measure import WORTH_COMPILING
from lamina.run import Run

LEARNING = ("data", "forward", "backward", "optimizer", "other")  # what each step is made of
BETWEEN = ("evaluation", "checkpoint")
WORTH_SAYING = 60.0  # seconds of learning, from which on it matters what slows it down


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """What report.json holds under "profile", with --profile; what slowed the run, always."""
    asked = case.options.profile and case.run.step > 0
    return section(case.run) if asked else None, slowed(case.run)


def section(run: Run) -> dict[str, Any]:
    """Seconds by what they were spent on, and a step of the last phase beside its limits."""
    spent = run.spent.seconds
    step = sum(spent.get(name, 0.0) for name in LEARNING) / run.step
    found = limits.measured(run.machine)
    flops, moved = arithmetic(run)
    rate = found.bfloat16 if run.machine.precision == "bfloat16" else found.float32
    least = max(flops / rate, moved / found.bandwidth) if rate else None
    return {"seconds": {name: round(spent.get(name, 0.0), 3) for name in (*LEARNING, *BETWEEN)},
            "steps": run.step,
            "step": {"seconds": step, "flops": flops, "bytes": moved,
                     "flops_per_second": flops / step, "bytes_per_second": moved / step,
                     "least_seconds": least, "fraction_of_limit": least and least / step},
            "limits": found.to_json()}


def arithmetic(run: Run) -> tuple[float, int]:
    """(floating-point operations, bytes) of a step of the last phase; nothing is changed."""
    before = {name: values.clone() for name, values in run.net.state_dict().items()}
    seed_all(run.task.settings.seed, "profile")
    phase = run.phases[-1]
    flops = step_flops(run, phase)
    moved = limits.step_bytes(run, phase, run.task.augment(next(phase.batches)))
    run.net.load_state_dict(before)
    run.net.eval()
    return flops, moved


def slowed(run: Run) -> list[Finding]:
    """What of this machine made a long run slower than it could be elsewhere."""
    if run.seconds < WORTH_SAYING:
        return []
    machine, cores = run.machine, len(os.sched_getaffinity(0)) \
        if hasattr(os, "sched_getaffinity") else os.cpu_count()
    why = []
    if "bfloat16" in run.task.precisions and machine.precision == "float32" \
            and not device.bfloat16_may_pay():
        why.append("float32 alone: this machine has no arithmetic for bfloat16")
    if machine.device.type == "cpu" and machine.threads < min(cores, run.task.threads or cores):
        why.append(f"{machine.threads} of {cores} cores")
    if run.seconds > WORTH_COMPILING and not device.compiles(machine.device):
        why.append(f"torch.compile could not be tried: there is no "
                   f"{device.compiler(machine.device)}")
    return [Finding("hint", "learning could be faster", "; ".join(why),
                    "--profile shows how near a step comes to what this machine can do")] \
        if why else []
