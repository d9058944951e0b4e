"""Near neighbours among many points without comparing all pairs.

Locality-sensitive hashing with random projections (Datar et al. 2004): points that lie close
share a cell of some grid; inside a cell only the nearest along one more projection are compared.
"""

import math
import time

import numpy

from lamina.keys import numpy_generator

PROJECTIONS = 8  # that make up a grid
CELL = 6.5  # width of its cells, in radii
GRIDS = 12
WINDOW = 24  # neighbours in a cell that a point is compared with
COEFFICIENTS = 8  # of the cosine transform, along each side


def spectrum(pictures: numpy.ndarray) -> numpy.ndarray:
    """The perceptual hash of pictures before it is made binary: unit vectors (n, 63), float32.

    pictures: (n, height, width). The lowest coefficients of the cosine transform but the mean, so
    that size, brightness and contrast do not matter; zero where a picture has one colour.
    """
    height, width = pictures.shape[1:]
    waves = numpy.kron(cosines(height), cosines(width))[1:].T
    return unit(pictures.reshape(len(pictures), -1).astype(numpy.float32) @ waves)


def cosines(size: int) -> numpy.ndarray:
    """The lowest waves of the orthonormal cosine transform (DCT-II), (coefficients, size)."""
    time = (numpy.arange(size) + 0.5) * numpy.pi / size
    waves = numpy.cos(numpy.arange(min(COEFFICIENTS, size))[:, None] * time)
    waves[1:] *= numpy.sqrt(2)
    return (waves / numpy.sqrt(size)).astype(numpy.float32)


def unit(vectors: numpy.ndarray) -> numpy.ndarray:
    """The vectors at length 1, those without any length as they are; float32 (n, width)."""
    length = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return numpy.where(length > 1e-3, vectors / numpy.maximum(length, 1e-3), 0).astype("f4")


def centred(vectors: numpy.ndarray) -> numpy.ndarray:
    """Unit vectors of what differs from each one's mean, float32 (n, width)."""
    values = vectors.reshape(len(vectors), -1).astype(numpy.float32)
    return unit(values - values.mean(1, keepdims=True))


def near(points: numpy.ndarray, radius: float, *, groups: numpy.ndarray | None = None,
         end: float = math.inf) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Nearly all pairs (first, second) of points (n, width) nearer than the radius.

    groups: integers (n,); only points of the same one are compared. end: on the monotonic clock,
    when the search stops with fewer grids; the first one finds all equal points. A pair at half
    of the radius is missed once in 10,000 times, one at the radius once in 100 times.
    """
    count, width = points.shape
    found = [numpy.zeros(0, numpy.int64)]
    for grid in range(GRIDS):
        if grid and time.monotonic() > end:
            break
        random = numpy_generator(0, "grid", grid)
        directions = random.normal(size=(width, PROJECTIONS)).astype(numpy.float32)
        along = points @ directions / (CELL * radius) + random.random(PROJECTIONS, numpy.float32)
        mixers = random.integers(1 << 62, size=PROJECTIONS) | 1
        cells = (numpy.floor(along).astype(numpy.int64) * mixers).sum(1)
        if groups is not None:
            cells += groups * 0x9E3779B97F4A7C1
        pairs = beside(cells, along[:, 0], count)
        for first, second in chunks(*numpy.divmod(pairs, max(1, count))):
            close = numpy.linalg.norm(points[first] - points[second], axis=1) < radius
            found.append(first[close] * count + second[close])
    return numpy.divmod(numpy.unique(numpy.concatenate(found)), max(1, count))


def beside(cells: numpy.ndarray, along: numpy.ndarray, count: int) -> numpy.ndarray:
    """Pairs in the same cell that lie next to each other there, each as first * count + second."""
    order = numpy.lexsort((along, cells))
    ordered, found = cells[order], []
    for step in range(1, min(WINDOW, count - 1) + 1):
        same = numpy.flatnonzero(ordered[step:] == ordered[:-step])
        if not len(same):
            break
        a, b = order[same], order[same + step]
        found.append(numpy.minimum(a, b) * count + numpy.maximum(a, b))
    return numpy.concatenate(found) if found else numpy.zeros(0, numpy.int64)


def equal(keys: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Pairs of places that hold the same key, each place with the next one."""
    order = numpy.argsort(keys, kind="stable")
    same = numpy.flatnonzero(keys[order][1:] == keys[order][:-1])
    return order[same], order[same + 1]


def chunks(first: numpy.ndarray, second: numpy.ndarray, size: int = 16384):
    """The pairs, so many at a time."""
    for start in range(0, len(first), size):
        yield first[start : start + size], second[start : start + size]
