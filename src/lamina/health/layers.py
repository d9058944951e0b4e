"""A look inside a net while it learns from a few batches: gradients by layer, units that are dead.

Nothing is stepped, and all that the look changed (running statistics, targets) is put back.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lamina.keys import seed_all
from lamina.learning import Phase
from lamina.run import Run
from lamina.task import tensors

EXAMPLES, AT_ONCE = 512, 64  # that units are watched over; of each batch
RELUS = (torch.ops.aten.relu.default, torch.ops.aten.relu_.default)
ALONG_TIME = (nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d)  # (batch, channels, time)


@dataclass
class Look:
    """What was seen. examples: how many were learnt from.

    gradients: the norms of a layer's gradient and of its weights, by the name of its weights.
    units: of each layer of rectified units, the largest output of each unit: (units,).
    parts: the part that each loss changes, by the loss's name.
    """

    examples: int = 0
    gradients: dict[str, tuple[float, float]] = field(default_factory=dict)
    units: dict[str, Tensor] = field(default_factory=dict)
    parts: dict[str, nn.Module] = field(default_factory=dict)


def look(run: Run, seconds: float) -> Look:
    """Learn from a few batches of the last phase without a step, as many as the seconds allow."""
    found = Look()
    phase, net = run.phases[-1], run.net
    before = {name: values.clone() for name, values in net.state_dict().items()}
    seed_all(run.task.settings.seed, "look")
    norms: dict[str, list[float]] = defaultdict(list)
    net.train()
    end = time.monotonic() + seconds
    while found.examples < EXAMPLES and time.monotonic() < end:
        batch = run.task.augment(tensors(next(phase.batches), slice(AT_ONCE)))
        with rectified(net, phase) as units:
            for name, gradient in gradients(run, phase, batch, found):
                norms[name].append(gradient)
        for name, highest in units.items():
            found.units[name] = torch.maximum(highest, found.units.get(name, highest))
        found.examples += len(next(iter(batch.values())))
    net.load_state_dict(before)
    net.eval()
    weights = dict(net.named_parameters())
    found.gradients = {name: (sum(norms[name]) / len(norms[name]), weights[name].norm().item())
                       for name in weights if name in norms}
    return found


def gradients(run: Run, phase: Phase, batch: dict[str, Tensor], found: Look
              ) -> Iterator[tuple[str, float]]:
    """(name, norm of the gradient) of each matrix or kernel of the parts that learn.

    One update of each part is asked for and no more, so that nothing after the last is done.
    """
    names = {parameter: name for name, parameter in run.net.named_parameters()}
    with run.machine.autocast():
        for update in islice(phase.learn(batch), len(phase.optimizers)):
            found.parts[update.name] = update.part
            chosen = [p for p in update.part.parameters() if p.requires_grad and p.ndim > 1]
            slopes = torch.autograd.grad(update.loss, chosen, allow_unused=True)
            for parameter, slope in zip(chosen, slopes, strict=True):
                if slope is not None:
                    yield names[parameter], slope.float().norm().item()


@contextmanager
def rectified(net: nn.Module, phase: Phase) -> Iterator[dict[str, Tensor]]:
    """The largest output of every rectified unit of the parts that learn, by layer."""
    watch = Rectified({id(module) for part in phase.optimizers for module in part.modules()})
    hooks = [hook for name, module in net.named_modules() for hook in (
        module.register_forward_pre_hook(
            lambda module, given, name=name: watch.enter(name, module)),
        module.register_forward_hook(lambda module, given, out: watch.leave(module)))]
    try:
        with watch:
            yield watch.highest
    finally:
        for hook in hooks:
            hook.remove()


class Rectified(TorchDispatchMode):
    """Sees every relu, however it is called, and in which module."""

    def __init__(self, learning: set[int]):
        super().__init__()
        self.learning = learning
        self.highest: dict[str, Tensor] = {}
        self.inside: list[list] = []  # [name, module, relus so far] of the modules under way
        self.along_time = False  # whether the last layer left channels before time

    def enter(self, name: str, module: nn.Module) -> None:
        self.inside.append([name, module, 0])

    def leave(self, module: nn.Module) -> None:
        self.inside.pop()
        if next(module.parameters(recurse=False), None) is not None:
            self.along_time = isinstance(module, ALONG_TIME)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if function in RELUS and self.inside and id(self.inside[-1][1]) in self.learning:
            name, _, number = self.inside[-1]
            self.inside[-1][2] += 1
            self.note(f"{name}, relu {number + 1}" if number else name, out.detach())
        return out

    def note(self, name: str, out: Tensor) -> None:
        """Keep the largest output of each unit; a feature map is one unit."""
        axis = 1 if out.ndim > 3 or (out.ndim == 3 and self.along_time) else -1
        highest = out.transpose(0, axis).flatten(1).amax(1) if out.ndim > 1 else out
        if name not in self.highest or self.highest[name].shape == highest.shape:
            self.highest[name] = torch.maximum(highest, self.highest.get(name, highest))
