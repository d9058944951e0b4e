import codecs
import gzip
import io
import json
import math

import pytest
import torch

from lamina.errors import UserError
from lamina.keys import seed_all
from lamina.media import text
from lamina.media.files import File
from lamina.metrics import frequencies
from lamina.task import Example
from lamina.tasks.text_generation import (
    Settings,
    TextGeneration,
    stream,
    vocabulary_of,
    whole,
)
from lamina.tokens import surprise

SMALL = {"layers": 1, "width": 16, "heads": 2, "context": 16, "batch_size": 8}
STORY = "".join(f"Line {n} of a short story, told — slowly.\n" for n in range(400))


def ready(source, **settings):
    """A task that has read and studied the source, and its data."""
    task = TextGeneration(Settings.make(SMALL | settings))
    data = task.read(source)
    task.facts = task.study(data.train)
    return task, data


def joined(examples):
    texts = [whole(example) for example in examples]
    return texts[0] + "".join(one[1:] for one in texts[1:])


def unfinished(task):
    """A net whose answers are neither uniform nor learnt."""
    net = task.start().eval()
    seed_all(1, "test")
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return net


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(STORY)
    return path


# ---- reading --------------------------------------------------------------------------------


def test_one_text_is_cut_in_order_and_passages_restore_it(story):
    _, data = ready(story)
    assert joined(data.train) + joined(data.validation) + joined(data.test) == STORY
    assert len(joined(data.test)) == round(0.1 * len(STORY))
    assert data.cut == ("validation", "test") and "10% for test" in data.how


@pytest.mark.parametrize("written", [
    STORY.encode(), codecs.BOM_UTF8 + STORY.encode(), STORY.encode("utf-16"),
    STORY.replace("\n", "\r\n").encode()])
def test_encodings_and_line_ends_give_the_same_text(tmp_path, written):
    (tmp_path / "a.txt").write_bytes(written)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(written))
    assert text.decode(File(tmp_path / "a.txt")) == STORY
    assert text.decode(File(tmp_path / "b.txt.gz")) == STORY


def test_latin_1_is_read_and_binary_files_are_named(tmp_path):
    (tmp_path / "a.txt").write_bytes("Über\n".encode("latin-1") * 9)
    (tmp_path / "b.txt").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(STORY.encode())[:-20])
    found = text.read(tmp_path)
    assert [item.input[:4] for item in found.documents] == ["Über"]
    assert len(found.damaged) == 2 and "not a text" in found.damaged[0]
    assert "gzip" in found.damaged[1]


def test_declared_parts_are_kept(tmp_path):
    for part in ("train", "valid", "test"):
        (tmp_path / f"wiki.{part}.tokens").write_text(f"{part} " * 300)
    _, data = ready(tmp_path)
    assert data.cut == () and "declared" in data.how
    assert set(joined(data.validation).strip("␃").split()) == {"valid"}
    assert set(joined(data.test).strip("␃").split()) == {"test"}


def test_a_list_of_names_has_a_document_in_each_line(tmp_path):
    names = sorted({f"name{chr(97 + n % 26)}{n}" for n in range(300)})
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    task, data = ready(tmp_path / "names.txt")
    parts = [joined(part).strip("␃").split("␃")
             for part in (data.train, data.validation, data.test)]
    assert sorted(sum(parts, [])) == names
    assert len(parts[2]) == 30 and task.facts.ends and "300 lines" in data.notes[0]
    _, kept = ready(tmp_path / "names.txt", documents="file")
    assert joined(kept.train).startswith("namea0\n")


def test_rows_of_a_list_are_documents(tmp_path):
    rows = [{"text": f"tale {n} goes on and on", "split": "test" if n < 9 else "train"}
            for n in range(60)]
    (tmp_path / "tales.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\nbroken\n")
    _, data = ready(tmp_path / "tales.jsonl")
    assert joined(data.test).count("tale") == 9 and len(data.damaged) == 1
    (tmp_path / "bad.csv").write_text("id,body\n1,hello\n")
    with pytest.raises(UserError, match="no column text; its columns: id, body"):
        ready(tmp_path / "bad.csv")


