"""Boxes are read alike from every format, and what is wrong with them is named."""

import json
import zipfile
from pathlib import Path

import numpy
import pytest

from lamina.media import annotated, image, letterbox, outlines
from lamina.media.boxes import Boxes
from lamina.media.outlines import Outline

SIZE = 80, 60  # width, height
EXPECTED = {"a": Boxes(((8.0, 6.0, 40.0, 30.0), (10.0, 12.0, 70.0, 54.0)), ("cat", "dog"),
                       (False, False)),
            "b": Boxes()}


def picture(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(numpy.full((size[1], size[0], 3), 90, numpy.uint8), path)


def xml(boxes: Boxes, *, size: tuple[int, int] = SIZE, difficult: int = 0) -> str:
    things = "".join(
        f"<object><name>{label}</name><difficult>{difficult}</difficult><bndbox><xmin>{box[0]}"
        f"</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
        for box, label in zip(boxes.boxes, boxes.labels, strict=True))
    return (f"<annotation><filename>x.png</filename><size><width>{size[0]}</width><height>{size[1]}"
            f"</height></size>{things}</annotation>")


def voc(folder: Path) -> Path:
    for name, boxes in EXPECTED.items():
        picture(folder / "JPEGImages" / f"{name}.png")
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{name}.xml").write_text(xml(boxes))
    sets = folder / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    for part, name in (("train", "a"), ("val", "b"), ("trainval", "a\nb")):
        (sets / f"{part}.txt").write_text(name + "\n")
    return folder


def coco(folder: Path) -> Path:
    known = {"train": "a", "val": "b"}
    (folder / "annotations").mkdir(parents=True)
    for part, name in known.items():
        picture(folder / "images" / f"{name}.png")
        boxes = [{"image_id": 1, "category_id": {"cat": 3, "dog": 9}[label],
                  "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}
                 for box, label in zip(EXPECTED[name].boxes, EXPECTED[name].labels, strict=True)]
        (folder / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(
            {"images": [{"id": 1, "file_name": f"{name}.png", "width": 80, "height": 60}],
             "annotations": boxes,
             "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}]}))
        (folder / "annotations" / f"captions_{part}2017.json").write_text("{}")
    return folder


def yolo(folder: Path) -> Path:
    for part, name in (("train", "a"), ("val", "b")):
        picture(folder / "images" / part / f"{name}.png")
        (folder / "labels" / part).mkdir(parents=True)
        (folder / "labels" / part / f"{name}.txt").write_text("".join(
            f"{['cat', 'dog'].index(label)} {(box[0] + box[2]) / 160} {(box[1] + box[3]) / 120} "
            f"{(box[2] - box[0]) / 80} {(box[3] - box[1]) / 60}\n"
            for box, label in zip(EXPECTED[name].boxes, EXPECTED[name].labels, strict=True)))
    (folder / "data.yaml").write_text("nc: 2\nnames:\n  0: cat\n  1: 'dog'\ntrain: images/train\n")
    return folder


def listed(folder: Path) -> Path:
    for part, name in (("train", "a"), ("val", "b")):
        picture(folder / "pictures" / f"{name}.png")
        boxes = [{"label": label, "box": box} for box, label in
                 zip(EXPECTED[name].boxes, EXPECTED[name].labels, strict=True)]
        (folder / f"{part}.jsonl").write_text(
            json.dumps({"image": f"pictures/{name}.png", "boxes": boxes}) + "\n")
    return folder


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("write", [voc, coco, yolo, listed])
def test_every_format_gives_the_same_boxes(write, packed, tmp_path):
    path = write(tmp_path / "data")
    if packed:
        with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
            for file in sorted(path.rglob("*")):
                archive.write(file, file.relative_to(path))
        path = tmp_path / "data.zip"
    found = annotated.read(path)
    assert not found.damaged and not found.notes
    for item in found.items:
        name = Path(item.input.name).stem
        assert item.split == {"a": "train", "b": "validation"}[name]
        assert item.target.labels == EXPECTED[name].labels
        numpy.testing.assert_allclose(numpy.array(item.target.boxes).reshape(-1, 4),
                                      numpy.array(EXPECTED[name].boxes).reshape(-1, 4), atol=1e-9)
    assert len(found.items) == 2


def test_one_list_may_be_given_instead_of_its_folder(tmp_path):
    path = coco(tmp_path / "data") / "annotations" / "instances_val2017.json"
    assert [str(item.target) for item in annotated.read(path).items] == ["no box"]
    path = listed(tmp_path / "list") / "train.jsonl"
    assert [str(item.target) for item in annotated.read(path).items] == ["1 cat, 1 dog"]


@pytest.mark.parametrize("text, names", [
    ("names: [cat, 'dog']\n", ["cat", "dog"]),
    ("names:\n- cat\n- \"dog\"\nnc: 2\n", ["cat", "dog"]),
    ("path: x\nnames:\n  0: cat\n  1: dog\n", ["cat", "dog"])])
def test_class_names_of_yolo(text, names, tmp_path):
    yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(text)
    assert list(annotated.read(tmp_path).items[0].target.labels) == names


# ---- what may be wrong ----------------------------------------------------------------------

def test_boxes_are_cut_and_left_out_by_name(tmp_path):
    voc(tmp_path)
    wrong = Boxes(((-5.0, 2, 20, 30), (10, 10, 10, 40), (90, 5, 120, 40), (30, 40, 20, 50)),
                  ("cat",) * 4, (False,) * 4)
    (tmp_path / "Annotations" / "a.xml").write_text(xml(wrong))
    found = annotated.read(tmp_path)
    assert found.items[0].target.boxes == ((0.0, 2.0, 20.0, 30.0),)
    notes = "\n".join(found.notes)
    for said in ("1 boxes reach out of their picture", "2 boxes have no area",
                 "1 boxes lie outside", "JPEGImages/a.png"):
        assert said in notes


@pytest.mark.parametrize("text, said", [
    (xml(EXPECTED["a"], size=(60, 80)), "for 60 by 80 pixels, the picture has 80 by 60"),
    ("<annotation><object><name>cat</name></object></annotation>", "no name or no bndbox"),
    ("<annotation><obj", "not readable as an annotation")])
def test_wrong_xml_is_named_and_left_out(text, said, tmp_path):
    voc(tmp_path)
    (tmp_path / "Annotations" / "a.xml").write_text(text)
    found = annotated.read(tmp_path)
    assert len(found.items) == 1 and len(found.damaged) == 1 and said in found.damaged[0]
    assert "a." in found.damaged[0]


def test_missing_xml_and_missing_picture_are_named(tmp_path):
    voc(tmp_path)
    (tmp_path / "Annotations" / "a.xml").unlink()
    found = annotated.read(tmp_path)
    assert found.damaged == ["a: listed in ImageSets, but it has no XML file"]
    assert "1 pictures have no annotation and are left out" in found.notes[0]
    (tmp_path / "JPEGImages" / "b.png").unlink()
    (tmp_path / "Annotations" / "a.xml").write_text(xml(EXPECTED["a"]))
    assert "there is no picture of that name" in annotated.read(tmp_path).damaged[0]


def test_wrong_lines_are_named_and_other_texts_are_none(tmp_path):
    yolo(tmp_path)
    (tmp_path / "README.txt").write_text("not a label\n")
    (tmp_path / "labels" / "val" / "b.txt").write_text("0 0.5 0.5 0.1\n")
    (tmp_path / "labels" / "val" / "gone.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    damaged = "\n".join(annotated.read(tmp_path).damaged)
    assert "b.txt: line 1: expected class x y width height, got '0 0.5 0.5 0.1'" in damaged
    assert "gone.txt: there is no picture of that name" in damaged and "README" not in damaged


def test_rows_without_boxes_are_named(tmp_path):
    path = listed(tmp_path) / "train.jsonl"
    path.write_text(path.read_text() + '{"image": "pictures/a.png"}\nno json\n'
                    '{"image": "pictures/a.png", "boxes": [{"label": "cat", "box": [1, 2]}]}\n')
    first, second, third = annotated.read(tmp_path).damaged
    assert "row 2 has no 'boxes'" in first and "line 3" in second and "2 numbers" in third


def test_pictures_alone_are_refused_with_what_was_expected(tmp_path):
    picture(tmp_path / "a.png")
    with pytest.raises(ValueError, match="1 pictures and no boxes; expected a .jsonl list"):
        annotated.read(tmp_path)


def test_difficult_objects_and_crowds_are_marked(tmp_path):
    voc(tmp_path)
    (tmp_path / "Annotations" / "a.xml").write_text(xml(EXPECTED["a"], difficult=1))
    assert annotated.read(tmp_path).items[0].target.crowd == (True, True)


# ---- frames and drawings --------------------------------------------------------------------

def test_frame_has_the_usual_proportions():
    assert letterbox.frame([(480, 640, 3)] * 3, 320) == (256, 320)
    assert letterbox.frame([(480, 640, 3)] * 3, 256) == (192, 256)
    assert letterbox.frame([(640, 480, 3), (480, 640, 3), (500, 500, 3)], 128) == (128, 128)
    assert letterbox.frame([(64, 64, 3)], 320) == (64, 64)


def test_tall_picture_is_not_distorted():
    pixels = numpy.zeros((200, 100, 3), numpy.uint8)
    framed, size = letterbox.framed(pixels, (64, 96), (10, 20, 30))
    assert size == (200, 100) and framed.shape == (64, 96, 3)
    assert (framed[:, :32] == 0).all() and (framed[:, 32:] == (10, 20, 30)).all()


def test_outlines_are_where_the_boxes_are():
    pixels = numpy.full((300, 400, 1), 200, numpy.uint8)
    shown = outlines.drawn(pixels, (600, 800), [Outline((100, 200, 300, 500), "", "#ff0000")])
    red = (shown == (255, 0, 0)).all(2)
    assert shown.shape == (600, 800, 3)
    assert [*map(int, numpy.argwhere(red).min(0)), *map(int, numpy.argwhere(red).max(0))] == \
        [200, 100, 500, 300]
    text = outlines.svg(pixels, (600, 800), [Outline((1, 2, 3, 4), "<cat>", "#ff0000")])
    assert "&lt;cat&gt;" in text and 'viewBox="0 0 800 600"' in text
