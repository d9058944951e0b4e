"""Texts with labels, in the layouts that people have them in.

    neg/1.txt pos/1.txt …       a folder per class (perhaps under train/, val/, test/)
    neg.txt pos.txt             a file per class, a text in each line
    reviews.csv                 a list with a column of texts and one of labels

Each also inside an archive. A list in CSV, TSV, JSON lines or Parquet may have a column `labels`
of several labels: a JSON list, or words with ";" or "|" between them.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamina.media import manifest, text
from lamina.media.files import File, is_archive, listing
from lamina.media.manifest import Item

TEXT_COLUMNS = ("text", "sentence", "review", "comment", "message", "content", "document")
LABEL_COLUMNS = ("label", "class", "target", "category", "sentiment")
SEVERAL_COLUMNS = ("labels", "tags", "classes", "categories")


class Found(NamedTuple):
    """Items whose target is a label, or a sorted tuple of labels; "name: why" of the rest."""

    items: list[Item]
    damaged: list[str]


def read(path: Path, *, text_column: str = "", label_column: str = "") -> Found:
    """The labelled texts in `path`; columns of lists are looked for by usual names where not given.

    ValueError: nothing in `path` looks like labelled texts; it says what was looked for.
    """
    found = Found([], [])
    files = [file for file in listing(path, text.SUFFIXES + manifest.SUFFIXES)
             if not file.parts[-1].lower().startswith(text.ABOUT)]
    archives = [file.path for file in listing(path) if path.is_dir() and is_archive(file.path)]
    if len(archives) == 1 and not files:
        return read(archives[0], text_column=text_column, label_column=label_column)
    lists = [file for file in files if file.name.lower().endswith(manifest.SUFFIXES)]
    for file in lists:
        listed(file, (text_column, label_column), found)
    if not lists and (path.is_dir() or is_archive(path)):
        folders(path, files, found)
    if not found.items:
        raise ValueError(
            f"{path} holds no labelled texts; expected a CSV or JSONL with the columns text and "
            "label, a folder of .txt files per class, or a .txt file per class with a text in each "
            "line" + (f" ({found.damaged[0]})" if found.damaged else ""))
    if len({type(item.target) for item in found.items}) > 1:
        raise ValueError(f"{path}: some texts have one label and some a list; expected one kind")
    return found


def given(item: str) -> list[str]:
    """What a user hands over to be labelled: a file's text, a folder's or a list's, or a text.

    ValueError: an empty text, a file that cannot be read, or a name of a file that is not there.
    """
    name = item.lower()
    named = name.endswith(text.SUFFIXES + manifest.SUFFIXES) and not re.search(r"\s", item)
    path = Path(item)
    if not named and (len(item) > 255 or not path.exists()):
        return [spoken(text.clean(item), "the text")]
    if not path.exists():
        raise ValueError(f"no such file: {item}")
    files = listing(path, text.SUFFIXES + manifest.SUFFIXES if path.is_dir() else ())
    if not files:
        raise ValueError(f"{item} holds no texts; expected files such as .txt, .csv or .jsonl")
    texts: list[str] = []
    for file in files:
        if file.name.lower().endswith(manifest.SUFFIXES):
            rows = manifest.rows(file)
            column = chosen(rows, "", TEXT_COLUMNS, file)
            texts += [spoken(cell(row, column), f"{file} row {number}")
                      for number, row in enumerate(rows, 1)]
        else:
            texts.append(spoken(text.decode(file), str(file)))
    return texts


def spoken(given: str, name: str) -> str:
    """The text; ValueError where it holds nothing but space."""
    if not given.strip():
        raise ValueError(f"{name} is empty; expected some words")
    return given.strip()


# ---- lists ----------------------------------------------------------------------------------


def listed(file: File, columns: tuple[str, str], found: Found) -> None:
    """Adds the rows of a list; columns: of the text and of the label, "" for the usual names."""
    rows = manifest.rows(file)
    whole = [row for row in rows if "" not in row]
    if not whole:
        found.damaged.extend(f"{file}: {row['']}" for row in rows)
        return
    words = chosen(whole, columns[0], TEXT_COLUMNS, file)
    label = chosen(whole, columns[1], LABEL_COLUMNS + SEVERAL_COLUMNS, file)
    several = label in SEVERAL_COLUMNS or any(isinstance(row.get(label), list) for row in whole)
    part = manifest.split_in_name(file.parts[-1])
    for number, row in enumerate(rows, 1):
        try:
            if "" in row:
                raise ValueError(row[""])
            target = labels_of(row.get(label)) if several else label_of(row.get(label))
            split = manifest.split_of(row.get("split")) or part
            group = str(row["group"]) if row.get("group") not in (None, "") else None
            found.items.append(Item(spoken(text.clean(cell(row, words)), "its text"), target,
                                    group, split))
        except ValueError as reason:
            found.damaged.append(f"{file} row {number}: {reason}")


def chosen(rows: Sequence[dict[str, Any]], wanted: str, usual: Sequence[str], file: File) -> str:
    """The column of that name, or the first of the usual ones; ValueError: there is none."""
    columns = dict.fromkeys(name for row in rows for name in row if name)
    name = next((name for name in ([wanted] if wanted else usual) if name in columns), None)
    if name is None:
        raise ValueError(f"{file}: expected a column {wanted or usual[0]!r} in its first line, "
                         f"found {', '.join(map(repr, columns)) or 'none'}")
    return name


def cell(row: dict[str, Any], column: str) -> str:
    """The text of a row."""
    if not isinstance(row.get(column), str):
        raise ValueError(f"expected a text in {column!r}, got {row.get(column)!r}")
    return row[column]


def label_of(given: Any) -> str:
    """One label; ValueError where there is none."""
    if given is None or isinstance(given, (list, dict)) or not str(given).strip():
        raise ValueError(f"expected a label, got {given!r}")
    return str(given).strip()


def labels_of(given: Any) -> tuple[str, ...]:
    """Any number of labels, sorted; none for an empty cell or list."""
    parts: Iterable[Any] = given if isinstance(given, list) else re.split("[;|]", str(given or ""))
    return tuple(sorted({label_of(part) for part in parts if str(part).strip()}))


# ---- folders --------------------------------------------------------------------------------


def folders(root: Path, files: Sequence[File], found: Found) -> None:
    """Adds texts whose class is the innermost folder, or the file's name where there is none.

    A folder named train, val or test is no class but declares the part.
    """
    for file in files:
        inside = file.parts if file.member else file.path.relative_to(root).parts
        declared = next((part for name in inside[:-1]
                         if (part := manifest.SPLIT_WORDS.get(name.lower()))), None)
        classes = [name for name in inside[:-1] if name.lower() not in manifest.SPLIT_WORDS]
        try:
            whole = text.decode(file)
            if classes:
                found.items.append(Item(spoken(whole, "it"), classes[-1], None, declared))
            else:
                label = inside[-1].removesuffix(".gz").rpartition(".")[0]
                found.items.extend(Item(line.strip(), label, None, declared)
                                   for line in whole.split("\n") if line.strip())
        except (ValueError, OSError) as reason:
            found.damaged.append(f"{file}: {reason}")
