"""Calibration error before and after temperature scaling, and the coverage of sets and intervals.

    python benchmarks/calibration.py [--seeds 5] [--minutes 0.5 | --epochs 3] [--data mnist ...]

Trains with the default settings through lamina.train and reads the report: everything is learnt on
the validation part and measured on the test part. Writes benchmarks/results/calibration.json.
"""

import argparse
import tempfile
from pathlib import Path

from common import spread, write

import lamina

TASKS = {"mnist": "image-classification", "cifar10-jpeg": "image-classification",
         "adult-income": "table-prediction", "california-housing": "table-prediction"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=0.5)
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--coverage", type=float, default=0.9)
    parser.add_argument("--data", nargs="+", default=["mnist", "adult-income",
                                                      "california-housing"], choices=TASKS)
    chosen = parser.parse_args()
    found = {name: of_data(name, chosen) for name in chosen.data}
    write("calibration", results=found)


def of_data(name: str, chosen: argparse.Namespace) -> dict:
    """What the reports of all seeds say, and their spread."""
    runs = [one(name, seed, chosen) for seed in range(chosen.seeds)]
    over = {key: spread([run[key] for run in runs]) for key in runs[0]
            if isinstance(runs[0][key], float)}
    for key, values in over.items():
        print(f"{name}: {key} {values['mean']:.4f} ± {values['deviation']:.4f}", flush=True)
    return {"over_seeds": over, "runs": runs}


def one(name: str, seed: int, chosen: argparse.Namespace) -> dict:
    """The calibration of one run."""
    with tempfile.TemporaryDirectory() as folder:
        time = {"epochs": chosen.epochs} if chosen.epochs else {"minutes": chosen.minutes}
        report = lamina.train(TASKS[name], name, seed=seed, coverage=chosen.coverage, **time,
                              run=str(Path(folder) / "run"), say=lambda line: None).report
    found, coverage = report["calibration"], report["calibration"]["coverage"]
    result = {report["scores"][0]["name"]: report["scores"][0]["value"],
              "coverage": coverage["value"], "size": coverage["size"],
              "coverage_interval": [coverage["low"], coverage["high"]],
              "lowest_coverage": min(row["value"] for row in coverage["by"]),
              "by": {row["name"]: row["value"] for row in coverage["by"]}}
    if found["kind"] == "label":
        result |= {"temperature": found["temperature"], "none": coverage["none"],
                   "several": coverage["several"]}
        for key in ("error", "classwise_error", "negative_log_likelihood", "brier"):
            result |= {f"{key}_before": found["before"][key]["value"],
                       f"{key}_after": found["after"][key]["value"]}
        result["error_by_chance"] = found["by_chance"]
    return result


if __name__ == "__main__":
    main()
