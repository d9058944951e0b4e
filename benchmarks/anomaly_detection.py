"""Anomaly detection: 14 tables of ADBench beside an isolation forest, NSL-KDD, and NAB's score.

    python benchmarks/anomaly_detection.py adbench [--seeds 5] [--net autoencoder] [--labels measure]
    python benchmarks/anomaly_detection.py nsl-kdd [--seeds 5]
    python benchmarks/anomaly_detection.py nab [--seeds 5]

ADBench: 70 % of each table to learn from, 30 % to test, the same share of anomalies in both, drawn
by the seed; with --labels measure nobody knows which are anomalies until the test, as in Han et al.
2022. The isolation forest is scikit-learn's with its defaults, on the same rows. Lamina holds a
tenth of its 70 % out. Writes benchmarks/results/anomaly_detection_NAME.json.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy
import torch
from common import claim, plus_minus, spread, write

import lamina
from lamina import datasets
from lamina.artifact import Model, load
from lamina.metrics import nab
from lamina.nets.anomaly import AnomalyNet

ADBENCH = [name for name in datasets.names() if name.startswith("adbench/")]
WINDOW = 32  # steps of a window of nab
HISTORY = 8000  # steps before one that its score is judged by
FIRST_SEED = 1  # the splits of seed 0 served to choose the defaults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("adbench", "nsl-kdd", "nab"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--net", default="autoencoder", choices=("autoencoder", "deep-svdd"))
    parser.add_argument("--labels", default="measure", choices=("measure", "leave-out", "repel"))
    parser.add_argument("--steps", help="instead of the task's own budget")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    {"adbench": adbench, "nsl-kdd": nsl_kdd, "nab": numenta}[chosen.what](chosen, seeds)


def trained(source: str | Path, seed: int, chosen: argparse.Namespace, run: Path,
            **settings) -> dict:
    """The report of one run; one thread, so that runs may go side by side."""
    if chosen.steps:
        settings["steps"] = chosen.steps
    return lamina.train("anomaly-detection", str(source), net=chosen.net, seed=seed, threads=1,
                        run=str(run), say=lambda line: None, **settings).report


def score(report: dict, name: str) -> float:
    return next(one["value"] for one in report["scores"] if one["name"] == name)


# ---- tables -------------------------------------------------------------------------------------

def adbench(chosen: argparse.Namespace, seeds: range) -> None:
    found = {}
    for name in ADBENCH:
        runs = [one_table(name, seed, chosen) for seed in seeds]
        found[name] = runs
        print(name, {key: round(mean(run[key] for run in runs), 4) for key in runs[0]}, flush=True)
    sides = {side: [mean(runs[place][side] for runs in found.values())
                    for place in range(len(seeds))]
             for side in ("auroc", "forest_auroc", "average_precision", "forest_precision")}
    table = [{"set": name.split("/")[1], "lamina AUROC": plus_minus([r["auroc"] for r in runs]),
              "isolation forest": plus_minus([r["forest_auroc"] for r in runs]),
              "average precision": plus_minus([r["average_precision"] for r in runs]),
              "of the forest": plus_minus([r["forest_precision"] for r in runs]),
              "seconds": f"{mean(r['seconds'] for r in runs):.0f}"}
             for name, runs in found.items()]
    table.append({"set": "mean", "lamina AUROC": plus_minus(sides["auroc"]),
                  "isolation forest": plus_minus(sides["forest_auroc"]),
                  "average precision": plus_minus(sides["average_precision"]),
                  "of the forest": plus_minus(sides["forest_precision"]), "seconds": ""})
    gain = mean(sides["auroc"]) - mean(sides["forest_auroc"])
    write(f"anomaly_detection_adbench_{chosen.net}_{chosen.labels}", table=table, runs=found,
          means={side: spread(values) for side, values in sides.items()},
          claims=[claim("mean AUROC over 14 sets, minus that of scikit-learn's isolation forest",
                        gain, at_least=0.0)])


def one_table(name: str, seed: int, chosen: argparse.Namespace) -> dict:
    """Scores of a net and of a forest on one split of a table."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import average_precision_score, roc_auc_score
    from sklearn.model_selection import train_test_split

    loaded = numpy.load(datasets.find(name))
    rows, labels = loaded["X"].astype(float), loaded["y"]
    train, test = train_test_split(numpy.arange(len(rows)), test_size=0.3, stratify=labels,
                                   random_state=seed)
    shown = train[labels[train] == 0] if chosen.labels == "leave-out" else train
    forest = IsolationForest(random_state=seed).fit(rows[shown])
    scores = -forest.score_samples(rows[test])
    part = numpy.full(len(rows), "train", object)
    part[test] = "test"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        with path.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow([*(f"x{place}" for place in range(rows.shape[1])), "label", "split"])
            out.writerows([*map(repr, row), label, where] for row, label, where in
                          zip(rows.tolist(), labels.tolist(), part.tolist(), strict=True))
        began = time.perf_counter()
        report = trained(path, seed, chosen, Path(folder) / "run", labels=chosen.labels)
        seconds = time.perf_counter() - began
    return {"auroc": score(report, "auroc"), "forest_auroc": roc_auc_score(labels[test], scores),
            "average_precision": score(report, "average_precision"),
            "forest_precision": average_precision_score(labels[test], scores), "seconds": seconds}


