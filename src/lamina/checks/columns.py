"""Columns of a table that teach nothing or the wrong thing: constant, empty, names of rows."""

import numpy

from lamina.checks.checked import Checked, share
from lamina.checks.material import Material
from lamina.findings import Finding
from lamina.media import table

MOSTLY_EMPTY = 0.95
MOSTLY_SAME = 0.999
UNIQUE = 0.99  # share of different values, from which on a column may name its row
FEWEST = 50  # rows


def find(material: Material) -> Checked:
    """Useless columns that are left out, and used ones that look useless."""
    if material.kind != "row":
        return Checked([], left_out="the inputs are no rows of a table")
    places, cells = material.rows("train")
    left_out = tuple(getattr(material.task.facts, "useless", ()))
    useful = getattr(material.task.facts, "columns", None)
    names = [column.name for column in useful] if useful else list(cells)
    found = []
    if left_out:
        found.append(Finding("hint", "some columns say nothing and are left out",
                             ", ".join(left_out[:12]) + (" …" if len(left_out) > 12 else ""),
                             "nothing, unless their values were lost on the way"))
    empty, same, unique = [], [], []
    for name in names if len(places) >= FEWEST else ():
        column = cells.get(name)
        present = column[column != None] if column is not None else ()
        if len(present) <= (1 - MOSTLY_EMPTY) * len(places):
            empty.append(f"{name!r} ({share(len(places) - len(present), len(places))} missing)")
            continue
        values, counts = numpy.unique(present.astype(str), return_counts=True)
        if counts.max() >= MOSTLY_SAME * len(places):
            most = str(values[counts.argmax()])
            same.append(f"{name!r} ({share(counts.max(), len(places))} {most!r})")
        if len(values) >= UNIQUE * len(present) and names_rows(present.tolist()):
            unique.append(f"{name!r} ({len(values):,} different values in {len(present):,} rows)")
    for level, what, listed, do in (
            ("hint", "some columns are nearly empty", empty, "leave them out, or find the values"),
            ("hint", "some columns are nearly constant", same, "leave them out"),
            ("warning", "some columns name their row", unique,
             "leave them out: a model can learn them by heart, and new rows have new names")):
        if listed:
            found.append(Finding(level, what, ", ".join(listed[:12]), do))
    return Checked(found, f"{len(names) + len(left_out)} columns of {len(places):,} training rows")


def names_rows(cells: list[str]) -> bool:
    """Whether nearly unique cells are names of rows and not measured numbers: texts, or whole
    numbers that go through their range nearly without a gap.
    """
    values = table.readable(cells)
    if len(values) < table.ENOUGH * len(cells):
        return True
    return bool((values == values.round()).all() and numpy.ptp(values) < 3 * len(values))
