"""Texts beside their translations, in the layouts that people have them in.

    train.de train.en test.de.gz …   files in which equal lines belong together, by language
    pairs.tsv, pairs.txt             a pair in each line, with a tab between
    pairs.jsonl, pairs.csv           a list with the columns source and target, or two languages

Each also inside an archive. Parts are declared by names ("val.de", "test/a.de") or, in a list, by
the column `split`. Spaces at the ends of texts go, and all others become single blanks.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lamina.media import manifest, text
from lamina.media.files import File, is_archive, listing
from lamina.media.manifest import SPLIT_WORDS, Item

LANGUAGE = re.compile(r"(.+)\.([a-z]{2,3}(?:[-_][a-z]{2,4})?)", re.IGNORECASE)
NO_LANGUAGES = ("txt", "csv", "tsv", "md", "zip", "tar", "tgz", "xz", "bz2", "pdf", "xml", "py")
TABBED = tuple(f".{kind}{packed}" for kind in ("tsv", "txt") for packed in ("", ".gz"))
COLUMNS = (("source", "src"), ("target", "tgt", "translation"))


class Found(NamedTuple):
    """Items of texts whose targets are texts, what the user should know, "name: why" of the rest.
    """

    items: list[Item]
    notes: list[str]
    damaged: list[str]


def read(path: Path, *, source: str = "", target: str = "") -> Found:
    """The pairs in `path`; source, target: the languages, as files or columns are called by them.

    ValueError: nothing in `path` looks like pairs, or it is not clear what is translated into what.
    """
    if source and source.lower() == target.lower():
        raise ValueError(f"source and target language are both {source!r}; expected two languages")
    found = Found([], [], [])
    files = [file for file in listing(path) if not file.parts[-1].lower().startswith(text.ABOUT)]
    archives = [file.path for file in files if file.member is None and path.is_dir()
                and is_archive(file.path)]
    if len(archives) == 1 and len(files) == 1:
        return read(archives[0], source=source, target=target)
    lists = [file for file in files if file.name.lower().endswith(manifest.SUFFIXES + TABBED)
             and (not file.name.lower().endswith(TABBED) or is_tabbed(file))]
    for file in lists:
        listed(file, (source, target), found)
    if not lists:
        aligned(path, files, (source, target), found)
    if not found.items:
        raise ValueError(
            f"{path} holds no pairs of texts; expected two files of lines, such as train.de and "
            "train.en, a TSV with two columns, or a CSV or JSONL with the columns source and "
            "target" + (f" ({found.damaged[0]})" if found.damaged else ""))
    same = sum(item.input == item.target for item in found.items)
    if same > len(found.items) / 2:
        raise ValueError(f"{path}: {same:,} of {len(found.items):,} texts are their own "
                         "translation; expected two languages")
    if same:
        found.notes.append(f"{same:,} texts are their own translation")
    return found


def given(item: str, *, source: str = "") -> list[str]:
    """What a user hands over to be translated: a text, a file of lines, a list, or a folder.

    source: the column of a list, by default one of the usual ones.

    ValueError: an empty text, a file that cannot be read, or a name of a file that is not there.
    """
    path, named = Path(item), not re.search(r"\s", item)
    if not item.strip() or len(item) > 255 or not path.exists():
        if named and item.lower().endswith(text.SUFFIXES + manifest.SUFFIXES):
            raise ValueError(f"no such file: {item}")
        return [tidy(item, "the text")]
    texts: list[str] = []
    for file in listing(path):
        if file.name.lower().endswith(manifest.SUFFIXES):
            cells = asked(file, source)
        else:
            cells = lines(file)
        texts += [tidy(one, f"{file} line {number}") for number, one in enumerate(cells, 1)]
    if not texts:
        raise ValueError(f"{item} holds no text; expected one in each line")
    return texts


def asked(file: File, source: str) -> list[Any]:
    """The cells of a list's sources."""
    rows = manifest.rows(file)
    names = dict.fromkeys(name for row in rows for name in row)
    column = next((name for name in (source, *COLUMNS[0], "text") if name and name in names), None)
    if column is None:
        raise ValueError(f"{file}: expected a column {source or 'source'!r}, found "
                         f"{', '.join(map(repr, names)) or 'none'}")
    return [row.get(column, "") for row in rows]


def tidy(given: Any, name: str) -> str:
    """The text with single blanks; ValueError where it is empty or no text."""
    if not isinstance(given, str):
        raise ValueError(f"{name}: expected a text, got {given!r}")
    if not given.strip():
        raise ValueError(f"{name} is empty; expected some words")
    return " ".join(text.clean(given).split())


def add(found: Found, file: File | str, rows: Iterable[tuple[int, Any, Any, str | None]]) -> None:
    """Adds pairs (line, source, target, part); those with an empty side are named instead."""
    for number, source, target, part in rows:
        try:
            found.items.append(Item(tidy(source, "its source"), tidy(target, "its target"),
                                    split=part))
        except ValueError as reason:
            found.damaged.append(f"{file} line {number}: {reason}")


# ---- files of lines ------------------------------------------------------------------------------


