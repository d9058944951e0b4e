"""Translation: tokens and words, what is left out, what an answer says, scores of baselines."""

import json

import numpy
import pytest
import torch
from tests_data import needs_data

from lamina import explanations, scoring
from lamina.answers.translation import Translation
from lamina.artifact import Model
from lamina.errors import UserError
from lamina.parts import prepare
from lamina.source import Buckets
from lamina.task import Example
from lamina.tasks.translation import Settings, Translator, search_of, vocabulary_of
from lamina.text_to_text import (
    by_word,
    in_words,
    padded,
    remembered,
    spelled,
    surprise,
    tokens_of,
)

SMALL = dict(width=16, heads=2, layers=1, vocabulary_size=400)


@pytest.fixture(scope="module", params=["transformer", "rnn"])
def made(request, samples):
    """The task with its facts, its parts, and a net that has learnt nothing."""
    task = Translator(Settings(net=request.param, **SMALL))
    parts = prepare(task, samples("translation"))
    return task, parts, task.start().eval()


def model_of(made, cpu, **settings) -> Model:
    task, _, net = made
    return Model(task, net, {}, cpu).with_settings(settings)


# ---- tokens -----------------------------------------------------------------------------------

def test_any_text_is_spelled_again_from_its_tokens(made):
    vocabulary = vocabulary_of(made[0].facts)
    for text in ("Mi hermana pinta.", "漢字 und Ωmega 🙂", "tab & <b>", "\u00a0x"):
        assert spelled(tokens_of(text, vocabulary).tolist(), vocabulary) == text.strip()


def test_tokens_are_joined_to_words(made):
    vocabulary = vocabulary_of(made[0].facts)
    tokens = [*tokens_of("Su abuelo 漢.", vocabulary).tolist(), vocabulary.end]
    read, word = in_words(tokens, vocabulary)
    assert read == ["Su", "abuelo", "漢.", "(end)"]
    assert len(word) == len(tokens) and word[0] == 0 and word[-1] == 3
    assert in_words([], vocabulary)[0] == []


def test_weights_of_words_are_sums_over_what_is_read_and_means_over_what_is_written():
    weights = numpy.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    found = by_word(weights, numpy.array([0, 0]), numpy.array([0, 0, 1]))
    numpy.testing.assert_allclose(found, [[0.475, 0.525]])


def test_a_text_without_an_end_was_cut(made):
    task = made[0]
    vocabulary = vocabulary_of(task.facts)
    batch = padded(["Su abuelo", "Su " * 50], "source", vocabulary, 20)
    assert batch["source_length"].tolist()[1] == 20
    assert batch["source"][1, -1] != vocabulary.end
    assert batch["source"][0, batch["source_length"][0] - 1] == vocabulary.end


# ---- learning ---------------------------------------------------------------------------------

def test_batches_are_of_like_lengths_and_hold_every_pair_once(made):
    task, parts, net = made
    [phase] = task.phases(net, parts.train)
    assert isinstance(phase.batches, Buckets)
    seen = [next(phase.batches) for _ in range(phase.batches.length)]
    assert sum(len(batch["source"]) for batch in seen) == len(parts.data.train)
    for batch in seen:
        assert batch["source"].shape[1] == batch["source_length"].max()
        assert batch["source"].numel() + batch["target"].numel() <= task.settings.batch_size


@torch.no_grad()
def test_the_loss_is_the_surprise_at_the_tokens(made):
    """Without smoothing, the loss of a batch is its nats per token."""
    task, parts, net = made
    few = {name: values[:5] for name, values in parts.validation.batch.items()}
    plain = Translator(Settings(net=task.settings.net, label_smoothing=0.0, **SMALL), task.facts)
    [update] = plain.learn(net, few)
    nats = surprise(net, few, vocabulary_of(task.facts).end)
    assert update.loss.item() == pytest.approx(nats.sum() / update.count, rel=1e-5)
    alone = [surprise(net, {name: values[i : i + 1] for name, values in few.items()},
                      vocabulary_of(task.facts).end)[0] for i in range(5)]
    numpy.testing.assert_allclose(nats, alone, rtol=1e-4)


# ---- answers ----------------------------------------------------------------------------------

def test_an_answer_says_where_it_looked(made, cpu):
    [answer] = model_of(made, cpu).predict(["Mi hermana pinta."])
    assert answer.source == ["Mi", "hermana", "pinta.", "(end)"]
    assert len(answer.attention) == len(answer.words)
    for row in answer.attention:
        assert sum(row) == pytest.approx(1, abs=1e-4)
    assert json.dumps(answer.to_json()) and answer.html().startswith("<pre>")


