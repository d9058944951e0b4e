"""The formats of boxes: a plain list, COCO's JSON, Pascal VOC's XML, YOLO's text files.

Each reader takes all files, an index of the pictures among them (`Pictures`) and a list of faults
(`Found`); it yields what it finds (`Annotated`), and nothing where the files are of another format.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from lamina.media import manifest
from lamina.media.boxes import Annotated, Box, Boxes, Found, Pictures, corners
from lamina.media.files import File, unpacked

PART = re.compile(r"(?<![a-z])(train|training|val|valid|validation|dev|test|testing)(?![a-z])")
NAMES = re.compile(r"^names:\s*(\[.*?\]|(?:\n\s*(?:-|\d+\s*:).*)+)", re.MULTILINE | re.DOTALL)


def part_of(file: File) -> str | None:
    """The part that a file's name or a folder above it declares: instances_val2017.json, train/."""
    for name in reversed(file.parts):
        if found := PART.search(name.lower()):
            return manifest.SPLIT_WORDS[found[1]]
    return None


# ---- the plain format -----------------------------------------------------------------------

def listed(files: Sequence[File], pictures: Pictures, found: Found) -> Iterator[Annotated]:
    """Rows such as {"image": "a.png", "boxes": [{"label": "dog", "box": [8, 20, 51, 77]}]}."""
    for file in files:
        if not file.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson")):
            continue
        rows = manifest.rows(file)
        if not any("boxes" in row for row in rows):
            continue
        declared = manifest.split_in_name(file.parts[-1])
        for number, row in enumerate(rows, 1):
            try:
                yield _row(row, file, declared)
            except KeyError as reason:
                found.damaged.append(f"{file}: " + (
                    row.get("") or f"row {number} has no {reason}, or one of its boxes has none"))
            except (ValueError, TypeError, AttributeError) as reason:
                found.damaged.append(f"{file}, row {number}: {reason}; expected boxes as "
                                     '{"label": "dog", "box": [left, top, right, bottom]}')


def _row(row: dict, file: File, declared: str | None) -> Annotated:
    listed = row["boxes"]
    if isinstance(listed, str):  # from Parquet or CSV
        listed = json.loads(listed)
    picture = manifest.resolve(str(row["image"]), file)
    boxes = Boxes(tuple(corners(one["box"]) for one in listed),
                  tuple(str(one["label"]) for one in listed),
                  tuple(bool(one.get("crowd")) for one in listed))
    group = None if row.get("group") in (None, "") else str(row["group"])
    return Annotated(picture, picture.name, boxes, manifest.split_of(row.get("split")) or declared,
                     group)


# ---- COCO -----------------------------------------------------------------------------------

def coco(files: Sequence[File], pictures: Pictures, found: Found) -> Iterator[Annotated]:
    """One JSON file a part, with images, annotations and categories (Lin et al. 2014)."""
    lists = [file for file in files if file.name.lower().endswith((".json", ".json.gz"))]
    # the same pictures' keypoints and captions lie beside the instances
    chosen = [file for file in lists if file.parts[-1].startswith("instances")] or lists
    for file in chosen:
        try:
            known = json.loads(unpacked(file))
        except (ValueError, OSError) as reason:
            raise ValueError(f"{file} is no readable JSON ({reason})") from None
        if isinstance(known, dict) and {"images", "annotations", "categories"} <= known.keys():
            yield from _coco(file, known, pictures, found)


def _coco(file: File, known: dict, pictures: Pictures, found: Found) -> Iterator[Annotated]:
    try:
        labels = {one["id"]: str(one["name"]) for one in known["categories"]}
        boxes = defaultdict(list)
        for one in known["annotations"]:
            left, top, width, height = map(float, one["bbox"])
            boxes[one["image_id"]].append(((left, top, left + width, top + height),
                                           labels[one["category_id"]], bool(one.get("iscrowd"))))
        images = [(one["file_name"], one["id"], (int(one.get("width", 0)), int(one.get("height", 0))
                                                 )) for one in known["images"]]
    except (KeyError, TypeError, ValueError) as reason:
        raise ValueError(f"{file} is not as COCO's files are: {reason!r}") from None
    for name, number, size in images:
        picture = pictures.named(name, file)
        if picture is None:
            found.damaged.append(f"{name}: listed in {file}, but there is no such picture")
            continue
        yield Annotated(picture, picture.name, Boxes(*_columns(boxes[number])), part_of(file), None,
                        size)


def _columns(boxes: Sequence[tuple]) -> Sequence[tuple]:
    return list(zip(*boxes, strict=True)) or ((), (), ())


# ---- Pascal VOC -----------------------------------------------------------------------------

