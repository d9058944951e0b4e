"""Who took what: tables of users, items, ratings and times, and lists of what items are called.

Reads CSV, TSV, JSON lines and Parquet with a header, histories in JSON lines (`{"user": "ann",
"items": ["a", "b"], "ratings": [4, 5]}`), and the layouts of MovieLens: ratings.csv beside
movies.csv, ratings.dat beside movies.dat, u.data beside u.item.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from lamina.media import manifest, table
from lamina.media.files import File, listing, unpacked

NAMES = {"user": ("user", "userid", "user_id", "uid", "customer", "customer_id", "visitor"),
         "item": ("item", "itemid", "item_id", "iid", "movieid", "movie_id", "movie", "product",
                  "product_id", "song", "book"),
         "rating": ("rating", "ratings", "score", "stars"),
         "time": ("time", "timestamp", "date", "datetime", "moment")}
ITEM_LISTS = ("items", "movies", "products", "u.item")  # how files of titles are called
TITLES, GENRES = ("title", "name", "label"), ("genres", "genre", "categories", "category", "tags")
BARE = ("u.data", ".dat", "u.item")  # endings of files without a header
BARE_GENRES = ("unknown|Action|Adventure|Animation|Children|Comedy|Crime|Documentary|Drama|Fantasy|"
               "Film-Noir|Horror|Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western").split("|")
MANY = 0.05  # share of rows that may be damaged


class Thing(NamedTuple):
    """What an item is called."""

    title: str
    genres: str = ""


@dataclass
class Interactions:
    """One entry each: who took which item, how it was rated and when; oldest rows first.

    ratings, times: NaN where there is none. damaged: "where: why" of rows that were left out.
    listed: whether the rows are histories, whose order means something.
    """

    users: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    ratings: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    listed: bool = False


def read(path: Path, columns: dict[str, str]) -> tuple[Interactions, dict[str, Thing]]:
    """The interactions at a path, and what their items are called where a list says so.

    columns: the user's own names of "user", "item", "rating", "time"; "" where recognised.
    ValueError, OSError: there are none, or too many cannot be read.
    """
    files = listing(path, (*manifest.SUFFIXES, *BARE))
    lists = [file for file in files if is_item_list(file) and len(files) > 1]
    tables = [file for file in files if file not in lists]
    if len(tables) > 1:  # tags.csv and links.csv of MovieLens stand beside ratings.csv
        tables = [file for file in tables if stem(file) in ("ratings", "u", "interactions")] \
            or tables
    if len(tables) != 1:
        found = ", ".join(file.parts[-1] for file in tables[:5]) or "none"
        raise ValueError(f"{path}: expected one table of users and items, such as ratings.csv; "
                         f"found {found}")
    found = interactions(tables[0], columns)
    total = len(found.items) + len(found.damaged)
    if len(found.damaged) > MANY * total:
        raise ValueError(f"{path}: {len(found.damaged):,} of {total:,} rows are damaged, expected "
                         f"at most {MANY:.0%}; the first: {found.damaged[0]}")
    if not found.items:
        raise ValueError(f"{path} has no rows")
    things: dict[str, Thing] = {}
    for file in lists:
        things |= titles(file)
    return found, things


def stem(file: File) -> str:
    """The file's name without its endings, in lower case."""
    return file.parts[-1].lower().split(".")[0]


def is_item_list(file: File) -> bool:
    """Whether the name says that titles are inside."""
    name = file.parts[-1].lower()
    return name in ITEM_LISTS or stem(file) in ITEM_LISTS


