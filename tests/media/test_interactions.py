"""Interactions out of every layout, and what is wrong with a row, said."""

import json
import math

import pytest

from lamina.media import interactions

NONE = dict.fromkeys(interactions.NAMES, "")


def read(path, **columns):
    return interactions.read(path, NONE | columns)


def test_csv_with_the_columns_of_movielens_and_its_titles(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,4.5,100\n")
    (tmp_path / "movies.csv").write_text('movieId,title,genres\n10,"Heat, The",Crime|Drama\n'
                                         "11,B,(no genres listed)\n")
    (tmp_path / "tags.csv").write_text("userId,movieId,tag,timestamp\n1,10,good,100\n")
    found, things = read(tmp_path)
    assert (found.users, found.items, found.ratings, found.times) == (["1"], ["10"], [4.5], [100])
    assert things == {"10": ("Heat, The", "Crime|Drama"), "11": ("B", "")}


@pytest.mark.parametrize("name,line,titles,thing", [
    ("u.data", "1\t10\t4\t100", ("u.item", "10|Heät (1995)|x||url" + "|0|1" + 17 * "|0"),
     ("Heät (1995)", "Action")),
    ("ratings.dat", "1::10::4::100", ("movies.dat", "10::Heät (1995)::Action"),
     ("Heät (1995)", "Action"))])
def test_older_layouts_of_movielens(tmp_path, name, line, titles, thing):
    (tmp_path / name).write_text(line + "\n")
    (tmp_path / titles[0]).write_bytes(titles[1].encode("latin-1"))
    found, things = read(tmp_path)
    assert (found.users, found.items, found.ratings, found.times) == (["1"], ["10"], [4], [100])
    assert things == {"10": thing}


def test_histories_in_json_lines(tmp_path):
    rows = [{"user": "ann", "items": ["a", 2], "ratings": [5, 4]}, {"items": ["b"]}]
    path = tmp_path / "histories.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found, _ = read(path)
    assert (found.users, found.items, found.listed) == (["ann", "ann", "row 2"], ["a", "2", "b"],
                                                        True)
    assert found.ratings[:2] == [5, 4] and math.isnan(found.ratings[2])


def test_parquet_and_dates(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table({"user": [1, 2], "item": ["a", "b"], "time": ["2020-01-01", "2020-01-02"]})
    parquet.write_table(table, tmp_path / "taken.parquet")
    found, _ = read(tmp_path / "taken.parquet")
    assert found.users == ["1", "2"] and found.times[1] - found.times[0] == 86400
    assert all(map(math.isnan, found.ratings))


def test_own_names_of_columns(tmp_path):
    path = tmp_path / "plays.tsv"
    path.write_text("listener\ttrack\nx\ty\n")
    found, _ = read(path, user="listener", item="track")
    assert (found.users, found.items) == (["x"], ["y"])
    with pytest.raises(ValueError, match="expected a column 'user', found listener, track"):
        read(path)
    with pytest.raises(ValueError, match="expected the column 'who'"):
        read(path, user="who")


def test_damaged_rows_are_named(tmp_path):
    good = "".join(f"u,{place},3,{place}\n" for place in range(100))
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating,time\n" + good + "u,x,good,1\nu,,3,1\nu,y,3,soon\nu,z\n")
    found, _ = read(path)
    assert len(found.items) == 100
    assert [line.split(":")[0] for line in found.damaged] == ["row 101", "row 102", "row 103",
                                                              "row 104"]
    for line, why in zip(found.damaged, ("expected a number, got 'good'", "the item is missing",
                                         "a number or a date, got 'soon'", "expected 4 cells"),
                         strict=True):
        assert why in line


def test_too_many_damaged_rows_are_refused(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\na,b,3\na,c,good\n")
    with pytest.raises(ValueError, match="1 of 2 rows are damaged.*got 'good'"):
        read(path)


def test_two_tables_are_not_guessed_between(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("user,item\nx,y\n")
    with pytest.raises(ValueError, match="expected one table.*found a.csv, b.csv"):
        read(tmp_path)
