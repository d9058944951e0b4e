"""What each part of the recipe for tables brings: with it and without it, 5 seeds, same epochs.

    python benchmarks/ablation_tables.py [--seeds 5] [--epochs 8] [--data NAME ...] [--only NAME ...]

Scores are those of the validation part, so that the recipe may be chosen by them; the test part is
not looked at. Writes benchmarks/results/ablation_tables.json.
"""

import argparse
import time

from common import spread, write

from lamina import datasets, device
from lamina.budget import Plan
from lamina.parts import Parts, prepare
from lamina.run import Run
from lamina.tasks.table_prediction import TableFacts, TablePrediction

VARIANTS = {  # what is changed of the defaults
    "the recipe": {},
    "one net, no ensemble": {"members": 1},
    "8 members": {"members": 8},
    "1 part per number (no piecewise-linear encoding)": {"bins": 1},
    "24 parts per number": {"bins": 24},
    "no dropout": {"dropout": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "128 wide": {"width": 128},
    "128 wide, 128 rows": {"width": 128, "batch_size": 128},
    "128 wide, 128 rows, dropout 0.05": {"width": 128, "batch_size": 128, "dropout": 0.05},
    "1,024 rows": {"batch_size": 1024},
}


def main() -> None:
    """Train each variant once per seed on each data set, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--data", nargs="+", default=["california-housing", "adult-income"])
    names = list(VARIANTS)
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    given = parser.parse_args()
    found = {name: compared(name, given.only, given.epochs, given.seeds) for name in given.data}
    write("ablation_tables", epochs=given.epochs, results=found)


def compared(name: str, variants: list[str], epochs: float, seeds: int) -> dict:
    """Every variant on one data set; the variants take turns, seed by seed."""
    task = TablePrediction(TablePrediction.Settings())
    parts = prepare(task, datasets.find(name))
    runs: dict[str, list[dict]] = {variant: [] for variant in variants}
    for seed in range(seeds):
        for variant in variants:
            runs[variant].append(measured(variant, task.facts, parts, epochs, seed))
    found = {}
    for variant, some in runs.items():
        scores, seconds = (spread([run[key] for run in some]) for key in ("score", "seconds"))
        print(f"{name:20} {variant:50} {scores['mean']:.5g} ± {scores['deviation']:.2g}  "
              f"{seconds['mean']:.1f} s", flush=True)
        found[variant] = {"changed": VARIANTS.get(variant), "score": scores, "seconds": seconds}
    return found


def measured(variant: str, facts: TableFacts, parts: Parts, epochs: float, seed: int) -> dict:
    """Score of the best weights on the validation part, and the seconds of one core."""
    task = TablePrediction(TablePrediction.Settings.make(
        {"seed": seed, **VARIANTS.get(variant, {})}), facts)
    net = task.start()
    run = Run(task, net, parts.train, parts.validation, plan=Plan(1), say=lambda line: None,
              machine=device.machine(device="cpu", threads=1))
    run.plan = Plan(max(1, round(epochs * run.phases[0].batches.length)))
    began = time.process_time()
    for _ in run.train():
        pass
    return {"score": run.best["scores"][task.metrics[0].name],
            "seconds": time.process_time() - began}


if __name__ == "__main__":
    main()
