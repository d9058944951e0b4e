"""THE loop: it lowers the losses that a task yields, and nothing else in the package does.

    run = Run(task, net, train, validation, machine=machine, plan=Plan(900), folder=folder)
    for point in run.train():      # leave the `for` to stop; run.save() to be able to go on
        print(point.step, point.losses, point.scores)
"""

import contextlib
import copy
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lamina import checkpoint
from lamina.adversary import ROBUST, Adversary
from lamina.answers import Answer
from lamina.budget import Plan
from lamina.device import Machine
from lamina.errors import UserError
from lamina.journal import Journal
from lamina.keys import seed_all
from lamina.learning import Batch, Phase, Update
from lamina.metrics.metric import improves
from lamina.privacy import Privacy
from lamina.scoring import Part, batches, point_scores, rows
from lamina.stopwatch import Stopwatch
from lamina.store import placed
from lamina.task import Task, arrange

LOG_POINTS = 200  # lines of losses over a run
SIZE_POINTS = 50  # of them with the sizes of gradients and updates, which copy all weights
KERNELS = {"fused", "foreach"}  # as optimizers call them
LOOK = 8  # steps; half of what a look at the validation part may cost
ROLLBACKS = 3  # before a loss that is not finite ends the run


@dataclass(frozen=True, slots=True)
class Point:
    """One step, as the caller sees it. losses, scores: where they were logged or measured."""

    step: int  # steps done
    total: int
    phase: str
    losses: dict[str, float] | None = None  # means since the last ones
    scores: dict[str, float] | None = None  # of the validation part


class NotFinite(Exception):
    """A loss or a weight became NaN or infinite."""


