"""Measured, not guessed: how fast this machine learns this net, before and while it does."""

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from lamina import choice
from lamina.answers import Label
from lamina.device import bfloat16_may_pay, compiles
from lamina.learning import Phase
from lamina.options import Options
from lamina.run import LOOK, Run, optimizers_of
from lamina.scoring import Part, rows
from lamina.task import images_last, tensors

TRIAL_STEPS = 6  # at least, to tell how fast a step is
BUSY = 2.0  # times as long as measured: half of the machine is left
LONG = 60.0  # seconds of learning, from which on trials of a few seconds pay
WORTH_COMPILING = 600.0  # seconds of learning, from which on torch.compile may pay back its minute


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
    """The mean time of a step without the fastest and slowest quarter, after two that warm up."""
    times: list[float] = []
    end = math.inf
    while len(times) < TRIAL_STEPS or (time.monotonic() < end and len(times) < 2000):
        began = time.perf_counter()
        run.learn(phase)
        if run.machine.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
        if len(times) == 2:
            end = time.monotonic() + seconds
    timed = sorted(times[2:])
    trim = len(timed) // 4
    middle = timed[trim : len(timed) - trim]
    return sum(middle) / len(middle)


def choose_machine(run: Run, asked: Options, *, seconds: float, learning: float) -> float:
    """Keep what is faster by a tenth, one thing after another; gives seconds per step.

    Nothing that is tried changes what is learnt beyond rounding, and all that was done for it is
    undone. asked: what it leaves at "auto" may be chosen.
    seconds: for everything but compiling. learning: seconds that will be learnt for.
    """
    began = time.monotonic()
    fastest = seconds_per_step(run, seconds / 4)
    for change in candidates(run, asked, learning):
        left = began + seconds - time.monotonic()
        if "compile" not in change and left < TRIAL_STEPS * fastest * len(run.phases):
            continue
        before = run.machine
        run.settle(replace(before, **change))
        found = seconds_per_step(run, max(0.0, min(left, seconds / 4)))
        if found < 0.9 * fastest:
            fastest = found
        else:
            run.settle(before)
    return fastest


def choose_for_long(run: Run, asked: Options) -> None:
    """As `choose_machine`, for a run whose steps are given, if they take so long that it pays."""
    if run.plan.total < 40 * TRIAL_STEPS:
        return
    expected = run.plan.total * seconds_per_step(run, 0.0)
    if expected > LONG:
        choose_machine(run, asked, seconds=0.05 * LONG, learning=expected)


