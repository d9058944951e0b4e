"""What every task promises, tried on its own sample. A new task gets all of this for free."""

import copy
import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch

from lamina import artifact, tasks, verbs
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.run import Run
from lamina.session import Session
from lamina.task import Example, tensors

EVERY = pytest.mark.parametrize("name", tasks.names())
STEPS = 12


def digest(net: torch.nn.Module) -> str:
    """SHA-256 of all weights."""
    found = hashlib.sha256()
    for name, values in sorted(net.state_dict().items()):
        found.update(name.encode() + values.contiguous().reshape(-1).view(torch.uint8)
                     .numpy().tobytes())
    return found.hexdigest()


def run_of(prepared, name, cpu, *, plan=STEPS, folder=None, micro_batches=1, **settings) -> Run:
    task, parts = prepared(name, **{"batch_size": 8, **settings})
    return Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(plan),
               folder=folder, evaluations=2, micro_batches=micro_batches, say=lambda line: None)


def finished(run: Run) -> Run:
    for _ in run.train():
        pass
    return run


def draws(run: Run) -> bool:
    """Whether the losses of a step draw random numbers."""
    batch = run.task.augment(next(run.phases[0].batches))
    before = torch.get_rng_state()
    for _ in run.phases[0].learn(batch):
        pass
    return not torch.equal(torch.get_rng_state(), before)


@EVERY
def test_training_lowers_what_it_yields(name, prepared, cpu):
    """On a few examples alone, some loss falls well below where it began, and none is broken."""
    task, parts = prepared(name)
    few = tensors(parts.train, slice(8))
    run = Run(task, task.start(), few, machine=cpu, plan=Plan(120), evaluations=1,
              say=lambda line: None)
    course: dict[str, list[float]] = {}
    for point in run.train():
        for key, value in (point.losses or {}).items():
            course.setdefault(key, []).append(value)
    assert all(math.isfinite(value) for values in course.values() for value in values)
    assert any(numpy.mean(values[-5:]) < values[0] - 0.1 * abs(values[0])
               for values in course.values()), course


@EVERY
def test_same_seed_gives_the_same_weights_and_another_seed_others(name, prepared, cpu):
    first, again, other = (digest(finished(run_of(prepared, name, cpu, seed=seed)).net)
                           for seed in (1, 1, 2))
    assert first == again
    assert first != other


@EVERY
def test_resumed_run_ends_with_the_weights_of_the_uninterrupted_one(name, prepared, cpu, tmp_path):
    whole = finished(run_of(prepared, name, cpu))
    interrupted = run_of(prepared, name, cpu, folder=tmp_path)
    for point in interrupted.train():
        if point.step == STEPS // 2:
            interrupted.save()
            break
    resumed = run_of(prepared, name, cpu, folder=tmp_path)
    assert resumed.resume()
    assert resumed.step == STEPS // 2
    finished(resumed)
    assert digest(resumed.net) == digest(whole.net)
    assert resumed.best["scores"] == whole.best["scores"]


@EVERY
def test_every_phase_can_be_resumed(name, prepared, cpu, tmp_path):
    whole = finished(run_of(prepared, name, cpu))
    if len(whole.phases) == 1:
        pytest.skip("it has one phase; the test above covers it")
    for step in range(1, STEPS, 3):
        folder = tmp_path / str(step)
        folder.mkdir()
        interrupted = run_of(prepared, name, cpu, folder=folder)
        next(point for point in interrupted.train() if point.step == step)
        interrupted.save()
        resumed = run_of(prepared, name, cpu, folder=folder)
        assert resumed.resume()
        assert digest(finished(resumed).net) == digest(whole.net)


@EVERY
def test_measuring_speed_changes_nothing(name, prepared, cpu):
    from lamina.measure import seconds_per_step

    plain = finished(run_of(prepared, name, cpu))
    measured = run_of(prepared, name, cpu)
    seconds_per_step(measured, 0.1)
    assert digest(finished(measured).net) == digest(plain.net)


