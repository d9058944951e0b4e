"""Packed rows are read like the dicts that they stand for, and take less memory."""

import csv
import tracemalloc

import pytest

from lamina.media import manifest, packed, table
from lamina.media.files import File

CELLS = [["1.5", "red", "ä€😀", "", "a,b"], ["-2", "", "x" * 5000, "\0", 'say "no"'],
         ["", "blue", "line\nline", "end\0", "last"]]
NAMES = ["size", "colour", "text", "odd", "quoted"]


def written(path, rows, names=NAMES):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return File(path)


def test_a_packed_row_reads_as_a_dict(tmp_path):
    rows = manifest.rows(written(tmp_path / "a.csv", CELLS))
    for row, cells in zip(rows, CELLS, strict=True):
        plain = dict(zip(NAMES, cells, strict=True))
        assert row == plain and repr(row) == repr(plain) and len(row) == 5
        assert row.get("colour") == cells[1] and row.get("nothing") is None
        assert row | {"size": "7", "new": 1} == plain | {"size": "7", "new": 1}
        assert "size" in row and "nothing" not in row


def test_rows_of_several_blocks_keep_their_order(tmp_path):
    many = [[str(i), "é" * (i % 3)] for i in range(2 * packed.BLOCK + 10)]
    rows = manifest.rows(written(tmp_path / "a.csv", many, ["number", "letter"]))
    assert [list(row.values()) for row in rows] == many
    some = [*rows[::7], *rows[::-5], {"number": 3}, rows[0]]
    columns = packed.Columns(some)
    assert columns["number"] == [row["number"] for row in some]
    assert columns["letter"] == [row.get("letter") for row in some]


def test_columns_left_out_are_gone(tmp_path):
    rows = manifest.rows(written(tmp_path / "a.csv", CELLS))
    fewer = [packed.without(row, frozenset(["text"])) for row in rows]
    fewest = [packed.without(row, frozenset(["odd"])) for row in fewer]
    assert packed.Columns(fewest).names == ["size", "colour", "quoted"] == list(fewest[0])
    assert packed.Columns(fewer)["text"] == [None] * 3
    with pytest.raises(KeyError):
        fewer[0]["text"]
    assert packed.without({"a": 1, "b": 2}, frozenset("a")) == {"b": 2}


def test_damaged_lines_stand_between_packed_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n4,5\n")
    found = table.read(File(path))
    assert [dict(row) for row in found.rows] == [{"a": "1", "b": "2"}, {"a": "4", "b": "5"}]
    assert len(found.damaged) == 1 and "line 3: expected 2 cells, got 1" in found.damaged[0]


def test_a_column_without_a_name_is_a_column(tmp_path):
    found = table.read(written(tmp_path / "a.csv", [["1", "x"], ["2", "y"]], ["\ufeff", "b"]))
    assert found.damaged == [] and found.columns == ["", "b"]


def test_latin_1_and_lone_carriage_returns_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("name;town\rJos\u00e9;K\u00f6ln\r".encode("latin-1"))
    assert [dict(row) for row in manifest.rows(File(path))] == [{"name": "José", "town": "Köln"}]


def test_a_cell_may_be_a_long_text(tmp_path):
    rows = manifest.rows(written(tmp_path / "a.csv", [["1", "y" * 200_000], ["2", ""]], ["a", "b"]))
    assert [len(row["b"]) for row in rows] == [200_000, 0]


def test_a_row_takes_a_fraction_of_a_dict(tmp_path):
    many = [[f"{i * 7919 % 100_003 / 1000:.4f}" for i in range(j, j + 10)] for j in range(5000)]
    file = written(tmp_path / "a.csv", many, [*"abcdefghij"])
    tracemalloc.start()
    rows = manifest.rows(file)
    small = tracemalloc.get_traced_memory()[0]
    plain = [dict(row) for row in rows]
    large = tracemalloc.get_traced_memory()[0] - small
    tracemalloc.stop()
    assert len(plain) == 5000 and small < large / 4
