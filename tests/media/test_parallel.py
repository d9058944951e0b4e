"""Texts beside their translations: every layout, and what is wrong with one."""

import gzip
import json
import zipfile

import pytest

from lamina.media import parallel

PAIRS = [("Ein Hund.", "A dog."), ("Zwei  Katzen\u00a0!", "Two cats!"), ('"Ja", sagt er.', '"Yes".')]
TIDY = [("Ein Hund.", "A dog."), ("Zwei Katzen !", "Two cats!"), ('"Ja", sagt er.', '"Yes".')]


def pairs(found) -> list[tuple[str, str]]:
    return [(item.input, item.target) for item in found.items]


def write(folder, stem: str, german: list[str], english: list[str]) -> None:
    for language, lines in (("de", german), ("en", english)):
        (folder / f"{stem}.{language}").write_text("\n".join(lines) + "\n")


def sides(chosen=PAIRS) -> tuple[list[str], list[str]]:
    return [one for one, _ in chosen], [other for _, other in chosen]


def read(path, source="de", target="en"):
    return parallel.read(path, source=source, target=target)


@pytest.mark.parametrize("packed", [False, True])
def test_files_of_lines_are_joined_by_their_names(tmp_path, packed):
    write(tmp_path, "train", *sides())
    write(tmp_path, "test_2016_flickr", ["Ja."], ["Yes."])
    (tmp_path / "README.md").write_text("about")
    path = tmp_path
    if packed:
        path = tmp_path / "all.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in tmp_path.glob("*.??"):
                archive.writestr(f"data/{file.name}.gz", gzip.compress(file.read_bytes()))
    found = read(path)
    assert sorted(pairs(found)) == sorted([*TIDY, ("Ja.", "Yes.")])
    assert {item.split for item in found.items if item.input == "Ja."} == {"test"}
    assert {item.split for item in found.items if item.input != "Ja."} == {"train"}
    assert ("Yes.", "Ja.") in pairs(read(path, "en", "de"))


@pytest.mark.parametrize("name", ["pairs.tsv", "spa.txt", "with-header.tsv"])
def test_a_tsv_with_or_without_header(tmp_path, name):
    lines = ["\t".join(pair) for pair in PAIRS]
    header = ["source\ttarget"] * name.startswith("with")
    (tmp_path / name).write_text("\n".join(header + lines) + "\n")
    found = read(tmp_path, "", "")
    assert pairs(found) == TIDY
    assert bool(header) != any("no header" in note for note in found.notes)


def test_columns_may_be_called_by_languages(tmp_path):
    (tmp_path / "pairs.tsv").write_text("en\tde\nA dog.\tEin Hund.\n")
    for languages in (("de", "en"), ("de", ""), ("", "en")):
        assert pairs(read(tmp_path, *languages)) == [("Ein Hund.", "A dog.")]
    with pytest.raises(ValueError, match="'fr' and 'en', found 'en', 'de'"):
        read(tmp_path, "fr", "en")


def test_json_lines_with_parts(tmp_path):
    rows = [{"source": one, "target": other, "split": "dev"} for one, other in PAIRS]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read(tmp_path, "", "")
    assert pairs(found) == TIDY and {item.split for item in found.items} == {"validation"}


def test_an_empty_side_is_named_and_left_out(tmp_path):
    write(tmp_path, "train", ["Ein Hund.", " ", "Ja."], ["A dog.", "Two cats.", ""])
    found = read(tmp_path)
    assert pairs(found) == [("Ein Hund.", "A dog.")]
    assert [line.rpartition("/")[2] for line in found.damaged] == [
        "train.de line 2: its source is empty; expected some words",
        "train.de line 3: its target is empty; expected some words"]


def test_files_of_different_length_are_refused(tmp_path):
    write(tmp_path, "train", ["Eins.", "Zwei."], ["One."])
    with pytest.raises(ValueError, match=r"train.de has 2 lines and .*train.en 1; expected as many"):
        read(tmp_path)


def test_what_is_translated_into_what_must_be_clear(tmp_path):
    write(tmp_path, "train", *sides())
    (tmp_path / "train.fr").write_text("Un chien.\n")
    with pytest.raises(ValueError, match="both 'de'; expected two languages"):
        read(tmp_path, "de", "de")
    with pytest.raises(ValueError, match="has de, en, fr: say which"):
        read(tmp_path, "de", "")
    with pytest.raises(ValueError, match="nothing in 'cs'; it has de, en, fr"):
        read(tmp_path, "cs", "en")
    (tmp_path / "train.fr").unlink()
    assert pairs(read(tmp_path, "", "en")) == TIDY
    (tmp_path / "train.en").unlink()
    with pytest.raises(ValueError, match="texts in de alone"):
        read(tmp_path, "de", "")


def test_texts_that_are_their_own_translation_are_refused(tmp_path):
    write(tmp_path, "train", ["Eins.", "Zwei."], ["Eins.", "Zwei."])
    with pytest.raises(ValueError, match="2 of 2 texts are their own translation"):
        read(tmp_path)


def test_nothing_to_read_is_said_with_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("just some text\n")
    with pytest.raises(ValueError, match="holds no pairs of texts; expected two files of lines"):
        read(tmp_path, "", "")


def test_a_user_hands_over_texts_files_and_lists(tmp_path):
    (tmp_path / "a.de").write_text("Ein Hund.\nJa.\n")
    (tmp_path / "b.csv").write_text("source,more\nNein.,1\n")
    assert parallel.given("Ein  Hund.") == ["Ein Hund."]
    assert parallel.given(str(tmp_path / "a.de")) == ["Ein Hund.", "Ja."]
    assert parallel.given(str(tmp_path)) == ["Ein Hund.", "Ja.", "Nein."]
    with pytest.raises(ValueError, match="the text is empty"):
        parallel.given("  ")
    with pytest.raises(ValueError, match="no such file: gone.txt"):
        parallel.given("gone.txt")
