"""Budgets kept: whole processes of --minutes 0.5, 1 and 3 on six tasks, quiet and disturbed.

    python benchmarks/budgets.py [--repeats 1] [--minutes 0.5 1 3] [--tasks control ...]

Disturbed: in the middle third of the budget as many busy processes as there are cores run beside
it, which a fair scheduler gives half of the machine. Writes benchmarks/results/budgets.json.
"""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median

from common import claim, expect, parser, whole_process, write

import lamina

LOWEST, HIGHEST = 0.9, 1.02
DATA = {"image-classification": "mnist", "text-generation": "tiny-shakespeare",
        "table-prediction": "adult-income", "control": "CartPole-v1", "deep-belief": "mnist",
        "image-translation": None}  # None: the task's own sample


def main() -> None:
    asked = parser(__doc__, repeats=1)
    asked.add_argument("--minutes", type=float, nargs="+", default=[0.5, 1, 3])
    asked.add_argument("--tasks", nargs="+", choices=DATA, default=list(DATA))
    given = asked.parse_args()
    expect(2 * given.repeats * sum(given.minutes) * len(given.tasks))
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        data = {task: DATA[task] or str(lamina.sample(task, Path(folder) / task))
                for task in given.tasks}
        for seed in range(given.repeats):
            for minutes in given.minutes:
                for task in given.tasks:
                    for disturbed in (False, True):
                        runs.append(one(task, data[task], minutes, seed, disturbed))
                        print(runs[-1], flush=True)
    shares = [run["share"] for run in runs]
    write("budgets", claims=[
        claim(f"every whole process takes at least {LOWEST} of its minutes; the least",
              min(shares), at_least=LOWEST),
        claim(f"and at most {HIGHEST}; the most", max(shares), at_most=HIGHEST)],
        table=table(runs), runs=runs)


def one(task: str, data: str, minutes: float, seed: int, disturbed: bool) -> dict:
    """A whole process and the share of its minutes that it took."""
    busy = Disturbance(20 * minutes) if disturbed else None
    try:
        found = whole_process(task, data, "--minutes", minutes, "--seed", seed)
    finally:
        if busy is not None:
            busy.end()
    return {"task": task, "minutes": minutes, "seed": seed, "disturbed": disturbed,
            "share": found["wall_seconds"] / (60 * minutes), "steps": found["steps"],
            "wall_seconds": found["wall_seconds"]}


class Disturbance:
    """Busy processes, one for each core, that run from `seconds` to twice `seconds` from now."""

    def __init__(self, seconds: float):
        self.busy: list[subprocess.Popen] = []
        self.timers = [threading.Timer(seconds, self.start), threading.Timer(2 * seconds, self.end)]
        for timer in self.timers:
            timer.start()

    def start(self) -> None:
        self.busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                     for _ in range(os.cpu_count())]

    def end(self) -> None:
        for timer in self.timers:
            timer.cancel()
        for one in self.busy:
            one.kill()
            one.wait()


def table(runs: list[dict]) -> list[dict[str, str]]:
    """A row for each task, with the median share of each budget, quiet and disturbed."""
    rows = []
    for task in dict.fromkeys(run["task"] for run in runs):
        row = {"task": task}
        for minutes in dict.fromkeys(run["minutes"] for run in runs):
            for disturbed in (False, True):
                share = median(run["share"] for run in runs if run["task"] == task
                               and run["minutes"] == minutes and run["disturbed"] == disturbed)
                row[f"{minutes:g} min{', disturbed' if disturbed else ''}"] = f"{share:.3f}"
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
