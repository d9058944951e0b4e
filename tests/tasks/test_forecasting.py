"""Forecasting: parts in time, windows, covariates, baselines, metrics, and what is named."""

import csv
import json

import numpy
import pytest
import torch

from lamina import artifact, verbs
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.metrics import forecast as metrics
from lamina.metrics import smoothing
from lamina.parts import prepare
from lamina.run import Run
from lamina.tasks.forecasting import Forecasting


def table(path, columns, first="2024-01-01"):
    """A daily CSV with these columns."""
    count = len(next(iter(columns.values())))
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["date", *columns])
        for i in range(count):
            out.writerow([numpy.datetime64(first) + i, *(values[i] for values in columns.values())])
    return path


def waves(count, noise=0.1):
    random = numpy.random.default_rng(0)
    return 10 + numpy.sin(numpy.arange(count) * 2 * numpy.pi / 7) + random.normal(0, noise, count)


def task_of(**settings):
    return Forecasting(Forecasting.Settings.make(settings))


def trained(path, cpu, steps=150, **settings):
    task = task_of(**settings)
    parts = prepare(task, path)
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(steps),
              evaluations=2, say=lambda line: None)
    for _ in run.train():
        pass
    return artifact.Model(task, run.finish(), {}, cpu), parts


# ---- parts and windows --------------------------------------------------------------------------

def test_parts_follow_one_another_in_time_and_every_training_window_comes_once(tmp_path):
    values = numpy.arange(500.0)
    task = task_of(horizon=5, context=12, batch_size=32)
    parts = prepare(task, table(tmp_path / "a.csv", {"x": values}))
    mean, deviation, _ = parts.train["level"][0].tolist()
    [phase] = task.phases(task.start(), parts.train)
    windows = torch.cat([next(phase.batches)["values"] for _ in range(phase.batches.length)])
    windows = (windows * deviation + mean).round().sort(0).values
    expected = torch.arange(350.0).unfold(0, 17, 1)  # 150 of the 500 steps are held out
    torch.testing.assert_close(windows, expected, atol=0.1, rtol=0)
    for part, first, last in (("validation", 350, 400), ("test", 400, 500)):
        examples = getattr(parts, part).examples
        assert [example.target[0] for example in examples] == list(range(first, last - 4))
        assert all(example.input.stop == example.target[0] for example in examples)


def test_declared_parts_are_kept(tmp_path):
    split = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    data = task_of(horizon=4).read(table(tmp_path / "a.csv", {"x": range(100), "split": split}))
    assert [len(part) for part in (data.validation, data.test)] == [17, 17]
    assert data.cut == () and data.test[0].target.tolist() == [80, 81, 82, 83]