def test_characters_that_training_never_saw_are_named(made, cpu):
    known, strange = model_of(made, cpu).predict(["Mi hermana", "Mi 漢字 hermana"])
    assert known.unknown == "" and set(strange.unknown) == {"漢", "字"}
    assert "never saw: " in strange.line()


def test_the_search_may_be_changed_when_answering(made, cpu):
    greedy, wide = (list(model_of(made, cpu, beam=beam).predict(["Su abuelo vende"]))[0].score
                    for beam in (1, 8))
    assert wide >= greedy - 1e-6


def test_a_text_that_is_too_long_is_named(made, cpu):
    with pytest.raises(UserError, match="has 150 words; expected at most 100"):
        list(model_of(made, cpu).predict(["wort " * 150]))
    with pytest.raises(UserError, match="the text is empty"):
        list(model_of(made, cpu).predict([""]))


def test_the_drawing_has_a_square_for_what_matters(tmp_path):
    answer = Translation("a <b>", -0.5, ["x", "(end)"], ["a", "<b>"], [[0.99, 0.01], [0.4, 0.6]])
    drawn = answer.drawing()
    assert drawn.count("<rect") == 3 and "&lt;b&gt;" in drawn and "<b>" not in drawn
    for name in ("a.txt", "a.html", "a.json"):
        answer.save(tmp_path / name)
    assert (tmp_path / "a.txt").read_text() == "a <b>\n"
    assert json.loads((tmp_path / "a.json").read_text())["words"] == ["a", "<b>"]
    with pytest.raises(UserError, match="saved as .json"):
        answer.save(tmp_path / "a.png")


def test_what_is_explained_is_the_log_probability_of_the_answer(made, cpu):
    [told] = explanations.explain(model_of(made, cpu), ["Su abuelo vende"], method="occlusion")
    assert told.tokens[-1] == "(end)" and len(told.weights) == len(told.tokens)
    task, _, net = made
    batch = task.encode([Example("Su abuelo vende")])
    found, end = task.probe(net, batch), vocabulary_of(task.facts).end
    with torch.no_grad():
        [one] = search_of(task.settings)(net, remembered(net, batch), batch["source_length"], end)
        value = found.outputs(found.inputs).item()
    assert value == pytest.approx(one.score * (len(one.tokens) + 1), rel=1e-4)


# ---- data -------------------------------------------------------------------------------------

def write(path, rows) -> None:
    path.write_text("".join(json.dumps({"source": a, "target": b}) + "\n" for a, b in rows))


def test_long_texts_are_left_out_and_counted(tmp_path):
    rows = [(f"Satz {i}", f"sentence {i}") for i in range(50)] + [("lang " * 200, "long")] * 2
    write(tmp_path / "pairs.jsonl", rows)
    data = Translator(Settings()).read(tmp_path)
    assert len(data.train) + len(data.validation) + len(data.test) == 50
    assert any("left out: 2 pairs with more than 100 words" in note for note in data.notes)


def test_texts_that_differ_are_cut_into_parts_though_each_has_a_target_of_its_own(tmp_path):
    write(tmp_path / "pairs.jsonl", [(f"Satz {i}", f"sentence {i}") for i in range(100)])
    data = Translator(Settings()).read(tmp_path)
    assert len(data.test) == 10 and len(data.validation) == 9


def test_lower_case_is_read_written_and_scored(tmp_path, cpu):
    write(tmp_path / "pairs.jsonl", [(f"SATZ {i}", f"Sentence {i}") for i in range(40)])
    task = Translator(Settings(lowercase=True, **SMALL))
    parts = prepare(task, tmp_path)
    assert all(one.input.islower() and one.target.islower() for one in parts.data.train)
    assert task.examples(["SATZ 1"])[0].input == "satz 1"


def test_baselines_copy_and_look_up(made):
    task, parts, _ = made
    train, test = parts.data.train, [Example(one.input, one.target) for one in
                                     parts.data.train[:30]]
    rows = task.baselines(train, test)
    again = rows["the most similar training text"]
    scores = scoring.point_scores(task.metrics, again)
    assert scores["BLEU"] == pytest.approx(100)
    assert scoring.point_scores(task.metrics, rows["copying the source"])["BLEU"] < 10


@needs_data("multi30k")
def test_multi30k_is_read_as_published(data):
    found = Translator(Settings(source_language="de", target_language="en")).read(data)
    assert len(found.train) == 29_000 and len(found.validation) == 1_014
    assert not found.damaged
