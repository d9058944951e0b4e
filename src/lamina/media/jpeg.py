"""JPEG as a yardstick: what pictures look like after it, and how many bits it took."""

import io

import numpy
from PIL import Image

WORST, BEST = 1, 95  # quality


def through(pixels: numpy.ndarray, quality: int) -> tuple[numpy.ndarray, int]:
    """The pixels as a JPEG gives them back, and the bits of its image data.

    pixels: uint8 (height, width, channels). The header, some 600 bytes of tables, is not counted,
    as it is the same for all pictures; the tables are made for each picture, which favours JPEG.
    """
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    picture.save(buffer, "JPEG", quality=quality, optimize=True)
    data = buffer.getvalue()
    start = data.index(b"\xff\xda")  # the start of the scan; its own header follows
    start += 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    back = numpy.asarray(Image.open(buffer))
    return (back[:, :, None] if back.ndim == 2 else back), 8 * (len(data) - start - 2)


def quality_for(pictures: list[numpy.ndarray], bits: float) -> int:
    """The lowest quality at which pictures take at least so many bits in the mean."""
    low, high = WORST, BEST
    while low < high:
        middle = (low + high) // 2
        enough = numpy.mean([through(pixels, middle)[1] for pixels in pictures]) >= bits
        low, high = (low, middle) if enough else (middle + 1, high)
    return low
