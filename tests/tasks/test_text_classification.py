"""text-classification: every layout that people have, one label and several, long texts."""

import json
import zipfile

import pytest
import torch

from lamina import artifact, explanations, stems, verbs
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.nets import text
from lamina.parts import prepare
from lamina.run import Run
from lamina.task import Example
from lamina.tasks.text_classification import Settings, TextClassification, vote

GOOD = [f"a good film number {n}, warm and well told" for n in range(15)]
BAD = [f"a bad film number {n}, cold and far too long" for n in range(15)]
ROWS = [(line, label) for label, lines in (("bad", BAD), ("good", GOOD)) for line in lines]


def read(path, **settings):
    return TextClassification(Settings(**settings)).read(path)


def everything(data):
    return sorted((one.input, one.target) for part in (data.train, data.validation, data.test)
                  for one in part)


def ready(source, **settings):
    task = TextClassification(Settings.make(settings))
    return task, prepare(task, source)


def trained(source, cpu, *, steps=60, **settings):
    task, parts = ready(source, batch_size=16, **settings)
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(steps),
              evaluations=1, say=lambda line: None)
    for _ in run.train():
        pass
    return task, parts, run


@pytest.fixture
def tagged(tmp_path):
    """Texts with any number of labels, as JSON lines."""
    lines = []
    for n in range(90):
        known = [tag for bit, tag in enumerate(("sea", "snow", "town")) if n >> bit & 1]
        lines.append({"text": " ".join(["a", "walk", *(f"{tag}like" for tag in known), f"no{n}"]),
                      "labels": known})
    path = tmp_path / "walks.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


# ---- reading --------------------------------------------------------------------------------


def written(tmp_path, form):
    """The texts in one of the layouts."""
    root = tmp_path / form
    root.mkdir()
    if form in ("folders", "zip"):
        for number, (line, label) in enumerate(ROWS):
            (root / label).mkdir(exist_ok=True)
            (root / label / f"{number}.txt").write_text(line + "\n")
        if form == "folders":
            return root
        with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
            for file in sorted(root.rglob("*.txt")):
                archive.write(file, file.relative_to(tmp_path))
        return tmp_path / "texts.zip"
    if form == "lines":
        (root / "good.txt").write_text("\n".join(GOOD) + "\n\n")
        (root / "bad.txt").write_text("\r\n".join(BAD), encoding="utf-16")
        return root
    path = root / f"list.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps({"review": line, "class": label}) + "\n"
                                for line, label in ROWS))
    else:
        mark = {"csv": ",", "tsv": "\t"}[form]
        path.write_text(f"sentence{mark}label\n" + "".join(
            f'"{line}"{mark}{label}\n' if form == "csv" else f"{line}{mark}{label}\n"
            for line, label in ROWS))
    return path


@pytest.mark.parametrize("form", ["folders", "zip", "lines", "csv", "tsv", "jsonl"])
def test_every_layout_gives_the_same_texts(tmp_path, form):
    assert everything(read(written(tmp_path, form))) == sorted(ROWS)


def test_declared_parts_and_groups_are_kept(tmp_path):
    for part in ("train", "val", "test"):
        for label in ("bad", "good"):
            (tmp_path / part / label).mkdir(parents=True)
            (tmp_path / part / label / "1.txt").write_text(f"{part} {label}")
    data = read(tmp_path)
    assert data.cut == () and [one.input for one in data.test] == ["test bad", "test good"]
    path = tmp_path / "list.csv"
    path.write_text("text,label,group\n" + "".join(
        f"text {n},{'ab'[n % 2]},writer{n // 4}\n" for n in range(80)))
    data = read(path)
    assert not {one.group for one in data.train} & {one.group for one in data.test}


