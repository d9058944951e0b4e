"""Pictures with masks: which belongs to which.

    images/1.jpg  masks/1.png           the same name in two folders, perhaps below train/, val/ …
    1.jpg  1_mask.png                   side by side
    images/1.jpg  masks/cat/1.png       one file per class: a folder for each class …
    images/1.jpg  masks/1/cat.png       … or for each picture
    list.csv                            the columns image and mask
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lamina.media import image, manifest
from lamina.media.files import File, is_archive, listing
from lamina.media.manifest import Item
from lamina.media.masks import Mask

PICTURES = ("images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "inputs")
MASKS = ("masks", "mask", "labels", "label", "annotations", "segmentationclass", "targets",
         "semantic_masks", "groundtruth", "gt")
ENDINGS = ("_mask", "-mask", "_masks", "_label", "-label", "_labels", "_seg", "-seg", "_gt")
NAMES = ("classes.txt", "labels.txt")  # a class in each line: the name of 0, of 1 …
Name = tuple[str | None, tuple[str, ...]]  # the part, the folders that mean nothing else, the stem


@dataclass(frozen=True, slots=True)
class Picture(File):
    """A picture to be masked. room: (height, width) that every picture of its data set fits in,
    scaled as they are encoded.
    """

    room: tuple[int, int] = (0, 0)


def read(path: Path, *, longest: int) -> tuple[list[Item], list[str]]:
    """Pictures with their masks, and notes on what is left over.

    longest: pixels of the longer side that larger pictures are scaled to.

    ValueError says what was looked for.
    """
    files = listing(path)
    archives = [file.path for file in files if file.member is None and is_archive(file.path)]
    pictures = [file for file in files if file.name.lower().endswith(image.SUFFIXES)]
    if len(archives) == 1 and not pictures and path.is_dir():
        return read(archives[0], longest=longest)
    declared = [file for file in files if file.parts[-1].lower() in NAMES]
    lines = declared[0].read().decode("utf-8-sig").splitlines() if declared else []
    names = tuple(line.strip() for line in lines if line.strip())
    lists = [file for file in files if file.name.lower().endswith(manifest.SUFFIXES)]
    if lists:
        items, notes = listed(lists, names), []
    else:
        items, notes = matched(path, pictures, names)
    if not items:
        raise ValueError(f"{path} holds no pictures with masks; expected images/1.jpg and "
                         "masks/1.png (the same names in two folders), 1.jpg and 1_mask.png, or a "
                         "CSV or JSONL with the columns image and mask")
    items, scaled = with_room(items, longest)
    return items, notes + scaled


def listed(lists: Sequence[File], names: tuple[str, ...]) -> list[Item]:
    """The rows of lists with the columns image and mask, and perhaps split and group."""
    items = []
    for file in lists:
        for number, row in enumerate(manifest.rows(file), 1):
            if not row.get("image") or not row.get("mask"):
                raise ValueError(f"{file}, row {number}: expected an image and a mask, got {row}")
            picture, mask = (manifest.resolve(str(row[name]), file) for name in ("image", "mask"))
            items.append(Item(Picture(picture.path, picture.member),
                              Mask(mask.path, mask.member, names=names), row.get("group") or None,
                              manifest.split_of(row.get("split"))
                              or manifest.split_in_name(file.parts[-1])))
    return items


def matched(root: Path, files: Sequence[File], names: tuple[str, ...]
            ) -> tuple[list[Item], list[str]]:
    """Pictures and masks of like names, and notes on what is left over."""
    pictures: dict[Name, File] = {}
    given: list[tuple[Name, File]] = []
    for file in files:
        folders = file.parts[:-1] if file.member else file.path.relative_to(root).parts[:-1]
        kind, name = place(folders, file.parts[-1].rsplit(".", 1)[0])
        if kind == "mask":
            given.append((name, file))
        else:
            pictures[name] = file
    whole, layers, stray = {}, {}, []
    for (split, name), file in given:
        by_class, by_picture = (split, name[:-2] + name[-1:]), (split, name[:-1])
        if (split, name) in pictures:
            whole[split, name] = file
        elif len(name) > 1 and by_class in pictures:
            layers.setdefault(by_class, []).append((name[-2], file))
        elif by_picture in pictures:
            layers.setdefault(by_picture, []).append((name[-1], file))
        else:
            stray.append(file)
    classes = sorted({layer for some in layers.values() for layer, _ in some})
    names = names or (("background", *classes) if layers else ())
    items, bare = [], []
    for name, file in pictures.items():
        own = whole.get(name, file)
        parts = tuple((number_of(layer, names, at), at) for layer, at in layers.get(name, ()))
        if name in whole or parts:
            items.append(Item(Picture(file.path, file.member),
                              Mask(own.path, own.member, () if name in whole else parts, names),
                              split=name[0]))
        else:
            bare.append(file)
    return items, [*left_out(bare, "pictures without a mask"),
                   *left_out(stray, "masks without a picture")]


def number_of(layer: str, names: Sequence[str], file: File) -> int:
    """The class that a file of its own is of."""
    if layer not in names:
        raise ValueError(f"{file}: the class {layer!r} is not declared; expected one of "
                         + ", ".join(names))
    return names.index(layer)


def left_out(files: Sequence[File], what: str) -> list[str]:
    """A note that these are not used, where there are any."""
    shown = ", ".join(file.parts[-1] for file in files[:5]) + (", …" if len(files) > 5 else "")
    return [f"{len(files)} {what} are left out: {shown}"] if files else []


def place(folders: Sequence[str], stem: str) -> tuple[str, Name]:
    """"picture" or "mask", and the name that a picture and its mask share."""
    kind, split, rest = "picture", None, []
    for folder in folders:
        word = folder.lower()
        if word in MASKS:
            kind = "mask"
        elif split is None and manifest.split_in_name(word):
            split = manifest.split_in_name(word)
        elif word not in PICTURES:
            rest.append(folder)
    for ending in ENDINGS:
        if stem.lower().endswith(ending):
            kind, stem = "mask", stem[: -len(ending)]
            break
    if rest and rest[-1] == stem and kind == "picture":
        rest.pop()  # a folder for each picture
    return kind, (split, (*rest, stem))


def is_mask(file: File) -> bool:
    """Whether the file's folder or name says that it is a mask."""
    return place(file.parts[-2:-1], file.parts[-1].rsplit(".", 1)[0])[0] == "mask"


def with_room(items: Sequence[Item], longest: int) -> tuple[list[Item], list[str]]:
    """The items, each told the sides that every picture of the data set fits in; notes."""
    room, largest = (0, 0), 0
    for item in items:
        try:
            sides = image.shape(item.input)[:2]
        except (OSError, ValueError):
            continue  # named when it is encoded
        largest = max(largest, *sides)
        room = tuple(map(max, room, fitting(sides, longest)))
    notes = [f"pictures of up to {largest} pixels a side are scaled down to at most {longest}; "
             f"--longest {largest} keeps their detail"] if largest > longest else []
    return [item._replace(input=replace(item.input, room=room)) for item in items], notes


def fitting(sides: tuple[int, int], longest: int) -> tuple[int, int]:
    """The sides (height, width), scaled down where one is longer than that."""
    share = min(1.0, longest / max(sides))
    return max(1, round(share * sides[0])), max(1, round(share * sides[1]))
