"""Pictures of all sizes in one frame, not distorted: what is left of the frame has one colour."""

from collections.abc import Sequence

import numpy

from lamina.media import image
from lamina.media.files import File

COARSEST = 32  # pixels; the sides of a frame are multiples

Size = tuple[int, int]  # (height, width) in pixels


def frame(shapes: Sequence[tuple[int, ...]], longer: int) -> Size:
    """The frame for pictures of these (height, width, …): of their usual proportions, its longer
    side at most so many pixels, and no larger than the pictures are.
    """
    tall = float(numpy.clip(numpy.median([shape[0] / shape[1] for shape in shapes]), 0.5, 2))
    longer = min(longer, int(numpy.median([max(shape[:2]) for shape in shapes])))
    sides = longer * min(1.0, tall), longer * min(1.0, 1 / tall)
    height, width = (COARSEST * max(1, round(side / COARSEST)) for side in sides)
    return height, width


def scale(size: Size, into: Size) -> float:
    """By what a picture of that size is enlarged to fit into the frame."""
    return min(into[0] / size[0], into[1] / size[1])


def scaled(size: Size, into: Size) -> Size:
    """The size that it has there."""
    height, width = (max(1, round(side * scale(size, into))) for side in size)
    return height, width


def framed(given: File | numpy.ndarray, into: Size, colour: Sequence[float]
           ) -> tuple[numpy.ndarray, Size]:
    """The picture in the frame's upper left corner, uint8 (height, width, channels), and the size
    it had. colour: of the rest, 0 to 255 for each channel.
    """
    pixels = image.decode(given, channels=len(colour))
    size = pixels.shape[:2]
    whole = numpy.empty((*into, len(colour)), numpy.uint8)
    whole[:] = numpy.round(colour)
    height, width = scaled(size, into)
    whole[:height, :width] = image.decode(pixels, size=(height, width), channels=len(colour))
    return whole, size