def test_series_shorter_than_the_horizon_is_named(tmp_path):
    rows = [{"series": name, "step": str(i), "value": str(i % 7)}
            for name, count in (("long", 200), ("short", 5)) for i in range(count)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = task_of(horizon=10).read(path)
    [line] = data.damaged
    assert "short" in line and "5 values, fewer than the horizon of 10" in line
    assert {example.input.series.name for example in data.train} == {"long"}
    with pytest.raises(UserError, match="no series is long enough: long: it has 200 values"):
        task_of(horizon=300).read(path)


# ---- learning -----------------------------------------------------------------------------------

@pytest.mark.parametrize("net", ["dlinear", "nlinear", "lstm", "patch"])
def test_every_net_learns_a_season_and_its_band(net, tmp_path, cpu):
    path = table(tmp_path / "a.csv", {"x": waves(600)})
    model, parts = trained(path, cpu, net=net, horizon=7, context=28, patch=7, width=16,
                           dropout=0.0, learning_rate=5e-3)
    from lamina import scoring

    found = scoring.point_scores(model.task.metrics, scoring.rows(model.task, model.net, parts.test,
                                                                  cpu))
    assert found["mse"] < 0.06  # the noise alone is 0.02, the mean gives 1.0
    assert 0.7 < found["coverage"] < 0.9


def test_columns_known_in_advance_move_the_forecast(tmp_path, cpu):
    """A holiday adds 5; nothing but the column tells when one comes."""
    holiday = (numpy.random.default_rng(1).random(600) < 0.2).astype(int)
    path = table(tmp_path / "a.csv", {"holiday": holiday, "x": waves(600) + 5 * holiday})
    model, _ = trained(path, cpu, horizon=7, context=28, known="holiday", learning_rate=1e-2,
                       targets="x", steps=300)
    ahead = [1, 0, 0, 1, 0, 0, 0]
    asked = table(tmp_path / "asked.csv", {"holiday": [*holiday[:28], *ahead],
                                           "x": [*(waves(28) + 5 * holiday[:28]), *[""] * 7]})
    [answer] = model.predict([str(asked)])
    jump = numpy.array(answer.values) - waves(35, 0.0)[28:]
    assert (jump[[0, 3]] > 3).all() and (abs(jump[[1, 2, 4, 5, 6]]) < 2).all()
    asked = table(tmp_path / "asked.csv", {"holiday": holiday[:28], "x": waves(28)})
    with pytest.raises(UserError, match="known in advance end before the 7 steps"):
        list(model.predict([str(asked)]))


def test_gaps_are_filled_and_never_scored(tmp_path):
    values = [*waves(200)]
    values[150], values[190] = "", ""
    task = task_of(horizon=5, context=20)
    parts = prepare(task, table(tmp_path / "a.csv", {"x": values}))
    found = task.baselines(parts.data.train, parts.test.examples)["seasonal naive"]
    counts = found["mse"][:, 1]
    assert counts.max() == 5 and sorted(set(counts.tolist())) == [4, 5]
    assert all(numpy.isfinite(rows).all() for rows in found.values())


# ---- answers ------------------------------------------------------------------------------------

def test_predict_takes_a_list_a_table_and_a_folder(tmp_path, cpu):
    folder = tmp_path / "shops"
    folder.mkdir()
    for name in ("north", "south"):
        table(folder / f"{name}.csv", {"x": waves(100)})
    model, _ = trained(folder / "north.csv", cpu, steps=5, horizon=5, context=20)
    [listed] = model.predict(["[10, 11, null, 9.5, 10]"])
    assert listed.moments == ["5", "6", "7", "8", "9"]
    [one] = model.predict([str(folder / "north.csv")])
    assert one.moments[0] == "2024-04-10" and one.name == "x"
    assert [answer.name for answer in model.predict([str(folder)])] == ["north / x", "south / x"]
    low, high, coverage = one.band
    assert coverage == pytest.approx(0.8)
    assert all(a <= b for a, b in zip(low, high, strict=True))
    one.save(tmp_path / "out.csv")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 6
    one.save(tmp_path / "out.html")
    assert "class=\"band" in (tmp_path / "out.html").read_text()
    for wrong, message in (("[]", "no value"), ("[1, \"a\"]", "expected numbers"),
                           (str(tmp_path / "none.csv"), "none.csv")):
        with pytest.raises(UserError, match=message):
            list(model.predict([wrong]))


def test_explain_says_which_steps_made_the_forecast(samples, tmp_path):
    pytest.importorskip("captum")
    run = verbs.train("forecasting", samples("forecasting"), steps="4", run=tmp_path / "run",
                      say=lambda line: None).folder
    [found] = verbs.explain(run, ["[1, 2, 3, 4, 5, 6, 7, 8, 9]"])
    assert "steps before" in found.text()
    assert found.error < 0.05


# ---- baselines and metrics ----------------------------------------------------------------------

def test_seasonal_naive_repeats_the_last_season():
    history = numpy.array([[9.0, 1, 2, 3]])
    assert smoothing.seasonal_naive(history, 3, 5).tolist() == [[1, 2, 3, 1, 2]]


def test_smoothing_without_trend_and_season_is_the_recursion_by_hand():
    # level: 10, then 10 + 0.5 (14 - 10) = 12, then 12 + 0.5 (8 - 12) = 10
    found = smoothing.smoothed(numpy.array([[10.0, 14, 8]]), 1, 2, level=0.5, trend=0.0,
                               seasonal=0.0)
    assert found.tolist() == [[10, 10]]


def test_smoothing_continues_a_clean_season():
    history = numpy.tile([1.0, 5, 3], 8)[None]
    found = smoothing.smoothed(history, 3, 4, level=0.2, trend=0.05, seasonal=0.1)
    numpy.testing.assert_allclose(found, [[1, 5, 3, 1]], atol=1e-9)


def test_metrics_are_those_worked_out_by_hand():
    answers, truth = numpy.array([[1.0, 2.0, 0.0]]), numpy.array([[2.0, 2.0, numpy.nan]])
    mean, deviation, naive = (numpy.array([value]) for value in (10.0, 2.0, 4.0))
    found = metrics.errors(answers, truth, mean, deviation, naive)
    scores = {metric.name: metric.score(found[metric.name]) for metric in metrics.ALL[:4]}
    # in their own units: 12 for 14 and 14 for 14
    assert scores["mse"] == 0.5 and scores["mae"] == 0.5
    assert scores["mase"] == pytest.approx(2 / 4 / 2)
    assert scores["smape"] == pytest.approx(200 * 2 / 26 / 2)
    bands = metrics.bands(answers - 0.5, answers + 0.5, truth)
    assert metrics.COVERAGE.score(bands["coverage"]) == 0.5
    assert metrics.INTERVAL_SCORE.score(bands["interval_score"]) == pytest.approx((1 + 10 * 0.5 + 1)
                                                                                  / 2)
