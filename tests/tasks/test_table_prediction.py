"""Rows of tables: reading, columns, targets, answers."""

import csv
import gzip
import json
import math
from datetime import UTC, datetime

import numpy
import pytest
import torch

from lamina import columns
from lamina.answers import Label, Number
from lamina.errors import UserError
from lamina.media import table
from lamina.task import Example
from lamina.tasks.table_prediction import TableFacts, TablePrediction, TableSettings

HEADER = ["age", "city", "joined", "score", "bought"]


def rows_of(count=120, seed=0):
    """Rows as a CSV holds them; `bought` follows from age and city."""
    random = numpy.random.default_rng(seed)
    rows = []
    for _ in range(count):
        age, city = int(random.integers(18, 80)), str(random.choice(["Bonn", "Oslo", "Rome"]))
        score = "" if random.random() < 0.1 else f"{random.normal():.3f}"
        joined = f"20{random.integers(10, 24)}-0{random.integers(1, 9)}-1{random.integers(9)}"
        rows.append([age, city, joined, score, "yes" if age > 40 or city == "Rome" else "no"])
    return rows


def write(path, rows, header=HEADER, delimiter=","):
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def task(**chosen):
    return TablePrediction(TableSettings(**chosen))


def studied(source, **chosen):
    found = task(**chosen)
    data = found.read(source)
    found.facts = found.study(data.train)
    data.notes += found.facts.notes()
    return found, data


# ---- reading ------------------------------------------------------------------------------------

def test_the_last_column_is_the_target_and_the_notes_say_so(tmp_path):
    found, data = studied(write(tmp_path / "shop.csv", rows_of()))
    assert {e.target for e in data.train} == {"yes", "no"} == set(found.facts.labels)
    assert list(data.train[0].input) == HEADER[:-1]
    assert "target: the column 'bought', the last one" in data.notes
    assert "classification: the target has 2 different texts" in data.notes
    assert "numbers: age, score" in data.notes
    assert "categories: city" in data.notes
    assert "dates: joined (iso)" in data.notes


def test_every_format_gives_the_same_tensors(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    rows = rows_of()
    found, data = studied(write(tmp_path / "a.csv", rows))
    expected = found.encode(data.train)
    write(tmp_path / "a.tsv", rows, delimiter="\t")
    write(tmp_path / "semicolons.csv", rows, delimiter=";")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    typed = [dict(zip(HEADER, [age, city, joined, float(score) if score else None, target],
                      strict=True)) for age, city, joined, score, target in rows]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in typed))
    for row in typed:
        row["joined"] = datetime.fromisoformat(row["joined"]).date()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(typed), tmp_path / "a.parquet")
    for name in ("a.tsv", "semicolons.csv", "a.csv.gz", "a.jsonl", "a.parquet"):
        rows_given = found.examples([str(tmp_path / name)])
        whole = found.encode(rows_given)
        first = found.encode(found.examples([str(tmp_path / "a.csv")]))
        assert all(torch.equal(whole[key], first[key]) for key in whole), name
    assert expected["numbers"].dtype == torch.float32


