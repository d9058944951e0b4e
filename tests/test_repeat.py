"""--repeat trains other seeds first, keeps what is finished, and reports the spread over seeds."""

import json
import os
import shutil
import signal
import statistics
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file

from lamina import repeat, verbs
from lamina.errors import UserError
from lamina.interrupt import Stopped
from lamina.metrics.metric import ACCURACY
from lamina.options import Options

QUICK = {"net": "mlp", "steps": 6, "threads": 1, "evaluations": 1}


def train(said=None, **choices):
    return verbs.train("image-classification", "photos", **{**QUICK, **choices},
                       say=lambda line: None if said is None else said.append(line))


@pytest.fixture
def photos(samples, tmp_path, monkeypatch):
    (tmp_path / "photos").symlink_to(samples("image-classification"))
    monkeypatch.chdir(tmp_path)


def test_each_seed_is_a_run_of_its_own_and_the_report_has_their_spread(photos):
    said = []
    trained = train(said, repeat=3, seed=4)
    assert said[0] == "3 trainings of 6 steps each, seeds 4 to 6"
    assert sorted(path.name for path in Path("runs").iterdir()) == \
        ["photos", "photos-seed-5", "photos-seed-6"]
    seeds = trained.report["seeds"]
    assert [run["seed"] for run in seeds["runs"]] == [4, 5, 6]
    values = [json.loads((Path(run["run"]) / "report.json").read_text())["scores"][0]["value"]
              for run in seeds["runs"]]
    [score] = seeds["scores"]
    assert score["values"] == values
    assert score["mean"] == pytest.approx(statistics.mean(values))
    assert score["deviation"] == pytest.approx(statistics.stdev(values))
    assert (score["lowest"], score["highest"]) == (min(values), max(values))
    assert "What another seed would give" in Path("runs/photos/report.html").read_text()


def test_a_repeat_is_the_training_that_its_seed_alone_gives(photos):
    train(repeat=2)
    alone = train(seed=1, run="alone")
    again = json.loads(Path("runs/photos-seed-1/report.json").read_text())
    assert again["scores"] == alone.report["scores"]
    weights, same = (load_file(run / "model.safetensors") for run in
                     (Path("runs/photos-seed-1"), alone.folder))
    assert all(numpy.array_equal(weights[name], same[name]) for name in weights)


def test_finished_repeats_are_kept_and_others_are_not(photos):
    train(repeat=2)
    before = Path("runs/photos-seed-1/report.json").stat().st_mtime_ns
    said = []
    second = train(said, repeat=3)
    assert "runs/photos-seed-1 is finished already and is kept" in said
    assert Path("runs/photos-seed-1/report.json").stat().st_mtime_ns == before
    assert second.folder == Path("runs/photos-2") and len(second.report["seeds"]["runs"]) == 3
    third = train(repeat=2, steps=7)
    assert [run["run"] for run in third.report["seeds"]["runs"]] == \
        ["runs/photos-3", "runs/photos-seed-1-2"]


def test_repeats_of_other_data_are_not_kept(photos, samples, tmp_path):
    train(repeat=2)
    Path("photos").unlink()
    shutil.copytree(samples("image-classification"), "photos")
    next(Path("photos/cross").iterdir()).unlink()
    said = []
    train(said, repeat=2)
    assert not any("is kept" in line for line in said)


def test_a_signal_keeps_what_is_finished_and_says_how_to_go_on(photos):
    seen = []

    def interrupting(point):
        seen.append(point)
        if len(seen) == 8:  # in the second training
            os.kill(os.getpid(), signal.SIGINT)

    said = []
    with pytest.raises(Stopped) as stopped:
        verbs.train("image-classification", "photos", **QUICK, repeat=3, watch=interrupting,
                    say=said.append, command="lamina train image-classification photos --repeat 3")
    assert stopped.value.command == "lamina train image-classification photos --repeat 3"
    assert "1 of 3 trainings are finished and will be kept" in said
    assert not Path("runs/photos").exists()
    said = []
    trained = train(said, repeat=3)
    assert "runs/photos-seed-1 is finished already and is kept" in said
    assert len(trained.report["seeds"]["runs"]) == 3
    assert sorted(path.name for path in Path("runs").iterdir()) == \
        ["photos", "photos-seed-1", "photos-seed-2"]


def test_an_interrupted_main_run_resumes_with_its_seeds(photos):
    def interrupting(point):
        if Path("runs/photos").exists() and point.step == 3:
            raise Stopped(2)

    with pytest.raises(Stopped):
        verbs.train("image-classification", "photos", **QUICK, repeat=2, watch=interrupting,
                    say=lambda line: None)
    resumed = verbs.resume("runs/photos", say=lambda line: None)
    assert len(resumed.report["seeds"]["runs"]) == 2


def test_a_taken_folder_is_refused_before_anything_is_trained(photos):
    train(run="mine")
    with pytest.raises(UserError, match="mine already holds a run"):
        train(run="mine", repeat=2)
    assert not Path("mine-seed-1").exists()


@pytest.mark.parametrize(("options", "line"), [
    ({"minutes": 1}, "5 trainings of 1 minute each, seeds 0 to 4; about 5 minutes in all"),
    ({"epochs": 2.5}, "5 trainings of 2.5 epochs each, seeds 0 to 4"),
    ({}, "5 trainings of 5 minutes each, seeds 0 to 4; about 25 minutes in all")])
def test_the_time_is_told_up_front(options, line):
    assert repeat.announced("image-classification", Options(repeat=5, **options), 0) == line


def report(value, low=0.88, high=0.92, seed=0):
    return {"settings": {"seed": seed}, "data": {"fingerprint": "x"}, "cost": {"seconds": 1.0},
            "scores": [{"name": "accuracy", "value": value, "low": low, "high": high, "n": 900}]}


@pytest.mark.parametrize(("values", "warned"), [
    ([0.9, 0.902, 0.899], False), ([0.9, 0.93, 0.86], True)])
def test_a_seed_that_matters_is_said(tmp_path, values, warned):
    folders = []
    for seed, value in enumerate(values[1:], 1):
        folder = tmp_path / f"run-seed-{seed}"
        folder.mkdir()
        (folder / "report.json").write_text(json.dumps(report(value, seed=seed)))
        folders.append(str(folder))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / repeat.FILE).write_text(json.dumps({"folders": folders}))
    section, found = repeat.section(tmp_path / "run", (ACCURACY,), report(values[0]))
    assert section["scores"][0]["unit"] == "fraction"
    assert bool(found) == warned
    if found:
        assert found[0].level == "warning" and "over 3 seeds" in found[0].evidence


def test_one_seed_has_no_spread(tmp_path):
    assert repeat.section(tmp_path, (ACCURACY,), report(0.9)) == (None, [])
