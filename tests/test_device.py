"""What this process is told before it computes anything."""

import platform
import subprocess
import sys

import pytest

TINY = """
import torch
from lamina.device import machine
machine(device="cpu", threads=2)
small = torch.full((4_000_000,), 1e-30)  # enough for every thread to get some
assert not (small * 1e-10).any(), "numbers below 1e-38 are kept"
assert (small * 1e-7).all(), "numbers that cost nothing are lost"
import numpy, scipy.stats
print(numpy.finfo(numpy.float32).tiny, numpy.finfo(numpy.float64).eps)
"""


HELD = """
import resource
import torch
from lamina import device

def held():
    return 4096 * int(open("/proc/self/statm").read().split()[1])
"""
KEPT = HELD + """
def faults(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(size // 4)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 50

device.keep_memory(scarce=False)
faults(6 << 20)
assert faults(6 << 20) < 0.01 * (6 << 20) / 4096, "what was freed is asked for anew"
blocks = [torch.ones(1 << 18) for _ in range(200)]  # a megabyte each
most = held()
del blocks
assert held() > most - (50 << 20), "what was freed is not kept"
device.give_memory_back()
assert held() < most - (150 << 20), "what was kept is not given back"
"""
SCARCE = HELD + """
device.keep_memory(scarce=True)
blocks = [torch.ones(9 << 18) for _ in range(20)]  # nine megabytes each
most = held()
del blocks[::2]
assert held() < most - (80 << 20), "what was freed between others is kept"
"""


def test_numbers_that_make_a_processor_slow_are_zero_in_every_thread_and_numpy_says_nothing():
    assert ran("-W", "error", "-c", TINY).stderr == ""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize("code", (KEPT, SCARCE), ids=("kept", "scarce"))
def test_memory_is_kept_between_steps_and_given_back_between_kinds_of_work(code):
    ran("-c", code)


def ran(*words: str) -> subprocess.CompletedProcess:
    """A process of Python that ended well."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done
