"""Recommendation beside item-kNN, EASE and the library implicit, on the same users and items.

    python benchmarks/recommendation.py [--seeds 5] [--nets factorisation neural transformer]

Trains each net on ml-latest-small with its default settings, as a process of its own. Item-kNN,
EASE (Steck 2019) and implicit's alternating least squares have their settings chosen on the
validation part; every model ranks the test part once. Differences are paired over users. Writes
benchmarks/results/recommendation.json.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy
from common import claim, expect, peer, process, spread, write
from safetensors.numpy import load_file

from lamina import datasets
from lamina.intervals import paired
from lamina.metrics import ranking
from lamina.metrics.ranking import NDCG, RECALL
from lamina.nets.recommend import seen
from lamina.parts import Parts, prepare
from lamina.scoring import Part
from lamina.tasks.recommendation import Recommendation, Settings, measured

NAME = "ml-latest-small"
MINUTES = {"factorisation": 1.5, "neural": 6, "transformer": 3}  # of one training
NEIGHBOURS, SHRINKAGES = (10, 20, 50, 100, 200), (0.0, 10.0, 50.0, 100.0)
EASE_PENALTIES = (50.0, 100.0, 200.0, 500.0, 1000.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--nets", nargs="+", default=list(MINUTES))
    chosen = parser.parse_args()
    expect(5 + chosen.seeds * sum(MINUTES[net] for net in chosen.nets))
    task = Recommendation(Settings())
    parts = prepare(task, datasets.find(NAME))
    beside = peers(task, parts)
    for name, rows in task.baselines(parts.data.train, parts.test.examples).items():
        beside[name] = {"rows": rows}
    trained = {net: runs(net, chosen.seeds) for net in chosen.nets}
    claims = [claim(f"{net}, seed {run['seed']}: NDCG above {name}, lower end of the 95 % interval",
                    run["above"][name]["low"], at_least=0.0)
              for net, some in trained.items() for run in judged(some, beside)
              for name in ("item-kNN", "item-kNN, chosen")]
    write("recommendation", table=list(table(trained, beside)), claims=claims,
          results={net: [without_rows(run) for run in some] for net, some in trained.items()},
          beside={name: without_rows(one) | scores(one["rows"]) for name, one in beside.items()},
          peer_versions={f"implicit: {package}": number for package, number in
                         beside["implicit, least squares"]["versions"].items()})


def runs(net: str, seeds: int) -> list[dict]:
    """One training for each seed: its scores, and what each test user contributes to them."""
    found = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            seconds, _ = process(sys.executable, "-m", "lamina.cli", "train", "recommendation",
                                 NAME, "--net", net, "--seed", seed, "--run", run)
            rows = load_file(run / "test-rows.safetensors")
            report = json.loads((run / "report.json").read_text())
        found.append({"seed": seed, "wall_seconds": round(seconds, 1), "rows": rows,
                      "scores": {score["name"]: score["value"] for score in report["scores"]}})
        print(net, without_rows(found[-1]), flush=True)
    return found


def judged(some: list[dict], beside: dict[str, dict]) -> list[dict]:
    """The runs, each with its paired difference in NDCG from every model beside it."""
    for run in some:
        run["above"] = {}
        for name, one in beside.items():
            if "ndcg" in one["rows"]:
                found = paired(NDCG, one["rows"]["ndcg"], run["rows"]["ndcg"], seed=0)
                run["above"][name] = {"difference": found.value, "low": found.low,
                                      "high": found.high}
    return some


def without_rows(run: dict) -> dict:
    return {name: value for name, value in run.items() if name != "rows"}


def scores(rows: dict[str, numpy.ndarray]) -> dict[str, float]:
    """The scores of rows."""
    known = {"ndcg": NDCG.score, "recall": RECALL.score, "rmse": ranking.rmse}
    return {name: known[name](values) for name, values in rows.items() if name in known}


def table(trained: dict[str, list[dict]], beside: dict[str, dict]):
    """A row for each model."""
    for net, some in trained.items():
        row = {"model": net}
        for name in ("ndcg", "recall", "rmse", "coverage"):
            found = spread([run["scores"][name] for run in some])
            row[name] = f"{found['mean']:.4f} ± {found['deviation']:.4f}"
        seconds = spread([run["wall_seconds"] for run in some])["mean"]
        yield row | {"seconds": f"{seconds:.0f}"}
    for name, one in beside.items():
        known = scores(one["rows"])
        yield {"model": name, **{key: f"{known[key]:.4f}" if key in known else ""
                                 for key in ("ndcg", "recall", "rmse")}, "coverage": "",
               "seconds": f"{one.get('seconds', 0):.0f}" if "seconds" in one else ""}


# ---- what stands beside ---------------------------------------------------------------------

def peers(task: Recommendation, parts: Parts) -> dict[str, dict]:
    """Of each kind of model, the one that is best on the validation part."""
    size = len(task.facts.items)
    train, ask, judge = (seen(part.batch["items"].long(), size).numpy() for part in (
        parts.training, parts.validation, parts.test))
    taken = train.astype(numpy.float32)

    def rows(scores: numpy.ndarray, part: Part, known: numpy.ndarray) -> dict:
        return measured(ranking.best(scores, known), part.batch)

    found, began = {}, time.perf_counter()
    best = None
    for ranking.NEIGHBOURS in NEIGHBOURS:
        for ranking.SHRINKAGE in SHRINKAGES:
            near = ranking.ItemNeighbours(taken)
            one = rows(neighbours(near, parts.validation), parts.validation, ask)
            if best is None or NDCG.score(one["ndcg"]) > best[0]:
                best = (NDCG.score(one["ndcg"]), ranking.NEIGHBOURS, ranking.SHRINKAGE, near)
    found["item-kNN, chosen"] = {
        "rows": rows(neighbours(best[3], parts.test), parts.test, judge), "validation": best[0],
        "settings": {"neighbours": best[1], "shrinkage": best[2]},
        "seconds": time.perf_counter() - began}
    ranking.NEIGHBOURS, ranking.SHRINKAGE = 50, 10.0
    began, best = time.perf_counter(), None
    for penalty in EASE_PENALTIES:
        weights = ease(taken, penalty)
        value = NDCG.score(rows(ask @ weights, parts.validation, ask)["ndcg"])
        if best is None or value > best[0]:
            best = (value, penalty, weights)
    found["EASE"] = {"rows": rows(judge @ best[2], parts.test, judge), "validation": best[0],
                     "settings": {"penalty": best[1]}, "seconds": time.perf_counter() - began}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "parts.npz"
        numpy.savez(path, train=train, ask=ask, judge=judge,
                    truth=parts.validation.batch["future"].numpy(),
                    count=parts.validation.batch["count"].numpy())
        told = peer("implicit_ratings", path)
    top = numpy.array(told.pop("top"))
    found["implicit, least squares"] = {"rows": measured(top, parts.test.batch), **told,
                                        "seconds": told["wall_seconds"]}
    for name, one in found.items():
        print(name, without_rows(one), scores(one["rows"]), flush=True)
    return found


def neighbours(near: ranking.ItemNeighbours, part: Part) -> numpy.ndarray:
    """The scores of a part's users, (users, items)."""
    return numpy.stack([near.scores(row[row > 0] - 1) for row in part.batch["items"].numpy()])


def ease(taken: numpy.ndarray, penalty: float) -> numpy.ndarray:
    """The weights (items, items) of Steck 2019, equation 8."""
    gram = (taken.T @ taken).astype(numpy.float64)
    gram[numpy.diag_indices_from(gram)] += penalty
    inverse = numpy.linalg.inv(gram)
    weights = -inverse / inverse.diagonal()
    numpy.fill_diagonal(weights, 0)
    return weights.astype(numpy.float32)


if __name__ == "__main__":
    main()
