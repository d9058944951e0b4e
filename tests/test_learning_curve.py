"""Learning from a share of the data, and what a curve over shares says."""

import json
from dataclasses import replace

import pytest

from lamina import tasks, verbs
from lamina.errors import UserError
from lamina.health import learning_curve
from lamina.metrics.metric import ACCURACY, RMSE, Metric
from lamina.options import Options
from lamina.parts import prepare
from lamina.splits import share
from lamina.task import Example


def labelled(count: int) -> list[Example]:
    return [Example(f"row {number}", "rare" if number % 10 == 0 else "common")
            for number in range(count)]


def test_shares_nest_and_keep_the_labels_and_the_order():
    whole = labelled(1000)
    eighth, half = share(whole, 0.125), share(whole, 0.5)
    assert len(eighth) == 125 or len(eighth) == 124
    assert len(half) == 500
    assert {one.input for one in eighth} < {one.input for one in half}
    assert sum(one.target == "rare" for one in half) == 50
    assert [one for one in whole if one in half] == half


def test_a_share_does_not_depend_on_the_order_of_the_examples():
    whole = labelled(200)
    assert {one.input for one in share(whole[::-1], 0.3)} == {
        one.input for one in share(whole, 0.3)}


def test_a_share_never_splits_a_group():
    whole = [Example(f"row {number}", "a", group=f"speaker {number // 10}")
             for number in range(300)]
    groups = [one.group for one in share(whole, 0.25)]
    assert all(groups.count(group) == 10 for group in set(groups))
    assert 75 <= len(groups) <= 85


def test_numbers_as_targets_are_shared_too():
    whole = [Example(f"row {number}", number / 7) for number in range(100)]
    assert len(share(whole, 0.2)) == 20


def test_a_fraction_leaves_validation_and_test_as_they_are(samples):
    kind = tasks.find("image-classification")
    whole, some = (prepare(kind(kind.Settings()), samples("image-classification"), fraction=part)
                   for part in (1.0, 0.25))
    assert [e.input for e in some.test.examples] == [e.input for e in whole.test.examples]
    assert [e.input for e in some.validation.examples] == [
        e.input for e in whole.validation.examples]
    assert len(some.training) == len(some.train["image"]) == pytest.approx(
        len(whole.training) / 4, abs=3)
    assert "training examples" in some.data.notes[-1]


def test_what_makes_its_own_data_has_no_fraction(samples, tmp_path):
    with pytest.raises(UserError, match="no training part"):
        verbs.train("control", samples("control"), steps=2, fraction=0.5, run=tmp_path / "run",
                    prefill=10, say=lambda line: None)


def test_the_curve_of_a_power_law_is_continued():
    true = {n: 1 - 2 * n**-0.5 for n in (125, 250, 500, 1000)}
    points = [{"run": str(n), "examples": n, "value": score, "low": score - 1e-4,
               "high": score + 1e-4} for n, score in true.items()]
    twice, ten = learning_curve.predicted(points, ACCURACY, seed=0)
    assert twice["examples"] == 2000 and ten["examples"] == 10_000
    assert twice["low"] - 0.001 <= 1 - 2 * 2000**-0.5 <= twice["high"] + 0.001
    assert ten["low"] - 0.005 <= 1 - 2 * 10_000**-0.5 <= ten["high"] + 0.005
    assert twice["value"] == pytest.approx(1 - 2 * 2000**-0.5, abs=0.005)
    advice = learning_curve.advice(points[-1], twice, ACCURACY)
    assert advice.what == "more data would help"


def test_a_flat_curve_says_that_more_data_would_hardly_help():
    points = [{"run": str(n), "examples": n, "value": 3.0, "low": 2.9, "high": 3.1}
              for n in (125, 250, 500, 1000)]
    twice, _ = learning_curve.predicted(points, RMSE, seed=0)
    assert twice["value"] == pytest.approx(3.0, abs=0.1)
    assert "hardly" in learning_curve.advice(points[-1], twice, RMSE).what


def test_no_forecast_of_a_score_without_a_perfect_value():
    points = [{"run": str(n), "examples": n, "value": float(n), "low": 0.0, "high": 2.0 * n}
              for n in (1, 2, 4, 8)]
    assert learning_curve.predicted(points, Metric("return", "higher", ""), seed=0) == []


def test_epochs_become_equal_steps_and_minutes_equal_shares():
    from lamina.budget import Budget

    assert learning_curve.shortened(Budget(epochs=3), 0.25)["epochs"] == 12
    assert learning_curve.shortened(Budget(minutes=8), 0.25)["minutes"] == 2
    assert learning_curve.shortened(Budget(steps="90"), 0.25)["steps"] == "90"


def test_a_campaign_trains_beside_the_main_run_and_keeps_what_is_finished(samples, tmp_path):
    said: list[str] = []

    def train(name: str) -> verbs.Trained:
        return verbs.train("image-classification", samples("image-classification"), steps=8,
                           net="mlp", threads=1, learning_curve=True, run=tmp_path / name,
                           say=said.append)

    done = train("run")
    assert "3 trainings on less data come first" in said[0]
    curve = done.report["learning_curve"]
    assert [point["run"] for point in curve["points"]][-1] == str(tmp_path / "run")
    counts = [point["examples"] for point in curve["points"]]
    assert counts == sorted(counts) and len(set(counts)) == 4
    for fraction in learning_curve.FRACTIONS:
        part = json.loads((learning_curve.folder_of(tmp_path / "run", fraction)
                           / "report.json").read_text())
        assert f"--fraction {fraction}" in part["repeat"]
        assert part["steps"] == "8"
    kept = learning_curve.folder_of(tmp_path / "run", 0.5)
    before = (kept / "report.json").stat().st_mtime_ns
    options = Options.make({"run": str(tmp_path / "run2"), "steps": 8, "threads": 1,
                            "learning_curve": True})
    for fraction in learning_curve.FRACTIONS:
        learning_curve.folder_of(tmp_path / "run", fraction).rename(
            learning_curve.folder_of(tmp_path / "run2", fraction))
    learning_curve.train_first("image-classification", str(samples("image-classification")),
                               options, {"net": "mlp"}, watch=lambda point: None, say=said.append)
    moved = learning_curve.folder_of(tmp_path / "run2", 0.5)
    assert (moved / "report.json").stat().st_mtime_ns == before
    for changes, settings in (({}, {"net": "cnn"}), ({"steps": 9}, {"net": "mlp"})):
        with pytest.raises(UserError, match="trained with other settings, steps, data"):
            learning_curve.train_first(
                "image-classification", str(samples("image-classification")),
                replace(options, **changes), settings, watch=lambda point: None, say=said.append)
