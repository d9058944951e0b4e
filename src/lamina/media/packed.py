"""Rows of text cells in little memory: a column's cells lie side by side until they are asked for.

A dict of Python strings takes some 100 bytes a cell; here a cell takes as many as the longest of
its column among its neighbours.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy

BLOCK = 4096  # rows that are packed together
WASTE = 32  # bytes a cell, from which on cells that differ much in length are kept as they are

Cells = numpy.ndarray | list[str]


class Row(Mapping[str, str]):
    """A row as a dict from column to cell would be, a view of one place in a block.

    block: the cells of each column. hidden: columns that do not belong to the row.
    """

    __slots__ = ("block", "hidden", "place")

    def __init__(self, block: "Block", place: int, hidden: frozenset[str] = frozenset()):
        self.block, self.place, self.hidden = block, place, hidden

    def __getitem__(self, name: str) -> str:
        if name in self.hidden:
            raise KeyError(name)
        return text(self.block.columns[name][self.place])

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dict: the usual way fails first, which takes long for millions of rows."""
        cells = None if name in self.hidden else self.block.columns.get(name)
        return default if cells is None else text(cells[self.place])

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.block.columns if name not in self.hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr({name: text(cells[self.place]) for name, cells in self.block.columns.items()
                     if name not in self.hidden})

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other}


class Block:
    """Neighbours of a file, packed together once all are there. names: of their columns."""

    def __init__(self, names: Sequence[str]):
        self.names, self.rows = names, []
        self.columns: dict[str, Cells] = {}

    def add(self, cells: list[str]) -> Row:
        """The row of these cells; it can be read once the block is packed."""
        self.rows.append(cells)
        return Row(self, len(self.rows) - 1)

    def pack(self) -> None:
        """All rows are there."""
        self.columns = dict(zip(self.names, map(packed, zip(*self.rows, strict=True))))
        self.rows = []


def packed(cells: Sequence[str]) -> Cells:
    """The cells as UTF-8 of equal length; as they are where that would waste memory."""
    together = "\0".join(cells).encode()
    coded = together.split(b"\0")  # more than there are cells, where one has a zero byte itself
    longest = max(map(len, coded))
    if len(coded) > len(cells) or longest * len(cells) > len(together) + WASTE * len(cells):
        return list(cells)
    return numpy.array(coded, dtype=f"S{max(1, longest)}")


def text(cell: bytes | str) -> str:
    """A packed cell as text."""
    return cell if isinstance(cell, str) else cell.decode()


def without(row: Mapping[str, Any], names: frozenset[str]) -> Mapping[str, Any]:
    """The row without these columns."""
    if isinstance(row, Row):
        return Row(row.block, row.place, row.hidden | names if row.hidden else names)
    return {name: cell for name, cell in row.items() if name not in names}


class Columns:
    """The same rows by column. names: of all columns, in the order of their first appearance."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]):
        self.pieces: list[list[Mapping[str, Any]] | tuple[Block, frozenset[str], list[int]]] = []
        found: dict[str, None] = {}
        for home, some in groupby(rows, lambda row: (row.block, row.hidden)
                                  if isinstance(row, Row) else None):
            inside = list(some)
            for row in inside if home is None else inside[:1]:
                found |= dict.fromkeys(row)
            self.pieces.append(inside if home is None else (*home, [row.place for row in inside]))
        self.names = list(found)

    def __getitem__(self, name: str) -> list[Any]:
        """The cell of each row in that column; None where a row has no such column."""
        found: list[Any] = []
        for piece in self.pieces:
            if isinstance(piece, list):
                found += [row.get(name) for row in piece]
                continue
            block, hidden, places = piece
            cells = block.columns.get(name)
            if cells is None or name in hidden:
                found += [None] * len(places)
            elif isinstance(cells, list):
                found += [cells[place] for place in places]
            else:
                found += b"\0".join(cells[places].tolist()).decode().split("\0")
        return found
