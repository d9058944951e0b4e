"""How much slower a step becomes when another process keeps one core busy, by how threads wait.

    python benchmarks/busy_core.py [--repeats 5] [--steps 100]

Lamina's threads spin 10,000 times before they sleep, OpenMP's by themselves 300,000 times. Quiet,
and beside a process that does nothing else than keep the last core busy. Writes
benchmarks/results/busy_core.json.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

from common import claim, expect, in_turns, medians, parser, whole_process, write

from lamina.cli import SPINS

OPENMP = "300000"  # spins, where nothing is set
BUSY = "import os; os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])\nwhile True: pass"


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--steps", type=int, default=100)
    given = asked.parse_args()
    expect(given.repeats * (0.8 + given.steps / 200))

    def side(spins: str, beside):
        def run(seed: int) -> dict:
            with beside(), patch.dict(os.environ, {"GOMP_SPINCOUNT": spins}):
                found = whole_process("image-classification", "mnist", "--steps", given.steps,
                                      "--evaluations", 1, "--seed", seed)
            return {**found, "milliseconds": 1000 * found["learning_seconds"] / given.steps}
        return run

    runs = in_turns(given.repeats, {
        "quiet": side(SPINS, nullcontext), "quiet, OpenMP's spins": side(OPENMP, nullcontext),
        "one core busy": side(SPINS, busy_core),
        "one core busy, OpenMP's spins": side(OPENMP, busy_core)})
    step = medians(runs, "milliseconds")
    write("busy_core", claims=[
        claim("quiet: at most 1.03 times the step with OpenMP's spins",
              step["quiet"] / step["quiet, OpenMP's spins"], at_most=1.03),
        claim("one core busy: faster than with OpenMP's spins, times",
              step["one core busy, OpenMP's spins"] / step["one core busy"], at_least=1)],
        table=[{"": name, "ms per step": f"{found:.1f}",
                "times quiet": f"{found / step['quiet']:.2f}"} for name, found in step.items()],
        runs=runs)


@contextmanager
def busy_core() -> Iterator[None]:
    """Another process on the last core meanwhile."""
    other = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield
    finally:
        other.kill()
        other.wait()


if __name__ == "__main__":
    main()
