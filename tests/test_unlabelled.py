"""Examples without targets: what a source holds, how it is read, and what is said of it."""

import csv

import numpy
import pytest
import torch

from lamina.errors import UserError
from lamina.media import image
from lamina.medium import Pictures, Rows, SeriesWindows
from lamina.unlabelled import UnlabelledSettings, read


def settings(**chosen) -> UnlabelledSettings:
    return UnlabelledSettings.make(chosen)


def written(path, rows) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def pictures(folder, sizes, names=None) -> None:
    random = numpy.random.default_rng(0)
    for number, size in enumerate(sizes):
        path = folder / (names[number] if names else f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(random.integers(0, 256, (*size, 1)).astype(numpy.uint8), path)


def patients(folder, count=60):
    random = numpy.random.default_rng(0)
    return written(folder / "patients.csv", [
        ["age", "ward", "constant", "seen", "class"],
        *([int(random.integers(20, 90)), str(random.choice(["a", "b"])), 7,
           numpy.datetime64("2020-01-01") + int(random.integers(0, 900)),
           "ill" if random.random() < 0.5 else "well"] for _ in range(count))])


def temperatures(folder, days=200, names=("north", "south")):
    return written(folder / "series.csv", [["date", *names], *(
        [numpy.datetime64("2024-01-01") + day, *(f"{20 + place + numpy.sin(day / 4):.3f}"
                                                 for place in range(len(names)))]
        for day in range(days))])


# ---- which kind ---------------------------------------------------------------------------------

def test_kind_is_told_by_what_lies_there(tmp_path):
    for name in ("pictures", "rows", "series", "arrays"):
        (tmp_path / name).mkdir()
    pictures(tmp_path / "pictures", [(12, 12)] * 12)
    numpy.savez(tmp_path / "arrays" / "x.npz", X=numpy.random.rand(40, 3), y=numpy.arange(40) % 2)
    for source, kind in ((tmp_path / "pictures", Pictures), (patients(tmp_path / "rows"), Rows),
                         (temperatures(tmp_path / "series"), SeriesWindows),
                         (tmp_path / "arrays" / "x.npz", Rows)):
        data, medium = read(source, settings(window=8))
        assert type(medium) is kind
        batch = medium.encode(data.test)
        values = medium.values(batch)
        assert values.shape == (len(data.test), *medium.shape) and values.isfinite().all()
        assert type(medium).make(medium.to_json()).to_json() == medium.to_json()


def test_a_date_that_comes_twice_makes_rows_of_a_table(tmp_path):
    rows = [["date", "sales"], *(["2024-01-0" + str(1 + day % 9), day] for day in range(40))]
    assert type(read(written(tmp_path / "t.csv", rows), settings())[1]) is Rows


@pytest.mark.parametrize("make, said", [
    (lambda folder: None, "holds no files; expected pictures, a table"),
    (lambda folder: (folder / "notes.txt").write_text("x"), "holds nothing that is known"),
    (lambda folder: (folder / "t.csv").write_text("a,b\n"), "has no rows"),
    (lambda folder: numpy.savez(folder / "x.npz", Z=numpy.ones(3)), "expected an array X"),
    (lambda folder: (folder / "x.npz").write_text("no"), "no readable npz file"),
])
def test_what_holds_nothing_is_named(tmp_path, make, said):
    make(tmp_path)
    files = list(tmp_path.iterdir())
    source = files[0] if files and files[0].suffix == ".npz" else tmp_path
    with pytest.raises(UserError, match=said):
        read(source, settings())


# ---- pictures -----------------------------------------------------------------------------------

def test_pictures_of_different_sizes_are_fitted_and_said(tmp_path):
    pictures(tmp_path, [(20, 30)] * 9 + [(40, 25), (100, 150)])
    data, medium = read(tmp_path, settings())
    assert any("3 sizes, 30 by 20 to 150 by 100" in note for note in data.notes)
    assert medium.shape == (1, 20, 30)
    assert len(medium.encode([*data.train, *data.test])["image"]) == len(data.train) + \
        len(data.test)


def test_large_pictures_are_scaled_to_the_longer_side(tmp_path):
    pictures(tmp_path, [(100, 200)] * 8)
    assert read(tmp_path, settings())[1].shape == (1, 32, 64)
    assert read(tmp_path, settings(image_size=128))[1].shape == (1, 64, 128)


def test_folders_that_name_parts_are_no_labels_and_folders_of_classes_are(tmp_path):
    pictures(tmp_path / "a", [(8, 8)] * 12, [f"{part}/{i}.png" for part in ("train", "test")
                                             for i in range(6)])
    pictures(tmp_path / "b", [(8, 8)] * 12, [f"{label}/{i}.png" for label in ("cat", "dog")
                                             for i in range(6)])
    parts, classes = (read(tmp_path / name, settings())[0] for name in "ab")
    assert {example.target for example in parts.test} == {None} and len(parts.test) == 6
    assert {example.target for example in classes.train} == {"cat", "dog"}


def test_shown_pixels_are_the_given_ones(tmp_path):
    pictures(tmp_path, [(9, 7)] * 6)
    data, medium = read(tmp_path, settings())
    batch = medium.encode(data.train)
    shown = medium.shown(medium.values(batch), batch)
    assert all((a == image.decode(b.input)).all() for a, b in zip(shown, data.train, strict=True))


# ---- rows ---------------------------------------------------------------------------------------

def test_rows_are_deviations_and_categories_an_equal_way_apart(tmp_path):
    data, medium = read(patients(tmp_path), settings())
    assert any("'constant' (it is always '7')" in note for note in data.notes)
    assert "class" not in medium.names and {e.target for e in data.train} == {"ill", "well"}
    values = medium.values(medium.encode(data.train))
    age = values[:, medium.names.index("age")]
    assert abs(age.mean()) < 1e-5 and age.std(correction=0).item() == pytest.approx(1, abs=1e-4)
    wards = {example.input["ward"]: row for example, row in zip(data.train, values, strict=True)}
    ward = [place for place, name in enumerate(medium.names) if name == "ward"]
    assert (wards["a"] - wards["b"])[ward].norm().item() == pytest.approx(1)


def test_shown_row_is_the_given_one(tmp_path):
    data, medium = read(patients(tmp_path), settings())
    batch = medium.encode(data.test)
    for shown, example in zip(medium.shown(medium.values(batch), batch), data.test, strict=True):
        assert shown == {name: example.input[name] for name in ("age", "ward", "seen")}


def test_missing_cells_are_marked_and_not_counted(tmp_path):
    rows = [["a", "b"], *([i % 17, "" if i % 4 == 0 else i % 5] for i in range(60))]
    data, medium = read(written(tmp_path / "t.csv", rows), settings())
    batch = medium.encode(data.train)
    gone = torch.tensor([example.input["b"] == "" for example in data.train])
    known = medium.known(batch)
    assert medium.names == ["a", "b", "b"]
    assert (known[:, 1] == ~gone).all() and known[:, 2].all()
    assert (medium.values(batch)[gone, 1] == 0).all()
    shown = medium.shown(medium.values(batch), batch)
    assert [row["b"] is None for row in shown] == gone.tolist()


def test_an_unreadable_cell_is_named(tmp_path):
    _, medium = read(patients(tmp_path), settings())
    [example] = medium.examples(['{"age": "old", "ward": "a", "seen": "2020-01-05"}'])
    with pytest.raises(ValueError, match="'age': expected a number, got 'old'"):
        medium.encode([example])


# ---- series -------------------------------------------------------------------------------------

def test_windows_do_not_straddle_parts(tmp_path):
    data, medium = read(temperatures(tmp_path), settings(window=10))
    ends = [[example.input for example in getattr(data, part)]
            for part in ("train", "validation", "test")]
    assert max(w.stop for w in ends[0]) <= min(w.start for w in ends[1])
    assert max(w.stop for w in ends[1]) <= min(w.start for w in ends[2])
    assert {example.target for example in data.train} == {"north", "south"}
    batch = medium.encode(data.test)
    shown = medium.shown(medium.values(batch), batch)
    assert numpy.allclose(shown, [example.input.values for example in data.test], atol=1e-4)


def test_a_series_shorter_than_the_window_is_named(tmp_path):
    with pytest.raises(UserError, match="it has 20 values, fewer than the window of 64 steps"):
        read(temperatures(tmp_path, days=20), settings())
    _, medium = read(temperatures(tmp_path), settings(window=16))
    with pytest.raises(UserError, match="has 3 values; expected at least the 16 of a window"):
        medium.examples(["[1, 2, 3]"])


def test_label_column_marks_the_windows_that_touch_it(tmp_path):
    rows = [["date", "value", "label"], *(
        [numpy.datetime64("2024-01-01") + day, day % 7, int(day == 190)] for day in range(200))]
    data, medium = read(written(tmp_path / "s.csv", rows), settings(window=10))
    assert medium.targets == ("value",)
    assert all((example.target == "1") == (example.input.start <= 190 < example.input.stop)
               for example in data.test)


def test_gaps_are_filled_for_the_net_and_not_counted(tmp_path):
    rows = [["date", "value"], *([numpy.datetime64("2024-01-01") + day, "" if day == 30 else day]
                                 for day in range(120))]
    data, medium = read(written(tmp_path / "s.csv", rows), settings(window=8, every=8))
    [gapped] = [e for e in data.train if e.input.start <= 30 < e.input.stop]
    batch = medium.encode([gapped])
    place = 30 - gapped.input.start
    assert not medium.known(batch)[0, 0, place] and medium.known(batch).sum() == 7
    assert medium.values(batch).isfinite().all()
