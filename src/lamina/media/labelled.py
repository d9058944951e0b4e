"""Pictures, with labels or without, in the layouts that people have them in.

Class folders (perhaps under train/, val/, test/), the same inside an archive, a CSV or JSON-lines
list with an `image` and a `label` column, idx files as MNIST has them, npz files as MedMNIST.
"""

import io
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy

from lamina.media import image, manifest
from lamina.media.files import File, is_archive, listing, unpacked
from lamina.media.manifest import Item

IMAGE_COLUMNS = ("image", "file", "path", "filename", "file_name")
LABEL_COLUMNS = ("label", "class", "target", "category")
IDX_PARTS = {"train": "train", "t10k": "test", "test": "test", "val": "validation"}


def read(path: Path) -> list[Item]:
    """Items whose input is a File or a uint8 array (height, width[, 3]), target a label.

    ValueError: nothing in `path` looks like labelled pictures; it says what was looked for.
    """
    found = [item for item in pictures(path) if item.target is not None]
    if not found:
        raise ValueError(
            f"{path} holds no labelled pictures; expected a folder per class with "
            f"{', '.join(image.SUFFIXES[:3])} … files, a CSV or JSONL with the columns image and "
            "label, idx files or an npz")
    return found


def pictures(path: Path) -> list[Item]:
    """All pictures there, with labels or without: the target is None where there is none."""
    if path.is_file() and not is_archive(path):
        return _file(File(path))
    files = listing(path)
    archives = [f.path for f in files if f.member is None and is_archive(f.path)]
    drawn = [f for f in files if f.name.lower().endswith(image.SUFFIXES)]
    lists = [f for f in files if f.name.lower().endswith(manifest.SUFFIXES)]
    arrays = [f for f in files if is_idx(f.name) or f.name.endswith(".npz")]
    if len(archives) == 1 and not drawn and not arrays:
        return pictures(archives[0])
    labelled = [f for f in lists if _names(f, IMAGE_COLUMNS) and _names(f, LABEL_COLUMNS)]
    if drawn and not labelled:
        return _folders(path, drawn)
    lists = labelled or [f for f in lists if _names(f, IMAGE_COLUMNS)]
    return [item for file in lists for item in _listed(file)] or _idx(arrays) \
        or [item for f in arrays if f.name.endswith(".npz") for item in _npz(f)]


def _file(file: File) -> list[Item]:
    name = file.name.lower()
    if name.endswith(manifest.SUFFIXES):
        return _listed(file)
    if name.endswith(".npz"):
        return _npz(file)
    raise ValueError(f"{file} is no list of pictures; expected {', '.join(manifest.SUFFIXES)} or "
                     ".npz, or give the folder")


def _listed(file: File) -> list[Item]:
    rows = [row for row in manifest.rows(file) if "" not in row]
    if not rows:
        return []
    picture = _column(rows[0], IMAGE_COLUMNS, file)
    label = next((name for name in LABEL_COLUMNS if name in rows[0]), "")
    declared = manifest.split_in_name(file.parts[-1])
    return [Item(manifest.resolve(str(row[picture]), file), str(row[label]) if label else None,
                 str(row["group"]) if row.get("group") not in (None, "") else None,
                 manifest.split_of(row.get("split")) or declared) for row in rows]


def _column(row: dict, names: Sequence[str], file: File) -> str:
    for name in names:
        if name in row:
            return name
    raise ValueError(f"{file}: expected a column {names[0]!r}, found {', '.join(map(repr, row))}")


def _inside(root: Path, file: File) -> tuple[str, ...]:
    """The folders between the data set's root and the file."""
    return file.parts[:-1] if file.member else file.path.relative_to(root).parts[:-1]


def _names(file: File, columns: Sequence[str]) -> bool:
    """Whether a list has one of these columns."""
    rows = manifest.rows(file)
    return bool(rows) and any(name in columns for name in rows[0])


def _folders(root: Path, pictures: Sequence[File]) -> list[Item]:
    """The class is the innermost folder; a folder named train, val or test declares the part.

    There are no classes where all innermost folders declare parts, or none is inside a folder.
    """
    inside = [_inside(root, file) for file in pictures]
    classes = any(folders and folders[-1].lower() not in manifest.SPLIT_WORDS for folders in inside)
    items = []
    for file, folders in zip(pictures, inside, strict=True):
        declared = next((part for name in (folders[:-1] if classes else folders)
                         if (part := manifest.SPLIT_WORDS.get(name.lower()))), None)
        items.append(Item(file, folders[-1] if folders and classes else None, None, declared))
    return items


def is_idx(name: str) -> bool:
    """Whether a file is called as idx files are."""
    return name.removesuffix(".gz").endswith(("idx3-ubyte", "idx1-ubyte", ".idx3", ".idx1"))


def _idx(files: Sequence[File]) -> list[Item]:
    """Pairs of idx files: images and labels whose names begin alike (train-…, t10k-…); or images
    alone.
    """
    by_name = {f.name.rsplit("/", 1)[-1]: f for f in files if is_idx(f.name)}
    items: list[Item] = []
    for name, file in by_name.items():
        partner = by_name.get(name.replace("images", "labels").replace("idx3", "idx1"))
        if "images" not in name:
            continue
        declared = IDX_PARTS.get(name.split("-")[0].split("_")[0].lower())
        items += _paired(idx(file), idx(partner) if partner else None, declared, str(file))
    return items


def idx(file: File) -> numpy.ndarray:
    """The uint8 array in an idx file (LeCun's format: big-endian sizes, then the bytes).

    ValueError: another magic number, or another count of bytes than the sizes say.
    """
    data = unpacked(file)
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{file} is no idx file of bytes")
    dimensions = data[3]
    start = 4 + 4 * dimensions
    sizes = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != numpy.prod(sizes, dtype=object):
        raise ValueError(f"{file} is cut short: its header says {sizes}, "
                         f"it holds {len(data) - start:,} bytes")
    return numpy.frombuffer(data, numpy.uint8, offset=start).reshape(sizes)


def _npz(file: File) -> list[Item]:
    """Arrays named train_images/train_labels (val_, test_), x_train/y_train or images/labels; the
    labels may be missing.
    """
    try:
        with numpy.load(io.BytesIO(file.read()), allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except (ValueError, zipfile.BadZipFile, EOFError, OSError) as reason:
        raise ValueError(f"{file} is no readable npz file of plain arrays ({reason})") from None
    items: list[Item] = []
    for name, images in arrays.items():
        for picture, label in (("images", "labels"), ("x", "y"), ("X", "y")):
            partner = arrays.get(name.replace(picture, label))
            if picture in name.split("_") and images.ndim >= 3:
                rest = name.replace(picture, "").strip("_")
                items += _paired(images, partner, manifest.split_of(rest), f"{file}: {name}")
                break
    return items


def _paired(images: numpy.ndarray, labels: numpy.ndarray | None, declared: str | None,
            where: str) -> list[Item]:
    if images.dtype != numpy.uint8:
        raise ValueError(f"{where}: expected uint8 pixels, got {images.dtype}")
    if labels is None:
        return [Item(picture, None, None, declared) for picture in images]
    labels = labels.reshape(len(labels), -1)[:, 0]
    if len(images) != len(labels):
        raise ValueError(f"{where}: {len(images)} images but {len(labels)} labels")
    return [Item(picture, str(label), None, declared)
            for picture, label in zip(images, labels.tolist(), strict=True)]
