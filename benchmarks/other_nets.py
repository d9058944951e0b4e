"""The nets of ten tasks that no other script trains by default: does each learn, on real data?

    python benchmarks/other_nets.py [--tasks forecasting autoencoding …] [--seeds 1]

Trains each as a process of its own for a few minutes, and sets its first score beside the best of
the baselines in its report. Writes benchmarks/results/other_nets_TASK.json for each task.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from common import claim, expect, process, summary, write

WHOLE = ("--horizon", 96, "--context", 336, "--epochs", 3)
NETS = {  # (data, minutes on two cores, words for `lamina train`) of each net
    "forecasting": [("etth1", 2, ("--net", "lstm", *WHOLE)), ("etth1", 2, ("--net", "patch", *WHOLE))],
    "autoencoding": [("mnist", 1.5, ("--net", net, "--minutes", 1.5))
                     for net in ("denoising", "variational", "sparse")],
    "anomaly-detection": [("nsl-kdd", 1, ("--net", net)) for net in ("autoencoder", "deep-svdd")],
    "image-segmentation": [("nuclei", 3, ("--net", "fcn", "--minutes", 3))],
    "image-generation": [("mnist", 3, ("--net", net, "--minutes", 3)) for net in ("dcgan", "vae")],
    "text-classification": [("sst2", 1, ("--net", "transformer"))],
    "recommendation": [("ml-latest-small", 3, ("--net", "transformer")),
                       ("ml-latest-small", 6, ("--net", "neural"))],
    "speech-recognition": [("an4", 5, ("--net", net, "--minutes", 5))
                           for net in ("conformer", "attention")],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=list(NETS), choices=NETS)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    expect(given.seeds * sum(minutes for task in given.tasks for _, minutes, _ in NETS[task]))
    for task in given.tasks:
        runs = [trained(task, data, words, seed) for data, _, words in NETS[task]
                for seed in range(given.seeds)]
        write(f"other_nets_{task}", runs=runs, table=[row(run) for run in runs],
              claims=[claim(f"{run['net']}, seed {run['seed']}: {run['score']} better than the best "
                            "baseline by", run["gain"], at_least=0.0) for run in runs])


def trained(task: str, data: str, words: tuple, seed: int) -> dict:
    """One training: its scores, and how far the first is better than any baseline's."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        seconds, _ = process(sys.executable, "-m", "lamina.cli", "train", task, data, *words,
                             "--seed", seed, "--run", run)
        report = json.loads((run / "report.json").read_text())
    beside = {one["name"]: {score["name"]: score["value"] for score in one["scores"]}
              for one in report["baselines"]}
    first = next(score for score in report["scores"]
                 if any(score["name"] in known for known in beside.values()))
    sign = 1 if first["better"] == "higher" else -1
    best = max(sign * known[first["name"]] for known in beside.values() if first["name"] in known)
    found = {"net": words[1], "data": data, "seed": seed, "wall_seconds": round(seconds, 1),
             "score": first["name"], "value": first["value"], "low": first["low"],
             "high": first["high"], "best_baseline": sign * best,
             "gain": sign * first["value"] - best, "baselines": beside, **summary(report)}
    print({name: found[name] for name in ("net", "score", "value", "best_baseline")}, flush=True)
    return found


def row(run: dict) -> dict[str, str]:
    """A line of the table."""
    return {"net": run["net"], "data": run["data"], "score": run["score"],
            "value": f"{run['value']:.4g}", "95 %": f"{run['low']:.4g} to {run['high']:.4g}",
            "best baseline": f"{run['best_baseline']:.4g}", "seconds": f"{run['wall_seconds']:.0f}"}


if __name__ == "__main__":
    main()
