"""The command line: what it prints, what it refuses in one line, and with which exit code."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest

import lamina
from lamina import cli
from lamina.media import image


def run(capsys, *words) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    out = capsys.readouterr()
    return code, out.out, out.err


def refused(capsys, *words) -> str:
    """The one line with which the command is refused."""
    code, out, err = run(capsys, *words)
    assert code == 2 and out == "", (code, out, err)
    assert len(err.strip().splitlines()) == 1 and err.startswith("lamina: "), err
    return err


@pytest.fixture
def photos(samples, tmp_path, monkeypatch):
    """A place to work in, with a folder of pictures beside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(samples("image-classification"))
    return tmp_path


QUICK = ("--net", "mlp", "--steps", "3", "--batch-size", "16")


def test_help_answers_within_a_third_of_a_second():
    times = []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "lamina.cli", "--help"], capture_output=True,
                              text=True, check=True)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.3
    for verb in cli.VERBS:
        assert f"lamina {verb}" in done.stdout


def test_every_verb_is_also_a_python_call():
    for verb in cli.VERBS:
        assert callable(getattr(lamina, verb)), verb
    assert "image-classification" in lamina.tasks()


def test_tasks_and_data_are_listed(capsys):
    _, out, _ = run(capsys, "tasks")
    assert "image-classification" in out and "table-prediction" in out
    _, out, _ = run(capsys, "data")
    assert "mnist" in out and "CC BY" in out and "MB" in out


