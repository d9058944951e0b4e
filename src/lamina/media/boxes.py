"""Boxes around the things in a picture, as people write them down."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from lamina.media.files import File
from lamina.media.manifest import Item

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True, slots=True)
class Boxes:
    """What is in a picture. crowd: which boxes hold many things or are too hard to be judged."""

    boxes: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    crowd: tuple[bool, ...] = ()

    def __str__(self) -> str:
        counted = Counter(self.labels).most_common()
        return ", ".join(f"{count} {label}" for label, count in counted) or "no box"

    def arrays(self, labels: Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
        """Boxes (n, 4), places of their labels (n,) and crowds (n,); unknown labels left out."""
        place = {label: number for number, label in enumerate(labels)}
        known = [at for at, label in enumerate(self.labels) if label in place]
        return (numpy.array([self.boxes[at] for at in known], numpy.float32).reshape(-1, 4),
                numpy.array([place[self.labels[at]] for at in known], int),
                numpy.array([self.crowd[at] for at in known], bool))


class Annotated(NamedTuple):
    """A picture as an annotation describes it, before anything is checked.

    name: of the annotation. size: (width, height) that it says the picture has, None if it does
    not. relative: whether the boxes are fractions of the picture's sides.
    """

    picture: File
    name: str
    boxes: Boxes
    split: str | None = None
    group: str | None = None
    size: tuple[int, int] | None = None
    relative: bool = False


@dataclass
class Found:
    """items: input a File, target Boxes. damaged: "name: why". notes: what was left out or cut."""

    items: list[Item] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Pictures:
    """Finds the picture that an annotation means."""

    def __init__(self, files: Sequence[File]):
        self.count = len(files)
        self.by_name: dict[str, list[File]] = defaultdict(list)
        self.by_stem: dict[str, list[File]] = defaultdict(list)
        for file in files:
            self.by_name[file.parts[-1]].append(file)
            self.by_stem[Path(file.parts[-1]).stem].append(file)

    def named(self, name: str, beside: File) -> File | None:
        """The picture of that file name, the nearest to the annotation where there are several."""
        return nearest(self.by_name[name.replace("\\", "/").rsplit("/", 1)[-1]], beside)

    def like(self, annotation: File) -> File | None:
        """The picture that is called as the annotation but for the ending."""
        return nearest(self.by_stem[Path(annotation.parts[-1]).stem], annotation)


def nearest(files: Sequence[File], beside: File) -> File | None:
    """The one that shares most folders with the other file."""
    def shared(file: File) -> int:
        return len(set(file.parts[:-1]) & set(beside.parts[:-1]))
    return max(files, key=shared, default=None)


def corners(numbers: Sequence[Any]) -> Box:
    """Four numbers as (left, top, right, bottom); ValueError: they are not four."""
    if len(numbers) != 4:
        raise ValueError(f"a box has {len(numbers)} numbers; expected left, top, right, bottom")
    left, top, right, bottom = map(float, numbers)
    return left, top, right, bottom
