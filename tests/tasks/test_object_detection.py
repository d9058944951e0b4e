"""Detectors find the sample's shapes, and odd pictures are answered rather than broken by."""

import json

import numpy
import pytest
import torch

from lamina import artifact, datasets, explanations, keys, scoring, tasks
from lamina.answers.boxes import Detections
from lamina.budget import Plan
from lamina.device import machine
from lamina.errors import UserError
from lamina.media import image
from lamina.media.boxes import Boxes
from lamina.metrics import detection as metrics
from lamina.nets import boxes
from lamina.parts import prepare
from lamina.run import Run
from lamina.task import Example
from lamina.tasks.object_detection import ObjectDetection, Settings, shapes_on_paper

SMALL = {"width": 8, "batch_size": 8}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A data set of shapes with parts."""
    folder = tmp_path_factory.mktemp("shapes")
    random = keys.numpy_generator(1, "shapes")
    lines = []
    for number in range(100):
        pixels, things = shapes_on_paper(random)
        image.save(pixels, folder / f"{number}.png")
        part = "train" if number < 76 else "val" if number < 88 else "test"
        lines.append(json.dumps({"image": f"{number}.png", "boxes": things, "split": part}))
    (folder / "boxes.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def trained(shapes):
    """Both nets, learnt in a few seconds: the task, its data and the model."""
    made = {}
    for net in ("single-stage", "two-stage"):
        task = ObjectDetection(Settings(net=net, mosaic=0.0, learning_rate=5e-3, confidence=0.3,
                                        **SMALL))
        parts = prepare(task, shapes)
        place = machine(device="cpu", threads=1)
        run = Run(task, task.start(), parts.train, machine=place, plan=Plan(90),
                  say=lambda line: None)
        for _ in run.train():
            pass
        made[net] = parts, artifact.Model(task, run.finish(), {}, place)
    return made


def task_of(shapes, **settings) -> tuple[ObjectDetection, object]:
    task = ObjectDetection(Settings(**SMALL, **settings))
    data = task.read(shapes)
    task.facts = task.study(data.train)
    return task, data


@pytest.mark.parametrize("net", ["single-stage", "two-stage"])
def test_both_nets_learn_where_things_are(net, trained):
    """Copying the nearest training picture gives less than half of it."""
    parts, model = trained[net]
    rows = scoring.rows(model.task, model.net, parts.test, model.machine)
    score = metrics.map50(rows["map50"])
    copied = model.task.baselines(parts.data.train, parts.test.examples)
    assert score >= 0.4
    assert all(metrics.map50(one["map50"]) < score / 2 for one in copied.values())


def test_answers_of_any_size_and_shape_lie_in_their_picture(trained, shapes, tmp_path):
    _, model = trained["single-stage"]
    for size in ((30, 200), (200, 30), (64, 64), (500, 400)):
        pixels = image.decode(image.given([str(shapes / "0.png")])[0], size=size)
        [answer] = model.with_settings({"confidence": 0.0}).predict([Example(pixels)])
        assert answer.size == size and answer.boxes
        edges = numpy.array(answer.boxes)
        assert edges.min() >= 0 and (edges[:, 2] <= size[1]).all() and (edges[:, 3] <= size[0]).all()


def test_answer_of_a_picture_twice_as_large_is_twice_as_large(trained, shapes):
    _, model = trained["single-stage"]
    given = image.decode(image.given([str(shapes / "90.png")])[0])
    twice = given.repeat(2, 0).repeat(2, 1)
    one, other = (torch.tensor(answer.boxes) for answer in model.with_settings(
        {"confidence": 0.2}).predict([Example(given), Example(twice)]))
    assert len(one) and boxes.iou(2 * one, other).amax(1).min() > 0.7


def test_empty_picture_gives_no_box_and_that_is_an_answer(trained, tmp_path):
    _, model = trained["two-stage"]
    [answer] = model.predict([Example(numpy.full((64, 64, 3), 225, numpy.uint8))])
    assert answer.line() == "no box" and answer.to_json()["boxes"] == []
    answer.save(tmp_path / "a.png")


def test_answer_is_drawn_and_saved(tmp_path):
    answer = Detections([(10.0, 10.0, 40.0, 30.0)], ["cat"], [0.9], (60, 80), ("cat", "dog"),
                        numpy.zeros((30, 40, 3), numpy.uint8), Boxes(((1, 1, 5, 5),), ("dog",), (
                            False,)))
    assert answer.line() == "1 cat (up to 90%)"
    for suffix in ("png", "html", "svg", "json", "jpg"):
        answer.save(tmp_path / f"a.{suffix}")
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["boxes"] == [{"label": "cat", "score": 0.9, "box": [10, 10, 40, 30]}]
    assert "stroke-dasharray" in answer.html() and "cat 90%" in answer.html()
    with pytest.raises(UserError, match="saved as .json"):
        answer.save(tmp_path / "a.txt")


def test_boxes_of_a_picture_come_back_from_the_batch(shapes):
    """What is encoded, decoded: the truth in an answer is the example's, whatever the frame."""
    task, data = task_of(shapes, size=32)
    batch = task.encode(data.test)
    [*answers] = task.answer(task.start().eval(), batch)
    for answer, example in zip(answers, data.test, strict=True):
        assert answer.truth.labels == example.target.labels
        numpy.testing.assert_allclose(answer.truth.boxes, example.target.boxes, atol=1e-4)


