"""Many answers in one file, a row each: Parquet or NPZ."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy

from lamina.answers import Answer
from lamina.errors import UserError


def write(path: Path, inputs: Sequence[str], answers: Iterable[Answer]) -> int:
    """Write what the answers' JSON says in numbers, texts and lists of numbers, by name, beside
    what each was the answer to; gives how many there were.

    Lists of one length become an array (answers, length) in NPZ. UserError: Parquet is asked for
    and the tables extra is not installed.
    """
    rows = [{"input": name} | {key: value for key, value in answer.to_json().items()
                               if isinstance(value, (int, float, str)) or is_vector(value)}
            for name, answer in zip(inputs, answers, strict=True)]
    names = [name for name in dict.fromkeys(key for row in rows for key in row)
             if all(name in row for row in rows)]
    columns = {name: [row[name] for row in rows] for name in names}
    if path.suffix == ".npz":
        with path.open("wb") as file:
            numpy.savez(file, **{name: numpy.array(values) for name, values in columns.items()
                                 if not is_vector(values[0]) or len(set(map(len, values))) == 1})
        return len(rows)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f'{path}: Parquet needs the tables extra: pip install "lamina[tables]"'
                        ) from None
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return len(rows)


def is_vector(value: Any) -> bool:
    """Whether it is a list of numbers."""
    return isinstance(value, list) and bool(value) and \
        all(isinstance(number, (int, float)) for number in value)