class Run:
    """A net on its way: its task, its data, its plan, and where it stands.

    train: the encoded training part. validation: chooses the best weights; None keeps the last.
    folder: gets checkpoints/ and log.jsonl; None keeps everything in memory.
    evaluations: how often the validation part is scored over the last phase.
    micro_batches: parts into which each batch is split, to save memory.
    target: (metric, value) of the validation part that ends the run.
    save_seconds: time between checkpoints.
    adversary: attacks each batch before it is learnt from.
    privacy: makes the run's one phase private.
    """

    def __init__(self, task: Task, net: nn.Module, train: Batch, validation: Part | None = None, *,
                 machine: Machine, plan: Plan, folder: Path | None = None, evaluations: int = 10,
                 micro_batches: int = 1, target: tuple[str, float] | None = None,
                 save_seconds: float = 30.0, adversary: Adversary | None = None,
                 privacy: Privacy | None = None,
                 say: Callable[[str], None] = print):
        self.task, self.plan = task, plan
        self.net = net.to(machine.device)
        self.validation, self.folder, self.say = validation, folder, say
        self.save_seconds, self.adversary, self.privacy = save_seconds, adversary, privacy
        self.evaluations, self.micro_batches, self.target = evaluations, micro_batches, target
        train = placed(train, machine.device)
        seed_all(task.settings.seed, "phases")
        self.phases = list(task.phases(net, train))
        if not self.phases:
            raise TypeError(f"{type(task).__name__}.phases() gave no phase")
        if privacy is not None:
            self.phases = privacy.phases(self.net, self.phases)
        self.settle(machine)
        total = sum(phase.share for phase in self.phases)
        self.ends = [end / total for end in accumulate(phase.share for phase in self.phases)]
        self.rates = [[group["lr"] for optimizer in optimizers_of(phase)
                       for group in optimizer.param_groups] for phase in self.phases]
        self.step = 0  # optimizer steps done
        self.examples = 0  # examples seen
        self.seconds = 0.0  # spent learning, before this process too
        self.spent = Stopwatch()  # on what
        self.rollbacks = 0
        self.best: dict[str, Any] | None = None  # {"step", "scores", "weights"}
        self.answers: list[Answer] = []  # small ones of the best weights to the validation part
        self.keep_pace: Callable[[], None] = lambda: None  # may revise the plan at log points
        self.finished = False
        self._phase = 0  # whose source and optimizers are under way
        self._losses: dict[str, list[Tensor]] = {}
        self._sizes: dict[str, dict[str, float | None]] | None = None  # of a step to be logged
        self._parameters: dict[nn.Module, list[nn.Parameter]] = {}
        self._usual_size: int | None = None  # of a batch: the one that is compiled for
        self._saved = self._began = time.monotonic()

    # ---- the loop ---------------------------------------------------------------------------

    def train(self) -> Iterator[Point]:
        """Steps until the plan is fulfilled; yields after each."""
        self._began = time.monotonic() - self.seconds
        while not self.finished and self.step < self.plan.total:
            phase = self.enter(self.phase_at(self.step))
            try:
                self.learn(phase)
                self.step += 1
                scores = self.validate() if self.evaluation_is_due() else None
                due = scores is not None or self.crosses(LOG_POINTS)
                losses = self.take_losses() if due or self.step == self.plan.total else None
                if losses:
                    self.log(losses, scores)
                    self.keep_pace()
                self.finished = self.step >= self.plan.total or self.reached(scores)
                if self.finished or time.monotonic() - self._saved >= self.save_seconds:
                    self.save()
            except NotFinite as reason:
                self.roll_back(str(reason))
                continue
            self.spent(None)
            yield Point(self.step, self.plan.total, phase.name, losses, scores)

    def learn(self, phase: Phase) -> None:
        """One step: every update that the task yields, in order."""
        self.spent("data")
        seed_all(self.task.settings.seed, "step", self.step)
        batch = self.task.augment(next(phase.batches))
        if self.adversary is not None:
            with self.machine.autocast():
                batch = self.adversary(self.task, self.net, batch)
        self.spent("other")
        if not self.net.training:
            self.net.train()
        self.set_rates(phase)
        self._sizes = {"gradients": {}, "updates": {}} if self.crosses(SIZE_POINTS, ahead=1) \
            else None
        pieces = split(batch, self.micro_batches)
        learners = [phase.learn(piece) for piece in pieces]
        sizes = [len(next(iter(piece.values()))) for piece in pieces]
        lowered = 0
        while self.lower(phase, learners, sizes):
            lowered += 1
        if not lowered:
            raise TypeError(f"{type(self.task).__name__}: learning yielded no Update")
        self.examples += sum(sizes)
        self.spent("other")

    def lower(self, phase: Phase, learners: list[Iterator[Update]], sizes: list[int]) -> bool:
        """Take the next update of every micro-batch, then step its part; False when all is done."""
        part: nn.Module | None = None
        name = ""
        parameters: list[nn.Parameter] = []
        counted = 0
        for learner, size in zip(learners, sizes, strict=True):
            self.spent("forward")
            with self.machine.autocast(), self.compiled(size):
                update = next(learner, None)
            self.spent("backward")
            if update is None:
                continue
            if part is None:
                parameters = self.parameters(update.part)
                for parameter in parameters:
                    parameter.grad = None
            part, name = update.part, update.name
            count = size if update.count is None else update.count
            loss = update.loss * count if len(learners) > 1 else update.loss
            loss.backward(inputs=parameters)
            counted += count
            self.note(update)
        if part is None:
            return False
        self.spent("optimizer")
        if len(learners) > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad /= counted
        before = None if self._sizes is None else [p.detach().clone() for p in parameters]
        if before is not None:
            self._sizes["gradients"][name] = finite(norm([p.grad for p in parameters]))
        if phase.clip is not None:
            nn.utils.clip_grad_norm_(parameters, phase.clip)
        for optimizer in phase.optimizers[part]:
            optimizer.step()
        if before is not None:
            moved = norm([p.detach() - old for p, old in zip(parameters, before, strict=True)])
            self._sizes["updates"][name] = finite(moved / max(norm(before), 1e-12))
        return True

    def parameters(self, part: nn.Module) -> list[nn.Parameter]:
        """The parameters of a part that learn."""
        if part not in self._parameters:
            self._parameters[part] = [p for p in part.parameters() if p.requires_grad]
        return self._parameters[part]

    def note(self, update: Update) -> None:
        """Keep a loss for the log. NotFinite: at once on a CPU, at the next log point on a GPU."""
        loss = update.loss.detach()
        self._losses.setdefault(update.name, []).append(loss)
        if loss.device.type == "cpu" and not math.isfinite(loss.item()):
            raise NotFinite(f"the loss {update.name!r} became {loss.item()}")

    def take_losses(self) -> dict[str, float]:
        """The mean of each loss since it was last taken."""
        means = {name: torch.stack(kept).float().mean().item()
                 for name, kept in self._losses.items()}
        self._losses.clear()
        for name, value in means.items():
            if not math.isfinite(value):
                raise NotFinite(f"the loss {name!r} became {value}")
        return means

    # ---- on this machine ---------------------------------------------------------------------

    def settle(self, machine: Machine) -> None:
        """From now on, learn so."""
        self.machine = machine
        torch.set_num_threads(machine.threads)
        arrange(self.net, machine.layout)
        for phase in self.phases:
            for group in (group for one in optimizers_of(phase) for group in one.param_groups):
                for kernel in KERNELS & group.keys():
                    group[kernel] = kernel == machine.optimizer_kernel
        self._forwards = {} if machine.compile == "no" else {
            part: torch.compile(part.forward, mode=machine.compile, dynamic=False)
            for phase in self.phases for part in phase.optimizers}

    @contextlib.contextmanager
    def compiled(self, size: int) -> Iterator[None]:
        """The context in which compiled parts run as such: with batches of the usual size alone.
        For every other size, and for evaluations, they would be compiled anew."""
        self._usual_size = self._usual_size or size
        forwards = self._forwards if size == self._usual_size else {}
        for part, forward in forwards.items():
            part.forward = forward
        try:
            yield
        finally:
            for part in forwards:
                del part.forward

    # ---- where the run stands ---------------------------------------------------------------

    def phase_at(self, step: int) -> int:
        """The index of the phase that the step after `step` belongs to."""
        progress = self.plan.progress(step)
        return min(bisect_right(self.ends, progress + 1e-12), len(self.phases) - 1)

    def enter(self, index: int) -> Phase:
        """The phase of that index, now under way."""
        self._phase = index
        return self.phases[index]

    def progress(self, step: int, index: int | None = None) -> float:
        """How much of the current phase, or of that one, is done when `step` steps are."""
        index = self._phase if index is None else index
        start = self.ends[index - 1] if index else 0.0
        inside = (self.plan.progress(step) - start) / (self.ends[index] - start)
        return min(1.0, max(0.0, inside))

    def crosses(self, parts: int, *, ahead: int = 0) -> bool:
        """Whether the last step (ahead: a later one) went over one of so many equal marks."""
        step = self.step + ahead
        before, after = self.plan.progress(step - 1), self.plan.progress(step)
        return math.floor(after * parts + 1e-9) > math.floor(before * parts + 1e-9)

    def evaluation_is_due(self) -> bool:
        """Evaluations are spread evenly over the last phase; its end is one of them.

        Where a target may end the run there are more, at steps 32, 72, 128 … LOOK k²: if a look
        costs as much as 2 LOOK steps, these waste the least on looking and on steps too many.
        """
        if self.validation is None or self._phase < len(self.phases) - 1:
            return False
        looks = math.isqrt(self.step // LOOK)
        if self.target is not None and looks > 1 and self.step == LOOK * looks**2:
            return True
        before, after = (math.floor(self.progress(step) * self.evaluations + 1e-9)
                         for step in (self.step - 1, self.step))
        return after > before or self.step == self.plan.total

    def set_rates(self, phase: Phase) -> None:
        """The learning rates of this step: scheduled, and halved after each rollback."""
        factor = phase.schedule(self.progress(self.step)) * 0.5**self.rollbacks
        groups = (group for optimizer in optimizers_of(phase) for group in optimizer.param_groups)
        for group, rate in zip(groups, self.rates[self._phase], strict=True):
            group["lr"] = rate * factor

    def validate(self) -> dict[str, float]:
        """Scores of the validation part; keeps the weights if they are the best so far."""
        self.spent("evaluation")
        self.check_weights()
        self.adjust(self.validation)
        answers: list[Answer] = []
        scores = point_scores(self.task.metrics, rows(self.task, self.net, self.validation,
                                                      self.machine, kept=answers))
        chief = self.task.metrics[0]
        if self.adversary is not None:  # then what counts is how many answers survive attacks
            chief = ROBUST
            scores[chief.name] = self.adversary.score(self.task, self.net, self.validation,
                                                      self.machine.device)
        best = self.best["scores"][chief.name] if self.best else None
        if improves(chief, scores[chief.name], best):
            weights = copy.deepcopy(self.net.state_dict())
            self.best = {"step": self.step, "scores": scores, "weights": weights}
            self.answers = answers
        self.spent("other")
        return scores

    def adjust(self, validation: Part) -> None:
        """What the net takes from the validation part without learning."""
        self.net.eval()
        with torch.inference_mode(), self.machine.autocast():
            self.task.adjust(self.net, (batch for batch, _ in batches(
                self.task, validation, self.machine.device)))

    def check_weights(self) -> None:
        """NotFinite if any weight is."""
        for name, values in self.net.state_dict().items():
            if values.is_floating_point() and not torch.isfinite(values).all():
                raise NotFinite(f"the weights {name} became NaN or infinite")

    def reached(self, scores: dict[str, float] | None) -> bool:
        """Whether the validation part has met the target."""
        if self.target is None or scores is None:
            return False
        name, value = self.target
        metric = next(metric for metric in self.task.metrics if metric.name == name)
        found = scores.get(name)
        if found is None:
            raise UserError(f"target: {name} cannot be measured on these data; give one of "
                            + ", ".join(scores))
        return found >= value if metric.better == "higher" else found <= value

    def finish(self) -> nn.Module:
        """The net with the best weights that the validation part has seen."""
        if self.best is not None:
            self.net.load_state_dict(self.best["weights"])
        return self.net.eval()

    # ---- saving and going on ----------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that decides what comes next."""
        phase = self.phases[self._phase]
        return {"step": self.step, "examples": self.examples, "plan": str(self.plan),
                "phase": self._phase, "rollbacks": self.rollbacks, "finished": self.finished,
                "seconds": time.monotonic() - self._began, "spent": dict(self.spent.seconds),
                "best": self.best, "usual_size": self._usual_size,
                "net": self.net.state_dict(), "source": phase.batches.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers_of(phase)]}

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""
        phase = self.enter(state["phase"])
        self.net.load_state_dict(state["net"])
        for optimizer, saved in zip(optimizers_of(phase), state["optimizers"], strict=True):
            optimizer.load_state_dict(copy.deepcopy(saved))
        phase.batches.load_state_dict(state["source"])
        self.step, self.examples = state["step"], state["examples"]
        self.plan, self.best = Plan(state["plan"]), state["best"]
        self.rollbacks, self.seconds = state["rollbacks"], state["seconds"]
        self.spent.seconds = dict(state.get("spent", {}))
        self._usual_size = state.get("usual_size")
        self.finished, self.answers = state["finished"], []
        self._losses.clear()

    def save(self) -> None:
        """Write a checkpoint; the newest two are kept."""
        if self.folder is not None:
            self.spent("checkpoint")
            self.check_weights()
            checkpoint.save(self.folder / "checkpoints", self.step, self.state())
            self.spent("other")
        self._saved = time.monotonic()

    def resume(self) -> bool:
        """Go on from the newest good checkpoint of the folder; False where there is none."""
        state = checkpoint.newest(self.folder / "checkpoints", self.say)
        if state is None:
            return False
        self.restore(state)
        Journal(self.folder).trim(self.step)
        return True

    def roll_back(self, reason: str) -> None:
        """Back to the newest checkpoint with half the learning rate, at most three times."""
        rollbacks = self.rollbacks + 1
        once = self.privacy is not None  # a step that is taken again tells more than was promised
        if once or rollbacks > ROLLBACKS or self.folder is None or not self.resume():
            raise UserError(f"{reason} at step {self.step + 1}, also after {self.rollbacks} "
                            "rollbacks with smaller steps; lower --learning-rate or look for "
                            "extreme values in the data")
        self.rollbacks = rollbacks
        self.say(f"{reason}; back to step {self.step} with {0.5**rollbacks:g} of the "
                 "learning rate")

    def log(self, losses: dict[str, float], scores: dict[str, float] | None) -> None:
        """Append a line to log.jsonl."""
        self.seconds = time.monotonic() - self._began
        if self.folder is None:
            return
        phase = self.phases[self._phase]
        rate = optimizers_of(phase)[0].param_groups[0]["lr"]
        line = {"phase": phase.name, "step": self.step,
                "progress": round(self.plan.progress(self.step), 6),
                "seconds": round(self.seconds, 3), "losses": losses, "learning_rate": rate,
                **(self._sizes or {})}
        if scores is not None:
            line["scores"] = scores
        Journal(self.folder).append(line)


def optimizers_of(phase: Phase) -> list[torch.optim.Optimizer]:
    """Every optimizer of a phase, in order."""
    return [optimizer for optimizers in phase.optimizers.values() for optimizer in optimizers]


def norm(tensors: Iterable[Tensor | None]) -> float:
    """The Euclidean norm of all numbers of these tensors together."""
    return nn.utils.get_total_norm([one for one in tensors if one is not None]).item()


def finite(value: float) -> float | None:
    """The value; None where JSON has no number for it."""
    return value if math.isfinite(value) else None


def split(batch: Batch, parts: int) -> list[Batch]:
    """The batch in so many parts of nearly equal size, fewer where it is too small."""
    if parts == 1:
        return [batch]
    size = math.ceil(len(next(iter(batch.values()))) / parts)
    pieces = {name: values.split(size) for name, values in batch.items()}
    return [dict(zip(pieces, piece, strict=True)) for piece in zip(*pieces.values(), strict=True)]
