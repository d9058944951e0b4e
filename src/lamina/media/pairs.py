"""Pictures of two domains, A and B: in two folders, or side by side in one picture.

    horses/ zebras/             any two folders; A is the first by name
    trainA/ trainB/ testA/ …    as the CycleGAN data sets are laid out
    train/A/ train/B/ test/A/ … the part above the domain, or below it
    train/1.jpg val/2.jpg …     A is the left half and B the right (the pix2pix data sets)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy

from lamina.media import image
from lamina.media.files import File, is_archive, listing
from lamina.media.manifest import SPLIT_WORDS, Item

PART_AND_DOMAIN = re.compile(rf"({'|'.join(SPLIT_WORDS)})(?:[-_ ]?([ab])|[-_ ](.+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Picture(File):
    """A file that is a picture of domain 0 (A) or 1 (B), or of both side by side.

    half: the picture of A is the file's left half, that of B its right half.
    """

    domain: int = 0
    half: bool = False

    def read(self) -> bytes:
        """The bytes of an image; of the domain's half as a netpbm file."""
        if not self.half:
            return File.read(self)
        pixels = image.decode(File(self.path, self.member))
        middle = pixels.shape[1] // 2
        pixels = pixels[:, :middle] if self.domain == 0 else pixels[:, -middle:]
        height, width, channels = pixels.shape
        kind = b"P5" if channels == 1 else b"P6"
        return b"%s %d %d 255\n" % (kind, width, height) + numpy.ascontiguousarray(pixels).tobytes()


class Found(NamedTuple):
    """A picture, the name that its counterpart would share, and the part it is declared for."""

    picture: Picture
    name: str
    split: str | None


def read(path: Path, *, side_by_side: bool) -> tuple[tuple[str, str], list[Found]]:
    """The names of the two domains and their pictures; ValueError says what was looked for."""
    files = listing(path)
    pictures = [file for file in files if file.name.lower().endswith(image.SUFFIXES)]
    archives = [file.path for file in files if file.member is None and is_archive(file.path)]
    if len(archives) == 1 and not pictures and path.is_dir():
        return read(archives[0], side_by_side=side_by_side)
    if not pictures:
        raise ValueError(f"{path} holds no pictures; expected two folders of "
                         f"{', '.join(image.SUFFIXES[:3])} … files")
    folders = [file.parts[:-1] if file.member else file.path.relative_to(path).parts[:-1]
               for file in pictures]
    places = [place(inside) for inside in without_shared(folders)]
    if side_by_side:
        return ("left", "right"), [
            Found(Picture(file.path, file.member, domain, half=True), file.name, split)
            for file, (split, _, _) in zip(pictures, places, strict=True) for domain in (0, 1)]
    names = sorted({domain for _, domain, _ in places if domain})
    if len(names) != 2 or not all(domain for _, domain, _ in places):
        raise ValueError(f"{path}: expected two folders of pictures, one for each domain, found "
                         + one_folder_or_more(pictures, names))
    found = []
    for file, (split, domain, below) in zip(pictures, places, strict=True):
        stem = Path(file.parts[-1]).stem.removesuffix(f"_{domain}")
        picture = Picture(file.path, file.member, names.index(domain))
        found.append(Found(picture, "/".join([*below, stem]), split))
    return (names[0], names[1]), found


def one_folder_or_more(pictures: Sequence[File], names: Sequence[str]) -> str:
    """What stands where two folders were expected, and what to do where that is clear."""
    if len(names) > 1:
        return f"{len(names)}: {', '.join(names[:8])}" + (" …" if len(names) > 8 else "")
    text = f"only {names[0]!r}" if names else f"{len(pictures)} pictures in one folder"
    try:
        shapes = [image.shape(file) for file in pictures[:8]]
    except (OSError, ValueError):
        return text
    if all(width == 2 * height for height, width, _ in shapes):
        text += "; for pictures that hold A and B side by side give --side-by-side"
    return text


def without_shared(folders: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The folders without those above all of the pictures."""
    shared = 0
    while all(len(inside) > shared and inside[shared] == folders[0][shared] for inside in folders):
        shared += 1
    return [inside[shared:] for inside in folders]


def place(folders: Sequence[str]) -> tuple[str | None, str | None, list[str]]:
    """The part and the domain that folders name, and the folders that name neither."""
    split, domain, below = None, None, []
    for name in folders:
        both = PART_AND_DOMAIN.fullmatch(name)
        if split is None and name.lower() in SPLIT_WORDS:
            split = SPLIT_WORDS[name.lower()]
        elif split is None and domain is None and both:
            split = SPLIT_WORDS[both[1].lower()]
            domain = both[2].upper() if both[2] else both[3]
        elif domain is None:
            domain = name
        else:
            below.append(name)
    return split, domain, below


def matched(found: Sequence[Found]) -> list[tuple[Found, Found]]:
    """The pictures of A, each with the picture of B that has its name in the same part."""
    partners = {(f.split, f.name): f for f in found if f.picture.domain == 1}
    return [(f, partners[f.split, f.name]) for f in found
            if f.picture.domain == 0 and (f.split, f.name) in partners]


def same_names(found: Sequence[Found], *, agree: float = 0.95) -> bool:
    """Whether the two domains hold the same names, but for a few files that are missing."""
    counts = [sum(f.picture.domain == domain for f in found) for domain in (0, 1)]
    return min(counts) > 0 and len(matched(found)) >= agree * max(counts)


def items(found: Sequence[Found], domain: int) -> tuple[list[Item], int]:
    """The pictures of `domain`, and how many were left out.

    In a part that is paired, the target is the counterpart; a picture without one is left out.
    """
    known: list[Item] = []
    left = 0
    for split in sorted({f.split for f in found}, key=str):
        part = [f for f in found if f.split == split]
        own = [f.picture for f in part if f.picture.domain == domain]
        if not same_names(part):
            known += [Item(picture, split=split) for picture in own]
            continue
        both = [(pair[domain].picture, pair[1 - domain].picture) for pair in matched(part)]
        known += [Item(picture, partner, split=split) for picture, partner in both]
        left += len(own) - len(both)
    return known, left


def decoded(pictures: Sequence[Picture], *, size: int, channels: int) -> numpy.ndarray:
    """uint8 (pictures, size, size, channels) of those that can be read; ValueError: none can."""
    known = []
    for picture in pictures:
        try:
            known.append(image.decode(picture, size=(size, size), channels=channels))
        except (OSError, ValueError):
            continue  # named when it is encoded
    if not known:
        raise ValueError("none of the training pictures of a domain can be read"
                         + (f", for example {pictures[0]}" if pictures else ""))
    return numpy.stack(known)
