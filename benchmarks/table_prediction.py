"""Table prediction beside tree ensembles: adult-income and california-housing, the same parts.

    python benchmarks/table_prediction.py [--repeats 5] [--data adult-income california-housing]

Lamina's default run, as a whole process, in turns with histogram gradient boosting and a random
forest (scikit-learn), whose settings are chosen on the same validation part. Every model sees the
test part once. The trees' seconds are those of fitting alone, on data already read and encoded,
which favours them. Writes benchmarks/results/table_prediction.json.
"""

import itertools
import time
from statistics import median

import numpy
from common import expect, in_turns, parser, plus_minus, whole_process, write
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from lamina import columns, datasets, scoring
from lamina.metrics.metric import improves
from lamina.tasks.table_prediction import TablePrediction

FOREST = {"max_features": (0.3, 0.5), "min_samples_leaf": (1, 3)}
BOOSTING = {"learning_rate": (0.05, 0.1), "max_leaf_nodes": (31, 63)}


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--data", nargs="+", default=["adult-income", "california-housing"])
    asked.add_argument("--no-forest", action="store_true", help="leave the slow one out")
    given = asked.parse_args()
    expect(given.repeats * len(given.data) * (1.5 if given.no_forest else 2.5))
    found = {name: compare(name, given.repeats, forest=not given.no_forest)
             for name in given.data}
    write("table_prediction", table=[row for one in found.values() for row in one["table"]],
          results={name: {key: value for key, value in one.items() if key != "table"}
                   for name, one in found.items()})


def compare(name: str, repeats: int, *, forest: bool) -> dict:
    """The test scores and seconds of Lamina and of the tree ensembles on one data set."""
    task = TablePrediction(TablePrediction.Settings())
    data = task.read(datasets.find(name))
    task.facts = task.study(data.train)
    metric = task.metrics[0]

    def lamina(seed: int) -> dict:
        found = whole_process("table-prediction", name, "--seed", seed)
        return {**found, "score": found["scores"][metric.name]["value"],
                "seconds": found["wall_seconds"], "fit_seconds": found["learning_seconds"]}

    kinds = {"boosting": BOOSTING, **({"forest": FOREST} if forest else {})}
    runs = in_turns(repeats, {"lamina": lamina, **{
        kind: lambda seed, kind=kind: tuned(kind, kinds[kind], task, data, seed)
        for kind in kinds}})
    digits = 4 if task.facts.labels else 0
    return {"metric": metric.name, "test": len(data.test), "runs": runs, "table": [
        {"data": name, "model": side,
         "accuracy, or RMSE": plus_minus([run["score"] for run in some], digits),
         "seconds in all": f"{median(run['seconds'] for run in some):.1f}",
         "seconds of learning": f"{median(run['fit_seconds'] for run in some):.1f}"}
        for side, some in runs.items()]}


def tuned(kind: str, grid: dict, task: TablePrediction, data, seed: int) -> dict:
    """The model of the grid that is best on the validation part, and its score on the test part.

    seconds: of fitting all of the grid. fit_seconds: of the best one alone.
    """
    parts = {part: arrays(task, getattr(data, part), one_hot=kind == "forest")
             for part in ("train", "validation", "test")}
    began, metric = time.perf_counter(), task.metrics[0]
    best = None
    for values in itertools.product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        model = made(kind, task, parts["train"][0].shape[1], settings, seed)
        start = time.perf_counter()
        model.fit(*parts["train"])
        took = time.perf_counter() - start
        score = metric.score(rows(model, parts["validation"], task))
        if improves(metric, score, best[0] if best else None):
            best = score, settings, model, took
    seconds = time.perf_counter() - began
    found = rows(best[2], parts["test"], task)
    return {"score": metric.score(found), "interval": scoring.interval(metric, found, seed=0),
            "validation": best[0], "settings": best[1], "seconds": seconds,
            "fit_seconds": best[3]}


def made(kind: str, task: TablePrediction, width: int, settings: dict, seed: int):
    """An untrained model of that kind."""
    labels = bool(task.facts.labels)
    if kind == "forest":
        forest = RandomForestClassifier if labels else RandomForestRegressor
        return forest(300, n_jobs=-1, random_state=seed, **settings)
    boosting = HistGradientBoostingClassifier if labels else HistGradientBoostingRegressor
    numbers = sum(column.numbers for column in task.facts.columns)
    return boosting(max_iter=1000, early_stopping=True, random_state=seed,
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