def rows_of(file: File, header: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a file; those without a header have the columns `header`."""
    if not file.name.lower().endswith(BARE):
        return manifest.rows(file)
    data = unpacked(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    first = text.partition("\n")[0]
    sign = "::" if "::" in first else "\t" if "\t" in first else "|"
    found: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.split(sign)]
        if line.strip():
            found.append(dict(zip(header, cells, strict=False)) if len(cells) >= 2 else
                         {"": f"line {number}: expected cells between {sign!r}, got {line[:40]!r}"})
    return found


# ---- interactions -------------------------------------------------------------------------------

def interactions(file: File, columns: dict[str, str]) -> Interactions:
    """Those of one file; ValueError where it has no column of users or items."""
    rows = rows_of(file, ("user", "item", "rating", "time"))
    names = list(dict.fromkeys(name for row in rows for name in row if name))
    known = {role: column_of(role, names, columns[role]) for role in NAMES}
    if any(isinstance(row.get("items"), list) for row in rows):
        return listed(rows)
    for role in ("user", "item"):
        if known[role] is None:
            raise ValueError(f"{file}: expected a column {role!r}, found "
                             f"{', '.join(names) or 'none'}; name yours with --{role}-column")
    found = Interactions()
    moments = times([row.get(known["time"]) for row in rows]) if known["time"] else None
    for number, row in enumerate(rows):
        where = f"row {number + 1}"
        try:
            if table.damage(row):
                raise ValueError(table.damage(row))
            one = [table.text(row.get(known[role])) for role in ("user", "item")]
            if None in one:
                raise ValueError(f"the {'user' if one[0] is None else 'item'} is missing")
            rating = math.nan if known["rating"] is None else number_of(row.get(known["rating"]))
            if moments is not None and math.isnan(moments[number]):
                raise ValueError(f"time: expected a number or a date, got "
                                 f"{row.get(known['time'])!r}")
        except ValueError as reason:
            found.damaged.append(f"{where}: {reason}")
            continue
        add(found, *one, rating, math.nan if moments is None else float(moments[number]))
    return found


def column_of(role: str, names: Sequence[str], given: str) -> str | None:
    """The column of that role; ValueError where the one that the user names is not there."""
    if given and given not in names:
        raise ValueError(f"expected the column {given!r}, found {', '.join(names)}")
    lower = {name.lower(): name for name in reversed(names)}
    return given or next((lower[name] for name in NAMES[role] if name in lower), None)


def number_of(cell: Any) -> float:
    """A rating; ValueError where it is no finite number."""
    try:
        return table.number(table.text(cell) or "")
    except ValueError:
        raise ValueError(f"rating: expected a number, got {cell!r}") from None


def times(cells: Sequence[Any]) -> numpy.ndarray:
    """Seconds, or numbers in the file's own unit, (n,); NaN where a cell is none."""
    texts = [table.text(cell) or "" for cell in cells]
    plain = len(table.readable(texts)) >= table.ENOUGH * len(texts)
    form = "" if plain else table.form_of(sorted({text for text in texts if text})) or "iso"
    found = numpy.full(len(texts), numpy.nan)
    for place, text in enumerate(texts):
        try:
            found[place] = table.seconds(text, form) if form else table.number(text)
        except (ValueError, OverflowError):
            continue
    return found


def listed(rows: Sequence[dict[str, Any]]) -> Interactions:
    """Histories, one a row; the order of a list is that of time."""
    found = Interactions(listed=True)
    for number, row in enumerate(rows, 1):
        try:
            if table.damage(row):
                raise ValueError(table.damage(row))
            taken, ratings = history(row)
        except ValueError as reason:
            found.damaged.append(f"row {number}: {reason}")
            continue
        name = table.text(row.get("user")) or f"row {number}"
        for item, rating in zip(taken, ratings, strict=True):
            add(found, name, item, rating, math.nan)
    return found


def history(row: dict[str, Any]) -> tuple[list[str], list[float]]:
    """Items and ratings (NaN for none) of {"items": [...], "ratings": [...]}, oldest first.

    ValueError says what is wrong with it.
    """
    items, ratings = row.get("items"), row.get("ratings")
    if not isinstance(items, list):
        raise ValueError(f"items: expected a list, got {items!r}")
    if ratings is not None and (not isinstance(ratings, list) or len(ratings) != len(items)):
        raise ValueError(f"ratings: expected a list of {len(items)} numbers, one for each item, "
                         f"got {str(ratings)[:60]}")
    names = [table.text(item) for item in items]
    if None in names:
        raise ValueError("items: expected names, got an empty one")
    return names, [math.nan] * len(items) if ratings is None else [*map(number_of, ratings)]


def add(found: Interactions, user: str, item: str, rating: float, time: float) -> None:
    for values, value in ((found.users, user), (found.items, item), (found.ratings, rating),
                          (found.times, time)):
        values.append(value)


# ---- titles -------------------------------------------------------------------------------------

def titles(file: File) -> dict[str, Thing]:
    """What the items of a list are called, by item; ValueError where it names none."""
    old = file.name.lower().endswith("u.item")
    header = ("item", "title", "released", "video", "page", *BARE_GENRES) if old else \
        ("item", "title", "genres")
    return dict(titled(file, rows_of(file, header), old))


def titled(file: File, rows: Sequence[dict[str, Any]], old: bool) -> Iterator[tuple[str, Thing]]:
    names = list(dict.fromkeys(name for row in rows for name in row if name))
    lower = {name.lower(): name for name in reversed(names)}
    item = column_of("item", names, "") or lower.get("id")
    title = next((lower[name] for name in TITLES if name in lower), None)
    genres = next((lower[name] for name in GENRES if name in lower), None)
    if item is None or title is None:
        raise ValueError(f"{file}: expected the columns 'item' and 'title', found "
                         f"{', '.join(names) or 'none'}")
    for row in rows:
        name = table.text(row.get(item))
        if name is None or table.damage(row):
            continue
        kinds = row.get(genres) if genres else ""
        if old:
            kinds = "|".join(kind for kind in BARE_GENRES if row.get(kind) == "1")
        kinds = "|".join(map(str, kinds)) if isinstance(kinds, list) else kinds
        kinds = "" if str(kinds).startswith("(no genres") else str(kinds or "")
        yield name, Thing(table.text(row.get(title)) or name, kinds)
