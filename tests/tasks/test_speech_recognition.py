"""speech-recognition: it learns a hummed language, in each net; failures of the medium are named."""

import json
import resource

import numpy
import pytest
import torch
from tests_data import needs_data

from lamina import artifact, language, tasks, verbs
from lamina.answers.transcript import Transcript, Word
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.run import Run
from lamina.task import tensors

soundfile = pytest.importorskip("soundfile")
NAME = "speech-recognition"
RATE = 16_000
SMALL = {"width": 48, "layers": 1, "dropout": 0.0, "masks": 0, "bands": 24, "learning_rate": 7e-3}


def learnt(prepared, cpu, *, steps: int, **settings):
    task, parts = prepared(NAME, **SMALL, **settings)
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(steps),
              evaluations=1, say=lambda line: None)
    for _ in run.train():
        pass
    return artifact.Model(task, run.finish(), {}, cpu), parts


@pytest.mark.parametrize("net, steps", [("ctc", 100), ("conformer", 110), ("attention", 160)])
def test_learns_what_is_hummed(prepared, cpu, net, steps):
    model, parts = learnt(prepared, cpu, steps=steps, net=net, batch_size=16)
    few = parts.training
    answers = model.answer(tensors(few.batch, slice(24)))
    rows = model.task.rows(answers, few.examples[:24])
    wer = model.task.metrics[0]
    assert wer.score(rows["wer"]) <= 0.25
    baselines = model.task.baselines(few.examples, few.examples)
    assert all(wer.score(rows["wer"]) > 0.7 for rows in baselines.values())


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    return verbs.train(NAME, samples(NAME), steps="2", width=16, layers=1,
                       run=tmp_path_factory.mktemp("speech") / "run", say=lambda line: None).folder


def hum(seconds: float, rate: int = RATE, channels: int = 1) -> numpy.ndarray:
    time = numpy.arange(round(seconds * rate)) / rate
    return numpy.tile(0.3 * numpy.sin(2 * numpy.pi * 440 * time)[:, None], channels)


