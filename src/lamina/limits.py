"""What the machine can do at most, and how near a run comes to it.

A step cannot take less than its arithmetic at the rate of the machine's matrix product, nor less
than its bytes at the speed of the memory: the roofline (Williams, Waterman and Patterson 2009).
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from lamina.device import Machine, bfloat16_may_pay
from lamina.learning import Batch, Phase
from lamina.run import Run

SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices that are multiplied
COPIED = {"cpu": 1 << 28, "cuda": 1 << 30}  # bytes, far more than caches hold


@dataclass(frozen=True)
class Limits:
    """Floating-point operations per second of matrix products, bytes per second of memory.

    bfloat16: None where the machine has no such arithmetic.
    """

    float32: float
    bfloat16: float | None
    bandwidth: float

    def to_json(self) -> dict[str, float | None]:
        return asdict(self)


def measured(machine: Machine) -> Limits:
    """The limits of this machine with its threads, in about a second."""
    device = machine.device
    lower = matrix_rate(device, torch.bfloat16) if bfloat16_may_pay() else None
    return Limits(matrix_rate(device, torch.float32), lower, bandwidth(device))


def matrix_rate(device: torch.device, kind: torch.dtype) -> float:
    """Operations per second of a large matrix product; the best of a few."""
    side = SIDE.get(device.type, 2048)
    left, right = torch.ones((2, side, side), dtype=kind, device=device)
    return 2 * side**3 / fastest(lambda: left @ right, device)


def bandwidth(device: torch.device) -> float:
    """Bytes per second that a large copy reads and writes; the best of a few."""
    source = torch.ones(COPIED.get(device.type, 1 << 28), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * len(source) / fastest(lambda: target.copy_(source), device)


def fastest(work: Callable[[], Any], device: torch.device, *, times: int = 4) -> float:
    """Seconds of the fastest of a few goes, after one that warms up."""
    found = []
    for _ in range(1 + times):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - began)
    return min(found[1:])


def step_bytes(run: Run, phase: Phase, batch: Batch) -> int:
    """Bytes that a step must move at least: the batch; what the forward pass keeps for the
    backward pass, written and read; weights read twice, gradients written; then the optimizers
    read gradients, weights and their state, and write the last two.

    What fits the caches need not be moved, and operations move more than they keep: it is the
    order of magnitude.
    """
    moved = sum(values.nbytes for values in batch.values())
    weights = {p.data_ptr() for p in run.net.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor), run.machine.autocast():
        for update in islice(phase.learn(batch), len(phase.optimizers)):
            states = sum(map(state_size, phase.optimizers[update.part]))
            moved += 2 * sum(kept.values()) + 6 * size(update.part) + 2 * states
            kept.clear()
    return moved


def size(part: nn.Module) -> int:
    """Bytes of the weights that learn."""
    return sum(p.nbytes for p in part.parameters() if p.requires_grad)


def state_size(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of what an optimizer remembers of its steps."""
    return sum(value.nbytes for state in optimizer.state.values() for value in state.values()
               if isinstance(value, Tensor))
