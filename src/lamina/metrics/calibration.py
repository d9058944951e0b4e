"""Whether probabilities come true: calibration error, Brier score, negative log-likelihood.

confidence is (examples,) in 0..1, right (examples,) says what came true; probabilities are
(examples, classes), truth (examples,) holds the places of the true classes.
"""

import numpy

BINS = 15


def equal_mass(confidence: numpy.ndarray, bins: int = BINS) -> numpy.ndarray:
    """The bin of each example, 0 the least confident: about as many in each, equals together."""
    order = numpy.sort(confidence)
    return numpy.searchsorted(order, confidence) * bins // len(confidence)


def gaps(confidence: numpy.ndarray, right: numpy.ndarray, bins: int = BINS) -> numpy.ndarray:
    """What each example adds to each bin's excess of confidence, (examples, bins)."""
    spread = numpy.zeros((len(confidence), bins))
    places = equal_mass(confidence, bins)
    spread[numpy.arange(len(confidence)), places] = confidence - right
    return spread


def calibration_error(confidence: numpy.ndarray, right: numpy.ndarray, bins: int = BINS) -> float:
    """The expected calibration error: |mean confidence - share right| of a bin, averaged.

    (Naeini et al. 2015), with bins of equal mass (Nguyen and O'Connor 2015).
    """
    return float(abs(gaps(confidence, right, bins).sum(0)).sum() / len(confidence))


def classwise_error(probabilities: numpy.ndarray, truth: numpy.ndarray, bins: int = BINS) -> float:
    """The calibration error of each class's probability, averaged (Kull et al. 2019, section 2)."""
    return float(numpy.mean([calibration_error(column, truth == place, bins)
                             for place, column in enumerate(probabilities.T)]))


def brier(probabilities: numpy.ndarray, truth: numpy.ndarray) -> numpy.ndarray:
    """Each example's squared distance from certainty of the truth, summed over the classes: 0..2.

    (Brier 1950)
    """
    certain = numpy.eye(probabilities.shape[1])[truth]
    return ((probabilities - certain) ** 2).sum(1)


def surprise(logarithms: numpy.ndarray, truth: numpy.ndarray) -> numpy.ndarray:
    """Each example's negative log-likelihood, in nats; logarithms: of the probabilities."""
    return -logarithms[numpy.arange(len(truth)), truth]
