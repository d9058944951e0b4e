"""The run folder: its name, its lock, and what it says of itself."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from lamina import storage
from lamina.errors import UserError, nearest


def folder_for(asked: str | None, source: str) -> Path:
    """The folder of a new run: the one asked for, or a fresh one below runs/."""
    if asked is not None:
        folder = Path(asked)
        if (folder / "settings.json").exists():
            settings = read_settings(folder)
            raise UserError(f"{folder} already holds a run of {settings['task']}; "
                            f"lamina resume {folder}, or give another --run folder")
        return folder
    plain = folder = plain_folder(None, source)
    number = 1
    while folder.exists():
        number += 1
        folder = plain.with_name(f"{plain.name}-{number}")
    return folder


def plain_folder(asked: str | None, source: str) -> Path:
    """The folder of the first run of that data set, whether or not it exists."""
    return Path(asked) if asked is not None else \
        Path("runs") / (Path(source).name.split(".")[0] or "run")


def lock(folder: Path) -> int:
    """Hold the folder until this process ends, however it ends; UserError if another holds it."""
    with storage.told(folder.parent, 0):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise UserError(f"another process is working on {folder}; wait for it, or give another "
                        "--run folder") from None
    return descriptor


def abandon(folder: Path) -> None:
    """Remove the folder of a run that could not begin, unless something was written there."""
    if [entry.name for entry in folder.iterdir()] == [".lock"]:
        (folder / ".lock").unlink()
        folder.rmdir()
        if folder.parent == Path("runs") and not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def read_settings(folder: Path) -> dict[str, Any]:
    """settings.json of a run folder; UserError if it is none."""
    path = folder / "settings.json"
    if not path.is_file():
        near = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise UserError(f"{folder} is no run folder (it holds no settings.json): "
                        f"{nearest(folder.name, near)}")
    try:
        settings = json.loads(path.read_text())
        missing = {"task", "settings", "facts", "options", "source", "data", "steps",
                   "evaluations", "machine"} - set(settings)
        if missing:
            raise ValueError(f"it lacks {sorted(missing)[0]!r}")
        return settings
    except (ValueError, OSError, TypeError) as reason:
        raise UserError(f"{path} cannot be read ({reason})") from None


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of log.jsonl."""
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
