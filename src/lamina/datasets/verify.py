"""Whether a file is the one that the catalogue knows, and a memory of files already checked."""

import json
from pathlib import Path

from lamina import storage
from lamina.datasets.content import DAMAGED, hash_content, hash_stream
from lamina.datasets.entry import RawFile
from lamina.errors import UserError


class Mismatch(ValueError):
    """A file is not the one that the catalogue knows; says what was expected and found."""


def verify(path: Path, file: RawFile, memory: Path) -> str:
    """The digest by which the file at `path` is recognised as `file`.

    memory: a JSON file of what was checked before; a file of the same size and time of change is
        not read again. It helps when it can be written and does no harm when it cannot.
    Mismatch: the file holds something else.
    """
    state = path.stat()
    stamp = [state.st_size, state.st_mtime_ns]
    known = remembered(memory)
    size, changed, digest = known.get(str(path), (None, None, None))
    if [size, changed] == stamp and digest in (*file.contents, file.packed):
        return digest
    digest = recognise(path, file)
    known[str(path)] = [*stamp, digest]
    try:
        storage.write_json(memory, known)
    except (OSError, UserError):
        pass  # the next run checks again
    return digest


def recognise(path: Path, file: RawFile) -> str:
    """The one of the file's digests that the bytes at `path` have; Mismatch where none fits."""
    found = []
    if file.packed:
        algorithm, _, _ = file.packed.partition(":")
        with path.open("rb") as stream:
            found.append(f"{algorithm}:{hash_stream(stream, algorithm)}")
        if found[-1] == file.packed:
            return file.packed
    for algorithm in dict.fromkeys(digest.partition(":")[0] for digest in file.contents):
        try:
            found.append(f"{algorithm}:{hash_content(path, algorithm)}")
        except DAMAGED as reason:
            found.append(f"nothing readable ({reason})")
        if found[-1] in file.contents:
            return found[-1]
    expected = " or ".join(filter(None, (file.packed, *file.contents)))
    raise Mismatch(f"expected {expected}, found {' or '.join(found)}")


def remembered(memory: Path) -> dict[str, list]:
    """What was checked before: path -> size, time of change, digest; empty if unreadable."""
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {path: entry for path, entry in known.items()
            if isinstance(entry, list) and len(entry) == 3}
