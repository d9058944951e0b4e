"""What `lamina check` finds: every kind of planted fault; and clean data stay quiet."""

import csv
import io
import json
import time
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from PIL import Image
from tests_data import needs_data

from lamina import checks, cli, datasets, intervals, tasks
from lamina.checks import likeness, shingles, twosample
from lamina.checks.material import Material
from lamina.datasets import prepare as preparation
from lamina.media import image, sound
from lamina.media.files import File
from lamina.parts import Parts, prepare
from lamina.scoring import Part
from lamina.task import Data, Example


@cache
def pictures(count: int, seed: int = 0, size: int = 24) -> numpy.ndarray:
    """Smooth random pictures, each of its own, uint8 (count, size, size)."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[:size, :size] / size
    made = []
    for _ in range(count):
        waves = sum(random.normal() / (1 + u + v) * numpy.cos(numpy.pi * (u * y + v * x)
                                                              + random.uniform(0, 6))
                    for u in range(5) for v in range(5))
        made.append(128 + 40 * waves / waves.std() + random.normal(0, 2, (size, size)))
    return numpy.clip(made, 0, 255).astype(numpy.uint8)


def image_parts(folder: Path, train, test, labels=None) -> tuple[object, Parts]:
    """(task, parts) of pictures, all parts as given; labels of train and test."""
    marks = [labels[part] if labels else numpy.arange(len(some)) % 3
             for part, some in enumerate((train, test))]
    numpy.savez(folder / "pictures.npz", train_images=train, train_labels=marks[0],
                test_images=test, test_labels=marks[1], val_images=pictures(60, seed=5),
                val_labels=marks[0][numpy.linspace(0, len(train) - 1, 60).astype(int)])
    return ready("image-classification", folder / "pictures.npz")


def ready(name: str, source, **settings) -> tuple[object, Parts]:
    kind = tasks.find(name)
    task = kind(kind.Settings.make(settings))
    return task, prepare(task, source)


def table(path: Path, rows: int = 600, seed: int = 0, change=None) -> Path:
    """A CSV of clean columns and a target that two of them tell only roughly."""
    random = numpy.random.default_rng(seed)
    made = []
    for number in range(rows):
        age, weight = random.integers(18, 80), random.normal(70, 12)
        city = str(random.choice(["Bonn", "Oslo", "Rome"]))
        yes = age / 30 + (city == "Rome") + random.normal(0, 1) > 1.8
        row = {"age": str(age), "weight": f"{weight:.3f}", "city": city,
               "pulse": f"{random.normal(65, 8):.2f}",
               "split": "test" if number % 4 == 0 else "train"}
        if change:
            change(row, yes, number, random)
        made.append(row | {"left": "yes" if yes else "no"})
    return written(path, made)


def written(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, rows[0].keys())
        out.writeheader()
        out.writerows(rows)
    return path


def found(task, parts, what: str, seconds: float = 20.0) -> list:
    """The findings whose words contain these."""
    return [one for one in checks.findings(task, parts, seconds) if what in one.what]


def alarms(task, parts, levels=("error", "warning")) -> list[str]:
    return [one.line() for one in checks.findings(task, parts, 20.0) if one.level in levels]


def jpeg(pixels: numpy.ndarray, quality: int) -> numpy.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return numpy.asarray(Image.open(buffer))


# ---- clean data are quiet -----------------------------------------------------------------------

def test_clean_pictures_and_rows_give_no_alarm(tmp_path):
    made = pictures(600)
    assert alarms(*image_parts(tmp_path, made[:400], made[400:])) == []
    assert alarms(*ready("table-prediction", table(tmp_path / "a.csv"))) == []


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_is_checked_on_its_sample_without_an_error(name, prepared):
    task, parts = prepared(name)
    assert alarms(task, parts, ("error",)) == []
    json.dumps(checks.document(task, parts, "sample", 5.0)["data_check"])


def test_digits_give_no_alarm():
    assert alarms(*ready("image-classification", datasets.find("digits"))) == []


@needs_data("california-housing")
def test_california_gives_no_alarm(data, monkeypatch, tmp_path):
    assert alarms(*ready("table-prediction", datasets.find("california-housing"))) == []


@needs_data("tiny-shakespeare")
def test_shakespeare_gives_no_error(data):
    assert alarms(*ready("text-generation", datasets.find("tiny-shakespeare")), ("error",)) == []


# ---- duplicates ---------------------------------------------------------------------------------

@pytest.mark.parametrize("copied", [
    lambda pixels: pixels,
    lambda pixels: numpy.clip(pixels.astype(int) + 1, 0, 255).astype(numpy.uint8),
    lambda pixels: jpeg(pixels, 75),
    lambda pixels: numpy.clip(pixels * 0.8, 0, 255).astype(numpy.uint8)],
    ids=["identical", "a grey level up", "jpeg", "darker"])
def test_all_copies_of_test_pictures_in_training_are_named(tmp_path, copied):
    made = pictures(700)
    train, test = made[:500].copy(), made[500:]
    planted = numpy.random.default_rng(1).permutation(200)[:60]
    for place, source in enumerate(planted):
        train[place * 7] = copied(test[source])
    [finding] = found(*image_parts(tmp_path, train, test), "test images also occur in the train")
    assert finding.level == "error" and finding.evidence.startswith("60 of 200 test images")
    assert {one.index for one in finding.examples if one.part == "test"} == set(planted.tolist())


def test_a_few_copies_are_a_warning_and_twins_in_training_name_another_label(tmp_path):
    made = pictures(600)
    train, labels = made[:400].copy(), numpy.arange(400) % 3
    train[10], train[20] = made[450], train[21]
    parts = image_parts(tmp_path, train, made[400:], (labels, numpy.arange(200) % 3))
    [across] = found(*parts, "test images also occur")
    assert across.level == "warning" and across.evidence.startswith("1 of 200")
    [inside] = found(*parts, "occur more than once")
    assert "another label" in inside.evidence and {20, 21} >= {one.index for one in
                                                               inside.examples}


def test_copied_rows_are_an_error_and_chance_repeats_are_not(tmp_path):
    def rare(row, yes, number, random):  # few values: many rows are equal by chance
        row.update(age=str(20 + 10 * random.integers(6)), weight="70", pulse="60")

    natural = found(*ready("table-prediction", table(tmp_path / "a.csv", change=rare)),
                    "test rows also occur")
    assert natural and natural[0].level == "warning"
    rows = list(csv.DictReader(table(tmp_path / "b.csv").open()))
    copies = [row | {"split": "train"} for row in rows if row["split"] == "test"][:40]
    nearly = [row | {"weight": f"{float(row['weight']) + 0.001:.3f}"} for row in copies[20:]]
    task, parts = ready("table-prediction", written(tmp_path / "c.csv",
                                                    rows + copies[:20] + nearly))
    [finding] = found(task, parts, "test rows also occur in the train")
    assert finding.level == "error"
    assert 36 <= int(finding.evidence.split()[0]) <= 40  # some fell into the validation part
    assert "nearly" in finding.evidence


def test_copied_and_edited_texts_are_found(tmp_path):
    random = numpy.random.default_rng(0)
    words = ["".join(random.choice(list("abcdefghiklmnoprstu"), 6)) for _ in range(800)]
    for part, count in (("train", 60), ("test", 30), ("valid", 20)):
        for number in range(count):
            text = " ".join(random.choice(words, 300))
            if part == "test" and number < 12:
                text = (tmp_path / f"train/{number}.txt").read_text().replace(words[7], "EDIT")
            path = tmp_path / part / f"{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    [finding] = found(*ready("text-generation", tmp_path), "test texts also occur in the train")
    assert finding.level == "error" and int(finding.evidence.split()[0]) >= 12


def test_shingles_agree_with_sets():
    texts = ["the quick brown fox jumps over the lazy dog and runs away from the farm",
             "the quick brown cat jumps over the lazy dog and runs away from the farm",
             "nothing of this sort is said in the third of these sentences", "short", "Short "]
    sets = [{shingles.normal(t)[i : i + 12] for i in range(len(shingles.normal(t)) - 11)}
            for t in texts[:3]]
    first, second, overlap = shingles.shared(*shingles.sketch(texts), len(texts))
    pairs = dict(zip(zip(first.tolist(), second.tolist(), strict=True), overlap.tolist(),
                     strict=True))
    smaller = min(len(sets[0]), len(sets[1]))
    assert pairs[0, 1] == pytest.approx(len(sets[0] & sets[1]) / smaller)
    assert set(pairs) == {(0, 1), (3, 4)}


def test_near_neighbours_are_those_of_all_pairs():
    random = numpy.random.default_rng(0)
    points = likeness.unit(random.normal(size=(2000, 63)))
    points[1000:1200] = likeness.unit(points[:200] + random.normal(0, 0.003, (200, 63)))
    distance = numpy.sqrt(numpy.maximum(0, 2 - 2 * points @ points.T))
    expected = {(a, b) for a, b in zip(*numpy.nonzero(numpy.triu(distance < 0.05, 1)),
                                       strict=True)}
    got = set(zip(*(side.tolist() for side in likeness.near(points, 0.05)), strict=True))
    assert len(expected) == 200 and len(got & expected) >= 199 and got <= expected


def test_the_waves_are_those_of_the_cosine_transform():
    fft = pytest.importorskip("scipy.fft")
    some = pictures(3, size=20)
    expected = fft.dctn(some.astype(float), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(3, -1)
    assert likeness.spectrum(some) == pytest.approx(likeness.unit(expected[:, 1:]), abs=1e-5)


def test_seventy_thousand_pictures_take_seconds():
    random = numpy.random.default_rng(0)
    points = likeness.unit(random.normal(size=(70_000, 63)).astype(numpy.float32))
    began = time.process_time()
    likeness.near(points, 0.05)
    assert time.process_time() - began < 20


# ---- sound --------------------------------------------------------------------------------------

def spoken(random) -> numpy.ndarray:
    """A second of tones that come and go, 8,000 hertz."""
    time_ = numpy.arange(8000) / 8000
    parts = [numpy.exp(-((time_ - random.random()) ** 2) / 0.01)
             * numpy.sin(2 * numpy.pi * random.uniform(150, 3500) * time_) for _ in range(8)]
    return 0.15 * sum(parts) + random.normal(0, 1e-3, 8000)


def sound_material(folder: Path, sounds: dict[str, list]) -> Material:
    """Sounds of each part, as there will be a task that reads them."""
    parts = {}
    for name, some in sounds.items():
        files = []
        for number, samples in enumerate(some):
            path = folder / f"{name}-{number}.{'ogg' if name == 'test' else 'wav'}"
            sound.save(samples, 8000, path)
            files.append(Example(File(path), str(number % 2)))
        parts[name] = files
    data = Data(parts["train"], parts["validation"], parts["test"], how="as given")
    task = SimpleNamespace(settings=SimpleNamespace(seed=0), facts=None, metrics=())
    return Material(task, Parts(data, {}, Part(data.validation, {}), Part(data.test, {})), 30.0)


def test_sounds_copied_silent_and_clipped_are_found(tmp_path):
    pytest.importorskip("soundfile")
    random = numpy.random.default_rng(0)
    train, test = [spoken(random) for _ in range(40)], [spoken(random) for _ in range(30)]
    validation = [spoken(random) for _ in range(10)]
    test[:14] = [0.5 * samples for samples in train[:14]]  # coded lossily, and half as loud
    train[20], train[21] = numpy.zeros(8000), numpy.clip(8 * train[21], -0.5, 0.5)
    _, findings = checks.examine(sound_material(
        tmp_path, {"train": train, "validation": validation, "test": test}))
    by_name = {finding.what: finding for finding in findings}
    across = by_name["test sounds also occur in the train part"]
    assert across.level == "error" and across.evidence.startswith("14 of 30 test sounds")
    assert [one.index for one in by_name["some sounds are silent"].examples] == [20]
    assert [one.index for one in by_name["some sounds are clipped"].examples] == [21]
    assert "validation sounds also occur in the train part" not in by_name


# ---- groups, leaks, columns, targets ------------------------------------------------------------

def test_a_group_on_both_sides_is_an_error(tmp_path):
    def grouped(row, yes, number, random):
        row["group"] = "ada" if number in (0, 1) else f"person {number}"

    [finding] = found(*ready("table-prediction", table(tmp_path / "a.csv", change=grouped)),
                      "groups stand on both sides")
    assert finding.level == "error" and "ada" in finding.evidence
    assert finding.examples[0].part == "test" and "ada" in finding.examples[0].note


@pytest.mark.parametrize("leak", [
    lambda yes, random: "closed" if yes else "open",
    lambda yes, random: f"{(5 if yes else 0) + random.normal():.4f}",
    lambda yes, random: f"{random.integers(10**9)}" if yes else ""],
    ids=["a word", "a number", "whether it is missing"])
def test_a_column_that_tells_the_label_is_an_error(tmp_path, leak):
    def told(row, yes, number, random):
        row["closing"] = leak(yes, random)

    findings = found(*ready("table-prediction", table(tmp_path / "a.csv", 1600, change=told)),
                     "gives the target away")
    assert [(one.level, "'closing'" in one.what) for one in findings] == [("error", True)]


def test_a_column_that_tells_the_number_is_an_error(tmp_path):
    random = numpy.random.default_rng(0)
    rows = [{"x": f"{random.normal():.4f}", "price": f"{v:.4f}", "tax": f"{0.19 * v:.2f}",
             "guess": f"{v + random.normal(0, 25):.3f}", "target": f"{v:.4f}"}
            for v in random.gamma(3, 50, 800)]
    task, parts = ready("table-prediction", written(tmp_path / "a.csv", rows))
    findings = found(task, parts, "gives the target away")
    assert sorted(one.what.split("'")[1] for one in findings) == ["price", "tax"]
    assert {one.level for one in findings} == {"error"}


@needs_data("compas")
def test_what_only_the_future_told_gives_compas_away(data, tmp_path):
    raw = preparation.unpacked(File(data / "compas-scores-two-years.csv.gz")).decode()
    names = (*preparation.COMPAS_COLUMNS[:-1], "is_recid", "two_year_recid")
    (tmp_path / "compas.csv").write_bytes(preparation.compas_table(raw, names))
    findings = found(*ready("table-prediction", tmp_path / "compas.csv"), "gives the target away")
    assert [(one.level, "'is_recid'" in one.what) for one in findings] == [("error", True)]
    assert found(*ready("table-prediction", datasets.find("compas")), "gives the target") == []


def test_constant_empty_and_naming_columns_are_listed(tmp_path):
    def useless(row, yes, number, random):
        row.update(constant="a", nothing="", case=f"case {number}",
                   key=str(10**6 + (number * 37) % 601),
                   seldom="x" if number == 5 else "", nearly="b" if number == 7 else "c")

    findings = checks.findings(*ready("table-prediction",
                                      table(tmp_path / "a.csv", 1600, change=useless)), 20.0)
    text = {finding.what: finding.evidence for finding in findings}
    left_out = text["some columns say nothing and are left out"]
    assert all(name in left_out for name in ("'constant'", "'nothing'", "'case'"))
    assert "seldom" in text.get("some columns are nearly empty", left_out)
    assert "nearly" in text["some columns are nearly constant"]


def test_rare_and_absent_classes_are_found(tmp_path):
    made = pictures(500)
    train = numpy.array(["a"] * 290 + ["b"] * 6 + ["c"] * 4)
    test = numpy.array(["a"] * 150 + ["b"] * 50)
    findings = checks.findings(*image_parts(tmp_path, made[:300], made[300:], (train, test)), 20.0)
    text = {finding.what: finding.evidence for finding in findings}
    assert "'c'" in text["some classes have very few training examples"]
    assert "'c'" in text["some classes do not occur in the test part"]
    assert "the classes are of very different sizes" in text


def test_numbers_far_out_and_cut_off_are_found(tmp_path):
    random = numpy.random.default_rng(0)
    values = numpy.minimum(random.normal(100, 10, 800), 112)
    values[3] = 1e6
    rows = [{"x": f"{random.normal():.4f}", "y": f"{random.normal():.4f}", "target": f"{v:.4f}"}
            for v in values]
    task, parts = ready("table-prediction", written(tmp_path / "a.csv", rows))
    [far] = found(task, parts, "far from all others")
    assert far.examples and "1e+06" in far.evidence
    rows[3]["target"] = "100.0"
    task, parts = ready("table-prediction", written(tmp_path / "b.csv", rows))
    [cut] = found(task, parts, "as if they were cut")
    assert "112" in cut.evidence


def test_the_size_of_the_test_part_is_told_in_points(tmp_path):
    made = pictures(360)
    [finding] = found(*image_parts(tmp_path, made[:300], made[300:]), "test part is small")
    assert finding.level == "warning"
    assert "±7.6 points" in finding.evidence  # 1.96 sqrt(0.9 0.1 / 60)
    assert "3,457" in finding.evidence and "9,604" in finding.evidence


# ---- drift --------------------------------------------------------------------------------------

@pytest.mark.parametrize("changed", [lambda p: p * 1.2, lambda p: p + 25, lambda p: p * 0.7],
                         ids=["a fifth brighter", "lighter", "paler"])
def test_other_lighting_in_the_test_part_is_found(tmp_path, changed):
    made = pictures(1000)
    test = numpy.clip(changed(made[700:].astype(float)), 0, 255).astype(numpy.uint8)
    [finding] = found(*image_parts(tmp_path, made[:700], test), "the test part is distributed")
    assert finding.level in ("warning", "error") and "brightness" in finding.evidence
    assert "n = " in finding.evidence and "p < 0.001" in finding.evidence


def test_a_column_shifted_by_half_a_deviation_is_found(tmp_path):
    def shifted(row, yes, number, random):
        if row["split"] == "test":
            row["weight"] = f"{float(row['weight']) + 6:.3f}"

    def other_cities(row, yes, number, random):
        if row["split"] == "test" and random.random() < 0.5:
            row["city"] = "Oslo"

    for change, name in ((shifted, "weight"), (other_cities, "city")):
        task, parts = ready("table-prediction", table(tmp_path / f"{name}.csv", 2400,
                                                      change=change))
        [finding] = found(task, parts, "the test part is distributed")
        assert finding.evidence.startswith(name) and finding.level == "warning"


def test_small_differences_of_many_examples_are_no_drift():
    random = numpy.random.default_rng(0)
    effect, p = twosample.compare(random.normal(0, 1, 50_000), random.normal(0.05, 1, 50_000))
    assert p < 1e-6 and effect < 0.05  # sure, and of no importance


def test_statistics_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    random = numpy.random.default_rng(0)
    for shift in (0.0, 0.1, 0.3):
        first, second = random.normal(size=400), random.normal(shift, 1, size=300)
        expected = stats.ks_2samp(first, second, method="asymp")
        effect, p = twosample.kolmogorov_smirnov(first, second)
        assert effect == pytest.approx(expected.statistic, abs=1e-12)
        assert p == pytest.approx(expected.pvalue, abs=0.03)
    first, second = random.integers(0, 4, 500), random.integers(0, 5, 400) % 4
    counts = numpy.stack([numpy.bincount(some, minlength=4) for some in (first, second)])
    expected = stats.chi2_contingency(counts, correction=False)
    distance, p = twosample.chi_square(first, second)
    assert p == pytest.approx(expected.pvalue, rel=1e-6)
    assert distance == pytest.approx(abs(counts[0] / 500 - counts[1] / 400).sum() / 2)


def test_chances_under_no_difference_are_even():
    random = numpy.random.default_rng(0)
    chances = [twosample.kolmogorov_smirnov(random.normal(size=200), random.normal(size=150))[1]
               for _ in range(400)]
    assert 0.02 <= numpy.mean(numpy.array(chances) < 0.05) <= 0.08


def test_holm_by_hand():
    assert intervals.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert intervals.holm([]) == []


# ---- files --------------------------------------------------------------------------------------

def test_broken_blank_and_misnamed_files_are_found(tmp_path):
    made = pictures(300, size=32)
    for number, pixels in enumerate(made):
        folder = tmp_path / "abc"[number % 3]
        folder.mkdir(exist_ok=True)
        image.save(pixels[:, :, None], folder / f"{number}.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG, but not for long")
    Image.fromarray(numpy.full((32, 32), 77, numpy.uint8)).save(tmp_path / "b" / "blank.png")
    Image.fromarray(pictures(1, seed=9, size=32)[0]).save(tmp_path / "c" / "really.jpg", "PNG")
    Image.fromarray(numpy.tile(pictures(1, seed=8, size=32)[0], (1, 9))).save(
        tmp_path / "c" / "wide.png")
    task, parts = ready("image-classification", tmp_path)
    findings = {one.what: one for one in checks.findings(task, parts, 20.0)}
    assert "broken.png" in findings["some examples cannot be read and are left out"].evidence

    def named(what):
        return [Path(str(getattr(parts.data, one.part)[one.index].input)).name
                for one in findings[what].examples]

    assert named("some images are of one colour") == ["blank.png"]
    assert named("some files are not what their suffix says") == ["really.jpg"]
    assert named("some images are very long or very wide") == ["wide.png"]


# ---- odd data, time, the verb -------------------------------------------------------------------

def test_odd_tables_do_not_stop_the_checks(tmp_path):
    rows = [{"x": "nan" if number % 7 == 3 else str(number), "y": "ab"[number % 2] * (number % 3),
             "target": "uv"[number % 5 == 0], "group": ""} for number in range(20)]
    task, parts = ready("table-prediction", written(tmp_path / "a.csv", rows))
    assert checks.document(task, parts, "a.csv", 5.0)["data_check"]["checks"]


def test_little_time_means_a_sample_and_the_report_says_so(tmp_path):
    task, parts = ready("table-prediction", table(tmp_path / "a.csv", 4000))
    began = time.monotonic()
    section, _ = checks.examine(Material(task, parts, 0.05))
    assert time.monotonic() - began < 2
    assert section["sampled"] == "400 of 4,000 examples"


def test_the_report_and_the_verb_find_the_same(tmp_path):
    made = pictures(700).copy()
    made[:30] = made[600:630]
    task, parts = image_parts(tmp_path, made[:500], made[500:])
    section, findings = checks.measure(SimpleNamespace(task=task, parts=parts, labels=False),
                                       20.0)
    assert [one.line() for one in findings] == \
        [one.line() for one in checks.findings(task, parts, 20.0)]
    assert {name for name, _, _ in checks.CHECKS} <= {row["name"] for row in section["checks"]}
    assert max(len(one.examples) for one in findings) <= 16


def test_the_command_prints_findings_and_saves_a_page(tmp_path, capsys):
    def grouped(row, yes, number, random):
        row["group"] = f"<b>{number % 50}</b>"

    path = str(table(tmp_path / "a.csv", change=grouped))
    page = tmp_path / "page.html"
    assert cli.main(["check", "table-prediction", path, "--save", str(page)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("error: groups stand on both sides") and "  do: " in said
    assert "test examples; " in said and "drift between the parts" in said
    assert "Groups" not in page.read_text() and "&lt;b&gt;" in page.read_text()
    assert cli.main(["check", "table-prediction", path, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["findings"][0]["level"] == "error" and "html" not in json.dumps(document)
    assert cli.main(["check", "table-prediction", str(tmp_path / "none.csv")]) == 2
    assert cli.main(["check", "table-prediction", path, "--target-column", "size"]) == 2


@pytest.mark.parametrize("given", [
    lambda r: r.integers(0, 256, (5, int(r.integers(3, 9)), 3)).astype(numpy.uint8),
    lambda r: numpy.zeros((8, 8), numpy.uint8), lambda r: str(r.choice(["", "a", "\ud800 x" * 40])),
    lambda r: {"a": str(r.choice(["1", "nan", "", "x", "1e400"])), "b": None}, lambda r: {},
    lambda r: File(Path("/nowhere/x.png")), lambda r: File(Path("/nowhere/x.wav")),
    lambda r: object()])
@pytest.mark.parametrize("target", [
    lambda r: None, lambda r: "u", lambda r: str(r.choice(["u", "v"])), lambda r: float("nan"),
    lambda r: 1.0, lambda r: float(r.choice([1e308, -1e308]))])
def test_no_data_are_too_odd_for_the_checks(given, target):
    random = numpy.random.default_rng(0)
    task = SimpleNamespace(settings=SimpleNamespace(seed=0), facts=None,
                           metrics=(SimpleNamespace(name="score"),))
    for counts in ((1, 1, 1), (3, 0, 1), (60, 5, 30)):
        parts = [[Example(given(random), target(random), random.choice([None, "group"]))
                  for _ in range(count)] for count in counts]
        data = Data(*parts, how="as given")
        section, findings = checks.examine(Material(
            task, Parts(data, {}, Part(parts[1], {}), Part(parts[2], {})), 5.0))
        assert len(section["checks"]) == len(checks.CHECKS)
        assert all(one.to_json(data)["evidence"] for one in findings)
