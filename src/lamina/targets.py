"""The target of a table: which column it is, whether it holds labels or numbers, and its cells."""

from collections import Counter
from collections.abc import Iterator, Sequence

from lamina.errors import UserError, nearest
from lamina.media import manifest, packed, table


def target_column(tables: Sequence[table.Table], wanted: str, inputs: Sequence[str]) -> str:
    """The column to predict: the wanted one, or the last that is no input of the model.

    UserError: the training part has no such column.
    """
    training = next((part for part in tables if part.part in (None, "train")), tables[0])
    names = [name for name in training.columns if name not in ("split", "group")]
    if wanted and wanted not in names:
        raise UserError(f"{training.name} has no column {wanted!r}: {nearest(wanted, names)} "
                        f"(columns: {', '.join(names)})")
    left = [name for name in names if name not in inputs]
    if not left or len(names) < 2:
        raise UserError(f"{training.name}: expected input columns and a target column, got "
                        f"{', '.join(map(repr, names)) or 'none'}")
    return wanted or left[-1]


def items_of(part: table.Table, target: str, damaged: list[str]) -> Iterator[manifest.Item]:
    """The rows with a target and the part and group they declare; adds the others to `damaged`."""
    left_out = frozenset((target, "split", "group"))
    for number, row in enumerate(part.rows, 1):
        cell = table.target(row.get(target))
        try:
            split = manifest.split_of(row.get("split"))
            if cell is None:
                raise ValueError(f"no value in the target column {target!r}")
        except ValueError as reason:
            damaged.append(f"{part.name} row {number}: {reason}")
            continue
        yield manifest.Item(packed.without(row, left_out), cell, table.text(row.get("group")),
                            part.part or split)


def decide(problem: str, cells: Sequence[str], target: str) -> tuple[str, str]:
    """"classification" or "regression", and what of the target column decided it."""
    different = Counter(cells)
    if len(different) < 2:
        raise UserError(f"the target column {target!r} has "
                        + (f"one value only, {cells[0]!r}" if cells else "no values")
                        + "; expected two or more")
    kind, why = table.target_kind(cells)
    if problem == "auto":
        problem = "classification" if kind == "labels" else "regression"
    else:
        why += ", but --problem decides"
    if problem == "classification" and len(different) > max(2, len(cells) / 2):
        raise UserError(f"the target column {target!r} has {why} in {len(cells):,} rows; "
                        "expected labels that recur (choose a column with --target-column)")
    if problem == "regression" and not len(table.readable(list(different))):
        raise UserError(f"the target column {target!r} holds text ({cells[0]!r}); "
                        "expected numbers for a regression")
    return problem, why


def as_targets(items: Sequence[manifest.Item], problem: str, target: str,
               damaged: list[str]) -> Iterator[manifest.Item]:
    """The items with labels or numbers for targets; adds those without a number to `damaged`."""
    for item in items:
        try:
            yield item._replace(target=table.number(item.target) if problem == "regression"
                                else table.label(item.target))
        except ValueError:
            damaged.append(f"row {str(item.input)[:80]}: expected a number in the target column "
                           f"{target!r}, got {item.target!r}")