def test_equal_documents_never_straddle(tmp_path):
    for n in range(60):
        (tmp_path / f"{n}.txt").write_text(f"copy {n % 20} " * 20)
    _, data = ready(tmp_path)
    parts = [set(joined(part).strip("␃").split("␃"))
             for part in (data.train, data.validation, data.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_nothing_to_read_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="holds no text: expected files such as .txt"):
        ready(tmp_path)
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(UserError, match="holds no text"):
        ready(tmp_path)
    (tmp_path / "empty.txt").write_text("hi there")
    with pytest.raises(UserError, match="too short: the validation part would be empty"):
        ready(tmp_path)


# ---- vocabularies and tokens ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["character", "byte", "bpe"])
def test_tokens_spell_the_text_again(story, kind):
    task, data = ready(story, vocabulary=kind, vocabulary_size=300)
    vocabulary = vocabulary_of(task.settings, task.facts)
    given = whole(data.test[0])
    tokens = vocabulary.encode(given)
    assert "".join(text.spelled(vocabulary.pieces[token] for token in tokens)) == given
    assert tokens.max() < vocabulary.size
    train = task.encode(data.train)
    rejoined = stream(train)
    rejoined = rejoined[torch.arange(len(rejoined))].tolist()
    assert "".join(text.spelled(vocabulary.pieces[t] for t in rejoined)) == joined(data.train)


@pytest.mark.parametrize("kind", ["byte", "bpe"])
def test_any_text_can_be_spelled_and_ends_are_one_token(story, kind):
    task, _ = ready(story, vocabulary=kind, vocabulary_size=300)
    vocabulary = vocabulary_of(task.settings, task.facts)
    given = "naïve 日本\t🙂\x07␃ end"
    tokens = vocabulary.encode(given).tolist()
    assert tokens.count(vocabulary.end) == 1
    assert "".join(text.spelled(vocabulary.pieces[token] for token in tokens)) == given


def test_byte_pairs_are_those_of_the_trained_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    merges = text.byte_pairs([STORY], 300)
    reference = Tokenizer(models.BPE())
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    reference.train_from_iterator([STORY], trainers.BpeTrainer(
        vocab_size=300, show_progress=False, special_tokens=["␃"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    found = text.BytePairs(merges)
    names = found.tokenizer.encode(STORY).tokens
    assert names == reference.encode(STORY).tokens and found.size == 300
    assert sorted(text.byte_names()) == sorted(pre_tokenizers.ByteLevel.alphabet())


@pytest.mark.parametrize("merges", [["x"], ["a b c"], ["nothere z"], [""], ["a  b"]])
def test_hostile_merges_are_refused(merges):
    with pytest.raises(ValueError):
        text.BytePairs(merges)


def test_characters_appear_only_when_they_are_whole():
    pieces = [bytes([value]) for value in "aé🙂".encode()] + ["é".encode()[:1]]
    assert list(text.spelled(pieces)) == ["a", "é", "🙂", "\ufffd"]


def test_unknown_characters_of_a_prompt_are_named(story):
    task, _ = ready(story)
    with pytest.raises(UserError, match=r"knows no 'Q', 'é', which the prompt 'éQ'"):
        task.examples(["éQ"])
    assert ready(story, vocabulary="byte")[0].examples(["éQ"]) == [Example("éQ")]


def test_a_dash_reads_standard_input(story, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("Line 3\n"))
    assert ready(story)[0].examples(["-"]) == [Example("Line 3\n")]


def test_cuts_lie_between_words_and_hold_few_bytes():
    given = "日本語 " * 50 + "word " * 100 + "x" * 300
    cuts = text.passages(given, 64)
    assert cuts[0] + "".join(cut[1:] for cut in cuts[1:]) == given
    assert all(2 <= len(cut) and len(cut.encode()) <= 64 for cut in cuts)
    assert all(cut[-1] == " " for cut in cuts[:10])


# ---- learning -------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["gpt", "lstm"])
def test_every_token_is_scored_once_whatever_the_batch(story, net):
    task, data = ready(story, net=net)
    model, batch = unfinished(task), task.encode(data.test)
    vocabulary = vocabulary_of(task.settings, task.facts)
    with torch.inference_mode():
        together = surprise(model, batch["tokens"], batch["length"], 16)
        for row, example in enumerate(data.test):
            tokens = torch.from_numpy(vocabulary.encode(whole(example))).long()
            expected = 0.0
            for start in range(0, len(tokens) - 1, 16):
                window = tokens[start : start + 17]
                chances = model(window[None, :-1])[0][0].log_softmax(-1)
                expected -= chances.gather(1, window[1:, None]).sum().item()
            assert together[row].item() == pytest.approx(expected, rel=1e-4)
        rows = task.evaluate(model, batch, data.test)
    assert rows["nats per character"][:, 1].sum() == len(joined(data.test)) - 1
    assert rows["bits per byte"][:, 1].sum() == len(joined(data.test)[1:].encode())


def test_uniform_chances_cost_the_logarithm_of_the_vocabulary(story):
    task, data = ready(story)
    with torch.inference_mode():
        rows = task.evaluate(task.start().eval(), task.encode(data.test), data.test)
    assert task.metrics[0].score(rows["nats per character"]) == pytest.approx(
        math.log(vocabulary_of(task.settings, task.facts).size))


def test_counting_costs_what_it_costs_by_hand():
    found = frequencies.costs(["aab"], ["aab", "xc"])
    # counts with one added: a 3, b 2, any other 1; of pairs: aa 2, ab 2, a? 1; of b and ?: 1 each
    assert found["frequencies of characters"] == pytest.approx(
        [-math.log(3 / 6 * 2 / 6), -math.log(1 / 6)])
    assert found["frequencies of pairs of characters"] == pytest.approx(
        [-math.log(2 / 5 * 2 / 5), -math.log(1 / 3)])


@pytest.mark.parametrize(("net", "rate"), [("gpt", 0.02), ("lstm", 0.03)])
def test_learns_a_text_better_than_pairs_of_characters(tmp_path, net, rate):
    task, data = ready(TextGeneration.sample(tmp_path), net=net, width=32, context=32,
                       batch_size=16, learning_rate=rate)
    model = task.start()
    [phase] = task.phases(model, task.encode(data.train))
    for _ in range(200):
        [update] = phase.learn(next(phase.batches))
        model.zero_grad()
        update.loss.backward()
        for optimizer in phase.optimizers[model]:
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        rows = task.evaluate(model, task.encode(data.test), data.test)
    pairs = task.baselines(data.train, data.test)["frequencies of pairs of characters"]
    score = task.metrics[0].score
    assert score(pairs["nats per character"]) > 1.6
    assert score(rows["nats per character"]) < 1.1


def test_width_and_heads_that_do_not_fit_are_one_clear_line(story):
    with pytest.raises(UserError, match="width 30 and heads 4"):
        ready(story, width=30, heads=4)[0].build()


# ---- writing --------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["gpt", "lstm"])
def test_answers_do_not_depend_on_the_batch(story, net):
    task, _ = ready(story, net=net, length=40)
    model = unfinished(task)
    prompts = task.examples(["Line 1", "short story, told slowly " * 5, ""])
    together = [answer.text for answer in task.answer(model, task.encode(prompts))]
    alone = [task.answer(model, task.encode([one]))[0].text for one in prompts]
    assert together == alone and len(set(alone)) == 3
    assert all(len(one) == 40 for one in alone)  # beyond the context of 16


def test_another_seed_writes_another_text_and_zero_temperature_none(story):
    task, _ = ready(story, length=30)
    model = unfinished(task)

    def written(**changes):
        changed = TextGeneration(Settings.make(task.settings.to_json() | changes), task.facts)
        return changed.answer(model, changed.encode([Example("Line")]))[0].text

    assert written() == written() != written(seed=1)
    assert written(temperature=0.0) == written(temperature=0.0, seed=1)
    assert written(temperature=0.0) == written(top_k=1) == written(top_p=0.0)


def test_the_end_of_a_document_ends_the_answer(tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"ab{n % 7}\n" for n in range(700)))
    task, data = ready(tmp_path, length=50)
    model = task.start().eval()
    model.blocks = torch.nn.ModuleList(model.blocks[:1])
    one = task.encode([Example("ab")])
    assert one["tokens"][0, 0] == vocabulary_of(task.settings, task.facts).end
    with torch.no_grad():  # the head answers "the end" after anything
        model.embedding.weight.copy_(torch.linspace(-1, 1, 16))
        model.head.weight[vocabulary_of(task.settings, task.facts).end] = torch.linspace(-9, 9, 16)
    assert task.answer(model, one)[0].text == ""
