"""Deep belief with and without pretraining: the same net, the same budget, several seeds.

    python benchmarks/deep_belief.py [--data mnist] [--seeds 3] [--epochs 40 --precision bfloat16]

Each run has the default settings and, where none is given, the task's own budget; the two kinds
alternate, so that a change of the machine's speed meets both. The test part is scored once per run.
Writes benchmarks/results/deep_belief.json.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from common import spread, write

import lamina


def main() -> None:
    """Train both kinds once per seed, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--precision", choices=("float32", "bfloat16"))
    given = parser.parse_args()
    budget = {name: value for name in ("epochs", "minutes", "precision")
              if (value := getattr(given, name)) is not None}
    runs = [measured(given.data, seed, pretraining, budget)
            for seed in range(given.seeds) for pretraining in (True, False)]
    kinds = {"with pretraining": [run for run in runs if run["pretraining"]],
             "without pretraining": [run for run in runs if not run["pretraining"]]}
    worst = max(run["error_percent"] for run in kinds["with pretraining"])
    write("deep_belief", claim="mnist: test error of at most 1.6 % with pretraining, for every seed",
          holds=worst <= 1.6, runs=runs,
          error_percent={kind: spread([run["error_percent"] for run in found])
                         for kind, found in kinds.items()})


def measured(data: str, seed: int, pretraining: bool, budget: dict[str, float | str]) -> dict:
    """The test error and the cost of one run."""
    folder = Path(tempfile.mkdtemp())
    began = time.perf_counter()
    report = lamina.train("deep-belief", data, seed=seed, pretraining=pretraining,
                          run=folder / "run", say=lambda line: None, **budget).report
    seconds = time.perf_counter() - began
    settings = json.loads((folder / "run" / "settings.json").read_text())
    shutil.rmtree(folder)
    accuracy = report["scores"][0]
    found = {"pretraining": pretraining, "seed": seed,
             "error_percent": 100 * (1 - accuracy["value"]),
             "interval": [100 * (1 - accuracy["high"]), 100 * (1 - accuracy["low"])],
             "test_examples": accuracy["n"], "steps": settings["steps"],
             "machine": settings["machine"], "seconds": seconds}
    print(f"seed {seed}, {'with' if pretraining else 'without'} pretraining: error "
          f"{found['error_percent']:.2f} % after {found['steps']} steps, {seconds:.0f} s",
          flush=True)
    return found


if __name__ == "__main__":
    main()
