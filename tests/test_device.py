"""What this process is told before it computes anything."""

import subprocess
import sys

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


def test_numbers_that_make_a_processor_slow_are_zero_in_every_thread_and_numpy_says_nothing():
    done = subprocess.run([sys.executable, "-W", "error", "-c", TINY], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
