"""image-segmentation: the layouts of masks, what may be wrong with them, and what is learnt."""

import base64
import io
import json
import zipfile

import numpy
import pytest
import torch
from PIL import Image

from lamina import verbs
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.media import image, masks
from lamina.parts import prepare
from lamina.run import Run
from lamina.scoring import encode_chunk
from lamina.task import Example
from lamina.tasks.image_segmentation import ImageSegmentation


def task_of(**settings) -> ImageSegmentation:
    return ImageSegmentation(ImageSegmentation.Settings.make(settings))


def prepared_task(folder, **settings):
    task = task_of(**settings)
    data = task.read(folder)
    task.facts = task.study(data.train)
    return task, data


def write(folder, count=12, *, names=("images/{}.png", "masks/{}.png"), size=(24, 20), value=1):
    """Bright squares on dark noise and their masks; gives the folder."""
    random = numpy.random.default_rng(0)
    for number in range(count):
        mask = numpy.zeros(size, numpy.uint8)
        top, left = random.integers(2, 10, 2)
        mask[top : top + 8, left : left + 8] = value
        levels = (random.integers(0, 80, size) + 150 * (mask > 0)).astype(numpy.uint8)
        for name, pixels in zip(names, (levels, mask), strict=True):
            path = folder / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(pixels, path)
    return folder


# ---- layouts --------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [
    ("images/{}.png", "masks/{}.png"), ("{}.png", "{}_mask.png"), ("img/{}.bmp", "labels/{}.png"),
    ("JPEGImages/{}.png", "SegmentationClass/{}.png"), ("a/images/{}.png", "a/masks/{}.png")])
def test_masks_are_found_by_their_names(tmp_path, names):
    data = task_of().read(write(tmp_path, names=names))
    assert len([*data.train, *data.validation, *data.test]) == 12
    for example in data.train:
        stem = example.input.path.stem
        assert example.target.path.stem.removesuffix("_mask") == stem


def test_declared_parts_above_or_below_are_kept(tmp_path):
    for part, name in (("train", "train/images"), ("val", "images/val"), ("test", "images/test")):
        write(tmp_path, 3, names=(f"{name}/{part}{{}}.png",
                                  name.replace("images", "masks") + f"/{part}{{}}.png"))
    data = task_of().read(tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3, 3, 3]
    assert all(example.input.path.stem.startswith("val") for example in data.validation)


