"""How close one picture is to another, and how close a set of pictures is to a domain.

Pictures are uint8 (height, width, channels); sets of them (pictures, height, width, channels).
"""

import numpy
from numpy.lib.stride_tricks import sliding_window_view

from lamina.metrics.metric import Metric

FILTERS = (24, 8)  # random filters of the two layers of `features`


def absolute_error(picture: numpy.ndarray, truth: numpy.ndarray) -> float:
    """The mean absolute difference in levels, 0 to 255."""
    return float(numpy.abs(picture.astype(float) - truth).mean())


def signal_to_noise(picture: numpy.ndarray, truth: numpy.ndarray) -> float:
    """The peak signal-to-noise ratio in decibels; 100 for equal pictures, which have no noise."""
    error = numpy.square(picture.astype(float) - truth).mean()
    return min(100.0, float(10 * numpy.log10(255**2 / error))) if error else 100.0


def features(pictures: numpy.ndarray) -> numpy.ndarray:
    """(pictures, 32): what a fixed random convolutional net sees in each quarter of a picture.

    Two layers of 3 x 3 filters with stride 2 and ReLU, weights drawn once for all from seed 0,
    averaged over each quarter. Random filters compare sets of pictures soundly where no trained
    net fits the domain (Naeem et al. 2020, "Reliable fidelity and diversity metrics").
    """
    chunks = [pictures[start : start + 64] for start in range(0, len(pictures), 64)]
    return numpy.concatenate([random_features(chunk) for chunk in chunks])


def random_features(pictures: numpy.ndarray) -> numpy.ndarray:
    """The features of a few pictures; what lies between takes 20 times their memory."""
    random = numpy.random.default_rng(0)
    x = pictures.astype(numpy.float32) / 127.5 - 1
    for filters in FILTERS:
        windows = sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
        flat = windows.reshape(*windows.shape[:3], -1)  # (pictures, rows, columns, channels * 9)
        weight = random.standard_normal((flat.shape[3], filters), dtype=numpy.float32)
        bias = random.standard_normal(filters, dtype=numpy.float32) * 0.5
        x = numpy.maximum(flat @ (weight * numpy.sqrt(2 / flat.shape[3])) + bias, 0)
    rows, columns = (max(1, side // 2) for side in x.shape[1:3])
    quarters = [x[:, top, left] for top in (slice(rows), slice(-rows, None))
                for left in (slice(columns), slice(-columns, None))]
    return numpy.concatenate([quarter.mean(axis=(1, 2)) for quarter in quarters], axis=1)


def frechet_distance(rows: numpy.ndarray, mean: numpy.ndarray, covariance: numpy.ndarray) -> float:
    """How far the distribution of feature rows is from a reference with that mean and covariance.

    The squared 2-Wasserstein distance between the two Gaussians (Dowson and Landau 1982; Heusel et
    al. 2017), per total variance of the reference: 0 for the same distribution, 1 for a single
    picture at its mean.
    """
    own = numpy.atleast_2d(numpy.cov(rows, rowvar=False, bias=True))
    values, vectors = numpy.linalg.eigh(covariance)
    root = vectors * numpy.sqrt(numpy.maximum(values, 0)) @ vectors.T
    shared = numpy.sqrt(numpy.maximum(numpy.linalg.eigvalsh(root @ own @ root), 0)).sum()
    distance = numpy.square(rows.mean(axis=0) - mean).sum() + numpy.trace(own + covariance)
    return float(max(0.0, distance - 2 * shared) / max(numpy.trace(covariance), 1e-9))


def mean_and_covariance(rows: numpy.ndarray) -> tuple[list[float], list[float]]:
    """The mean of feature rows and, row after row, their covariance; six decimals."""
    covariance = numpy.cov(rows, rowvar=False, bias=True)
    return rows.mean(axis=0).round(6).tolist(), covariance.ravel().round(6).tolist()


def frechet(rows: numpy.ndarray) -> float:
    """The Fréchet distance of two sets side by side: (pictures, features of the first + second)."""
    first, second = numpy.split(rows, 2, axis=1)
    mean, covariance = mean_and_covariance(second)
    return frechet_distance(first, numpy.array(mean),
                            numpy.array(covariance).reshape(len(mean), len(mean)))


PIXEL_ERROR = Metric("pixel_error", "lower", "mean absolute difference to the true picture",
                     lambda made, true: (absolute_error(made, true),), unit="of 255")
PSNR = Metric("psnr", "higher", "peak signal-to-noise ratio to the true picture",
              lambda made, true: (signal_to_noise(made, true),), unit="dB")
CYCLE_ERROR = Metric("cycle_error", "lower", "mean absolute difference after there and back",
                     lambda back, given: (absolute_error(back, given),), unit="of 255")
