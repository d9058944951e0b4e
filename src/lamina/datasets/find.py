"""Where a data set of the catalogue is: in LAMINA_DATA, in the user's cache, or to be downloaded.

    $LAMINA_DATA/<name>/…       files that the user keeps
    <cache>/<name>/…            files that were downloaded
    <cache>/prepared/<name>-…/  files that tasks read, made from either
    <cache>/verified.json       what was checked and has not changed since
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lamina import storage
from lamina.datasets.catalogue import CATALOGUE
from lamina.datasets.entry import DataSet, Progress, RawFile
from lamina.datasets.verify import Mismatch, verify
from lamina.errors import UserError, nearest

PREPARATION = 1  # raise it when a function of `prepare` gives other bytes than before
NO = ("", "0", "no", "false")


class Row(NamedTuple):
    """A line of the list of data sets. `where`: the place it would come from now, in words."""

    name: str
    what: str
    tasks: tuple[str, ...]
    count: str
    size: int  # bytes
    licence: str
    page: str
    where: str


class Found(NamedTuple):
    """The files of one form of a data set, all in one folder."""

    where: str
    folder: Path
    files: dict[RawFile, Path]


def find(name: str, *, offline: bool = False, progress: Progress | None = None) -> Path:
    """The path of a data set in a format that tasks read: its file if it is one, else a folder.

    offline: never use the network; so does LAMINA_OFFLINE=1.
    progress: called with a file's name, the bytes done and their total during a download;
        without it a bar is drawn on a terminal.
    UserError: an unknown name, a missing or changed file, a failed download, an unwritable cache.
    """
    if name not in CATALOGUE:
        raise UserError(f"unknown data set {name!r}: {nearest(name, CATALOGUE)}")
    data = CATALOGUE[name]
    found = locate(data)
    if found is None:
        if not data.download():
            raise missing(data, "and cannot be downloaded automatically")
        if offline or os.environ.get("LAMINA_OFFLINE", "").lower() not in NO:
            raise missing(data, "and the network is not to be used")
        from lamina.datasets.download import download, shown

        need_writable(cache())
        with shown(data, progress) as report:
            download(data, cache() / name, report)
        found = locate(data)
    digests = [checked(data, file, path) for file, path in found.files.items()]
    if data.prepare is not None:
        return prepared(data, found, digests)
    return only(found.files.values()) or found.folder


def table() -> list[Row]:
    """Every data set of the catalogue; only looks whether files are there, reads none."""
    rows = []
    for data in CATALOGUE.values():
        found = locate(data)
        where = found.where if found else "download" if data.download() else "by hand"
        rows.append(Row(data.name, data.what, data.tasks, f"{data.examples:,} {data.unit}",
                        data.size(), data.licence, data.page, where))
    return rows


def names() -> list[str]:
    """The names that `find` knows."""
    return list(CATALOGUE)


def listing() -> str:
    """The table for people, two lines a data set."""
    width = max(map(len, CATALOGUE)) + 2
    return "\n".join(
        f"{row.name:{width}}{row.what}\n{'':{width}}{row.count}, {row.size / 1e6:.3g} MB, "
        f"{row.licence}; {row.where}; for {', '.join(row.tasks)}" for row in table())


def cache() -> Path:
    """The folder for downloads: $LAMINA_CACHE, $XDG_CACHE_HOME/lamina or ~/.cache/lamina."""
    if given := os.environ.get("LAMINA_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lamina"


def places(data: DataSet) -> Iterator[tuple[str, Path]]:
    """The folders where the data set may be, best first."""
    if data.ships:
        yield "ships with lamina", Path(__file__).parent / data.name
    if given := os.environ.get("LAMINA_DATA"):
        yield "LAMINA_DATA", Path(given).expanduser() / (data.folder or data.name)
    yield "cache", cache() / data.name


def locate(data: DataSet) -> Found | None:
    """The first place that has every file of one of the forms."""
    for where, folder in places(data):
        for form in data.forms:
            files = {file: path for file in form if (path := file.at(folder))}
            if len(files) == len(form):
                return Found(where, folder, files)
    return None


def missing(data: DataSet, why: str) -> UserError:
    """One line on what is not there, and where to get it and put it."""
    forms = " or ".join(", ".join(file.name for file in form) for form in data.forms)
    folders = " or ".join(str(folder) for _, folder in places(data))
    return UserError(f"{data.name} is not on this machine {why}: put {forms} into {folders}, or "
                     f"give the path of your own copy in place of the name; see {data.page}")


def checked(data: DataSet, file: RawFile, path: Path) -> str:
    """The digest of a file that is what the catalogue says; UserError names one that is not."""
    try:
        return verify(path, file, cache() / "verified.json")
    except Mismatch as reason:
        raise UserError(f"{path} is not the {data.name} that lamina knows: {reason}; replace or "
                        "delete it, or give its path instead of the name") from None
    except OSError as reason:
        raise UserError(f"{path} cannot be read ({reason.strerror})") from None


def prepared(data: DataSet, found: Found, digests: Iterable[str]) -> Path:
    """The files that tasks read, made once for each content of the raw files."""
    key = hashlib.sha256(repr((PREPARATION, *digests)).encode()).hexdigest()[:12]
    folder = cache() / "prepared" / f"{data.name}-{key}"
    if not folder.is_dir():
        files = data.prepare({file.name: path for file, path in found.files.items()})
        need_writable(cache())
        try:
            storage.write_folder(folder, files)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return only(path for path in folder.iterdir() if path.name[0] != ".") or folder


def need_writable(folder: Path) -> None:
    """UserError if the cache cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as reason:
        raise UserError(f"the cache {folder} cannot be written ({reason.strerror}); set "
                        "LAMINA_CACHE to a folder that can") from None


def only(paths: Iterable[Path]) -> Path | None:
    """The path, if there is just one."""
    paths = list(paths)
    return paths[0] if len(paths) == 1 else None