@pytest.mark.parametrize("form", ["masks/{0}/{1}.png", "masks/{1}/{0}.png"])
def test_a_file_for_each_class(tmp_path, form):
    """A folder of classes for each picture, or a folder of pictures for each class."""
    write(tmp_path)
    for number in range(12):
        path = tmp_path / "masks" / f"{number}.png"
        mask = numpy.asarray(Image.open(path))
        path.unlink()
        for name, layer in (("square", mask), ("stripe", numpy.eye(*mask.shape) > 0)):
            path = tmp_path / form.format(number, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save((layer > 0).astype(numpy.uint8) * 255, path)
    task, data = prepared_task(tmp_path)
    assert task.facts.labels == ["background", "square", "stripe"]
    assert set(task.encode(data.train)["mask"].unique().tolist()) == {0, 1, 2}


def test_zip_and_list_are_read_as_the_folder_is(tmp_path):
    folder = write(tmp_path / "data")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as packed:
        for file in folder.rglob("*.png"):
            packed.write(file, file.relative_to(tmp_path))
    rows = [{"image": f"images/{n}.png", "mask": f"masks/{n}.png",
             "split": "test" if n < 3 else "train"} for n in range(12)]
    found = {}
    for name in ("data", "data.zip"):
        task, data = prepared_task(tmp_path / name)
        found[name] = task.encode(data.train)
    assert all(torch.equal(found["data"][key], found["data.zip"][key]) for key in found["data"])
    (folder / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(task_of().read(folder).test) == 3


def test_masks_of_black_and_white_255_is_the_foreground(tmp_path):
    task, data = prepared_task(write(tmp_path, value=255))
    assert (task.facts.labels, task.facts.values) == (["background", "foreground"], [0, 255])
    assert set(task.encode(data.train)["mask"].unique().tolist()) == {0, 1}


def test_palette_grey_16_bit_and_grey_saved_as_colour_mean_the_same(tmp_path):
    mask = numpy.arange(12).reshape(3, 4) % 5
    (tmp_path / "a.png").write_bytes(masks.png(mask))
    image.save(mask.astype(numpy.uint8), tmp_path / "b.png")
    image.save(mask.astype(numpy.uint8)[:, :, None].repeat(3, 2), tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(masks.png(mask + 300))
    assert Image.open(tmp_path / "a.png").mode == "P"
    for name, offset in (("a", 0), ("b", 0), ("c", 0), ("d", 300)):
        assert (image.indices(masks.Mask(tmp_path / f"{name}.png")) == mask + offset).all()


def test_numbered_objects_are_recognised_and_said_so(tmp_path):
    random = numpy.random.default_rng(0)
    for number in range(30):
        mask = numpy.zeros((40, 40), numpy.uint8)
        for one in range(1 + number // 2):
            mask[2 + 9 * (one // 4) : 9 + 9 * (one // 4), 1 + 9 * (one % 4) : 8 + 9 * (one % 4)] = \
                one + 1
        for name, pixels in (("images", mask * 10 + random.integers(0, 9, mask.shape)),
                             ("masks", mask)):
            (tmp_path / name).mkdir(exist_ok=True)
            image.save(pixels.astype(numpy.uint8), tmp_path / name / f"{number}.png")
    task, data = prepared_task(tmp_path)
    assert any("number objects" in note for note in data.notes)
    assert task.facts.instances and task.facts.labels == ["background", "object"]
    batch = task.encode(data.train)
    assert batch["objects"].max() > 8 and batch["mask"].max() == 1
    assert {"count_error", "object_f1"} <= {metric.name for metric in task.metrics}
    assert not prepared_task(tmp_path, instances="no")[0].facts.instances


def test_a_file_for_each_object_is_recognised_by_names_that_come_once(tmp_path):
    """As the Data Science Bowl 2018 gives them: ID/images/ID.png, ID/masks/HASH.png."""
    random = numpy.random.default_rng(0)
    for number in range(10):
        image.save(random.integers(0, 90, (20, 20)).astype(numpy.uint8), path_of(
            tmp_path / f"id{number}" / "images" / f"id{number}.png"))
        for one in range(3):
            mask = numpy.zeros((20, 20), numpy.uint8)
            mask[6 * one + 1 : 6 * one + 6, 3:9] = 255
            image.save(mask, path_of(tmp_path / f"id{number}" / "masks" / f"{number}x{one}.png"))
    task, data = prepared_task(tmp_path)
    assert task.facts.instances
    assert task.encode(data.train)["objects"].amax((1, 2, 3)).tolist() == [3] * len(data.train)


def path_of(path):
    """The path, in a folder that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


# ---- what may be wrong ----------------------------------------------------------------------


def damaged(task, examples):
    """The lines that name what cannot be used."""
    return encode_chunk(task, examples)[2]


def test_mask_of_another_size_is_named_and_left_out(tmp_path):
    write(tmp_path)
    image.save(numpy.ones((10, 11), numpy.uint8), tmp_path / "masks" / "3.png")
    task, data = prepared_task(tmp_path)
    [line] = damaged(task, [*data.train, *data.validation, *data.test])
    assert "3.png: its mask has 11 by 10 pixels, expected 20 by 24" in line


def test_numbers_that_nobody_declared_are_named(tmp_path):
    write(tmp_path)
    task, data = prepared_task(tmp_path)
    for value, settings in ((9, {}), (1, {"classes": ("paper",), "void": -1})):
        image.save(numpy.full((24, 20), value, numpy.uint8), data.train[0].target.path)
        if settings:
            task.facts = task.Facts(labels=["paper"], values=[0], instances=False, mean=[9.0],
                                    deviation=[9.0])
        assert f"holds {value}, expected 0" in damaged(task, data.train)[0]


def test_pictures_without_masks_and_masks_without_pictures_are_named(tmp_path):
    write(tmp_path)
    (tmp_path / "masks" / "5.png").rename(tmp_path / "masks" / "stray.png")
    notes = task_of().read(tmp_path).notes
    assert "1 pictures without a mask are left out: 5.png" in notes
    assert "1 masks without a picture are left out: stray.png" in notes


def test_masks_that_are_empty_everywhere_are_refused(tmp_path):
    with pytest.raises(UserError, match="hold only 0: expected two numbers or more"):
        prepared_task(write(tmp_path, value=0))


def test_some_empty_masks_are_learnt_from(tmp_path):
    write(tmp_path)
    for number in range(3):
        image.save(numpy.zeros((24, 20), numpy.uint8), tmp_path / "masks" / f"{number}.png")
    task, data = prepared_task(tmp_path)
    assert not damaged(task, [*data.train, *data.validation, *data.test])


@pytest.mark.parametrize(("break_it", "said"), [
    (lambda mask: mask.write_bytes(b"no picture"), "cannot be read: not a readable image"),
    (lambda mask: image.save(numpy.random.default_rng(0).integers(0, 9, (24, 20, 3)).astype("u1"),
                             mask), "expected an indexed or grey picture of labels, got one of RGB"),
])
def test_masks_that_cannot_be_read_are_named(tmp_path, break_it, said):
    task, data = prepared_task(write(tmp_path))
    break_it(data.train[0].target.path)
    assert said in damaged(task, data.train)[0]


def test_blurred_masks_are_refused_with_the_reason(tmp_path):
    write(tmp_path)
    for number in range(12):
        levels = numpy.random.default_rng(number).integers(0, 256, (24, 20)).astype(numpy.uint8)
        image.save(levels, tmp_path / "masks" / f"{number}.png")
    with pytest.raises(UserError, match="JPEG blurs them"):
        prepared_task(tmp_path)


@pytest.mark.parametrize("classes", [("paper",), tuple(map(str, range(300)))])
def test_one_class_or_too_many_are_refused(tmp_path, classes):
    with pytest.raises(UserError, match="expected 2 to 254 classes, got"):
        prepared_task(write(tmp_path), classes=classes)


def test_no_masks_at_all_is_one_line(tmp_path):
    write(tmp_path, names=("images/{}.png", "others/{}.txt.png"))
    with pytest.raises(UserError, match="no pictures with masks; expected images/1.jpg") as caught:
        task_of().read(tmp_path)
    assert "\n" not in str(caught.value)


def test_void_is_neither_learnt_nor_scored(tmp_path):
    task, data = prepared_task(write(tmp_path), width=4)
    batch = task.encode(data.train)
    net = task.start()
    few = {name: values[:4].clone() for name, values in batch.items()}
    torch.manual_seed(0)
    given = task.augment(few)
    [before] = task.learn(net, given)
    changed = {**given, "mask": given["mask"].clone()}
    changed["mask"][:, :, ::2] = 255
    [after] = task.learn(net, changed)
    assert before.loss != after.loss and torch.isfinite(after.loss)
    changed["mask"][:] = 255
    [nothing] = task.learn(net, changed)
    assert nothing.loss == 0
    few["mask"][:] = 255
    rows = task.evaluate(net.eval(), few, data.train[:4])
    assert (rows["pixel_accuracy"] == 0).all() and (rows["dice"] == 1).all()


# ---- sizes ----------------------------------------------------------------------------------


def test_pictures_of_several_sizes_are_answered_at_their_own(tmp_path):
    write(tmp_path, 6)
    write(tmp_path, 6, names=("images/b{}.png", "masks/b{}.png"), size=(33, 47))
    task, data = prepared_task(tmp_path, width=4)
    batch = task.encode(data.train)
    assert batch["image"].shape[2:] == (33, 47)
    small = batch["size"][:, 0] == 24
    assert (batch["mask"][small][:, :, 24:] == 255).all()
    net = task.start().eval()
    for example, answer in zip(data.train, task.answer(net, batch), strict=True):
        assert answer.classes.shape == image.shape(example.input)[:2]
        alone = task.answer(net, task.encode([Example(example.input)]))[0]
        assert (alone.classes == answer.classes).mean() > 0.99


def test_large_pictures_are_scaled_down_with_a_note_and_answered_at_full_size(tmp_path):
    write(tmp_path, size=(60, 90))
    task, data = prepared_task(tmp_path, width=4, longest=30)
    assert any("scaled down to at most 30; --longest 90" in note for note in data.notes)
    batch = task.encode(data.train)
    assert batch["image"].shape[2:] == (20, 30)
    [answer] = task.answer(task.start().eval(), {k: v[:1] for k, v in batch.items()})
    saved = tmp_path / "answer.png"
    answer.save(saved)
    assert Image.open(saved).size == (90, 60)


# ---- learning and answering -----------------------------------------------------------------


def test_it_learns_discs_and_squares(samples, cpu):
    task = task_of(depth=2, batch_size=8)
    parts = prepare(task, samples("image-segmentation"))
    run = Run(task, task.start(), parts.train, machine=cpu, plan=Plan(60), evaluations=1,
              say=lambda line: None)
    for _ in run.train():
        pass
    with torch.inference_mode():
        rows = task.evaluate(run.net.eval(), parts.test.batch, parts.test.examples)
    scores = {metric.name: metric.score(rows[metric.name]) for metric in task.metrics}
    assert scores["dice"] > 0.85
    assert min(scores["iou disc"], scores["iou square"]) > 0.7


def test_answers_are_drawn_and_saved_as_masks_to_learn_from(samples, tmp_path):
    verbs.train("image-segmentation", samples("image-segmentation"), steps="2", width=4,
                run=tmp_path / "run", say=lambda line: None)
    picture = samples("image-segmentation") / "images" / "03.png"
    [answer] = verbs.predict(tmp_path / "run", [str(picture)])
    for name in ("a.png", "a.html", "a.json"):
        answer.save(tmp_path / name)
    values = numpy.asarray(Image.open(tmp_path / "a.png"))
    told = json.loads((tmp_path / "a.json").read_text())
    assert values.shape == (32, 32) and set(numpy.unique(values)) <= {0, 1, 2}
    assert (numpy.asarray(Image.open(io.BytesIO(base64.b64decode(told["png"])))) == values).all()
    assert sum(told["shares"].values()) == pytest.approx(1)
    assert "<img" in (tmp_path / "a.html").read_text()
    with pytest.raises(UserError, match="saved as"):
        answer.save(tmp_path / "a.txt")
    several = list(verbs.predict(tmp_path / "run", [str(samples("image-segmentation"))]))
    assert len(several) == 40, "the masks of a data set are no pictures to answer"
    [why] = verbs.explain(tmp_path / "run", [str(picture)], label="disc", method="occlusion")
    assert why.label == "disc" and why.heat.shape == (32, 32)


@pytest.mark.parametrize("net", ["unet", "fcn"])
def test_probe_tells_the_mean_log_odds_where_a_class_was_found(samples, net):
    task, data = prepared_task(samples("image-segmentation"), net=net, width=4, depth=2)
    model = task.start().eval()
    batch = task.encode(data.train[:2])
    probe = task.probe(model, batch)
    with torch.no_grad():
        logits = model(batch["image"])
        found = probe.outputs(probe.inputs)
    chances, best = logits.softmax(1), logits.argmax(1)
    for place in range(2):
        for label in range(3):
            where = best[place] == label
            expected = torch.logit(chances[place, label][where]).mean() if where.any() else 0.0
            assert float(found[place, label]) == pytest.approx(float(expected), abs=1e-3)
