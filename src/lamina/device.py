"""The machine a run learns on: device, precision, threads; measured or given, then fixed."""

import contextlib
import os
import platform
import resource
import sys
from dataclasses import dataclass

import torch

from lamina.errors import UserError


@dataclass
class Machine:
    """Where and how tensors are computed. Two runs agree bit for bit only on equal machines."""

    device: torch.device
    precision: str  # "float32" or "bfloat16"
    threads: int

    def autocast(self) -> contextlib.AbstractContextManager:
        """The context in which losses are computed."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def to_json(self) -> dict:
        return {"device": str(self.device), "precision": self.precision, "threads": self.threads}


def machine(*, device: str = "auto", precision: str = "auto", threads: int = 0,
            enough: int | None = None) -> Machine:
    """The machine asked for; "auto" is a GPU where there is one, and float32 until measured.

    threads: of the CPU; 0 leaves torch's own choice, or `enough` where that is less.
    UserError: a device that this torch does not have.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as reason:
        first = str(reason).splitlines()[0]
        raise UserError(f"device {device!r} is not to be had here ({first}); use cpu") from None
    if threads or (enough is not None and enough < torch.get_num_threads()):
        torch.set_num_threads(threads or enough)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads such memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    chosen = "float32" if precision == "auto" else precision
    return Machine(torch.device(device), chosen, torch.get_num_threads())


def bfloat16_may_pay() -> bool:
    """Whether the machine multiplies bfloat16 in hardware."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX512"
                and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def peak_memory_bytes() -> int:
    """The most memory this process has held, and the most of the GPU's."""
    unit = 1 if sys.platform == "darwin" else 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return held + (torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


def versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    import numpy

    from lamina import __version__

    return {"lamina": __version__, "torch": torch.__version__, "numpy": numpy.__version__,
            "python": platform.python_version(), "machine": platform.machine(),
            "system": platform.system()}