def aligned(path: Path, files: Sequence[File], languages: tuple[str, str], found: Found) -> None:
    """Adds the pairs of files that differ in their language alone."""
    stems: dict[str, dict[str, File]] = defaultdict(dict)
    for file in files:
        match = LANGUAGE.fullmatch(re.sub(r"\.gz$", "", file.name, flags=re.IGNORECASE))
        if match and match[2].lower() not in NO_LANGUAGES:
            stems[match[1]][match[2].lower()] = file
    known = sorted({language for several in stems.values() for language in several})
    if not known:
        return
    source, target = direction(path, known, tuple(one.lower() for one in languages))
    used: defaultdict[str, list[str]] = defaultdict(list)
    for stem, several in sorted(stems.items()):
        if source not in several or target not in several:
            if source in several or target in several:
                found.notes.append(f"not used: {Path(stem).name} is there in "
                                   f"{' and '.join(sorted(several))} alone")
            continue
        sides = [lines(several[language]) for language in (source, target)]
        if len(sides[0]) != len(sides[1]):
            raise ValueError(
                f"{several[source]} has {len(sides[0]):,} lines and {several[target]} "
                f"{len(sides[1]):,}; expected as many, each the translation of the other's")
        part = part_of(several[source], path)
        used[part or "train"].append(Path(stem).name)
        add(found, several[source], ((number, *pair, part) for number, pair
                                     in enumerate(zip(*sides, strict=True), 1)))
    found.notes.append(f"{source} is translated into {target}")
    found.notes.extend(f"the {part} part is made of {', '.join(names)}"
                       for part, names in used.items() if len(names) > 1)


def direction(path: Path, known: Sequence[str], wanted: tuple[str, str]) -> tuple[str, str]:
    """Source and target language; ValueError where they are not there, or nobody said which."""
    for language in wanted:
        if language and language not in known:
            raise ValueError(f"{path} has nothing in {language!r}; it has {', '.join(known)}")
    rest = [language for language in known if language not in wanted]
    if len(known) < 2:
        raise ValueError(f"{path} has texts in {known[0]} alone; expected two languages")
    if not any(wanted) or ("" in wanted and len(rest) > 1):
        raise ValueError(f"{path} has {', '.join(known)}: say which is translated into which, as "
                         f"in --source-language {known[0]} --target-language {known[1]}")
    return wanted[0] or rest[0], wanted[1] or rest[0]


def part_of(file: File, root: Path) -> str | None:
    """The part that the file's name or a folder above it declares."""
    inside = file.parts if file.member else file.path.relative_to(root).parts \
        if root.is_dir() else file.parts[-1:]
    words = [*inside[:-1], *re.split(r"[^a-z]+", inside[-1].lower())]
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None)


def lines(file: File) -> list[str]:
    """The lines of a text file; ValueError: it is no text."""
    whole = text.decode(file)
    return whole.removesuffix("\n").split("\n") if whole else []


# ---- lists ---------------------------------------------------------------------------------------


def is_tabbed(file: File) -> bool:
    """Whether nearly every line of a text file has a tab."""
    try:
        rows = [line for line in lines(file) if line.strip()]
    except (ValueError, OSError):
        return False
    return bool(rows) and sum("\t" in row for row in rows) > 0.9 * len(rows)


def listed(file: File, languages: tuple[str, str], found: Found) -> None:
    """Adds the rows of a list. A TSV may have no header: then the source comes first."""
    rows, first = (tabbed(file, languages, found.notes) if file.name.lower().endswith(TABBED)
                   else (manifest.rows(file), 1))
    source, target = sides(rows, languages, file)
    part = manifest.split_in_name(file.parts[-1])
    for number, row in enumerate(rows, first):
        try:
            if "" in row:
                raise ValueError(row[""])
            own = manifest.split_of(row.get("split")) or part
        except ValueError as reason:
            found.damaged.append(f"{file} line {number}: {reason}")
            continue
        add(found, file, [(number, row.get(source, ""), row.get(target, ""), own)])


def tabbed(file: File, languages: tuple[str, str], notes: list[str]
           ) -> tuple[list[dict[str, str]], int]:
    """The rows of a TSV by column, where a quote is a quote, and the line of the first of them."""
    cells = [line.split("\t") for line in lines(file)]
    header = [name.strip() for name in cells[0]]
    if {*header} & {*filter(None, languages), *COLUMNS[0], *COLUMNS[1]}:
        return [dict(zip(header, row, strict=False)) for row in cells[1:]], 2
    notes.append(f"{file.parts[-1]} has no header: each line is a source, a tab and a target")
    names = [language or usual[0] for language, usual in zip(languages, COLUMNS, strict=True)]
    return [dict(zip(names, row, strict=False)) for row in cells], 1


def sides(rows: Sequence[dict[str, Any]], languages: tuple[str, str], file: File
          ) -> tuple[str, str]:
    """The columns of the sources and of the targets; of two columns, one may be left unsaid."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row)
             if name not in ("", "split", "group")]
    found = [next((name for name in ([own] if own else usual) if name in names), None)
             for own, usual in zip(languages, COLUMNS, strict=True)]
    if len(names) == 2 and found.count(None) == 1 and languages[found.index(None)] == "":
        found[found.index(None)] = next(name for name in names if name not in found)
    if None in found:
        wanted = [own or usual[0] for own, usual in zip(languages, COLUMNS, strict=True)]
        raise ValueError(f"{file}: expected the columns {wanted[0]!r} and {wanted[1]!r}, found "
                         f"{', '.join(map(repr, names)) or 'none'}; --source-language and "
                         "--target-language name others")
    return found[0], found[1]
