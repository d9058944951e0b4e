"""The machine a run learns on: device, precision, threads …; measured or given, then fixed."""

import contextlib
import ctypes
import importlib.util
import os
import platform
import resource
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy
import torch

from lamina.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as malloc.h has them


@dataclass(frozen=True)
class Machine:
    """Where and how tensors are computed. Two runs agree bit for bit only on equal machines.

    precision: "float32" or "bfloat16".
    threads: of the CPU.
    layout: of images and their maps in memory, "channels_last" or "contiguous".
    optimizer_kernel: how a step over many weights is done: "fused" into one kernel, by
        "foreach" operations on all at once, or in a "loop"; where an optimizer has it.
    compile: a mode of torch.compile, or "no".
    """

    device: torch.device
    precision: str
    threads: int
    layout: str = "channels_last"
    optimizer_kernel: str = "fused"
    compile: str = "no"

    def autocast(self) -> contextlib.AbstractContextManager:
        """The context in which losses are computed."""
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "device": str(self.device)}


def machine(*, device: str = "auto", precision: str = "auto", threads: int = 0,
            layout: str = "auto", optimizer_kernel: str = "auto", compile: str = "auto",
            enough: int | None = None) -> Machine:
    """The machine asked for; "auto" is a GPU where there is one, and else what is as good as
    always fast, until something else is measured to be faster.

    threads: of the CPU; 0 leaves torch's own choice, or `enough` where that is less.
    UserError: a device that this torch does not have; compile where nothing can compile.

    From then on this process takes numbers below 1e-38 for 0: a CPU is many times slower with them,
    and where a gradient has died out an optimizer's running means decay to just those.
    """
    for kind in (numpy.float32, numpy.float64):
        numpy.finfo(kind)  # NumPy before 2.4 warns if it is first asked when there are none
    torch.set_flush_denormal(True)  # in this thread and in those it starts, torch's own too
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as reason:
        first = str(reason).splitlines()[0]
        raise UserError(f"device {device!r} is not to be had here ({first}); use cpu") from None
    if threads or (enough is not None and enough < torch.get_num_threads()):
        torch.set_num_threads(threads or enough)
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms loads the compiler
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # which reads this where it is used
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads such memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    usual = Machine(torch.device(device), "float32", torch.get_num_threads())
    if compile not in ("auto", "no") and not compiles(usual.device):
        raise UserError(f"compile: torch.compile found no {compiler(usual.device)} here; "
                        "install it, or leave --compile out")
    asked = {"precision": precision, "layout": layout, "optimizer_kernel": optimizer_kernel,
             "compile": compile}
    return replace(usual, **{name: value for name, value in asked.items() if value != "auto"})


def compiler(device: torch.device) -> str:
    """What torch.compile needs there."""
    return "Triton" if device.type == "cuda" else "C++ compiler"


def compiles(device: torch.device) -> bool:
    """Whether torch.compile can work there."""
    if device.type == "cuda":
        return importlib.util.find_spec("triton") is not None
    return shutil.which(os.environ.get("CXX", "g++")) is not None


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


def keep_memory(*, scarce: bool) -> None:
    """Let this process keep what a step has freed for the next one: up to a gigabyte, or 8 MB
    where memory is scarce.

    glibc would return it and ask anew, and the system hands memory out by pages of 4 KB, one
    interruption each: on a virtual machine up to a third of a step.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        library = ctypes.CDLL(None)
        for size in (1 << 23,) if scarce else (1 << 25, 1 << 30):  # an older glibc refuses the last
            library.mallopt(M_MMAP_THRESHOLD, size)
            library.mallopt(M_TRIM_THRESHOLD, size)


def give_memory_back() -> None:
    """Let the system have what is free inside this process; for when one kind of work is over.

    It is in pieces that fit what was asked for before, not what comes next.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    import numpy

    from lamina import __version__

    return {"lamina": __version__, "torch": torch.__version__, "numpy": numpy.__version__,
            "python": platform.python_version(), "machine": platform.machine(),
            "system": platform.system()}
