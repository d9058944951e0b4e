"""Downloads: to a temporary folder, checked, then renamed; a failed one leaves nothing behind."""

import errno
import http.client
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lamina.datasets.entry import DataSet, Progress, RawFile
from lamina.datasets.verify import Mismatch, recognise
from lamina.errors import UserError
from lamina.storage import free_bytes

TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16  # bytes
STALE = 24 * 3600  # seconds after which a killed download's temporary folder is swept away


class Failed(Exception):
    """One source did not give the file; says why."""


def download(data: DataSet, folder: Path, progress: Progress) -> None:
    """Put the files of the form that can be downloaded into `folder`; those there are kept.

    UserError: no source gave a file with the content that the catalogue knows, or no room.
    """
    sweep(folder)
    for file in data.download():
        if file.at(folder):
            continue
        reasons = []
        for url in file.urls:
            try:
                fetch(url, file, folder, progress)
                break
            except Failed as reason:
                reasons.append(f"{urlsplit(url).netloc}: {reason}")
        else:
            raise UserError(f"{data.name}: {file.name} could not be downloaded: "
                            f"{'; '.join(reasons)}; try again, or put it into {folder} by hand")


def fetch(url: str, file: RawFile, folder: Path, progress: Progress) -> None:
    """One file from one source, under the name that the URL ends in; Failed says why not."""
    name = urlsplit(url).path.rpartition("/")[2]
    try:
        if (free_bytes(folder) or file.size) < file.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=folder) as scratch:
            path, done = Path(scratch) / name, 0
            with path.open("wb") as target:
                for chunk, total in chunks(url, file):
                    target.write(chunk)
                    done += len(chunk)
                    progress(file.name, done, total)
                target.flush()
                os.fsync(target.fileno())
            recognise(path, file)
            os.replace(path, folder / name)
    except Mismatch as reason:
        raise Failed(f"it gave another file than was published ({reason})") from None
    except OSError as reason:
        raise UserError(f"{file.name} cannot be written to {folder} ({reason.strerror}): it needs "
                        f"{file.size:,} bytes, {free_bytes(folder) or 0:,} are free") from None


def chunks(url: str, file: RawFile) -> Iterator[tuple[bytes, int]]:
    """The bytes behind the URL, each piece beside the number of bytes in all.

    Failed: they do not come, break off or are too many.
    """
    largest = 2 * file.size + (1 << 20)
    request = urllib.request.Request(url, headers={"User-Agent": "Mozilla/5.0 (lamina)"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while chunk := answer.read(CHUNK):
                done += len(chunk)
                if max(done, total) > largest:
                    raise Failed(f"it gives more than {largest:,} bytes, expected {file.size:,}")
                yield chunk, total or file.size
            if done < total:
                raise Failed(f"it broke off after {done:,} of {total:,} bytes")
    except urllib.error.HTTPError as reason:
        raise Failed(f"it answered {reason.code} {reason.reason}") from None
    except TimeoutError:
        raise Failed(f"no answer within {TIMEOUT} seconds") from None
    except urllib.error.URLError as reason:
        raise Failed(f"it cannot be reached ({reason.reason})") from None
    except (OSError, ValueError, http.client.HTTPException) as reason:
        raise Failed(f"the connection broke ({reason})") from None


def sweep(folder: Path) -> None:
    """Remove what killed downloads left behind."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(".*.part"):
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def shown(data: DataSet, progress: Progress | None) -> Iterator[Progress]:
    """What to call as bytes arrive: `progress`, or a bar on a terminal, or one plain line."""
    if progress is not None:
        yield progress
    elif not sys.stderr.isatty():
        host = urlsplit(data.download()[0].urls[0]).netloc
        print(f"downloading {data.name} from {host}: {data.size():,} bytes", file=sys.stderr)
        yield lambda name, done, total: None
    else:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        with Bars(TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
                  TimeRemainingColumn(), console=Console(stderr=True)) as bars:
            tasks: dict[str, int] = {}

            def draw(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(f"{data.name}: {name}")
                bars.update(tasks[name], completed=done, total=total)

            yield draw
