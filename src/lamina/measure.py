"""Measured, not guessed: how fast this machine learns this net, before and while it does."""

import copy
import math
import time
from dataclasses import replace

import torch

from lamina.answers import Label
from lamina.choice import GALLERY_SECONDS
from lamina.device import Machine, bfloat16_may_pay
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


def choose_machine(run: Run, seconds: float, *, precision: bool, threads: bool) -> float:
    """Keep what is faster by a tenth: bfloat16 where the task allows it, half of the threads.

    precision, threads: whether they may be chosen; half of the threads are faster where another
    process keeps some cores busy. Gives seconds per step. All that was done for it is undone.
    """
    candidates = []
    if precision and "bfloat16" in run.task.precisions and bfloat16_may_pay():
        candidates.append({"precision": "bfloat16"})
    if threads and run.machine.device.type == "cpu" and run.machine.threads > 1:
        candidates.append({"threads": run.machine.threads // 2})
    each = seconds / (1 + len(candidates))
    fastest = seconds_per_step(run, each)
    for change in candidates:
        before = run.machine
        settle(run, replace(before, **change))
        found = seconds_per_step(run, each)
        if found < 0.9 * fastest:
            fastest = found
        else:
            settle(run, before)
    return fastest


def settle(run: Run, machine: Machine) -> None:
    """From now on, learn so."""
    run.machine = machine
    torch.set_num_threads(machine.threads)


def seconds_per_evaluation(run: Run) -> float:
    """What scoring the validation part takes, estimated from one batch of it."""
    size = min(len(run.validation), run.task.examples_at_once)
    some = Part(run.validation.examples[:size], tensors(run.validation.batch, slice(size)))
    rows(run.task, run.net, some, run.machine)  # the first pass also warms up
    began = time.perf_counter()
    rows(run.task, run.net, some, run.machine)
    return (time.perf_counter() - began) * len(run.validation) / size


def seconds_per_attack(run: Run) -> float:
    """What attacking a sample of the validation part takes at each evaluation; 0 without."""
    began = time.perf_counter()
    if run.adversary is not None:
        run.adversary.score(run.task, run.net, run.validation, run.machine.device)
    return time.perf_counter() - began


def seconds_per_gallery(run: Run) -> float:
    """What making and drawing the answers on the page may take; labels come at no cost."""
    began = time.perf_counter()
    with torch.inference_mode():
        some = {name: values.to(run.machine.device)
                for name, values in tensors(run.validation.batch, slice(1)).items()}
        [answer] = run.task.answer(run.net.eval(), some)
    if isinstance(answer, Label):
        return 0.0
    answer.line()
    return GALLERY_SECONDS + time.perf_counter() - began


class Pace:
    """Keeps a run inside its minutes: when the machine's speed changes, the plan does.

    end: of the whole, on the monotonic clock. step, ending: seconds that a step and all that comes
    after learning were measured to take; where steps become slower, the ending will be too.
    Called at every log point of the run. The speed is that of the last tenth of the time; a plan
    that still fits is left as it is.
    """

    def __init__(self, run: Run, *, end: float, step: float, ending: float):
        self.run, self.end, self.step, self.ending = run, end, step, ending
        now = time.monotonic()
        self.window = max(1.0, (end - ending - now) / 10)  # seconds
        self.marks = [(run.step, now)]  # (step, time)
        self.revised = now

    def __call__(self) -> None:
        run, now = self.run, time.monotonic()
        self.marks.append((run.step, now))
        while len(self.marks) > 2 and now - self.marks[1][1] > self.window:
            self.marks.pop(0)
        steps, seconds = run.step - self.marks[0][0], now - self.marks[0][1]
        if steps <= 0 or run.step >= run.plan.total:
            return
        pace = seconds / steps
        left = self.end - self.ending * max(1.0, pace / self.step) - now
        pause = self.window / 2 if left > self.window else self.window / 8
        if now - self.revised < pause:
            return
        needed = (run.plan.total - run.step) * pace
        allowed = 0.02 + 0.08 * min(1.0, left / (10 * self.window))  # of `left`; tighter at the end
        if abs(needed - left) <= allowed * left + 0.2:
            return
        total = run.step + max(1, int(max(left, 0.0) / pace))
        if run.privacy is not None:
            total = min(total, run.privacy.steps)  # more would spend more than was allowed
        if total != run.plan.total and run.step > run.plan.starts[-1]:
            run.plan.revise(run.step, total)
            self.revised = now
