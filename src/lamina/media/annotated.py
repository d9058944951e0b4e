"""Pictures with boxes around the things in them, in the formats that people have.

JSON lines as `lamina sample` writes them, COCO's JSON, Pascal VOC's XML and YOLO's text files, in a
folder, in an archive, or in a folder beside an archive of the pictures.
"""

import math
from collections import defaultdict
from pathlib import Path

from lamina.media import box_formats, image
from lamina.media.boxes import Annotated, Boxes, Found, Pictures
from lamina.media.files import ARCHIVES, File, is_archive, listing
from lamina.media.manifest import Item

FORMATS = (("list", box_formats.listed), ("COCO", box_formats.coco), ("VOC", box_formats.voc),
           ("YOLO", box_formats.yolo))
EXPECTED = ("expected a .jsonl list with image and boxes, COCO's .json, Pascal VOC's .xml or "
            "YOLO's .txt files beside the pictures")


def read(path: Path) -> Found:
    """The pictures with boxes that a path means; ValueError: there are none, or in no known format.
    """
    files = everything(path)
    pictures = Pictures([file for file in files if is_picture(file)])
    found = Found()
    for name, reader in FORMATS:
        if not (annotated := list(reader(files, pictures, found))) and not found.damaged:
            continue
        faults: dict[str, list[str]] = defaultdict(list)
        for one in annotated:
            try:
                found.items.append(checked(one, faults))
            except ValueError as reason:
                found.damaged.append(f"{one.name}: {reason}")
        found.notes += [f"{len(names):,} boxes {what}; the first in {names[0]}"
                        for what, names in faults.items()]
        if not found.items:
            raise ValueError(f"{path}: nothing of the {name} format can be used: "
                             f"{found.damaged[0]}")
        left = pictures.count - len(annotated)
        if left > 0 and name != "list":
            found.notes.append(f"{left:,} pictures have no annotation and are left out; one "
                               "without boxes needs an empty one")
        return found
    raise ValueError(f"{path} holds {pictures.count:,} pictures and no boxes; {EXPECTED}")


def everything(path: Path) -> list[File]:
    """The files of a folder and of the archives in it; of a single file those around it."""
    if path.is_file() and not is_archive(path):
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
        around = [file for file in everything(root) if is_picture(file)]
        return [File(path), *around]
    files = listing(path)
    packed = [file for file in files if file.member is None
              and file.name.lower().endswith(ARCHIVES) and is_archive(file.path)]
    return files + [inside for file in packed if path.is_dir() for inside in listing(file.path)]


def is_picture(file: File) -> bool:
    """Whether the name says that it is one."""
    return file.name.lower().endswith(image.SUFFIXES)


# ---- what may be wrong ----------------------------------------------------------------------

def checked(one: Annotated, faults: dict[str, list[str]]) -> Item:
    """The example, its boxes in pixels and cut at the picture's edges.

    faults: what was wrong with boxes, and the names of the pictures that have them. ValueError: the
    annotation is of a picture of another size.
    """
    try:
        height, width, _ = image.shape(one.picture)
    except (OSError, ValueError):  # named when it is encoded
        return Item(one.picture, one.boxes, one.group, one.split)
    if one.size and min(one.size) > 0 and one.size != (width, height):
        raise ValueError(f"its annotation is for {one.size[0]} by {one.size[1]} pixels, the "
                         f"picture has {width} by {height}; scale the boxes, or give the picture "
                         "they are for")
    kept = []
    across, down = (width, height) if one.relative else (1, 1)
    for box, label, crowd in zip(one.boxes.boxes, one.boxes.labels, one.boxes.crowd, strict=True):
        left, top, right, bottom = (value * scale for value, scale in
                                    zip(box, (across, down) * 2, strict=True))
        cut = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
        what = None
        if not all(map(math.isfinite, box)) or right <= left or bottom <= top:
            what = "have no area and are left out"
        elif cut[2] <= cut[0] or cut[3] <= cut[1]:
            what = "lie outside of their picture and are left out"
        else:
            kept.append((cut, label, crowd))
            if max(abs(a - b) for a, b in zip(cut, (left, top, right, bottom), strict=True)) > 1:
                what = "reach out of their picture and are cut at its edge"
        if what:
            faults[what].append(one.name)
    boxes, labels, crowd = zip(*kept, strict=True) if kept else ((), (), ())
    return Item(one.picture, Boxes(boxes, labels, crowd), one.group, one.split)
