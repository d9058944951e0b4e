"""Sound files to samples, mixing, resampling, damage."""

import io

import numpy
import pytest
from tests_data import needs_data

from lamina.media import sound
from lamina.media.files import File, listing

soundfile = pytest.importorskip("soundfile")
RATE = 16_000


def tone(hertz: float, rate: int = RATE, seconds: float = 0.5) -> numpy.ndarray:
    return 0.5 * numpy.sin(2 * numpy.pi * hertz * numpy.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_lossless_files_give_back_the_samples(tmp_path, suffix):
    sound.save(tone(440), RATE, tmp_path / f"a{suffix}")
    samples, rate = sound.decode(File(tmp_path / f"a{suffix}"))
    assert rate == RATE and samples.dtype == numpy.float32 and samples.shape == (8000,)
    assert abs(samples - tone(440)).max() < 1e-4  # 16 bits
    assert sound.form(File(tmp_path / f"a{suffix}")) == (8000, RATE, 1)
    assert sound.form(File(tmp_path / f"a{suffix}")).seconds == 0.5


def test_channels_are_mixed_to_their_mean(tmp_path):
    both = numpy.stack([tone(300), tone(500)], axis=1)
    soundfile.write(tmp_path / "stereo.wav", both, RATE, subtype="FLOAT")
    samples, _ = sound.decode(File(tmp_path / "stereo.wav"))
    assert abs(samples - both.mean(1)).max() < 1e-6


@pytest.mark.parametrize("old, new", [(16_000, 8_000), (8_000, 16_000), (44_100, 16_000),
                                      (16_000, 22_050)])
def test_a_resampled_tone_is_the_tone_at_the_new_rate(old, new):
    found = sound.resample(tone(1000, old), old, new)
    expected = tone(1000, new)
    assert len(found) == len(expected)
    assert abs(found - expected)[200:-200].max() < 1e-3  # the filter sees silence past the ends


def test_what_the_new_rate_cannot_hold_is_filtered_out():
    high = sound.resample(tone(6000), RATE, 8000)  # above the new Nyquist frequency, 4000 hertz
    assert abs(high[200:-200]).max() < 1e-3


def test_resampling_agrees_with_scipy():
    signal = pytest.importorskip("scipy.signal")
    random = numpy.random.default_rng(0)
    smooth = numpy.convolve(random.normal(size=8000), numpy.hanning(32) / 16, "same")
    expected = signal.resample_poly(smooth, 1, 2, window=("kaiser", 14.77))
    found = sound.resample(smooth, RATE, 8000)
    assert numpy.corrcoef(found[100:-100], expected[100:-100])[0, 1] > 0.999


def test_resampling_to_the_same_rate_changes_nothing():
    assert (sound.resample(tone(440), RATE, RATE) == tone(440).astype(numpy.float32)).all()
    assert len(sound.resample(numpy.zeros(0), RATE, 8000)) == 0
    with pytest.raises(ValueError, match="above 0 hertz"):
        sound.resample(tone(440), RATE, 0)


def test_damaged_files_are_value_errors(tmp_path):
    (tmp_path / "not.wav").write_bytes(b"this is no sound at all" * 20)
    with pytest.raises(ValueError, match="not a readable sound"):
        sound.decode(File(tmp_path / "not.wav"))
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(440), RATE, format="FLAC")
    (tmp_path / "cut.flac").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(ValueError, match="cut short|not a readable sound"):
        sound.decode(File(tmp_path / "cut.flac"))
    soundfile.write(tmp_path / "nan.wav", numpy.full(100, numpy.nan), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match="no finite numbers"):
        sound.decode(File(tmp_path / "nan.wav"))
    soundfile.write(tmp_path / "empty.wav", numpy.zeros(0), RATE)
    with pytest.raises(ValueError, match="cut short"):
        sound.decode(File(tmp_path / "empty.wav"))
    with pytest.raises(OSError):
        sound.decode(File(tmp_path / "none.wav"))


@needs_data("fsdd")
def test_spoken_digits_are_read_out_of_their_archive(data):
    files = listing(data / "fsdd_flac8k.zip", sound.SUFFIXES)
    assert len(files) == 3000
    for file in files[::300]:
        samples, rate = sound.decode(file)
        assert rate == 8000 and 0.1 < len(samples) / rate < 3 and 0.01 < abs(samples).max() <= 1


@needs_data("an4")
def test_an4_is_read_at_another_rate(data):
    [archive] = data.glob("*.zip")
    files = listing(archive, sound.SUFFIXES)
    assert len(files) == 1078
    samples, rate = sound.decode(files[0], rate=8000)
    whole, full = sound.decode(files[0])
    assert (rate, full) == (8000, 16_000) and abs(len(samples) - len(whole) / 2) <= 1
