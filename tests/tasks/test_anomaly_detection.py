"""Anomaly detection: what labels do, thresholds, what deviates, three media, and what is named."""

import csv
import json

import numpy
import pytest
import torch

from lamina import artifact, verbs
from lamina.errors import UserError
from lamina.parts import prepare
from lamina.tasks.anomaly_detection import AnomalyDetection, inputs


def table(path, labels, *, columns=4, seed=0, **more):
    """Rows on a plane; those labelled 1 lie off it in the first column."""
    random = numpy.random.default_rng(seed)
    values = random.normal(size=(len(labels), 2)) @ random.normal(size=(2, columns))
    values += 0.05 * random.normal(size=values.shape)
    values[[label in ("1", "broken") for label in labels], 0] += 9.0
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*(f"c{place}" for place in range(columns)), *more, "label"])
        for place, (row, label) in enumerate(zip(values.tolist(), labels, strict=True)):
            out.writerow([*(f"{value:.4f}" for value in row),
                          *(cells[place] for cells in more.values()), label])
    return path


def labelled(count, anomalies):
    return ["1" if place < anomalies else "0" for place in range(count)]


def read(path, **settings):
    return prepare(AnomalyDetection(AnomalyDetection.Settings.make(settings)), path)


def trained(source, folder, **settings):
    return verbs.train("anomaly-detection", source, run=folder / "run", say=lambda line: None,
                       **{"steps": "150", "members": 4, "batch_size": 64, **settings})


