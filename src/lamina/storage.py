"""Writing so that a crash at any moment leaves either the old file or the new one, never a part.

Every step goes through `os`, one call an operation, so a test can make the n-th of them fail.
"""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

from lamina.errors import UserError


def write(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, durably.

    UserError: no room, or no permission; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with told(path.parent, len(data)):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_synced(temporary, data)
            os.replace(temporary, path)
            sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, document: Any) -> None:
    """Replace the file at `path` by this document as indented JSON."""
    write(path, (json.dumps(document, indent=2) + "\n").encode())


def write_folder(path: Path, files: dict[str, bytes]) -> None:
    """Create the folder `path` with these files, all or nothing. It must not exist yet."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with told(path.parent, sum(map(len, files.values()))):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            for name, data in files.items():
                write_synced(temporary / name, data)
            sync_folder(temporary)
            os.replace(temporary, path)
            sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_synced(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a new file and wait until it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view[: 1 << 26]) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class told:
    """Turns a full disk or a read-only folder into one line that says what is needed."""

    def __init__(self, folder: Path, needed: int):
        self.folder, self.needed = folder, needed

    def __enter__(self):
        free = free_bytes(self.folder)
        if free is not None and free < self.needed:
            raise UserError(self.full(free))

    def __exit__(self, kind, error, trace):
        if not isinstance(error, OSError):
            return
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise UserError(self.full(free_bytes(self.folder) or 0)) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(f"{self.folder} cannot be written ({error.strerror}); "
                            "make it writable, or choose another folder") from None

    def full(self, free: int) -> str:
        return (f"the disk is full: {self.folder} needs {self.needed:,} bytes, {free:,} are free; "
                "what was saved before is intact")


def free_bytes(folder: Path) -> int | None:
    """Free bytes on the disk of the nearest existing folder; None where that is not known."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None
