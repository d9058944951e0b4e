"""Files of a data set, in a folder or inside an archive that is never unpacked onto the disk."""

import gzip
import os
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")
HIDDEN = (".", "__MACOSX")  # how names of files and folders begin that are no data
LARGEST_FILE = 1 << 30  # bytes of one file of an archive, unpacked
LARGEST_TAR = 8 << 30  # bytes of all files of a tar archive, which are held in memory


@dataclass(frozen=True, slots=True)
class File:
    """A readable file: a path, or a member of the archive at that path."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """The path inside its data set, for people."""
        return self.member or str(self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders above the file and the file's own name."""
        return PurePosixPath(self.member).parts if self.member else self.path.parts

    def read(self) -> bytes:
        """The bytes; OSError or ValueError where they cannot be had."""
        if self.member is None:
            return self.path.read_bytes()
        members = _archive(self.path)
        if self.member not in members:
            raise FileNotFoundError(f"{self.path.name} holds no {self.member}")
        return members[self.member]()

    def __str__(self) -> str:
        return self.name


def is_archive(path: Path) -> bool:
    """Whether the name says that the file is an archive."""
    return path.is_file() and path.name.lower().endswith(ARCHIVES)


def listing(path: Path, suffixes: tuple[str, ...] = ()) -> list[File]:
    """The files in a folder or archive, sorted, hidden ones left out.

    suffixes: lower-case endings that are wanted; every file where there are none.
    """
    def wanted(name: str) -> bool:
        return not suffixes or name.lower().endswith(suffixes)

    if path.is_dir():
        return [File(Path(name)) for name in sorted(filter(wanted, _seen(path)))]
    if not is_archive(path):
        return [File(path)] if wanted(str(path)) and not path.name.startswith(HIDDEN) else []
    return [File(path, member) for member in sorted(filter(wanted, _archive(path)))
            if not any(part.startswith(HIDDEN) for part in PurePosixPath(member).parts)]


def _seen(folder: Path) -> Iterator[str]:
    """The files below a folder, as paths; strings, as there may be millions."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        for name in files:
            found = os.path.join(place, name)
            if not name.startswith(HIDDEN) and os.path.isfile(found):
                yield found


def unpacked(file: File) -> bytes:
    """The bytes of a file, gunzipped if its name ends in .gz."""
    data = file.read()
    return gzip.decompress(data) if file.name.lower().endswith(".gz") else data


@lru_cache(maxsize=8)
def _archive(path: Path) -> dict:
    """A reader for each regular file of an archive; nothing is written anywhere."""
    try:
        if path.name.lower().endswith(".zip"):
            return _zip(path)
        return _tar(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as reason:
        raise ValueError(f"{path} is damaged: {reason}") from None


def _zip(path: Path) -> dict:
    opened = zipfile.ZipFile(path)

    def reader(info):
        def read():
            if info.file_size > LARGEST_FILE:
                raise ValueError(f"{info.filename}: {info.file_size:,} bytes unpacked is too large")
            try:
                return opened.read(info)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as reason:
                raise ValueError(f"{info.filename}: {reason}") from None
        return read

    return {info.filename: reader(info) for info in opened.infolist() if not info.is_dir()}


def _tar(path: Path) -> dict:
    members, size = {}, 0
    with tarfile.open(path) as opened:
        for info in opened:
            if not info.isreg():
                continue
            size += info.size
            if info.size > LARGEST_FILE or size > LARGEST_TAR:
                raise ValueError(f"{path} unpacks to more than {LARGEST_TAR:,} bytes; "
                                 "unpack it into a folder and give that")
            data = opened.extractfile(info).read()
            members[info.name.removeprefix("./")] = lambda data=data: data
    return members