@EVERY
def test_loaded_model_answers_as_the_saved_one(name, prepared, cpu, tmp_path):
    run = finished(run_of(prepared, name, cpu))
    net = run.task.exported(run.finish())
    path = tmp_path / "model.safetensors"
    artifact.save(path, run.task, net, {}) if net is run.net else \
        artifact.save(path, run.task, run.net, {})
    model = artifact.load(path, device="cpu", threads=1)
    few = tensors(run.validation.batch, slice(4))
    before = artifact.Model(run.task, net, {}, cpu).answer(few)
    after = model.answer(few)
    assert [answer.to_json() for answer in after] == [answer.to_json() for answer in before]


@EVERY
def test_answers_do_not_depend_on_batch_size_or_order(name, prepared, cpu):
    run = finished(run_of(prepared, name, cpu))
    model = artifact.Model(run.task, run.task.exported(run.finish()), {}, cpu)
    count = min(6, len(run.validation))
    few = tensors(run.validation.batch, slice(count))
    together = [answer.to_json() for answer in model.answer(few)]
    backwards = torch.arange(count - 1, -1, -1)
    reverse = [answer.to_json() for answer in model.answer(tensors(few, backwards))][::-1]
    alone = [model.answer(tensors(few, slice(i, i + 1)))[0].to_json() for i in range(count)]
    for one, other in ((together, reverse), (together, alone)):
        for a, b in zip(one, other, strict=True):
            assert_alike(a, b)


