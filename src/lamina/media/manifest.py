"""Lists of examples: CSV, TSV, JSON lines or Parquet, one row an example."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamina.media import packed
from lamina.media.files import File, unpacked

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".csv.gz", ".tsv.gz", ".jsonl.gz")
SPLIT_WORDS = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
               "validation": "validation", "dev": "validation", "test": "test", "testing": "test"}


class Item(NamedTuple):
    """An example before the data are divided; `split` is what its maker declared, if anything."""

    input: Any
    target: Any = None
    group: str | None = None
    split: str | None = None


def split_of(word: Any) -> str | None:
    """The part that a word such as "val" or "dev" names; None for no word.

    ValueError: a word that names no part.
    """
    if word in (None, ""):
        return None
    part = SPLIT_WORDS.get(str(word).strip().lower())
    if part is None:
        raise ValueError(f"split: expected train, validation or test, got {word!r}")
    return part


def split_in_name(name: str) -> str | None:
    """The part that a file's or folder's name declares: "train", "val.csv", "test-1.txt"."""
    stem = name.lower().split(".")[0]
    return next((part for word, part in SPLIT_WORDS.items()
                 if stem == word or stem.startswith((word + "-", word + "_"))), None)


def rows(file: File) -> list[Mapping[str, Any]]:
    """The rows of a list, by column. Text formats give text; JSON and Parquet their own types.

    ValueError names the file, the line and what was wrong there.
    """
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return _parquet(file)
    content = unpacked(file)
    lines = io.TextIOWrapper(io.BytesIO(content), encoding_of(content), newline="")
    if name.endswith((".jsonl", ".ndjson")):
        return [_json_row(file, number, line)
                for number, line in enumerate(lines.read().splitlines(), 1) if line.strip()]
    first = lines.readline()
    lines.seek(0)
    delimiter = "\t" if name.endswith(".tsv") else sniff(first)
    csv.field_size_limit(2**31 - 1)  # a cell may be a long text
    try:
        return _delimited(file, csv.reader(lines, delimiter=delimiter))
    except csv.Error as reason:
        raise ValueError(f"{file}: not a readable list ({reason})") from None


def encoding_of(content: bytes) -> str:
    """UTF-8, with or without a mark at its beginning, or else Latin-1."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def sniff(text: str) -> str:
    """The delimiter of a CSV: the one its first line has most of."""
    first = text.partition("\n")[0]
    return max(",;\t|", key=first.count)


def _delimited(file: File, reader) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    header: Sequence[str] = ()
    block = packed.Block(header)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if not header:
            header = cells
            if len(set(header)) < len(header):
                twice = next(name for name in header if header.count(name) > 1)
                raise ValueError(f"{file}: the column {twice!r} stands twice in the header")
            block = packed.Block(header)
            continue
        if len(cells) != len(header):
            found.append({"": f"line {reader.line_num}: expected {len(header)} cells, "
                              f"got {len(cells)}"})
        else:
            found.append(block.add(cells))
            if len(block.rows) == packed.BLOCK:
                block.pack()
                block = packed.Block(header)
    block.pack()
    return found


def _json_row(file: File, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as reason:
        return {"": f"line {number}: {reason}"}
    return row if isinstance(row, dict) else {"": f"line {number}: expected an object"}


def _parquet(file: File) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise ValueError(f'{file}: Parquet needs the tables extra: pip install "lamina[tables]"'
                         ) from None
    try:
        return pyarrow.parquet.read_table(io.BytesIO(file.read())).to_pylist()
    except pyarrow.ArrowException as reason:
        raise ValueError(f"{file}: not a readable Parquet file ({reason})") from None


def resolve(listed: str, manifest: File) -> File:
    """The file that a manifest's cell names, relative to the manifest."""
    if manifest.member is None:
        return File(Path(manifest.path).parent / listed)
    folder = "/".join(manifest.parts[:-1])
    return File(manifest.path, f"{folder}/{listed}" if folder else listed)
