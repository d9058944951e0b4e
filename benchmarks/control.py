"""Mean return over 100 test episodes after a default run, for several seeds.

    python benchmarks/control.py [--environment CartPole-v1] [--seeds 5]

Writes benchmarks/results/control.json (for other environments control-NAME.json).
"""

import argparse
import json
import math
import shutil
import tempfile
import time
from pathlib import Path

from common import spread, write

import lamina


def main() -> None:
    """Train once per seed, print a line each, write the file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--environment", default="CartPole-v1")
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--minutes", type=float, help="budget of a run; default the task's own")
    given = arguments.parse_args()
    runs = [measured(given.environment, seed, given.minutes) for seed in range(given.seeds)]
    returns = [run["return"] for run in runs]
    cartpole = given.environment == "CartPole-v1"
    write("control" if cartpole else f"control-{given.environment}",
          claim="CartPole-v1: mean return of at least 475 over 100 test episodes within 50,000 "
                "transitions, for every seed" if cartpole else None,
          holds=min(returns) >= 475 if cartpole else None, returns=spread(returns), runs=runs)


def measured(environment: str, seed: int, minutes: float | None) -> dict[str, float]:
    """The scores and the cost of the run of that seed."""
    folder = Path(tempfile.mkdtemp()) / "run"
    budget = {} if minutes is None else {"minutes": minutes}
    began = time.perf_counter()
    report = lamina.train("control", environment, seed=seed, run=folder, say=lambda line: None,
                          **budget).report
    seconds = time.perf_counter() - began
    settings = json.loads((folder / "settings.json").read_text())["settings"]
    played = settings["prefill"] + report["cost"]["steps"] * settings["transitions_per_step"]
    [score] = report["scores"]
    found = {"seed": seed, "return": score["value"], "low": score["low"], "high": score["high"],
             "episodes": score["n"], "seconds": round(seconds, 1),
             "transitions": math.ceil(played / settings["copies"]) * settings["copies"]}
    print(found, flush=True)
    shutil.rmtree(folder.parent)
    return found


if __name__ == "__main__":
    main()