def test_declared_parts_are_kept_in_a_folder_and_in_a_column(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    rows = rows_of()
    write(folder / "train.csv", rows[:80])
    write(folder / "val.csv", rows[80:100])
    write(folder / "test.csv", rows[100:])
    (folder / "readme.txt").write_text("about")
    _, data = studied(folder)
    assert (len(data.train), len(data.validation), len(data.test)) == (80, 20, 20)
    part = ["train"] * 80 + ["dev"] * 20 + ["test"] * 20
    column = write(tmp_path / "all.csv", [[*row[:2], p, *row[2:]] for row, p in
                                          zip(rows, part, strict=True)],
                   [*HEADER[:2], "split", *HEADER[2:]])
    _, same = studied(column)
    assert [e.input for e in same.validation] == [e.input for e in data.validation]


def test_a_group_never_straddles_the_parts_and_is_no_input(tmp_path):
    rows = [[*row[:4], f"g{i % 12}", row[4]] for i, row in enumerate(rows_of())]
    _, data = studied(write(tmp_path / "a.csv", rows, [*HEADER[:4], "group", "bought"]))
    groups = [{e.group for e in part} for part in (data.train, data.validation, data.test)]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert "group" not in data.train[0].input


def test_a_test_file_without_targets_is_left_out_and_said_so(tmp_path):
    write(tmp_path / "train.csv", rows_of())
    write(tmp_path / "test.csv", [row[:4] for row in rows_of(20)], HEADER[:4])
    _, data = studied(tmp_path)
    assert any("test.csv is left out: it has no column 'bought'" in note for note in data.notes)
    assert sum(map(len, (data.train, data.validation, data.test))) == 120


def test_damaged_rows_are_named_and_left_out(tmp_path):
    rows = rows_of()
    rows[3] = rows[3][:2]
    rows[7][4] = ""
    _, data = studied(write(tmp_path / "a.csv", rows))
    assert len(data.damaged) == 2
    assert "line 5: expected 5 cells, got 2" in data.damaged[0]
    assert "row 7: no value in the target column 'bought'" in data.damaged[1]
    assert len(data.train) + len(data.validation) + len(data.test) == 118


def test_a_target_that_is_no_number_is_damage_in_a_regression(tmp_path):
    rows = [[i % 7, i / 3] for i in range(60)]
    rows[5][1] = "plenty"
    _, data = studied(write(tmp_path / "a.csv", rows, ["x", "y"]))
    assert len(data.damaged) == 1 and "'plenty'" in data.damaged[0]


# ---- what the target is -------------------------------------------------------------------------

@pytest.mark.parametrize("cells, kind", [
    (["a", "b"] * 20, "labels"),
    (["0", "1"] * 20, "labels"),
    (["1.0", "2.0", "3.0"] * 20, "labels"),
    ([str(i) for i in range(40)], "numbers"),
    ([str(i % 30) for i in range(400)], "numbers"),
    (["0.5", "1.5"] * 20, "numbers"),
    ([str(i / 7) for i in range(99)] + ["much"], "numbers"),
])
def test_text_or_few_whole_numbers_are_labels(cells, kind):
    assert table.target_kind(cells)[0] == kind


def test_the_problem_can_be_forced(tmp_path):
    path = write(tmp_path / "a.csv", [[i, i % 3] for i in range(60)], ["x", "y"])
    assert studied(path)[0].facts.labels == ("0", "1", "2")
    found, data = studied(path, problem="regression")
    assert found.facts.labels == () and found.facts.mean == pytest.approx(1, abs=0.2)
    assert {type(e.target) for e in data.train} == {float}


# ---- columns ------------------------------------------------------------------------------------

@pytest.mark.parametrize("cells, expected", [
    (["1", "2.5", "-3e2", "4"] * 10, ("number", "")),
    (["a", "b"] * 10, ("category", "")),
    (["2024-01-31", "1999-12-01 10:30:00", "2024-01-31T10:00:00+02:00"], ("date", "iso")),
    (["1/31/2024", "2/1/2024"], ("date", "%m/%d/%Y")),
    (["31/1/2024", "1/2/2024"], ("date", "%d/%m/%Y")),
    (["31.1.2024 10:00", "1.2.2024 11:30"], ("date", "%d.%m.%Y %H:%M")),
    (["Mar 5, 2020", "Apr 6, 2021"], ("date", "%b %d, %Y")),
    ([f"name {i}" for i in range(30)], ("useless", "")),
    ([str(i) for i in range(1000, 1100)], ("number", "")),
    (["same"] * 30, ("useless", "")),
    ([], ("useless", "")),
])
def test_kinds_of_columns(cells, expected):
    kind = table.kind_of(cells, "x")
    assert (kind.name, kind.form) == expected
    assert bool(kind.why) == (kind.name == "useless")


@pytest.mark.parametrize("name, kind", [
    ("", "useless"), ("id", "useless"), ("Customer_ID", "useless"), ("x", "number"),
    ("valid", "number")])
def test_a_column_that_counts_the_rows_is_known_by_its_name_and_its_numbers(name, kind):
    assert table.kind_of([str(i) for i in range(60)], name).name == kind
    assert table.kind_of([str(i * 50) for i in range(60)], name).name == "number"


@pytest.mark.parametrize("cell", ["", " ? ", "NA", "n/a", "NaN", "null", "None", None, math.nan])
def test_missing_values(cell):
    assert table.text(cell) is None


@pytest.mark.parametrize("cell, expected", [
    (3, "3"), (3.0, "3"), (0.1, "0.1"), (True, "true"), ("  x ", "x"), ([1], "[1]")])
def test_typed_cells_become_text(cell, expected):
    assert table.text(cell) == expected


def test_the_calendar_of_a_date():
    moment = datetime(2024, 2, 29, 18, tzinfo=UTC).timestamp()
    parts = table.calendar(numpy.array([moment, numpy.nan]))
    assert parts["days"][0] == pytest.approx(moment / 86400)
    assert parts["year"][0] == 2024
    turn = {"month": 1 / 12, "day": 28 / 31, "weekday": 3 / 7, "hour": 18 / 24}  # a Thursday
    for name, part in turn.items():
        assert parts[f"{name} sine"][0] == pytest.approx(math.sin(2 * math.pi * part), abs=1e-6)
        assert parts[f"{name} cosine"][0] == pytest.approx(math.cos(2 * math.pi * part), abs=1e-6)
    assert all(numpy.isnan(values[1]) for values in parts.values())
    before = table.calendar(numpy.array([datetime(1969, 12, 31, tzinfo=UTC).timestamp()]))
    assert before["year"][0] == 1969
    assert before["weekday sine"][0] == pytest.approx(math.sin(2 * math.pi * 2 / 7), abs=1e-6)


def test_numbers_become_ranks_and_gaps_the_median_and_a_flag():
    train = [{"x": str(x)} for x in (1, 2, 3, 100)] + [{"x": "?"}]
    found, useless = columns.study(train)
    assert not useless and found[0].absent
    rows = [{"x": x} for x in ("1", "3", "51.5", "1000", "NA", None)] + [{}]
    batch = columns.encode(found, rows)
    flags = [0, 0, 0, 0, 1, 1, 1]
    expected = [0, 2 / 3, 5 / 6, 1, 0.5, 0.5, 0.5]
    torch.testing.assert_close(batch["numbers"], torch.tensor([expected, flags]).T)


def test_the_median_comes_from_the_training_part_and_no_flag_where_nothing_was_missing():
    found, _ = columns.study([{"x": x} for x in (1, 2, 3)])
    assert columns.encode(found, [{"x": ""}])["numbers"].tolist() == [[0.5]]


def test_unseen_and_missing_categories_have_rows_of_their_own():
    train = [{"a": "x"}, {"a": "y"}, {"a": "x"}, {"a": "y"}, {"a": "rare"}]
    found, _ = columns.study([row | {"b": i % 2 and "u" or "v"} for i, row in
                              enumerate(train * 1 + train[:4])])
    rows = [{"a": a, "b": b} for a, b in (("x", "u"), ("y", "v"), ("new", "new"), ("", None))]
    places = columns.encode(found, rows)["categories"]
    assert places[:, 0].tolist() == [2, 3, 0, 1]
    assert places[:, 1].tolist() == [6, 7, 4, 5]
    assert sum(column.vectors for column in found) == 8


def test_an_unreadable_number_is_refused_not_guessed():
    found, _ = columns.study([{"age": i % 5} for i in range(20)])
    with pytest.raises(ValueError, match="column 'age': expected a number, got 'old'"):
        columns.encode(found, [{"age": "3"}, {"age": "old"}])


def test_names_and_row_numbers_are_left_out_and_said_so(tmp_path):
    rows = [[i, f"person {i}", *row] for i, row in enumerate(rows_of())]
    found, data = studied(write(tmp_path / "a.csv", rows, ["", "who", *HEADER]))
    assert [column.name for column in found.facts.columns] == HEADER[:-1]
    assert "left out: column 'who' (nearly every row has a text of its own there)" in data.notes
    assert "left out: column '' (it counts the rows)" in data.notes


# ---- the user's mistakes ------------------------------------------------------------------------

@pytest.mark.parametrize("text, chosen, message", [
    ("", {}, "has no rows"),
    ("a,b\n", {}, "has no rows"),
    ("a,b\n1,2\n", {"target_column": "c"}, "no column 'c'.*columns: a, b"),
    ("price,b\n1,2\n", {"target_column": "prise"}, "did you mean 'price'"),
    ("a,b\n1,2\n2,2\n3,2\n", {}, "'b' has one value only, '2'"),
    ("a,b\n1,\n2,\n3,\n", {}, "'b' has no values"),
    ("a\n1\n2\n", {}, "expected input columns and a target column"),
    ("a,a\n1,2\n", {}, "stands twice"),
    ("a,b\n" + "".join(f"name {i},{'xy'[i % 2]}\n" for i in range(60)), {},
     "no column can be used: 'a' \\(nearly every row"),
    ("a,b\n" + "".join(f"{i % 3},name {i}\n" for i in range(30)), {}, "30 different texts"),
    ("a,b\n" + "1,x\n2,y\n" * 20, {"problem": "regression"}, "'b' holds text"),
])
def test_mistakes_get_one_line(tmp_path, text, chosen, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        studied(tmp_path / "a.csv", **chosen)
    assert "\n" not in str(caught.value)


def test_a_folder_of_unrelated_tables_is_refused(tmp_path):
    write(tmp_path / "a.csv", rows_of(9))
    write(tmp_path / "b.csv", rows_of(9))
    with pytest.raises(UserError, match="expected one table, or files named train"):
        task().read(tmp_path)


def test_a_label_that_the_training_part_lacks_is_damage(tmp_path):
    found, data = studied(write(tmp_path / "a.csv", rows_of()))
    with pytest.raises(ValueError, match="the label 'maybe' does not occur"):
        found.encode([Example(data.train[0].input, "maybe")])


# ---- what is asked at predict -------------------------------------------------------------------

def test_rows_are_given_as_a_file_or_as_json(tmp_path):
    found, _ = studied(write(tmp_path / "a.csv", rows_of()))
    row = {"age": 50, "city": "Oslo", "joined": "2020-01-02", "score": None, "more": 1}
    write(tmp_path / "new.csv", [[30, "Rome", "2020-01-02", "1"]], HEADER[:4])
    given = found.examples([json.dumps(row), row, str(tmp_path / "new.csv")])
    assert [e.target for e in given] == [None] * 3
    assert found.encode(given)["numbers"].shape[0] == 3 and "target" not in found.encode(given)


@pytest.mark.parametrize("given, message", [
    ('{"age": 3', "expected a row as JSON"),
    ('{"ages": 3, "city": "x", "joined": "", "score": 1}', "no column 'age'.*did you mean 'ages'"),
    ("nowhere.csv", "nowhere.csv"),
])
def test_mistakes_at_predict_get_one_line(tmp_path, given, message):
    found, _ = studied(write(tmp_path / "a.csv", rows_of()))
    with pytest.raises(UserError, match=message) as caught:
        found.examples([given])
    assert "\n" not in str(caught.value)


# ---- learning and answering ---------------------------------------------------------------------

@pytest.mark.parametrize("net", ["mlp", "residual", "attention"])
@pytest.mark.parametrize("target, kind", [("bought", Label), ("age", Number)])
def test_every_net_answers_labels_and_numbers(tmp_path, net, target, kind):
    found, data = studied(write(tmp_path / "a.csv", rows_of()), net=net, target_column=target)
    batch = found.encode(data.test)
    answers = found.answer(found.start().eval(), batch)
    assert len(answers) == len(data.test) and {type(answer) for answer in answers} == {kind}
    if kind is Label:
        assert all(sum(a.probabilities.values()) == pytest.approx(1) for a in answers)
    scores = found.rows(answers, data.test)
    assert list(scores) == [metric.name for metric in found.metrics]


def test_facts_survive_json(tmp_path):
    found, _ = studied(write(tmp_path / "a.csv", rows_of()))
    again = TableFacts.make(json.loads(json.dumps(found.facts.to_json())), what="fact")
    assert again == found.facts


def test_baselines_are_the_constant_and_the_nearest_rows(tmp_path):
    found, data = studied(write(tmp_path / "a.csv", rows_of(400)))
    scores = found.baselines(data.train, data.test)
    assert set(scores) == {"most frequent class", "mean of 10 nearest rows"}
    accuracy = {name: rows["accuracy"].mean() for name, rows in scores.items()}
    share = numpy.mean([e.target == "yes" for e in data.test])
    assert accuracy["most frequent class"] == pytest.approx(share)
    assert accuracy["mean of 10 nearest rows"] > share
    number, data = studied(write(tmp_path / "a.csv", rows_of(400)), target_column="age")
    scores = number.baselines(data.train, data.test)
    targets = numpy.array([e.target for e in data.test])
    center = numpy.mean([e.target for e in data.train])
    assert scores["mean"]["rmse"][:, 0].mean() == pytest.approx(((targets - center) ** 2).mean())
    assert set(scores) == {"mean", "median", "mean of 10 nearest rows"}


def test_a_forged_part_of_a_column_is_refused():
    from lamina.columns import Column

    good = {"part": "value", "median": 0.0, "knots": [0.0, 1.0]}
    Column.make({"name": "x", "kind": "number", "absent": False, "features": [good]})
    for forged in ({"part": "century"}, {"part": "year"}, {"knots": []}):
        with pytest.raises(UserError, match="column 'x'"):
            Column.make({"name": "x", "kind": "number", "absent": False,
                         "features": [good | forged]})
