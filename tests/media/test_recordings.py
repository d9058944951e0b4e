"""Recordings with texts in every layout, and what is wrong with them."""

import json
import zipfile

import numpy
import pytest

from lamina.media import recordings, sound, speech
from lamina.media.files import File

soundfile = pytest.importorskip("soundfile")
RATE = 16_000


def write(path, seconds: float = 0.3, rate: int = RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = 0.1 * numpy.random.default_rng(0).normal(size=(round(seconds * rate), channels))
    soundfile.write(path, noise, rate)


def read(path):
    return recordings.read(path, tidy=lambda text: speech.tidied(text, kind="words"))


def test_texts_beside_sounds_in_folders_that_declare_parts(tmp_path):
    for name, said in (("train/a", "One,\ntwo!"), ("test/b", "THREE"), ("dev/c", "four")):
        write(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.txt").write_text(said)
    (tmp_path / "README.txt").write_text("about these files")
    found = read(tmp_path)
    assert [(item.target, item.split) for item in found.items] == [
        ("four", "validation"), ("three", "test"), ("one two", "train")]
    assert found.damaged == [] == found.notes
    assert found.items[0].input.seconds == 0.3 and found.items[0].input.rate == RATE


def test_librispeech_lists_with_speakers(tmp_path):
    root = tmp_path / "LibriSpeech"
    for part, speaker in (("train-clean-100", "103"), ("test-clean", "61")):
        folder = root / part / speaker / "1240"
        for number in (0, 1):
            write(folder / f"{speaker}-1240-000{number}.flac")
        (folder / f"{speaker}-1240.trans.txt").write_text(
            f"{speaker}-1240-0000 CHAPTER ONE\n{speaker}-1240-0001 IT'S MISSUS RACHEL\n")
    found = read(root)
    assert [(item.target, item.group, item.split) for item in found.items] == [
        ("chapter one", "61", "test"), ("it's missus rachel", "61", "test"),
        ("chapter one", "103", "train"), ("it's missus rachel", "103", "train")]


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_lists_also_inside_an_archive(tmp_path, form):
    write(tmp_path / "clips" / "a.wav")
    rows = [{"audio": "clips/a.wav", "text": "Hello there", "speaker": "7", "split": "dev"},
            {"audio": "clips/b.wav", "text": "gone", "speaker": "7", "split": "dev"},
            {"audio": "clips/a.wav", "text": "?!", "speaker": "7", "split": "dev"},
            {"audio": "", "text": "nowhere", "speaker": "7", "split": "dev"}]
    mark = {"csv": ",", "tsv": "\t"}.get(form)
    lines = [json.dumps(row) for row in rows] if mark is None else \
        [mark.join(row) for row in (rows[0].keys(), *(row.values() for row in rows))]
    (tmp_path / f"clips.{form}").write_text("\n".join(lines) + "\n")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        for name in ("clips/a.wav", f"clips.{form}"):
            packed.write(tmp_path / name, name)
    for place in (tmp_path / f"clips.{form}", tmp_path / "packed.zip"):
        found = read(place)
        [item] = found.items
        assert (item.target, item.group, item.split) == ("hello there", "7", "validation")
        missing, empty, nowhere = found.damaged
        assert "clips/b.wav" in missing
        assert "its text is empty; expected what is said in it" in empty
        assert "row 4: expected a path in 'audio', got ''" in nowhere


def test_what_lacks_its_counterpart_is_named(tmp_path):
    write(tmp_path / "a.wav"), write(tmp_path / "alone.wav")
    (tmp_path / "a.txt").write_text("yes")
    (tmp_path / "lost.txt").write_text("no")
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    (tmp_path / "bad.txt").write_text("maybe")
    found = read(tmp_path)
    assert [item.target for item in found.items] == ["yes"]
    assert found.damaged[0] == "lost: its text has no sound beside it"
    assert "bad.wav: not a readable sound" in found.damaged[1]
    assert found.notes[0].startswith("1 recordings have no text and are left out, for example ")
    with pytest.raises(ValueError, match="expected sounds such as .wav, .flac or .ogg with a .txt"):
        read_folder = tmp_path / "empty"
        read_folder.mkdir()
        read(read_folder)


def test_texts_are_tidied_or_kept():
    assert speech.tidied("  “Don’t,” she  said—'42' times!\n", kind="words") == \
        "don't she said 42 times"
    assert speech.tidied(" Don’t,  she\nsaid", kind="kept") == "Don’t, she said"


def test_a_long_recording_comes_in_windows_that_tell_each_moment_once(tmp_path):
    write(tmp_path / "long.wav", 10.5)
    found = list(recordings.given(str(tmp_path / "long.wav"), longest=4.0, shared=1.0))
    assert [(one.start, one.stop) for one in found] == [(0, 4), (3, 7), (6, 10), (9, 10.5)]
    assert [(one.first, one.last) for one in found] == [(0, 3.5), (3.5, 6.5), (6.5, 9.5),
                                                        (9.5, 10.5)]
    assert str(found[1]).endswith("long.wav from 0:03.0 to 0:07.0")
    whole, _ = sound.decode(File(tmp_path / "long.wav"))
    part, _ = sound.decode(found[1], start=3.0, stop=7.0)
    assert (part == whole[48_000:112_000]).all()
    [short] = recordings.given(str(tmp_path), longest=60.0, shared=1.0)
    assert short.whole and short.seconds == 10.5
    with pytest.raises(ValueError, match="no such file: nowhere.wav"):
        list(recordings.given("nowhere.wav", longest=4.0, shared=1.0))


def test_rates_and_channels_are_told(tmp_path):
    for name, rate, channels in (("a", 8000, 1), ("b", 44_100, 2), ("c", RATE, 1)):
        write(tmp_path / f"{name}.wav", 0.5, rate, channels)
        (tmp_path / f"{name}.txt").write_text("yes")
    assert speech.forms(read(tmp_path).items) == [
        "0.0 minutes of speech", "1 recordings have several channels, which are mixed to one",
        "1 recordings at 8,000 hertz, brought to 16,000: nothing is heard above 4,000 hertz",
        "1 recordings at 44,100 hertz, brought to 16,000"]


def test_what_cannot_be_heard_is_said(tmp_path):
    soundfile.write(tmp_path / "quiet.wav", numpy.zeros(RATE), RATE)
    quiet = recordings.recorded(File(tmp_path / "quiet.wav"))
    assert not speech.listened(quiet, RATE, spoken=False).any()
    with pytest.raises(ValueError, match="it is silent, but its text is not empty"):
        speech.listened(quiet, RATE, spoken=True)
    with pytest.raises(ValueError, match="it lasts 1.0 seconds; expected at most 0.5"):
        speech.listened(quiet, RATE // 2, spoken=True)
    write(tmp_path / "blip.wav", 0.01)
    with pytest.raises(ValueError, match="it lasts 0.010 seconds; expected 0.025 or more"):
        speech.listened(recordings.recorded(File(tmp_path / "blip.wav")), RATE, spoken=False)
