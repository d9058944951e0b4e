"""Runs are compared on the same test examples, whatever they learnt from, in words that hold."""

import json
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from lamina import parts, verbs
from lamina.comparison import compared
from lamina.errors import UserError
from lamina.judge import GROUPS, ROWS, numbered
from lamina.task import Example
from lamina.tasks.image_classification import ImageClassification

FACTS = {"labels": ["a", "b"], "size": 8, "channels": 1, "mean": [0.0], "deviation": [1.0]}


def a_run(folder: Path, name: str, rows: dict, *, task="image-classification", tested="t",
          facts=FACTS, settings=None) -> Path:
    """A run folder with what a comparison reads."""
    run = folder / name
    run.mkdir()
    document = {"task": task, "settings": settings or {}, "facts": facts, "options": {},
                "source": "", "steps": "1", "evaluations": 1, "machine": {},
                "data": {"fingerprint": f"all of {name}", "test_fingerprint": tested, "test": 9}}
    (run / "settings.json").write_text(json.dumps(document))
    save_file({key: numpy.ascontiguousarray(values) for key, values in rows.items()}, run / ROWS)
    return run


def right(count: int, wrong: int) -> dict[str, numpy.ndarray]:
    """Rows of an accuracy with so many mistakes at the start."""
    values = numpy.ones((count, 1))
    values[:wrong] = 0
    return {"accuracy": values}


def test_a_better_run_is_said_to_be_better_in_points(tmp_path):
    first = a_run(tmp_path, "A", right(10_000, 200))
    second = a_run(tmp_path, "B", right(10_000, 140))
    [found] = compared([first, second])
    assert found["sentence"].startswith(
        "B is better than A in accuracy by 0.60 points, 95 % interval 0.45 to 0.75, n = 10,000 "
        "(McNemar's exact test: p = ")
    assert found["verdict"] == "better" and found["p"] < 1e-15
    [found] = compared([second, first])
    assert found["sentence"].startswith(
        "A is worse than B in accuracy by 0.60 points, 95 % interval 0.45 to 0.75")
    assert found["difference"] == pytest.approx(-0.006) and found["high"] < 0


def test_chance_is_not_called_a_difference(tmp_path):
    first = right(1000, 30)
    second = {"accuracy": first["accuracy"][::-1].copy()}  # 30 other mistakes
    second["accuracy"][-4:] = 1
    [found] = compared([a_run(tmp_path, "A", first), a_run(tmp_path, "B", second)])
    assert found["verdict"] == "not distinguishable"
    assert "B is not distinguishable from A in accuracy (it is better by 0.4 points)" \
        in found["sentence"]
    assert found["low"] < 0 < found["high"]


def test_lower_is_better_for_errors_and_keeps_their_unit(tmp_path):
    random = numpy.random.default_rng(0)
    errors = random.exponential(1, (400, 1))
    facts = {"columns": [], "useless": [], "labels": [], "mean": 0.0, "deviation": 1.0}
    rows = [{"rmse": values, "mae": numpy.sqrt(values)} for values in (errors, 0.81 * errors)]
    first, second = (a_run(tmp_path, name, row, task="table-prediction", facts=facts)
                     for name, row in zip("AB", rows, strict=True))
    found = {line["metric"]: line for line in compared([first, second])}
    assert found["rmse"]["difference"] == pytest.approx(-0.1 * numpy.sqrt(errors.mean()))
    assert found["rmse"]["verdict"] == "better" and "points" not in found["rmse"]["sentence"]
    assert "B is better than A in rmse by 0.1" in found["rmse"]["sentence"]


def test_many_comparisons_make_one_wrong_more_likely(tmp_path):
    """Nine more right of ten that differ: p = 0.02 alone, 0.11 as the best of five."""
    first = right(500, 9)
    lucky = right(500, 0)
    lucky["accuracy"][-1] = 0
    others = [a_run(tmp_path, f"same-{i}", first) for i in range(4)]
    main, best = a_run(tmp_path, "A", first), a_run(tmp_path, "lucky", lucky)
    [alone] = compared([main, best])
    assert alone["verdict"] == "better" and alone["p"] == pytest.approx(0.0215, abs=1e-3)
    found = compared([main, best, *others])[0]
    assert found["p_holm"] == pytest.approx(5 * alone["p"])
    assert found["verdict"] == "not distinguishable"
    assert "after Holm's correction for 5 comparisons p = 0.11, so that what alone looks better " \
        "may be chance" in found["sentence"]


def test_groups_are_compared_as_groups(tmp_path):
    groups = numbered([None, "x", "y", "x"])
    assert groups[GROUPS].tolist() == [-1, 0, 1, 0] and numbered([None, None]) == {}
    random = numpy.random.default_rng(0)
    first = {"accuracy": (random.random((400, 1)) < 0.7) * 1.0}
    second = {"accuracy": numpy.where(numpy.repeat(random.random(20) < 0.3, 20)[:, None], 1.0,
                                      first["accuracy"])}
    whole = numbered([str(i // 20) for i in range(400)])
    [alone] = compared([a_run(tmp_path, "A", first), a_run(tmp_path, "B", second)])
    [found] = compared([a_run(tmp_path, "C", first | whole), a_run(tmp_path, "D", second | whole)])
    assert found["high"] - found["low"] > 2 * (alone["high"] - alone["low"])
    assert "McNemar" not in found["sentence"]


def test_other_test_examples_are_refused(tmp_path):
    first = a_run(tmp_path, "A", right(9, 1))
    with pytest.raises(UserError, match="not judged on the same test examples.*lamina evaluate"):
        compared([first, a_run(tmp_path, "B", right(9, 1), tested="other")])
    with pytest.raises(UserError, match="compare runs of one task"):
        compared([first, a_run(tmp_path, "C", right(9, 1), task="table-prediction")])
    unfinished = a_run(tmp_path, "D", right(9, 1))
    (unfinished / ROWS).unlink()
    with pytest.raises(UserError, match="lamina resume"):
        compared([first, unfinished])
    with pytest.raises(UserError, match="two or more"):
        verbs.compare(first)


def test_the_fingerprint_of_a_test_part_is_of_what_people_have():
    picture = numpy.zeros((4, 4), numpy.uint8)
    examples = [Example(picture, "a"), Example(picture + 1, "b")]
    known = parts.tested(examples)
    assert known == parts.tested([Example(picture.copy(), "a"), Example(picture + 1, "b")])
    assert known != parts.tested(examples[::-1])
    assert known != parts.tested([Example(picture, "b"), Example(picture + 1, "b")])


def test_runs_of_other_settings_and_training_data_are_compared(samples, tmp_path):
    """Half of the training part, another net, another image size and seed: the same test part."""
    quick = {"steps": 4, "threads": 1, "say": lambda line: None}
    data = samples("image-classification")
    first = verbs.train("image-classification", data, run=str(tmp_path / "A"), net="mlp", **quick)
    second = verbs.train("image-classification", data, run=str(tmp_path / "B"), net="cnn", seed=3,
                         fraction=0.5, image_size=16, **quick)
    assert first.report["data"]["fingerprint"] != second.report["data"]["fingerprint"]
    [found] = verbs.compare(first.folder, second.folder)
    assert found["n"] == first.report["data"]["test"]
    assert ImageClassification.metrics[0].name == found["metric"]