def candidates(run: Run, asked: Options, learning: float) -> Iterator[dict[str, Any]]:
    """Changes of the machine that may make a step faster, the most promising first."""
    machine, private = run.machine, run.privacy is not None  # whose noise is added in float32
    if asked.precision == "auto" and "bfloat16" in run.task.precisions and not private \
            and bfloat16_may_pay():
        yield {"precision": "bfloat16"}
    if asked.threads == 0 and machine.device.type == "cpu" and machine.threads > 1:
        yield {"threads": machine.threads // 2}  # faster where others keep some cores busy
    if machine.device.type == "cuda":  # a CPU is always faster with the usual ones
        if asked.optimizer_kernel == "auto":
            yield {"optimizer_kernel": "foreach"}
        if asked.layout == "auto" and images_last(run.net):
            yield {"layout": "contiguous"}
    if asked.compile == "auto" and not private and learning > WORTH_COMPILING \
            and compiles(machine.device):
        yield {"compile": "default"}
        if machine.device.type == "cuda":
            yield {"compile": "reduce-overhead"}  # CUDA graphs


def seconds_per_evaluation(run: Run) -> tuple[float, float]:
    """What scoring the validation part takes, and adjusting the net to it before, estimated from
    one batch of it, at most an eighth."""
    size = min(len(run.validation), run.task.examples_at_once, max(8, len(run.validation) // 8))
    some = Part(run.validation.examples[:size], tensors(run.validation.batch, slice(size)))
    began = time.perf_counter()
    run.adjust(some)
    adjusting = time.perf_counter() - began
    rows(run.task, run.net, some, run.machine)  # the first pass also warms up
    began = time.perf_counter()
    rows(run.task, run.net, some, run.machine)
    scale = len(run.validation) / size
    return (time.perf_counter() - began) * scale, adjusting * scale


def seconds_per_attack(run: Run) -> float:
    """What attacking a sample of the validation part takes at each evaluation; 0 without."""
    began = time.perf_counter()
    if run.adversary is not None:
        run.adversary.score(run.task, run.net, run.validation, run.machine.device)
    return time.perf_counter() - began


def seconds_per_gallery(run: Run, minutes: float) -> float:
    """What making and drawing the answers on the page may take, as many as there is time for;
    labels come at no cost."""
    began = time.perf_counter()
    with torch.inference_mode():
        some = {name: values.to(run.machine.device)
                for name, values in tensors(run.validation.batch, slice(1)).items()}
        [answer] = run.task.answer(run.net.eval(), some)
    if isinstance(answer, Label):
        return 0.0
    answer.html()
    each = time.perf_counter() - began
    return min(max(choice.allowance(minutes), each), choice.MOST * each)


class Mark(NamedTuple):
    """Where a run stood at a moment."""

    step: int
    time: float  # without evaluations
    looking: float  # seconds of evaluations until then

    def since(self, earlier: "Mark") -> float:
        """Seconds per step from there to here; 0 where nothing was done."""
        return (self.time - earlier.time) / (self.step - earlier.step) \
            if self.step > earlier.step else 0.0


class Pace:
    """Keeps a run inside its minutes: when the machine's speed changes, the plan does.

    end: of the whole, on the monotonic clock. step, evaluation, ending: seconds that a step, a look
    at the validation part and what comes after learning were measured to take; where steps take
    longer, on the whole and of late, the ending will too, up to BUSY times. allowed: seconds of
    what comes after learning and ends by the clock.
    Called at every log point of the run. The speed is that of the last tenth of the time, and of
    the last half of what is left where that is shorter; a plan that still fits is left as it is,
    and one that was just made or revised too, unless it would be over before it is looked at again.
    """

    def __init__(self, run: Run, *, end: float, step: float, ending: float,
                 evaluation: float = 0.0, allowed: float = 0.0):
        self.run, self.end, self.step = run, end, step
        self.ending, self.allowed = ending, allowed
        self.evaluations = [evaluation]
        self.revised = time.monotonic()
        self.pause = self.window = max(1.0, (end - allowed - ending - self.revised) / 10)  # seconds
        self.marks = [self.mark(self.revised)]
        self.first = self.marks[0]

    def mark(self, now: float) -> Mark:
        looking = self.run.spent.seconds.get("evaluation", 0.0)
        return Mark(self.run.step, now - looking, looking)

    def __call__(self) -> None:
        run, now = self.run, time.monotonic()
        last = self.mark(now)
        if last.looking > self.marks[-1].looking:
            self.evaluations.append(last.looking - self.marks[-1].looking)
        self.marks.append(last)
        left = self.end - self.allowed - self.ending - now
        while len(self.marks) > 2 and last.time - self.marks[1].time > min(self.window, left / 2):
            self.marks.pop(0)
        late, whole = last.since(self.marks[0]), last.since(self.first)
        if late <= 0 or run.step >= run.plan.total:
            return
        slower = min(BUSY, max(1.0, min(late, whole) / self.step))
        left = self.end - self.allowed - now \
            - slower * (self.ending + evaluations_left(run) * min(self.evaluations))
        steps = run.plan.total - run.step
        if now - self.revised < self.pause < steps * min(late, self.step):
            return
        allowed = 0.02 + 0.08 * min(1.0, left / (10 * self.window))  # of `left`; tighter at the end
        if abs(steps * late - left) <= allowed * left + 0.2:
            return
        total = run.step + max(1, math.ceil(left / late))
        if run.privacy is not None:
            total = min(total, run.privacy.steps)  # more would spend more than was allowed
        if total != run.plan.total and run.step > run.plan.starts[-1]:
            run.plan.revise(run.step, total)
            self.revised, self.pause = now, min(self.window / 2, left / 8)


def evaluations_left(run: Run) -> int:
    """How many times the validation part will be scored before the plan is fulfilled."""
    if run.validation is None:
        return 0
    done = run.progress(run.step, len(run.phases) - 1) * run.evaluations
    left = max(1, run.evaluations - math.floor(done + 1e-9))
    if run.target is not None:
        left += max(1, math.isqrt(run.plan.total // LOOK)) - max(1, math.isqrt(run.step // LOOK))
    return left
