"""Forecasting on ETTh1, ETTh2 and the hourly series of M4: errors, and the coverage of the bands.

    python benchmarks/forecasting.py [--seeds 5] [--data etth1 etth2 m4-hourly] [--nets dlinear …]

Trains through lamina.train; the validation part chooses the weights and the widths of the bands,
the test part is scored once. Writes benchmarks/results/forecasting_DATA.json for each.
"""

import argparse
import json
import tempfile
from pathlib import Path

from common import claim, spread, write

import lamina

NETS = ("dlinear", "nlinear", "lstm", "patch")
WHOLE = {"horizon": 96, "context": 336}  # of Zeng et al. 2023 and Nie et al. 2023
DATA = {"etth1": WHOLE, "etth2": WHOLE, "m4-hourly": {"horizon": 48, "season": 24}}
EPOCHS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    chosen = parser.parse_args()
    for name in chosen.data:
        found = {net: measured(name, net, chosen.seeds, chosen.epochs) for net in chosen.nets}
        claims = []
        if name == "etth1":
            claims.append(claim("etth1, 96 hours ahead: mean squared error of the best net",
                                min(one["mse"]["mean"] for one in found.values()), at_most=0.38))
            for net, one in found.items():
                missed = abs(one["coverage"]["mean"] - 0.8)
                claims.append(claim(f"{net}: how far the coverage of 80 % bands is from 80 %",
                                    missed, at_most=0.03))
        write(f"forecasting_{name}", epochs=chosen.epochs, results=found, claims=claims,
              table=[row(net, one) for net, one in found.items()])


def row(net: str, found: dict) -> dict[str, str]:
    """A line of the table: means over the seeds."""
    return {"net": net, **{name: f"{found[name]['mean']:.4f} ± {found[name]['deviation']:.4f}"
                           for name in ("mse", "mae", "smape", "coverage")},
            "seeds": str(len(found["seconds"])),
            "seconds": f"{sum(found['seconds']) / len(found['seconds']):.0f}"}


def measured(name: str, net: str, seeds: int, epochs: float) -> dict:
    """Every score over the seeds, with the interval of seed 0 and the baselines."""
    reports = [trained(name, net, seed, epochs) for seed in range(seeds)]
    first = reports[0]
    found = {"settings": DATA[name], "forecasts": first["data"]["test"],
             "baselines": {one["name"]: {score["name"]: score["value"] for score in one["scores"]}
                           for one in first["baselines"]},
             "seconds": [report["cost"]["seconds"] for report in reports]}
    for place, score in enumerate(first["scores"]):
        found[score["name"]] = {
            **spread([report["scores"][place]["value"] for report in reports]),
            "interval of seed 0": [score["low"], score["high"]]}
    told = {key: round(found[key]["mean"], 4) for key in ("mse", "mae", "smape", "coverage")}
    print(f"{name} {net}: {json.dumps(told)}", flush=True)
    return found


def trained(name: str, net: str, seed: int, epochs: float) -> dict:
    """The report of one run."""
    with tempfile.TemporaryDirectory() as folder:
        return lamina.train("forecasting", name, net=net, seed=seed, epochs=epochs,
                            run=str(Path(folder) / "run"), say=lambda line: None,
                            **DATA[name]).report


if __name__ == "__main__":
    main()
