"""Table prediction beside tree ensembles: adult-income and california-housing, the same parts.

    python benchmarks/table_prediction.py [--seeds 5] [--data adult-income california-housing]

Trains with the default settings through lamina.train, then a random forest and histogram gradient
boosting (scikit-learn) whose settings are chosen on the same validation part. Every model sees the
test part once. Writes benchmarks/results/table_prediction.json.
"""

import argparse
import itertools
import shutil
import tempfile
import time
from pathlib import Path

import numpy
from common import write
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

import lamina
from lamina import columns, datasets, scoring
from lamina.metrics.metric import improves
from lamina.tasks.table_prediction import TablePrediction

FOREST = {"max_features": (0.3, 0.5), "min_samples_leaf": (1, 3)}
BOOSTING = {"learning_rate": (0.05, 0.1), "max_leaf_nodes": (31, 63)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=["adult-income", "california-housing"])
    chosen = parser.parse_args()
    found = {name: compare(name, chosen.seeds) for name in chosen.data}
    write("table_prediction", results=found)


def compare(name: str, seeds: int) -> dict:
    """The test scores of Lamina over the seeds and of both tree ensembles on one data set."""
    task = TablePrediction(TablePrediction.Settings())
    data = task.read(datasets.find(name))
    task.facts = task.study(data.train)
    metric = task.metrics[0]
    reports = [trained(name, seed) for seed in range(seeds)]
    scores = [report["scores"][0]["value"] for report in reports]
    seconds = [report["cost"]["seconds"] for report in reports]
    intervals = [[report["scores"][0]["low"], report["scores"][0]["high"]] for report in reports]
    found = {"metric": metric.name, "test": len(data.test),
             "lamina": {"scores": scores, "mean": float(numpy.mean(scores)),
                        "deviation": float(numpy.std(scores, ddof=1)) if seeds > 1 else None,
                        "intervals": intervals, "seconds": seconds}}
    print(f"{name}: {metric.name} {found['lamina']['mean']:.5g}, each of {scores}", flush=True)
    for kind, grid in (("forest", FOREST), ("boosting", BOOSTING)):
        found[kind] = tuned(kind, grid, task, data)
        print(f"{name}: {kind} {found[kind]['score']:.5g} with {found[kind]['settings']}",
              flush=True)
    return found


def trained(name: str, seed: int) -> dict:
    """The report of one run with the default settings."""
    folder = Path(tempfile.mkdtemp())
    try:
        return lamina.train("table-prediction", name, seed=seed, run=str(folder / "run"),
                            say=lambda line: None).report
    finally:
        shutil.rmtree(folder)


def tuned(kind: str, grid: dict, task: TablePrediction, data) -> dict:
    """The model of the grid that is best on the validation part, and its score on the test part."""
    parts = {part: arrays(task, getattr(data, part), one_hot=kind == "forest")
             for part in ("train", "validation", "test")}
    began, metric = time.monotonic(), task.metrics[0]
    best = None
    for values in itertools.product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        model = made(kind, bool(task.facts.labels), parts["train"][0].shape[1], task, settings)
        model.fit(*parts["train"])
        score = metric.score(rows(model, parts["validation"], task))
        if improves(metric, score, best[0] if best else None):
            best = score, settings, model
    found = rows(best[2], parts["test"], task)
    return {"score": metric.score(found), "interval": scoring.interval(metric, found, seed=0),
            "validation": best[0], "settings": best[1],
            "seconds": round(time.monotonic() - began, 1)}


def made(kind: str, labels: bool, width: int, task: TablePrediction, settings: dict):
    """An untrained model of that kind."""
    if kind == "forest":
        forest = RandomForestClassifier if labels else RandomForestRegressor
        return forest(300, n_jobs=-1, random_state=0, **settings)
    boosting = HistGradientBoostingClassifier if labels else HistGradientBoostingRegressor
    numbers = sum(column.numbers for column in task.facts.columns)
    return boosting(max_iter=1000, early_stopping=True, random_state=0,
                    categorical_features=range(numbers, width), **settings)


def arrays(task: TablePrediction, examples, *, one_hot: bool) -> tuple[numpy.ndarray, ...]:
    """Inputs as the trees take them, and targets. Ranks serve trees as well as the numbers do."""
    batch = task.encode(examples)
    if one_hot:
        return columns.points(task.facts.columns, batch).numpy(), batch["target"].numpy()
    categories, start = batch["categories"].numpy().copy(), 0
    chosen = [column for column in task.facts.columns if column.kind == "category"]
    for place, column in enumerate(chosen):  # back to the column's own indices, 255 at most
        categories[:, place] = numpy.minimum(categories[:, place] - start, 254)
        start += column.vectors
    inputs = numpy.concatenate([batch["numbers"].numpy(), categories], axis=1)
    return inputs, batch["target"].numpy()


def rows(model, part: tuple[numpy.ndarray, ...], task: TablePrediction) -> numpy.ndarray:
    """What each example contributes to accuracy, or to the squared error in the target's unit."""
    inputs, target = part
    answers = model.predict(inputs)
    if task.facts.labels:
        return (answers == target)[:, None].astype(float)
    return ((answers - target) * task.facts.deviation)[:, None] ** 2


if __name__ == "__main__":
    main()