def test_answers_say_what_was_done_to_the_sound(trained, tmp_path):
    soundfile.write(tmp_path / "telephone.wav", hum(0.4, 8000, 2), 8000)
    soundfile.write(tmp_path / "silence.flac", numpy.zeros(RATE // 2), RATE)
    soundfile.write(tmp_path / "short.ogg", hum(0.1), RATE)
    by_name = [*verbs.predict(trained, [str(tmp_path)])]
    short, silence, telephone = by_name
    assert short.notes == () and abs(short.end - 0.1) < 0.01
    assert silence.notes == ("silence",) and silence.text == ""
    assert silence.line() == "(nothing)  (silence)"
    assert telephone.notes == ("2 channels mixed to one", "at 8,000 hertz, brought to 16,000: "
                               "nothing is heard above 4,000 hertz")
    for said in by_name:
        assert said.html().count("<svg") == 1 and json.dumps(said.to_json())


def test_three_hours_are_transcribed_in_windows_in_little_memory(trained, tmp_path):
    path = tmp_path / "lecture.wav"
    minute = hum(60, 8000)[:, 0]
    with soundfile.SoundFile(path, "w", 8000, 1, "PCM_U8") as file:
        for _ in range(180):
            file.write(minute)
    task = artifact.load(trained).task
    given = task.examples([str(path)])
    assert len(given) > 3 * 3600 / (task.facts.longest / RATE)
    assert sum(one.input.last - one.input.first for one in given) == pytest.approx(3 * 3600)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = artifact.load(trained)
    answers = [*model.predict(given[-12:])]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kilobytes
    assert answers[0].start == pytest.approx(given[-12].input.start, abs=1e-3)
    assert answers[-1].end == pytest.approx(3 * 3600, abs=0.01)
    assert answers[0].line().startswith("2:59:")


def test_unreadable_inputs_are_named(trained, tmp_path):
    (tmp_path / "not.wav").write_bytes(b"this is no sound")
    with pytest.raises(UserError, match="not.wav: not a readable sound"):
        list(verbs.predict(trained, [str(tmp_path / "not.wav")]))
    with pytest.raises(UserError, match="no such file: none.wav"):
        list(verbs.predict(trained, ["none.wav"]))
    soundfile.write(tmp_path / "blip.wav", hum(0.01), RATE)
    with pytest.raises(UserError, match="blip.wav: it lasts 0.010 seconds; expected 0.025 or more"):
        list(verbs.predict(trained, [str(tmp_path / "blip.wav")]))
    with pytest.raises(UserError, match="transcript is saved as .json"):
        soundfile.write(tmp_path / "hum.wav", hum(0.3), RATE)
        [answer] = verbs.predict(trained, [str(tmp_path / "hum.wav")])
        answer.save(tmp_path / "hum.png")
    for suffix in (".txt", ".html", ".json"):
        answer.save(tmp_path / f"hum{suffix}")
        assert (tmp_path / f"hum{suffix}").stat().st_size


def test_damaged_recordings_are_left_out_of_learning(tmp_path):
    from lamina.parts import prepare

    kind = tasks.find(NAME)
    kind.sample(tmp_path)
    for number in range(60, 160):
        soundfile.write(tmp_path / f"song-{number}.wav", hum(0.3), RATE)
        (tmp_path / f"song-{number}.txt").write_text(f"do re {number}")
    soundfile.write(tmp_path / "hour.wav", hum(60), RATE)
    soundfile.write(tmp_path / "hasty.wav", hum(0.1), RATE)
    soundfile.write(tmp_path / "mute.wav", numpy.zeros(RATE // 2), RATE)
    soundfile.write(tmp_path / "empty.wav", hum(0.3), RATE)
    for name, said in (("hour", "do"), ("hasty", "far too much to say"), ("mute", "do"),
                       ("empty", " ")):
        (tmp_path / f"{name}.txt").write_text(said)
    parts = prepare(kind(kind.Settings()), tmp_path)
    damaged = "\n".join(sorted(line.rpartition("/")[2] for line in parts.data.damaged))
    assert damaged.splitlines() == [
        "empty.wav: its text is empty; expected what is said in it",
        "hasty.wav: its text has 19 characters, but its 0.10 seconds are 2 frames, of which each "
        "says one at most",
        "hour.wav: it lasts 60.0 seconds; expected at most 0.6, a quarter longer than the longest "
        "to learn from; cut it into utterances",
        "mute.wav: it is silent, but its text is not empty"]


def test_the_language_model_decides_between_what_sounds_alike():
    characters = ("", " ", *"abcdefghijklmnopqrstuvwxyz")
    spell = {letter: index for index, letter in enumerate(characters) if letter}
    known = language.counted(("write a letter", "the right hand", "the right side"), 3)
    fusion = language.Fusion(known, characters, 1.0, 0.0, 0.0)

    def score(text):
        symbols = tuple(spell[letter] for letter in text)
        return sum(fusion.extension(symbols[:i], symbol) for i, symbol in enumerate(symbols)) \
            + fusion.ending(symbols)

    assert score("the right side") > score("the write side") > score("the wryte side")
    expected = sum(known.words.log("the right side".split()[:i], word)
                   for i, word in enumerate(["the", "right", "side", "</s>"]))
    assert score("the right side") == pytest.approx(expected)


def test_settings_of_the_search_may_change_when_it_answers(trained, samples):
    files = sorted(str(path) for path in samples(NAME).glob("*.wav"))[:3]
    greedy, wide = ([*verbs.predict(trained, files, **given)] for given in
                    ({"beam": 1}, {"beam": 20, "word_weight": 0.3, "character_weight": 0.2}))
    assert len(greedy) == len(wide) == 3
    with pytest.raises(UserError, match="'width' cannot be set"):
        list(verbs.predict(trained, files, width=3))


def test_explains_by_the_frames_of_the_spectrogram(trained, samples):
    path = str(samples(NAME) / "song-00.wav")
    [found] = verbs.explain(trained, [path])
    assert found.places[0] == "at 0.00 s" and len(found.weights) == len(found.places)
    assert found.error < 0.05 and found.end - found.start == pytest.approx(
        found.weights.sum(), rel=0.05, abs=0.02)


def test_a_transcript_draws_its_words_where_they_are_said():
    said = Transcript((Word("a<b", 1.0, 1.5), Word("c", 1.75, 2.0)), 0.5, 2.5,
                      energies=numpy.random.default_rng(0).normal(size=(200, 24)))
    assert said.text == "a<b c" and said.line() == "0:00.5  a<b c"
    drawn = said.drawing()
    assert 'M60.0 0V128M120.0 0V128' in drawn and "a&lt;b" in drawn and "<image" in drawn
    assert said.to_json()["words"][1] == {"word": "c", "start": 1.75, "end": 2.0}


def test_an_order_of_zero_keeps_no_training_text(prepared):
    task, _ = prepared(NAME, order=0)
    assert task.facts.texts == ()
    with torch.inference_mode():
        assert task.start() is not None


@needs_data("an4")
def test_an4_is_read_by_its_name_with_its_own_parts(data):
    from lamina import datasets

    kind = tasks.find(NAME)
    read = kind(kind.Settings()).read(datasets.find("an4"))
    assert len(read.train) + len(read.validation) == 948 and len(read.test) == 130
    speakers = [{example.group for example in part} for part in (read.train, read.validation,
                                                                 read.test)]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 84
    words = [[word for one in part for word in one.target.split()]
             for part in (read.train + read.validation, read.test)]
    told = [(data / "etc" / f"an4_{part}.transcription").read_text().split()
            for part in ("train", "test")]
    assert [sorted(some) for some in words] == [
        sorted(word.lower() for word in every if word[0] not in "<(") for every in told]
    assert [len(some) for some in words] == [5442, 773]
    assert read.damaged == []