def test_from_sample_to_prediction(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "sample", "image-classification", "my-photos")
    assert code == 0 and "lamina train image-classification my-photos" in out
    code, out, err = run(capsys, "train", "image-classification", "my-photos", *QUICK)
    assert code == 0 and "accuracy" in out and "95 % interval" in out, err
    assert (tmp_path / "runs/my-photos/report.html").exists()
    picture = next(Path("my-photos/cross").iterdir())
    code, out, _ = run(capsys, "predict", "runs/my-photos", picture)
    assert code == 0 and "%" in out
    code, out, _ = run(capsys, "predict", "runs/my-photos", "my-photos/cross", "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == 40 and set(answers[0]["probabilities"]) == {"circle", "cross", "stripes"}
    code, out, _ = run(capsys, "evaluate", "runs/my-photos")
    assert code == 0 and "accuracy" in out
    code, out, _ = run(capsys, "report", "runs/my-photos")
    assert code == 0 and "accuracy" in out
    code, _, _ = run(capsys, "train", "image-classification", "my-photos", *QUICK, "--seed", "1")
    assert code == 0
    code, out, _ = run(capsys, "compare", "runs/my-photos", "runs/my-photos-2")
    assert code == 0 and "95 % interval" in out and "n = 12" in out
    code, _, _ = run(capsys, "resume", "runs/my-photos")
    assert code == 0


def test_a_target_ends_the_run_early(capsys, photos):
    code, _, _ = run(capsys, "train", "image-classification", "photos", "--net", "mlp",
                     "--epochs", "200", "--evaluations", "100", "--target", "accuracy=0.6")
    assert code == 0
    report = json.loads(Path("runs/photos/report.json").read_text())
    assert report["cost"]["epochs"] < 150


def test_minutes_are_kept_and_repeat_as_steps(capsys, photos):
    began = time.monotonic()
    code, _, err = run(capsys, "train", "image-classification", "photos", "--net", "mlp",
                       "--minutes", "0.15")
    assert code == 0, err
    seconds = time.monotonic() - began
    settings = json.loads(Path("runs/photos/settings.json").read_text())
    assert settings["steps"].split("@")[0].replace(",", "").isdecimal()
    assert f"--steps {settings['steps']}" in settings["repeat"]
    assert seconds < 0.15 * 60 * 1.5, "the budget was far exceeded even for a busy machine"


@pytest.mark.parametrize(("words", "message"), [
    (["fly"], "no verb is called 'fly'"),
    (["trian"], "did you mean 'train'?"),
    (["train"], "TASK is missing|TASK, DATA"),
    (["train", "image-clasification", "photos"], "did you mean 'image-classification'?"),
    (["train", "image-classification"], "DATA is missing"),
    (["train", "image-classification", "phtos"], "did you mean 'photos'?"),
    (["train", "image-classification", "mnits"], "did you mean 'mnist'?"),
    (["train", "image-classification", "photos", "--lerning-rate", "1"], "--learning-rate"),
    (["train", "image-classification", "photos", "--learning-rate", "fast"],
     "learning_rate: expected a number, got 'fast'"),
    (["train", "image-classification", "photos", "--net", "cnnn"], "expected one of mlp, cnn"),
    (["train", "image-classification", "photos", "--minutes", "0"], "expected more than 0, got 0"),
    (["train", "image-classification", "photos", "--epochs", "0"], "expected more than 0, got 0"),
    (["train", "image-classification", "photos", "--steps", "0"], "expected more than 0, got 0"),
    (["train", "image-classification", "photos", "--steps", "2", "--epochs", "1"], "expected one"),
    (["train", "image-classification", "photos", "--target", "acuracy=1"], "did you mean"),
    (["train", "image-classification", "photos", "--target", "accuracy"], "METRIC=VALUE"),
    (["train", "image-classification", "photos", "--device", "cuda:77"], "not to be had"),
    (["train", "control", "CartPole-v1", "--epochs", "3"], "control has no epochs"),
    (["train", "control", "CartPole-v9"], "did you mean 'CartPole-v1'"),
    (["predict", "runs/none", "x.png"], "no model at runs/none"),
    (["resume", "photos"], "is no run folder"),
    (["report", "nowhere"], "is no run folder"),
    (["compare", "photos"], "RUN|two or more"),
    (["evaluate"], "MODEL is missing"),
    (["sample", "image-classification", "photos"], "is not empty"),
])
def test_a_mistake_is_one_line_and_exit_code_2(capsys, photos, words, message):
    import re

    line = refused(capsys, *words)
    assert re.search(message, line), line
    assert not (photos / "runs").exists(), "a refused command leaves no run behind"


def test_folders_that_cannot_be_used(capsys, photos):
    (photos / "empty").mkdir()
    assert "holds no labelled pictures" in refused(capsys, "train", "image-classification", "empty")
    one = photos / "one" / "cats"
    one.mkdir(parents=True)
    for number in range(5):
        image.save(numpy.full((8, 8, 1), number, numpy.uint8), one / f"{number}.png")
    assert "only the class 'cats'" in refused(capsys, "train", "image-classification", "one")
    two = photos / "one" / "dogs"
    two.mkdir()
    for number in range(20):
        (two / f"{number}.png").write_bytes(b"no picture")
    line = refused(capsys, "train", "image-classification", "one")
    assert "damaged" in line


def test_a_run_folder_in_use_is_refused(capsys, photos):
    code, _, _ = run(capsys, "train", "image-classification", "photos", *QUICK, "--run", "mine")
    assert code == 0
    line = refused(capsys, "train", "image-classification", "photos", *QUICK, "--run", "mine")
    assert "lamina resume mine" in line


def test_an_input_that_cannot_be_read_is_named(capsys, photos):
    assert run(capsys, "train", "image-classification", "photos", *QUICK)[0] == 0
    assert "no image or folder is called 'x.png'" in refused(capsys, "predict", "runs/photos",
                                                             "x.png")
    Path("noise.png").write_bytes(b"\x89PNG no picture")
    assert "noise.png: not a readable image" in refused(capsys, "predict", "runs/photos",
                                                        "noise.png")


def test_changed_data_are_not_resumed_silently(capsys, samples, tmp_path, monkeypatch):
    import shutil

    monkeypatch.chdir(tmp_path)
    shutil.copytree(samples("image-classification"), "photos")
    assert run(capsys, "train", "image-classification", "photos", *QUICK)[0] == 0
    next(Path("photos/cross").iterdir()).unlink()
    assert "differ from those" in refused(capsys, "resume", "runs/photos")