def voc(files: Sequence[File], pictures: Pictures, found: Found) -> Iterator[Annotated]:
    """One XML file a picture; ImageSets/Main/train.txt, val.txt and test.txt may declare parts.

    (Everingham et al. 2010.) Objects that are marked difficult count as a crowd.
    """
    declared = _image_sets(files)
    seen = set()
    for file in (file for file in files if file.name.lower().endswith(".xml")):
        stem = Path(file.parts[-1]).stem
        seen.add(stem)
        try:
            root = ElementTree.fromstring(file.read())
            if root.tag != "annotation":
                continue
            boxes = Boxes(*_columns([_object(one) for one in root.iter("object")]))
            size = tuple(int(float(root.findtext(f"size/{side}") or 0))
                         for side in ("width", "height"))
        except (ElementTree.ParseError, ValueError, OSError) as reason:
            found.damaged.append(f"{file}: not readable as an annotation ({reason})")
            continue
        picture = pictures.like(file) or pictures.named(root.findtext("filename") or "", file)
        if picture is None:
            found.damaged.append(f"{file}: there is no picture of that name")
            continue
        yield Annotated(picture, picture.name, boxes, declared.get(stem) if declared else
                        part_of(file), None, size)
    if seen:
        found.damaged += [f"{stem}: listed in ImageSets, but it has no XML file"
                          for stem in declared if stem not in seen]


def _object(one: ElementTree.Element) -> tuple[Box, str, bool]:
    label = (one.findtext("name") or "").strip()
    sides = [one.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
    if not label or None in sides:
        raise ValueError("an object has no name or no bndbox of xmin, ymin, xmax and ymax")
    return corners(sides), label, (one.findtext("difficult") or "0").strip() == "1"


def _image_sets(files: Sequence[File]) -> dict[str, str]:
    """The part of each picture's name, as the lists in ImageSets declare it."""
    lists = {Path(file.parts[-1]).stem: file for file in files
             if "ImageSets" in file.parts and file.parts[-1].endswith(".txt")}
    if "train" not in lists and "trainval" in lists:
        lists["train"] = lists["trainval"]
    return {line.split()[0]: manifest.SPLIT_WORDS[name] for name in ("train", "val", "test")
            if name in lists for line in lists[name].read().decode().splitlines() if line.strip()}


# ---- YOLO -----------------------------------------------------------------------------------

def yolo(files: Sequence[File], pictures: Pictures, found: Found) -> Iterator[Annotated]:
    """One text file a picture, a line a box: class x y width height, as fractions of the picture.

    x, y: of the centre. More numbers are the corners of a polygon. The classes' names are in
    data.yaml, classes.txt, a .names file or a JSON object from number to name.
    """
    names = _class_names(files)
    for file in (file for file in files if file.name.lower().endswith(".txt")):
        picture = pictures.like(file)
        try:
            lines = [line.split() for line in file.read().decode().splitlines() if line.strip()]
            boxes = [_fractions(line, number, names) for number, line in enumerate(lines, 1)]
        except (ValueError, OSError) as reason:
            if picture is not None:  # else it is some other text
                found.damaged.append(f"{file}: {reason}")
            continue
        if picture is None:
            if boxes:
                found.damaged.append(f"{file}: there is no picture of that name")
            continue
        yield Annotated(picture, picture.name, Boxes(*_columns(boxes)), part_of(picture),
                        relative=True)


def _fractions(line: Sequence[str], number: int, names: dict[int, str]) -> tuple[Box, str, bool]:
    try:
        kind, values = int(line[0]), [float(word) for word in line[1:]]
    except ValueError:
        values = []
    if len(values) == 4:
        x, y, width, height = values
        box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    elif len(values) >= 6 and len(values) % 2 == 0:
        box = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    else:
        raise ValueError(f"line {number}: expected class x y width height, got {' '.join(line)!r}")
    return box, names.get(kind, str(kind)), False


def _class_names(files: Sequence[File]) -> dict[int, str]:
    for file in files:
        name = file.parts[-1].lower()
        if name.endswith((".names", "classes.txt")):
            return dict(enumerate(line.strip() for line in file.read().decode().splitlines()))
        if name in ("data.yaml", "data.yml", "dataset.yaml"):
            if found := NAMES.search(file.read().decode().replace("\r", "")):
                return dict(enumerate(_listed_names(found[1])))
        if name.endswith("classes.json"):
            return {int(key): str(value) for key, value in json.loads(file.read()).items()}
    return {}


def _listed_names(text: str) -> list[str]:
    """The names of [a, b], of lines "- a" and of lines "0: a"."""
    parts = text.strip("[] \n").split(",") if text.startswith("[") else \
        [re.sub(r"^\s*(-|\d+\s*:)", "", line) for line in text.strip("\n").splitlines()]
    return [part.strip().strip("'\"") for part in parts]