def nsl_kdd(chosen: argparse.Namespace, seeds: range) -> None:
    """The published parts; attacks of the training part are left out, kept or repelled."""
    runs = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            report = trained("nsl-kdd", seed, chosen, Path(folder) / "run", labels=chosen.labels)
        runs.append({one["name"]: one["value"] for one in report["scores"]})
        print(runs[-1], flush=True)
    names = list(runs[0])
    write(f"anomaly_detection_nsl-kdd_{chosen.net}_{chosen.labels}", runs=runs,
          baselines=report["baselines"],
          table=[{"score": name, "mean": plus_minus([run[name] for run in runs])}
                 for name in names])


# ---- series -------------------------------------------------------------------------------------

def numenta(chosen: argparse.Namespace, seeds: range) -> None:
    """One net for all series, learnt on what the benchmark does not score; the threshold is the
    one that is best for the corpus, as for the published scores."""
    runs = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            trained("nab", seed, chosen, run, window=WINDOW)
            scores, windows = scored(load(run, device="cpu"))
        runs.append({profile.name: nab.best(scores, windows, profile)[0]
                     for profile in nab.PROFILES})
        print(runs[-1], flush=True)
    write(f"anomaly_detection_nab_{chosen.net}", runs=runs, window=WINDOW,
          table=[{"profile": profile.name,
                  "lamina": plus_minus([run[profile.name] for run in runs], 1)}
                 for profile in nab.PROFILES])


def scored(model: Model) -> tuple[list[numpy.ndarray], list[nab.Windows]]:
    """Of each series a score for each step, made of nothing later; and its windows."""
    series: dict[str, list[tuple[float, bool]]] = {}
    with datasets.find("nab").open() as file:
        for row in csv.DictReader(file):
            series.setdefault(row["series"], []).append((float(row["value"]), row["label"] == "1"))
    scores, windows = [], []
    levels = {level.name: level for level in model.task.facts.medium.levels}
    for name, steps in series.items():
        values, labels = (numpy.array(column) for column in zip(*steps, strict=True))
        scores.append(likelihood(newest(model.net, (values - levels[name].mean)
                                        / levels[name].deviation)))
        edges = numpy.flatnonzero(numpy.diff(labels.astype(int), prepend=0, append=0))
        windows.append([(int(first), int(last) - 1) for first, last in edges.reshape(-1, 2)])
    return scores, windows


def newest(net: AnomalyNet, values: numpy.ndarray) -> numpy.ndarray:
    """(steps,): how strange the last step is in the window that ends with it."""
    shown = numpy.lib.stride_tricks.sliding_window_view(values, WINDOW)
    given = torch.from_numpy(shown.astype(numpy.float32))[:, None]
    with torch.inference_mode():
        found = torch.cat([net.judge(some, torch.ones_like(some, dtype=torch.bool)).shares[:, 0, -1]
                           for some in given.split(4096)]).numpy()
    return numpy.concatenate([numpy.full(WINDOW - 1, found[0]), found])


def likelihood(scores: numpy.ndarray) -> numpy.ndarray:
    """(steps,): each score by how far it is above the mean of those before it, in standard
    deviations, as series differ in how well a net knows them: the anomaly likelihood of Ahmad et
    al. 2017, equations 2 to 5, of one step at a time.
    """
    sums, squares = (numpy.cumsum(numpy.insert(values, 0, 0.0))
                     for values in (scores.astype(float), scores.astype(float) ** 2))
    now = numpy.arange(len(scores))
    first = numpy.maximum(0, now - HISTORY)
    count = numpy.maximum(1, now - first)
    mean = (sums[now] - sums[first]) / count
    variance = (squares[now] - squares[first]) / count - mean ** 2
    return (scores - mean) / numpy.sqrt(variance.clip(1e-6))


if __name__ == "__main__":
    main()
