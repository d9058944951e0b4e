"""Log-mel spectrograms by another way, masks, speeds."""

from fractions import Fraction

import numpy
import pytest
import torch

from lamina.media import sound
from lamina.nets import spectrogram
from lamina.nets.spectrogram import LogMel, SpecAugment, mixed_speeds, normalized, resampled

RATE = 16_000


def noise(count: int, seed: int = 0) -> numpy.ndarray:
    return (3000 * numpy.random.default_rng(seed).normal(size=count)).clip(-32768, 32767).astype(
        numpy.int16)


def by_definition(samples: numpy.ndarray, bands: int) -> numpy.ndarray:
    """Frame by frame: the Fourier sum of a windowed frame, then each triangle by interpolation."""
    size, hop, points = 400, 160, 512
    window = 0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(size) / size)
    turns = numpy.exp(-2j * numpy.pi * numpy.outer(numpy.arange(points // 2 + 1),
                                                   numpy.arange(size)) / points)
    mel = numpy.linspace(2595 * numpy.log10(1 + 20 / 700), 2595 * numpy.log10(1 + 8000 / 700),
                         bands + 2)
    corners = 700 * (10 ** (mel / 2595) - 1)
    hertz = numpy.arange(points // 2 + 1) * RATE / points
    found = []
    for start in range(0, len(samples) - size + 1, hop):
        power = abs(turns @ (samples[start : start + size] / 32768 * window)) ** 2
        found.append([power @ numpy.interp(hertz, corners[i : i + 3], [0, 1, 0])
                      for i in range(bands)])
    return numpy.log(numpy.array(found) + spectrogram.FLOOR)


def test_log_mel_energies_are_those_of_the_definition():
    samples = noise(4000)
    made = LogMel(RATE, 40)(torch.from_numpy(samples)[None])[0].numpy()
    expected = by_definition(samples, 40)
    assert made.shape == expected.shape == (23, 40)
    assert abs(made - expected).max() < 1e-3


def test_fourier_transforms_agree_with_scipy():
    signal = pytest.importorskip("scipy.signal")
    samples = noise(4000) / 32768
    _, _, found = signal.stft(samples, RATE, window="hann", nperseg=400, noverlap=240, nfft=512,
                              boundary=None, padded=False, scaling="spectrum")
    power = abs(found.T * 200) ** 2  # scipy divides by the window's sum, which is 200
    expected = numpy.log(power @ spectrogram.mel_filters(RATE, 512, 40).numpy() + spectrogram.FLOOR)
    made = LogMel(RATE, 40)(torch.from_numpy(noise(4000))[None])[0].numpy()
    assert abs(made - expected).max() < 1e-3


def test_every_band_hears_something():
    for bands in (8, 40, 64):
        assert (spectrogram.mel_filters(RATE, 512, bands).sum(0) > 0).all()


def test_padding_changes_no_frame_of_the_sound():
    short, net = torch.from_numpy(noise(3000)), LogMel(RATE, 20)
    long = torch.cat([short, torch.from_numpy(noise(2000, 1))])
    frames = net.frames(torch.tensor([3000, 5000]))
    assert frames.tolist() == [17, 29]
    both = normalized(net(torch.stack([torch.cat([short, short.new_zeros(2000)]), long])), frames)
    alone = normalized(net(short[None]), frames[:1])
    torch.testing.assert_close(both[:1, :17], alone)
    assert not both[0, 17:].any()
    torch.testing.assert_close(alone[0].mean(0), torch.zeros(20), atol=1e-5, rtol=0)


def test_spec_augment_hides_only_while_learning_and_as_much_as_it_says():
    torch.manual_seed(0)
    mel, frames = torch.ones(200, 100, 20), torch.full((200,), 100)
    net = SpecAugment(1, bands=5, share=0.1)
    hidden = net.train()(mel, frames) == 0
    rows, columns = hidden.all(2).sum(1), hidden.all(1).sum(1)
    assert 0 < rows.float().mean() <= 10 and rows.max() <= 10
    assert 0 < columns.float().mean() <= 5 and columns.max() <= 5
    assert (net.eval()(mel, frames) == 1).all()
    assert (SpecAugment(0, bands=5).train()(mel, frames) == 1).all()


@pytest.mark.parametrize("ratio", [Fraction(10, 9), Fraction(10, 11)])
def test_resampling_agrees_with_that_of_files(ratio):
    samples = numpy.convolve(noise(4000), numpy.hanning(16) / 8, "same").astype(numpy.float32)
    expected = sound.resample(samples, ratio.denominator, ratio.numerator)
    made = resampled(torch.from_numpy(samples)[None], ratio)[0].numpy()
    assert made.shape == expected.shape
    assert abs(made - expected).max() < 1e-3 * abs(expected).max()


def test_a_faster_sound_is_shorter_and_higher():
    torch.manual_seed(3)
    time = torch.arange(RATE) / RATE
    tone = (8000 * torch.sin(2 * torch.pi * 1000 * time)).short()[None].expand(30, -1)
    made, length = mixed_speeds(tone, torch.full((30,), RATE),
                                [Fraction(10, 9), Fraction(1), Fraction(10, 11)])
    assert set(length.tolist()) == {17778, 16000, 14546}
    for row, count in zip(made, length.tolist(), strict=True):
        peak = torch.fft.rfft(row[:count].float()).abs().argmax() * RATE / count
        assert abs(float(peak) - 1000 * RATE / count) < 2  # hertz
        assert not row[count:].any()
