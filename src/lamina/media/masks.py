"""Masks: files of numbers, one for each pixel of a picture, read, placed and written."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from lamina.media import image
from lamina.media.files import File

VOID = 255  # among places: a pixel that is neither learnt nor scored
MOST = 64  # classes that nobody declared
COLOURS = ((0, 0, 0), (230, 75, 60), (52, 152, 219), (46, 204, 113), (241, 196, 15),
           (155, 89, 182), (26, 188, 156), (230, 126, 34), (236, 112, 170), (149, 165, 166))


@dataclass(frozen=True, slots=True)
class Mask(File):
    """What is where in a picture: one file of numbers, or a file for each class.

    layers: (number, file) of the classes; none where the file itself holds the numbers.
    names: of the classes by their number, where the data set declares them.
    """

    layers: tuple[tuple[int, File], ...] = ()
    names: tuple[str, ...] = ()

    def read(self) -> bytes:
        """The mask in colours, as a PNG file: what a person can look at."""
        return png(numbers(self))


def numbers(mask: Mask) -> numpy.ndarray:
    """The number at each pixel, int32 (height, width).

    ValueError: not an indexed or grey picture, or files of several sizes.
    """
    if not mask.layers:
        return image.indices(File(mask.path, mask.member))
    found = None
    for number, file in mask.layers:
        layer = image.indices(file)
        if found is None:
            found = numpy.zeros(layer.shape, numpy.int32)
        if layer.shape != found.shape:
            raise ValueError(f"the masks of its classes differ in size: {sides(layer)} and "
                             f"{sides(found)} pixels")
        found[layer > 0] = number
    return found


def sides(pixels: numpy.ndarray) -> str:
    """Width by height, in words."""
    return f"{pixels.shape[1]} by {pixels.shape[0]}"


def values(mask: Mask) -> list[int]:
    """The numbers in a mask, sorted; none where it cannot be read."""
    try:
        return numpy.unique(numbers(mask)).tolist()
    except (ValueError, OSError):
        return []


def named(found: Sequence[int], names: Sequence[str], void: int) -> tuple[list[str], list[int]]:
    """The classes' names, and their numbers in masks.

    found: all numbers that are in masks. names: that are declared, from 0 on. void: the number of
        what is no class; it is one where there is none but 0 beside it, as in black and white.
    ValueError: the masks cannot be of classes.
    """
    known = [value for value in found if value != void] if set(found) - {0, void} else list(found)
    if len(known) < 2:
        raise ValueError(f"the training masks hold only {known[0] if known else 'nothing'}: "
                         "expected two numbers or more, such as 0 for the background and 1 for "
                         f"what is looked for ({void} is not looked at)")
    if names and not 2 <= len(names) < VOID:
        raise ValueError(f"expected 2 to {VOID - 1} classes, got {len(names)}: {names[0]}, …")
    if names:
        return list(names), list(range(len(names)))
    if len(known) > MOST:
        raise ValueError(f"the training masks hold {len(known)} different numbers, expected at "
                         f"most {MOST} classes; give --instances yes if they number objects, "
                         "--classes if they are classes, and masks as PNG: JPEG blurs them")
    two = ["background", "foreground"]
    return two if len(known) == 2 and not known[0] else list(map(str, known)), known


def placed(found: numpy.ndarray, known: Sequence[int], void: int) -> numpy.ndarray:
    """The place of each number among those known, VOID for void; uint8 (height, width).

    ValueError names a number that is neither.
    """
    table = numpy.full(max(*known, void, int(found.max())) + 1, -1)
    if void >= 0:
        table[void] = VOID
    table[list(known)] = numpy.arange(len(known))
    places = table[found]
    if (places < 0).any():
        strange = numpy.unique(found[places < 0])[:5].tolist()
        raise ValueError(f"its mask holds {', '.join(map(str, strange))}, expected "
                         f"{', '.join(map(str, known[:10]))}{' …' * (len(known) > 10)} (the "
                         "classes that are declared, or found in the training part)")
    return places.astype(numpy.uint8)


def scaled(labels: numpy.ndarray, height: int, width: int) -> numpy.ndarray:
    """The nearest label at each pixel of another size."""
    rows = ((numpy.arange(height) + 0.5) * labels.shape[0] / height).astype(int)
    columns = ((numpy.arange(width) + 0.5) * labels.shape[1] / width).astype(int)
    return labels[rows[:, None], columns]


def renumbered(found: numpy.ndarray) -> numpy.ndarray:
    """The same objects numbered from 1 on without gaps; 0 stays 0."""
    known = numpy.unique(numpy.append(found, 0))
    return numpy.searchsorted(known, found)


def filled(array: numpy.ndarray, room: Sequence[int], outside: int | None) -> numpy.ndarray:
    """The array (height, width, channels) in the top left corner of that room.

    outside: what is beyond it; None: its last row and column again.
    """
    beyond = [*((0, side - own) for side, own in zip(room, array.shape, strict=False)), (0, 0)]
    if outside is None:
        return numpy.pad(array, beyond, mode="edge")
    return numpy.pad(array, beyond, constant_values=outside)


def colours(labels: numpy.ndarray) -> numpy.ndarray:
    """A colour for each number, uint8 (..., 3); black for 0, others repeat."""
    table = numpy.array(COLOURS, numpy.uint8)
    return numpy.where((labels > 0)[..., None], table[1:][(labels - 1) % (len(table) - 1)], 0)


def over(pixels: numpy.ndarray, labels: numpy.ndarray) -> numpy.ndarray:
    """Labels in colours over their picture, with their outlines: uint8 (height, width, 3)."""
    grey = pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)
    edged = numpy.pad(labels, 1, mode="edge")
    edge = (labels > 0) & ((edged[:-2, 1:-1] != labels) | (edged[2:, 1:-1] != labels)
                           | (edged[1:-1, :-2] != labels) | (edged[1:-1, 2:] != labels))
    strength = numpy.where(edge, 0.9, numpy.where(labels > 0, 0.35, 0.0))[:, :, None]
    return (grey * (1 - strength) + colours(labels) * strength).round().astype(numpy.uint8)


def png(labels: numpy.ndarray) -> bytes:
    """The numbers as an indexed PNG file; above 255 as a grey one of 16 bits."""
    from PIL import Image

    if labels.max(initial=0) > 255:
        picture = Image.fromarray(labels.astype(numpy.uint16))
    else:
        picture = Image.fromarray(labels.astype(numpy.uint8)).convert("P")
        picture.putpalette(colours(numpy.arange(256)).tobytes())
        picture.putdata(labels.astype(numpy.uint8).ravel())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def otsu(levels: numpy.ndarray) -> int:
    """The grey level that best divides a picture in two: what is above it is the brighter part.

    It maximises the variance between the parts (Otsu 1979, equation 18).
    """
    counts = numpy.bincount(levels.ravel(), minlength=256).astype(float)
    below, sums = counts.cumsum(), (counts * numpy.arange(256)).cumsum()
    above = below[-1] - below
    with numpy.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return int(numpy.nan_to_num(between).argmax())
