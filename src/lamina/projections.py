"""Vectors without a net: principal components, clusters, and maps in two dimensions."""

from dataclasses import dataclass

import numpy

ROUNDS = 100  # of k-means, at most
STARTS = 4  # of k-means; the best is kept
PERPLEXITY = 30.0  # neighbours that a point of a map has
STEPS = 500  # of a map
EXAGGERATED = 100  # of these with attractions four times as strong


@dataclass(frozen=True)
class Principal:
    """Principal components: mean (size,), axes (components, size), orthonormal."""

    mean: numpy.ndarray
    axes: numpy.ndarray

    def encode(self, values: numpy.ndarray) -> numpy.ndarray:  # (n, size) -> (n, components)
        """The coordinates along the components."""
        return (values - self.mean) @ self.axes.T

    def decode(self, codes: numpy.ndarray) -> numpy.ndarray:  # (n, components) -> (n, size)
        """The vectors that coordinates stand for."""
        return codes @ self.axes + self.mean


def principal(values: numpy.ndarray, components: int) -> Principal:
    """The components of most variance of vectors (n, size), at most as many as there can be."""
    mean = values.mean(0, dtype=float)
    centred = values - mean.astype(values.dtype)
    count, size = centred.shape
    if size <= count:
        _, vectors = numpy.linalg.eigh((centred.T @ centred).astype(float))
        axes = vectors[:, ::-1][:, :components].T
    else:  # the same by the smaller matrix of inner products
        spread, vectors = numpy.linalg.eigh((centred @ centred.T).astype(float))
        kept = numpy.flatnonzero(spread > 1e-9 * spread[-1])[::-1][:components]
        axes = (centred.T @ vectors[:, kept] / numpy.sqrt(spread[kept])).T
    return Principal(mean, axes)


def clusters(values: numpy.ndarray, count: int, random: numpy.random.Generator) -> numpy.ndarray:
    """The cluster of each vector by k-means (Lloyd 1982), begun as Arthur and Vassilvitskii 2007
    say (k-means++), (n,).
    """
    best, least = numpy.zeros(len(values), int), numpy.inf
    for _ in range(STARTS):
        centres = values[[random.integers(len(values))]]
        while len(centres) < min(count, len(values)):
            near = squared_distances(values, centres).min(1)
            total = near.sum()
            if total == 0:
                break
            centres = numpy.concatenate([centres, values[[random.choice(
                len(values), p=near / total)]]])
        for _ in range(ROUNDS):
            found = squared_distances(values, centres).argmin(1)
            moved = numpy.stack([values[found == k].mean(0) if (found == k).any() else centre
                                 for k, centre in enumerate(centres)])
            if numpy.array_equal(moved, centres):
                break
            centres = moved
        distances = squared_distances(values, centres)
        if distances.min(1).sum() < least:
            best, least = distances.argmin(1), distances.min(1).sum()
    return best


def squared_distances(a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:  # (len(a), len(b))
    """Between all vectors of one set and all of another."""
    return numpy.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T, 0)


def neighbour_map(values: numpy.ndarray) -> numpy.ndarray:
    """Places in two dimensions at which neighbours stay neighbours, (n, 2): t-SNE (van der Maaten
    and Hinton 2008), begun at the first two principal components.
    """
    count = len(values)
    likely = affinities(squared_distances(values, values), min(PERPLEXITY, (count - 1) / 3))
    likely = numpy.maximum((likely + likely.T) / (2 * count), 1e-12)
    places = principal(values, 2).encode(values)
    places = 1e-4 * numpy.pad(places, ((0, 0), (0, 2 - places.shape[1]))) / max(
        places.std(), 1e-12)
    speed, gains = numpy.zeros_like(places), numpy.ones_like(places)
    rate = max(50.0, count / 4 / 4)
    for step in range(STEPS):
        near = 1 / (1 + squared_distances(places, places))
        numpy.fill_diagonal(near, 0)
        early = step < EXAGGERATED
        pull = ((4 if early else 1) * likely - near / near.sum()) * near
        gradient = 4 * (pull.sum(1)[:, None] * places - pull @ places)
        gains = numpy.maximum(numpy.where(gradient * speed < 0, gains + 0.2, 0.8 * gains), 0.01)
        speed = (0.5 if early else 0.8) * speed - rate * gains * gradient
        places = places + speed
    return places - places.mean(0)


def affinities(squared: numpy.ndarray, perplexity: float) -> numpy.ndarray:
    """How likely each point would take each other for a neighbour, rows that add up to 1.

    The width of each row's normal curve gives it that perplexity; found by bisection.
    """
    low = numpy.zeros(len(squared))
    high = numpy.full(len(squared), numpy.inf)
    beta = 1 / numpy.maximum(squared.mean(1), 1e-12)
    squared = squared.copy()
    numpy.fill_diagonal(squared, numpy.inf)
    squared -= squared.min(1, keepdims=True)
    for _ in range(50):
        weights = numpy.exp(-beta[:, None] * squared)
        chances = weights / weights.sum(1, keepdims=True)
        entropy = -(chances * numpy.log(numpy.maximum(chances, 1e-300))).sum(1)
        wide = entropy > numpy.log(perplexity)
        low, high = numpy.where(wide, beta, low), numpy.where(wide, high, beta)
        beta = numpy.where(numpy.isinf(high), 2 * beta, (low + high) / 2)
    return chances
