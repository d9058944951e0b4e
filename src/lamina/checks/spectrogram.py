"""What a sound looks like, whatever its loudness, its rate and the silence around it."""

import numpy

FRAME, HOP = 0.025, 0.010  # seconds
BANDS, SLICES = 24, 32  # of the picture of a sound: frequency, time
LOWEST, HIGHEST = 100.0, 3800.0  # hertz: what telephones and codecs keep
QUIET = 1e-3  # of the loudest frame's power: below it is silence


def fingerprint(samples: numpy.ndarray, rate: int) -> numpy.ndarray:
    """Log energies of bands over time without their mean, at length 1: float32 (BANDS * SLICES,).

    The time between the first and the last frame that is no silence is cut into SLICES. Zero where
    there is nothing but silence.
    """
    size, hop = max(8, round(FRAME * rate)), max(1, round(HOP * rate))
    if len(samples) < size:
        samples = numpy.pad(samples, (0, size - len(samples)))
    frames = numpy.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    power = numpy.abs(numpy.fft.rfft(frames * numpy.hanning(size), axis=1)) ** 2
    frequency = numpy.fft.rfftfreq(size, 1 / rate)
    edges = numpy.geomspace(LOWEST, HIGHEST, BANDS + 1)
    middle = numpy.sqrt(edges[1:] * edges[:-1])
    weight = numpy.exp(-0.5 * (numpy.log(numpy.maximum(frequency, 1)[:, None] / middle)
                               / numpy.log(edges[1] / edges[0])) ** 2)
    bands = power @ weight  # (frames, bands)
    loud = numpy.flatnonzero(bands.sum(1) > QUIET * bands.sum(1).max())
    if not len(loud) or bands.max() <= 0:
        return numpy.zeros(BANDS * SLICES, numpy.float32)
    bands = bands[loud[0] : loud[-1] + 1]
    places = numpy.linspace(0, len(bands), SLICES + 1)
    summed = numpy.concatenate([numpy.zeros((1, BANDS)), numpy.cumsum(bands, axis=0)])
    whole = numpy.arange(len(bands) + 1)
    at = numpy.stack([numpy.interp(places, whole, summed[:, band]) for band in range(BANDS)], 1)
    energy = numpy.log(numpy.diff(at, axis=0) + QUIET * bands.max())
    flat = (energy - energy.mean()).ravel()
    return (flat / max(float(numpy.linalg.norm(flat)), 1e-9)).astype(numpy.float32)
