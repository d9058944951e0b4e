"""Measured, not guessed: how fast this machine learns this net, before and while it does."""

import copy
import math
import time
from dataclasses import replace

import torch

from lamina.device import bfloat16_may_pay
from lamina.learning import Phase
from lamina.run import Run, optimizers_of
from lamina.scoring import Part, rows
from lamina.task import tensors


def seconds_per_step(run: Run, seconds: float) -> float:
    """The time of a step, mean over the phases by share. All that was done for it is undone."""
    before = copy.deepcopy(run.state())
    mean = 0.0
    for index, phase in enumerate(run.phases):
        share = run.ends[index] - (run.ends[index - 1] if index else 0.0)
        optimizers = [copy.deepcopy(o.state_dict()) for o in optimizers_of(phase)]
        source = copy.deepcopy(phase.batches.state_dict())
        run.enter(index)
        mean += share * time_steps(run, phase, seconds / len(run.phases))
        for optimizer, state in zip(optimizers_of(phase), optimizers, strict=True):
            optimizer.load_state_dict(state)
        phase.batches.load_state_dict(source)
        run.net.load_state_dict(before["net"])
    run.restore(before)
    return mean


def time_steps(run: Run, phase: Phase, seconds: float) -> float:
    """The mean time of a step without its fastest and slowest tenth, after two that warm up."""
    times: list[float] = []
    end = math.inf
    while len(times) < 5 or (time.monotonic() < end and len(times) < 2000):
        began = time.perf_counter()
        run.learn(phase)
        if run.machine.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
        if len(times) == 2:
            end = time.monotonic() + seconds
    timed = sorted(times[2:])
    trim = len(timed) // 10
    middle = timed[trim : len(timed) - trim]
    return sum(middle) / len(middle)


def choose_precision(run: Run, seconds: float) -> float:
    """Keep bfloat16 if the task allows it and it is faster by a tenth; gives seconds per step."""
    if "bfloat16" not in run.task.precisions or not bfloat16_may_pay():
        return seconds_per_step(run, seconds)
    times = {}
    for precision in ("float32", "bfloat16"):
        run.machine = replace(run.machine, precision=precision)
        times[precision] = seconds_per_step(run, seconds / 2)
    faster = "bfloat16" if times["bfloat16"] < 0.9 * times["float32"] else "float32"
    run.machine = replace(run.machine, precision=faster)
    return times[faster]


def seconds_per_evaluation(run: Run) -> float:
    """What scoring the validation part takes, estimated from one batch of it."""
    size = min(len(run.validation), run.task.examples_at_once)
    some = Part(run.validation.examples[:size], tensors(run.validation.batch, slice(size)))
    rows(run.task, run.net, some, run.machine)  # the first pass also warms up
    began = time.perf_counter()
    rows(run.task, run.net, some, run.machine)
    return (time.perf_counter() - began) * len(run.validation) / size


class Pace:
    """Keeps a run inside its minutes: when the machine's speed changes, the plan does.

    deadline: of learning, on the monotonic clock. Called at every log point of the run.
    """

    WINDOW = 40  # log points that the speed is taken from

    def __init__(self, run: Run, deadline: float):
        self.run, self.deadline = run, deadline
        self.marks: list[tuple[int, float]] = []  # (step, time)

    def __call__(self) -> None:
        run, now = self.run, time.monotonic()
        self.marks = [*self.marks[-self.WINDOW :], (run.step, now)]
        steps, seconds = run.step - self.marks[0][0], now - self.marks[0][1]
        if steps <= 0 or seconds < 1.0 or run.step >= run.plan.total:
            return
        left = self.deadline - now
        needed = (run.plan.total - run.step) * seconds / steps
        if 0.93 * left - 0.5 <= needed <= 1.02 * left + 0.1:
            return
        total = run.step + max(1, int(max(left, 0.0) * steps / seconds))
        if total != run.plan.total and run.step > run.plan.starts[-1]:
            run.plan.revise(run.step, total)
            self.marks = self.marks[-1:]
