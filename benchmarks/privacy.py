"""What privacy costs and what it gives: accuracy, the epsilon spent, and the membership attack.

    python benchmarks/privacy.py [--epochs 6] [--seeds 3]

Trains mnist with and without differential privacy, and a hundredth of it, which a net can learn by
heart. Writes benchmarks/results/privacy.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import spread, write

FEW = ("--fraction", 0.01, "--epochs", 60, "--batch-size", 32)


def run(*words: object) -> dict:
    """`lamina train image-classification mnist WORDS` as a process: its scores, privacy, attack."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "lamina.cli", "train", "image-classification", "mnist",
             *map(str, words), "--run", str(place)],
            check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(done.stderr)
        report = json.loads((place / "report.json").read_text())
    attack = {name: report["membership"][name] for name in (
        "auc", "low", "high", "n", "hits", "hits_interval", "advantage", "outsiders")}
    return {"accuracy": report["scores"][0]["value"], "wall_seconds": round(seconds, 1),
            "epochs": report["cost"]["epochs"], "privacy": report.get("privacy"),
            "membership": attack}


def main() -> None:
    """Train, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    commands = {
        "not private": ("--epochs", 2),
        "epsilon 3": ("--epochs", given.epochs, "--private-epsilon", 3),
        "epsilon 1": ("--epochs", given.epochs, "--private-epsilon", 1),
        "learnt by heart, not private": (*FEW, "--net", "cnn"),
        "the same few, epsilon 3": (*FEW, "--private-epsilon", 3)}
    found = {}
    for name, words in commands.items():
        runs = []
        for seed in range(given.seeds):
            runs.append({"seed": seed, **run(*words, "--seed", seed)})
            print(name, runs[-1], flush=True)
        found[name] = {
            "command": " ".join(["lamina train image-classification mnist", *map(str, words)]),
            "accuracy": spread([one["accuracy"] for one in runs]),
            "membership_auc": spread([one["membership"]["auc"] for one in runs]), "runs": runs}
    write("privacy", claims=["accuracy on mnist of 0.94 or more at epsilon 3 or less, delta 1e-5",
                             "a membership AUC near 0.5 under differential privacy"],
          results=found)


if __name__ == "__main__":
    main()