def test_labels_that_training_lacks_are_named_and_not_scored(shapes, tmp_path):
    rows = [json.loads(line) for line in (shapes / "boxes.jsonl").read_text().splitlines()]
    for row in rows:
        row["image"] = str(shapes / row["image"])
    rows[-1]["boxes"] = [{"label": "elephant", "box": [1, 1, 30, 30]}]
    (tmp_path / "boxes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task, data = task_of(tmp_path)
    assert any("1 boxes have labels that the training part does not have (elephant)" in note
               for note in data.notes)
    batch = task.encode(data.test)
    rows = task.evaluate(task.start().eval(), batch, data.test)
    assert rows["map50"][-1, :3].sum() == 0 and (batch["label"][-1] == -1).all()


def test_no_box_at_all_is_refused(shapes, tmp_path):
    (tmp_path / "boxes.jsonl").write_text("\n".join(
        json.dumps({"image": str(shapes / f"{number}.png"), "boxes": []}) for number in range(30)))
    with pytest.raises(UserError, match="no training picture has a box"):
        ObjectDetection(Settings()).read(tmp_path)


def test_perfect_answers_have_perfect_scores(shapes):
    task, data = task_of(shapes)
    answers = [Detections(list(one.target.boxes), list(one.target.labels),
                          [1.0] * len(one.target.boxes), (64, 64), task.facts.labels,
                          numpy.zeros((1, 1, 3), numpy.uint8)) for one in data.test]
    rows = task.rows(answers, data.test)
    found = {metric.name: metric.score(rows[metric.name]) for metric in task.metrics}
    assert found.pop("mistakes") == 0 and set(found.values()) == {1.0}


def test_start_from_an_image_classifier(shapes, tmp_path):
    """It takes the filters over, and the mean of the weights starts with them."""
    facts = {"labels": ["dark", "light"], "size": 96, "channels": 3, "mean": [0.5] * 3,
             "deviation": [0.2] * 3}
    kind = tasks.find("image-classification")
    classifier = kind(kind.Settings(width=8), kind.Facts.make(facts))
    other = classifier.start()
    other.updates.fill_(1000)  # as after a training
    artifact.save(tmp_path / "model.safetensors", classifier, other, {})
    task, data = task_of(shapes)
    net = task.start()
    assert "tensors taken over" in artifact.start_from(task.exported(net), tmp_path)
    list(task.phases(net, task.encode(data.train[:8])))
    for name in ("body.features.6.weight", "mean"):
        assert torch.equal(net.net.state_dict()[name], other.net.state_dict()[name])
        assert torch.equal(net.averages()[name], other.net.state_dict()[name])
    assert net.updates == 0


@pytest.mark.parametrize("net", ["single-stage", "two-stage"])
def test_explanation_looks_at_the_thing_and_not_at_the_paper(net, trained, tmp_path):
    _, model = trained[net]
    pixels = numpy.full((64, 64, 3), 225, numpy.uint8)
    pixels[36:58, 36:58] = (40, 60, 120)
    [found] = explanations.explain(model, [Example(pixels)], method="occlusion", label="square")
    heat = found.heat
    assert numpy.isfinite(heat).all() and abs(heat[32:, 32:]).sum() > abs(heat[:32, :32]).sum()


@pytest.mark.parametrize("name", ["bccd", "coco-mini"])
def test_named_data_sets_are_read(name, monkeypatch):
    try:
        path = datasets.find(name, offline=True)
    except UserError:
        pytest.skip(f"{name} is not in LAMINA_DATA")
    data = ObjectDetection(Settings()).read(path)
    counts = len(data.train), len(data.validation), len(data.test)
    if name == "bccd":
        assert counts == (205, 87, 72) and "as declared" in data.how
        assert sum(len(example.target.boxes) for part in (data.train, data.validation, data.test)
                   for example in part) == 4888 - 2  # two have no area
    else:
        assert counts[0] + counts[1] + counts[2] == 159
        assert any("labels that the training part does not have" in note for note in data.notes)