def test_texts_that_are_empty_and_rows_without_a_label_are_named(tmp_path):
    rows = [{"text": f"text {n}", "label": "ab"[n % 2]} for n in range(60)]
    rows += [{"text": "  ", "label": "a"}, {"text": "no label"}, {"text": 7, "label": "a"}]
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    damaged = read(path).damaged
    assert len(damaged) == 4 and "row 61: its text is empty" in damaged[0]
    assert "expected a label, got None" in damaged[1] and "got 7" in damaged[2]
    with pytest.raises(UserError, match="damaged, expected at most 5%"):
        ready(path)


@pytest.mark.parametrize("content, said", [
    ("id,body\n1,hello\n", "expected a column 'text' in its first line, found 'id', 'body'"),
    ("text,mood\nhello,good\n", "expected a column 'label'"),
    ("text,label\n" + "hello,good\n" * 9, "has only the label 'good'; expected two"),
    ("", "holds no labelled texts; expected a CSV")])
def test_lists_without_what_is_needed_are_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "list.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=said):
        read(path)
    if "mood" in content:
        path.write_text("text,mood\n" + "".join(f"day {n},{('good', 'bad')[n % 2]}\n"
                                                for n in range(30)))
        assert read(path, label_column="mood").train[0].target in ("good", "bad")


def test_labels_in_a_cell_or_a_list_are_several(tmp_path, tagged):
    data = read(tagged)
    assert {one.target for one in data.train} >= {(), ("sea",), ("sea", "snow", "town")}
    path = tmp_path / "list.csv"
    path.write_text("text,tags\n" + "".join(f"text {n},b;a\n" for n in range(30)))
    assert read(path).train[0].target == ("a", "b")


# ---- tokens ---------------------------------------------------------------------------------


def test_of_a_text_that_is_too_long_both_ends_are_read_and_it_is_said(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("text,label\n" + "".join(
        f"first{n} {'middle ' * 40}last{n},{'ab'[n % 2]}\n" for n in range(60)))
    task, parts = ready(path, longest=9, window=4)
    assert "60 texts have more than 9 words" in parts.data.notes[0]
    words = {index: word for index, word in enumerate(task.facts.words, text.FIRST)}
    row = parts.train["tokens"][0].tolist()
    assert len(row) == 9 and words[row[0]].startswith("first") and words[row[-1]].startswith("last")


def test_votes_start_at_what_naive_bayes_counts(tmp_path):
    task, parts = ready(written(tmp_path, "csv"))
    embedding = task.build().embedding
    vote(embedding, parts.train, several=False)
    table = embedding.votes.weight.detach()
    names = (*task.facts.words, *task.facts.stems)
    votes = dict(zip(names, table[text.FIRST :].tolist(), strict=True))
    assert votes["bad"][0] > 0.5 > -0.5 > votes["good"][0]
    assert votes["film"] == pytest.approx([0, 0], abs=0.2)
    assert table[: text.FIRST].eq(0).all() and table.sum(1).abs().max() < 1e-5


def test_a_word_that_training_did_not_have_is_read_by_its_longest_stem():
    assert stems.shared_stems(["bores", "bored", "bore", "a"]) == ("bore",)
    known = stems.Vocabulary(("boring", "bored", "fine"), ("fine", "thing"))
    found = known.tokens(["finest", "things", "boring", "zebra"])
    assert [known.spelled(token) for token in found] == ["fine…", "thing…", "boring", "(unknown)"]
    assert known.made_of().tolist() == [[0] * 4, [1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0],
                                        [4, 5, 0, 0], [5, 0, 0, 0], [6, 0, 0, 0]]


# ---- learning and answering -----------------------------------------------------------------


@pytest.mark.parametrize("net", ["cnn", "lstm", "transformer"])
def test_every_net_learns_the_sample(net, samples, cpu):
    task, parts, run = trained(samples("text-classification"), cpu, net=net, width=32)
    assert run.best["scores"]["accuracy"] >= 0.9  # chance: a third


def test_several_labels_are_learnt_each_by_itself(tagged, cpu):
    task, parts, run = trained(tagged, cpu, width=32)
    assert run.best["scores"]["micro_f1"] >= 0.95
    model = artifact.Model(task, run.finish(), {}, cpu)
    both, none = model.predict([Example("a sealike townlike walk"), Example("a walk")])
    assert set(both.labels) == {"sea", "town"} and none.labels == ()
    assert json.loads(json.dumps(both.to_json()))["labels"] == list(both.labels)
    [told] = explanations.explain(model, [Example("a snowlike walk")], label="snow")
    assert told.tokens[told.weights.argmax()] == " snowlike"
    assert told.probability == pytest.approx(next(model.predict(
        [Example("a snowlike walk")])).probabilities["snow"])


def test_explanation_names_the_decisive_word_and_adds_up(tmp_path, cpu):
    task, parts, run = trained(written(tmp_path, "csv"), cpu, net="transformer", width=16)
    model = artifact.Model(task, run.finish(), {}, cpu)
    [told] = explanations.explain(model, [Example("a bad film")])
    assert told.answer == "bad" and told.tokens[told.weights.argmax()] == " bad"
    assert told.error < 0.02 and "next token" not in told.account()
    [looked] = explanations.explain(model, [Example("a bad film")], method="attention")
    assert looked.rollout.sum() == pytest.approx(1, abs=1e-5)


def test_predict_takes_texts_files_folders_and_lists(tmp_path, samples):
    run = tmp_path / "run"
    verbs.train("text-classification", samples("text-classification"), steps="3", run=run,
                say=lambda line: None)
    (tmp_path / "new").mkdir()
    for number in range(3):
        (tmp_path / "new" / f"{number}.txt").write_text("Is the desk made of oak?\n")
    (tmp_path / "new.csv").write_text("text,other\nWhere is my lamp?,1\nThanks!,2\n")
    counts = [len(list(verbs.predict(run, [str(given)]))) for given in (
        "Where is my lamp?", tmp_path / "new", tmp_path / "new" / "0.txt", tmp_path / "new.csv")]
    assert counts == [1, 3, 1, 2]
    for given, said in (("  ", "the text is empty"), ("absent.txt", "no such file: absent.txt")):
        with pytest.raises(UserError, match=said):
            list(verbs.predict(run, [given]))


# ---- pretrained -----------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    """A BERT of 16 channels with random weights and a vocabulary of its own, as a folder."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = sorted({word for line, _ in ROWS for word in line.replace(",", "").split()})
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ",", *words]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path / "checkpoint"
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]",
                                         pad_token="[PAD]").save_pretrained(folder)
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40)).save_pretrained(folder)
    return folder