@pytest.mark.parametrize("net", ["autoencoder", "deep-svdd"])
def test_finds_planted_anomalies_and_says_which_column_deviates(tmp_path, net):
    run = trained(table(tmp_path / "rows.csv", labelled(600, 60)), tmp_path, net=net,
                  alarm_rate=0.15, members=8)
    scores = {score["name"]: score["value"] for score in run.report["scores"]}
    assert scores["auroc"] >= 0.95
    model = artifact.load(run.folder)
    with (tmp_path / "rows.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    [usual, strange] = model.predict([json.dumps(row), json.dumps(row | {"c0": 12})])
    assert strange.alarm and not usual.alarm and strange.rarity < usual.rarity
    assert strange.parts[0].name == "c0" and "c0 is 12, expected" in strange.line()
    assert sum(part.share for part in strange.parts) == pytest.approx(1, abs=1e-3)


def test_alarm_rate_is_a_quantile_of_the_validation_part_and_may_change(tmp_path):
    run = trained(table(tmp_path / "rows.csv", labelled(600, 0)), tmp_path, labels="ignore",
                  steps="20")
    model = artifact.load(run.folder)
    parts = prepare(model.task, tmp_path / "rows.csv")
    for rate in (0.0, 0.1, 0.5):
        changed = model.with_settings({"alarm_rate": rate})
        alarms = [answer.alarm for answer in changed.answer(parts.validation.batch)]
        assert numpy.mean(alarms) == pytest.approx(rate, abs=1.5 / len(alarms))


def test_known_anomalies_are_left_out_kept_or_repelled(tmp_path):
    path = table(tmp_path / "rows.csv", labelled(300, 30))
    out, kept, repelled = (read(path, labels=use) for use in ("leave-out", "measure", "repel"))
    assert not out.train["anomalous"].any() and len(kept.train["anomalous"]) == \
        len(out.train["anomalous"]) + int(kept.train["anomalous"].sum())
    assert int(kept.train["anomalous"].sum()) == 24
    assert any("24 known anomalies are left out" in note for note in out.data.notes)
    torch.manual_seed(0)
    task = AnomalyDetection(AnomalyDetection.Settings.make({"labels": "repel"}),
                            AnomalyDetection.Facts.make(AnomalyDetection(
                                AnomalyDetection.Settings()).study(out.data.train).to_json()))
    net = task.start()
    strange = {name: values[repelled.train["anomalous"]] for name, values in
               repelled.train.items()}
    [update] = task.learn(net, strange)
    update.loss.backward()
    before = float(net(*inputs(task.facts.medium, strange)).mean().detach())
    with torch.no_grad():
        for weights in net.parameters():
            weights -= 1e-3 * weights.grad
        assert float(net(*inputs(task.facts.medium, strange)).mean()) > before


def test_labels_never_choose_the_weights(tmp_path):
    assert AnomalyDetection(AnomalyDetection.Settings(), AnomalyDetection(
        AnomalyDetection.Settings()).study(read(table(
            tmp_path / "rows.csv", labelled(60, 6))).data.train)).metrics[0].name == "log_score"


@pytest.mark.parametrize("labels, message", [
    (["a", "b", "c"] * 20, "--normal a, say, or --labels ignore"),
    (["normal"] * 20 + ["broken"] * 40, "known anomalies are left out"),
    (["1"] * 60, "every label is '1': taken as if there were none"),
    ([""] * 60, "no labels"),
    (["normal"] * 40 + [""] * 20, "every label is 'normal'"),
    (["normal"] * 30 + [""] * 20 + ["broken"] * 10, "have no label and are left out"),
])
def test_labels_that_say_little_are_named(tmp_path, labels, message):
    path = table(tmp_path / "rows.csv", labels)
    try:
        told = read(path).data.notes
    except UserError as reason:
        told = [str(reason)]
    assert any(message in line for line in told), told


def test_normal_names_what_is_usual_and_only_anomalies_are_refused(tmp_path):
    path = table(tmp_path / "rows.csv", ["a", "b", "c"] * 20)
    assert read(path, normal=("a", "b")).data.train[0].target in ("a", "b")
    with pytest.raises(UserError, match="none of them is d"):
        read(path, normal=("d",))
    split = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    path = table(tmp_path / "split.csv", ["broken"] * 40 + ["normal"] * 20, split=split)
    with pytest.raises(UserError, match="all 40 training examples are labelled as anomalies"):
        read(path)


def test_usual_training_rows_and_a_test_part_with_both_are_measured(tmp_path):
    split = ["train"] * 200 + ["test"] * 40
    path = table(tmp_path / "rows.csv", ["good"] * 220 + ["broken"] * 20, split=split)
    run = trained(path, tmp_path)
    scores = {score["name"]: score["value"] for score in run.report["scores"]}
    assert scores["auroc"] >= 0.97
    assert any("the validation part has no anomalies" in note
               for note in run.report["data"]["notes"])


def test_constant_columns_and_missing_cells_count_nothing(tmp_path):
    path = table(tmp_path / "rows.csv", labelled(200, 0), fixed=["7"] * 200,
                 gappy=["", "1.5", "2.5", "3.5"] * 50)
    parts = read(path, labels="ignore")
    assert any("'fixed'" in note for note in parts.data.notes)
    task = AnomalyDetection(AnomalyDetection.Settings(), AnomalyDetection(
        AnomalyDetection.Settings.make({"labels": "ignore"})).study(parts.data.train))
    values, known = inputs(task.facts.medium, parts.train)
    found = task.start().judge(values, known)
    assert (found.shares[~known] == 0).all() and not known.all()


def test_windows_of_series_say_at_which_step_they_deviate(tmp_path):
    random = numpy.random.default_rng(0)
    steps = numpy.arange(1200)
    values = numpy.sin(steps * 2 * numpy.pi / 16) + 0.05 * random.normal(size=1200)
    with (tmp_path / "pump.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["step", "flow"])
        out.writerows(zip(steps.tolist(), values.tolist(), strict=True))
    run = trained(tmp_path / "pump.csv", tmp_path, window=32, every=4, width=8, steps="200")
    model = artifact.load(run.folder)
    window = values[:32].copy()
    window[20] += 3
    [usual, strange] = model.predict([json.dumps(values[:32].tolist()),
                                      json.dumps(window.tolist())])
    assert strange.alarm and strange.score > usual.score
    assert strange.parts[0].name == "20" and strange.parts[0].value == pytest.approx(window[20])
    assert "<svg" in strange.html() and len(strange.to_json()["steps"]) == 32
    with pytest.raises(UserError, match="has 5 values; expected at least the 32 of a window"):
        list(model.predict(["[1, 2, 3, 4, 5]"]))


def test_pictures_are_drawn_with_the_place_that_deviates(tmp_path):
    from PIL import Image

    random = numpy.random.default_rng(0)
    for place in range(60):
        pixels = numpy.full((16, 16), 60) + random.integers(0, 12, (16, 16))
        pixels[:, : 4 + place % 8] += 120
        Image.fromarray(pixels.astype(numpy.uint8)).save(tmp_path / f"{place}.png")
    run = trained(tmp_path, tmp_path, width=4, steps="120", batch_size=16)
    pixels[2:5, 12:15] = 255
    Image.fromarray(numpy.repeat(numpy.repeat(pixels, 2, 0), 2, 1).astype(numpy.uint8)).save(
        tmp_path / "strange.jpg", quality=98)  # of twice the size
    [answer] = artifact.load(run.folder).predict([str(tmp_path / "strange.jpg")])
    assert answer.parts[0].name.startswith(("12 to 14 across", "14 to 16 across"))
    answer.save(tmp_path / "heat.png")
    assert Image.open(tmp_path / "heat.png").size == (16, 16)
