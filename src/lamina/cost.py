"""What a training cost: time, memory, arithmetic, energy."""

import resource
import time
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lamina import device
from lamina.answers import Image, Label, Number
from lamina.case import Case
from lamina.keys import seed_all
from lamina.learning import Phase
from lamina.run import Run
from lamina.task import tensors

COUNTED = 8  # examples whose arithmetic is counted; the rest takes as much each
WATTS_PER_CORE = 10.0  # a busy core with its share of memory and power supply
POWERCAP = Path("/sys/class/powercap")  # Intel's and AMD's running average power limit, on Linux


class Meter:
    """The energy that is used from its making on: measured where the machine tells, else estimated.

    The graphics card's power is sampled by `sample`; the processor's comes from its own counters,
    or is the time that this process computed times WATTS_PER_CORE.
    """

    def __init__(self):
        self.began = time.monotonic()
        self.core_seconds = core_seconds()
        self.counters = counters()
        self.watts: list[float] = []

    def sample(self) -> None:
        """Note the power that the graphics card draws now, where it tells."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            try:
                self.watts.append(torch.cuda.power_draw() / 1000)
            except (ModuleNotFoundError, RuntimeError, AttributeError):
                return  # its management library is missing: the estimate says so

    def reading(self) -> dict[str, Any]:
        """{"energy_joules", "energy_how"}: since the meter was made."""
        cores = core_seconds() - self.core_seconds
        now = counters()
        if self.counters and now.keys() == self.counters.keys():
            joules = sum((now[path][0] - used) % (now[path][1] + 1)
                         for path, (used, _) in self.counters.items()) / 1e6
            how = "processor: its own counters, everything on this machine included"
        else:
            joules = cores * WATTS_PER_CORE
            how = (f"estimate: {cores:,.0f} seconds of processor cores in use at "
                   f"{WATTS_PER_CORE:g} watts each")
        if self.watts:
            mean = sum(self.watts) / len(self.watts)
            joules += mean * (time.monotonic() - self.began)
            how += f"; graphics card: {mean:.0f} watts, mean of {len(self.watts)} samples"
        elif torch.cuda.is_available() and torch.cuda.is_initialized():
            how += "; the graphics card does not tell its power and is left out"
        return {"energy_joules": round(joules, 1), "energy_how": how}


def core_seconds() -> float:
    """Seconds that cores have computed for this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def counters(folder: Path = POWERCAP) -> dict[str, tuple[int, int]]:
    """(microjoules so far, where the count begins anew) of each processor that may be read."""
    found = {}
    for path in sorted(folder.glob("*-rapl:[0-9]*")):
        if path.name.count(":") == 1:  # a whole package, not one of its parts
            try:
                found[path.name] = (int((path / "energy_uj").read_text()),
                                    int((path / "max_energy_range_uj").read_text()))
            except (OSError, ValueError):
                continue
    return found


def measured(case: Case, meter: Meter, *, began: float, reading: float, report: float
             ) -> dict[str, Any]:
    """What report.json holds under "cost".

    began: of the whole, on the monotonic clock. reading, report: seconds these took.
    """
    run, learning = case.run, max(case.run.seconds, 1e-9)
    count = len(next(iter(case.parts.train.values())))
    evaluating = run.spent.seconds.get("evaluation", 0.0)
    return {"seconds": round(time.monotonic() - began, 2),
            "learning_seconds": round(run.seconds, 2),
            "reading_seconds": round(reading, 2), "evaluating_seconds": round(evaluating, 2),
            "report_seconds": round(report, 2), "steps": run.step,
            "epochs": round(run.examples / count, 2),
            "examples_per_second": round(run.examples / learning, 1),
            "parameters": sum(p.numel() for p in case.task.exported(case.net).parameters()),
            "peak_memory_bytes": device.peak_memory_bytes(),
            "training_flops": training_flops(run), "answer_flops": answer_flops(case),
            **meter.reading(), **run.machine.to_json()}


# ---- arithmetic -----------------------------------------------------------------------------


def training_flops(run: Run) -> float | None:
    """Floating-point operations of all steps: those of a few examples' losses and gradients,
    times the examples seen. An attack on each batch counts; the optimizer's own work does not.

    Multiplications and additions of matrices, convolutions and attention, as torch counts them.
    """
    if run.privacy is not None or not run.step:
        return None
    before = {name: values.clone() for name, values in run.net.state_dict().items()}
    seed_all(run.task.settings.seed, "flops")
    starts = [0.0, *run.ends]
    total = sum((end - start) * step_flops(run, phase)
                for phase, start, end in zip(run.phases, starts, run.ends, strict=False))
    run.net.load_state_dict(before)
    run.net.eval()
    return total * run.step


def step_flops(run: Run, phase: Phase) -> float:
    """Operations of one step: its losses and their gradients."""
    whole = next(phase.batches)
    batch = run.task.augment(tensors(whole, slice(COUNTED)))
    size, counted = (len(next(iter(one.values()))) for one in (whole, batch))
    run.net.train()
    with arithmetic() as counter, run.machine.autocast():
        if run.adversary is not None:
            batch = run.adversary(run.task, run.net, batch)
        for update in islice(phase.learn(batch), len(phase.optimizers)):
            slopes(update.loss, update.part)
    return counter.get_total_flops() * size / counted


class Everything(AbstractContextManager):
    """In place of torch's record of which module is at work, which fails on parametrised layers."""

    parents = ("Global",)

    def __exit__(self, *error: object) -> None:
        return None


def arithmetic() -> FlopCounterMode:
    """Counts the operations within it."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = Everything()
    return counter


def slopes(loss: torch.Tensor, part: nn.Module) -> None:
    """Work out the gradients, which nobody wants."""
    wanted = [p for p in part.parameters() if p.requires_grad]
    torch.autograd.grad(loss, wanted, allow_unused=True)


def answer_flops(case: Case) -> float | None:
    """Operations of one answer; None where an answer is many steps (a text, an episode)."""
    if not isinstance(case.first_answer, (Label, Number, Image)):
        return None
    with arithmetic() as counter:
        case.answers(case.parts.test, count=1)
    return float(counter.get_total_flops())