def test_pretrained_encoder_is_taken_over_tuned_and_kept_in_the_model_file(
        tmp_path, checkpoint, cpu, monkeypatch):
    monkeypatch.setenv("LAMINA_OFFLINE", "1")
    import transformers

    chosen = {"net": "pretrained", "checkpoint": str(checkpoint), "learning_rate": 0.003}
    source = written(tmp_path, "csv")
    task, parts = ready(source, **chosen)
    net, original = task.start().eval(), transformers.BertModel.from_pretrained(checkpoint).eval()
    tokens, length = parts.train["tokens"][:4].long(), parts.train["length"][:4]
    real = torch.arange(tokens.shape[1]) < length[:, None]
    expected = original(input_ids=tokens, attention_mask=real.long()).last_hidden_state
    torch.testing.assert_close(net.encoder(net.embedding(tokens), real)[real], expected[real])
    task, parts, run = trained(source, cpu, steps=80, **chosen)
    assert run.best["scores"]["accuracy"] >= 0.9
    net = run.finish()
    artifact.save(tmp_path / "model.safetensors", task, net, {})
    asked = [Example("a good film"), Example("a bad film, cold")]
    before = [one.to_json() for one in artifact.Model(task, net, {}, cpu).predict(asked)]
    checkpoint.rename(tmp_path / "gone")
    model = artifact.load(tmp_path / "model.safetensors", device="cpu", threads=1)
    assert [one.to_json() for one in model.predict(asked)] == before
    with pytest.raises(UserError, match="checkpoint .* cannot be used"):
        ready(source, **chosen)