def assert_alike(a, b) -> None:
    """Equal but for rounding in the last digits of numbers, and of one grey level in pictures."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        if "png" in a:
            assert_alike_pictures(a["png"], b["png"])
            return
        for key in a:
            assert_alike(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_alike(one, other)
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-4)
    else:
        assert a == b


def assert_alike_pictures(a: str, b: str) -> None:
    import base64
    import io

    from PIL import Image

    first, second = (numpy.asarray(Image.open(io.BytesIO(base64.b64decode(text)))).astype(int)
                     for text in (a, b))
    assert abs(first - second).max() <= 1


@EVERY
def test_encodes_and_answers_without_targets(name, prepared, cpu):
    task, parts = prepared(name)
    net = task.exported(task.start()).eval()
    bare = [Example(example.input) for example in parts.validation.examples[:3]]
    answers = artifact.Model(task, net, {}, cpu).predict(bare)
    assert len(list(answers)) == 3


@EVERY
def test_micro_batches_learn_like_the_whole_batch(name, prepared, cpu):
    """Where nothing depends on the rest of the batch; rounding apart."""
    task, _ = prepared(name)
    kinds = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.Dropout)
    if any(isinstance(module, kinds) for module in task.start().modules()):
        pytest.skip("batch normalisation and dropout see the batch")
    whole, parts = (run_of(prepared, name, cpu, plan=3, micro_batches=n) for n in (1, 2))
    if len(whole.phases) > 1 or draws(run_of(prepared, name, cpu)):
        pytest.skip("its losses draw numbers for the batch")
    finished(whole), finished(parts)
    for (key, a), b in zip(whole.net.state_dict().items(), parts.net.state_dict().values(),
                           strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=4e-3, msg=lambda text: f"{key}: {text}")


@EVERY
def test_settings_and_facts_round_trip(name, prepared):
    task, _ = prepared(name)
    kind = type(task)
    assert kind.Settings.make(task.settings.to_json()) == task.settings
    assert kind.Facts.make(task.facts.to_json()).to_json() == task.facts.to_json()


@EVERY
def test_unknown_setting_is_named_with_its_nearest(name, samples, tmp_path):
    with pytest.raises(UserError, match="learning_rate"):
        verbs.train(name, samples(name), steps="2", lerning_rate=0.1, run=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@EVERY
def test_bfloat16_runs_where_the_task_allows_it(name, prepared, cpu):
    if "bfloat16" not in tasks.find(name).precisions:
        pytest.skip("the task learns in float32 only")
    run = run_of(prepared, name, cpu, plan=4)
    run.machine = replace(run.machine, precision="bfloat16")
    finished(run)
    assert all(math.isfinite(value) for value in run.best["scores"].values())


@EVERY
def test_damaged_example_is_named_and_left_out(name, samples, tmp_path):
    """Where the data are files or rows: one of them is overwritten with noise."""
    source = samples(name)
    kind = tasks.find(name)
    task = kind(kind.Settings())
    data = task.read(source)
    files = [example.input for example in data.train if hasattr(example.input, "path")]
    if len(files) < 21:
        pytest.skip("its examples are not one file each")
    import shutil

    shutil.copytree(source, tmp_path / "data")
    victim = tmp_path / "data" / files[5].path.relative_to(source)
    victim.write_bytes(b"this is no picture")
    trained = verbs.train(name, tmp_path / "data", steps="2", run=tmp_path / "run",
                          say=lambda line: None)
    assert any(victim.name in line for line in trained.report["data"]["damaged"])


@EVERY
def test_every_verb_works_on_the_sample(name, samples, tmp_path):
    """train, evaluate, predict, report, compare: from data to a report that has its parts."""
    run = tmp_path / "run"
    trained = verbs.train(name, samples(name), steps="4", run=run, say=lambda line: None)
    document = trained.report
    assert document["scores"] and document["baselines"]
    for score in document["scores"]:
        assert score["low"] <= score["value"] <= score["high"] or score["n"] < 20
        assert score["n"] == document["data"]["test"]
    assert (run / "report.html").stat().st_size > 1000
    assert verbs.report(run) == document
    again = verbs.evaluate(run)
    assert [s["value"] for s in again] == pytest.approx([s["value"] for s in document["scores"]],
                                                        rel=1e-4)
    other = verbs.train(name, samples(name), steps="5", run=tmp_path / "other",
                        say=lambda line: None)
    assert all(line["sentence"] for line in verbs.compare(run, other.folder))


@EVERY
def test_repeat_command_gives_the_same_model(name, samples, tmp_path):
    import json
    import shlex

    from lamina import cli

    first = verbs.train(name, samples(name), steps="3", seed=5, run=tmp_path / "a",
                        say=lambda line: None)
    words = shlex.split(json.loads((first.folder / "settings.json").read_text())["repeat"])
    assert cli.main([*words[1:], "--run", str(tmp_path / "b")]) == 0
    documents = [json.loads((tmp_path / run / "report.json").read_text()) for run in "ab"]
    assert documents[0]["scores"] == documents[1]["scores"]
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def weights(run: Path) -> str:
    return digest(artifact.load(run, device="cpu").net)


@EVERY
def test_run_folder_of_another_task_is_refused(name, samples, tmp_path):
    other = next(task for task in tasks.names() if task != name)
    verbs.train(name, samples(name), steps="1", run=tmp_path / "run", say=lambda line: None)
    with pytest.raises(UserError, match=f"run of {name}"):
        verbs.train(other, samples(other), steps="1", run=tmp_path / "run")


@EVERY
def test_net_builds_without_memory(name, prepared):
    """Settings of a hostile model file are tried on the meta device first."""
    task, _ = prepared(name)
    with torch.device("meta"):
        net = task.exported(task.build())
    assert {n: v.shape for n, v in net.state_dict().items()} == \
        {n: v.shape for n, v in task.exported(task.start()).state_dict().items()}


@EVERY
def test_answering_leaves_the_net_as_it_was(name, prepared, cpu):
    task, parts = prepared(name)
    net = task.exported(task.start()).eval()
    before = copy.deepcopy(net.state_dict())
    artifact.Model(task, net, {}, cpu).answer(tensors(parts.validation.batch, slice(2)))
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_session_is_one_class_for_all():
    """No task has a loop, a session or an optimizer step of its own."""
    folder = Path(tasks.__file__).parent
    for file in folder.glob("*.py"):
        assert ".backward(" not in file.read_text(), file
        assert "optimizer.step(" not in file.read_text(), file
    assert Session
