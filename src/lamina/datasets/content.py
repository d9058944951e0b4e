"""Digests of what a file holds, not of how it was packed.

The digest of a .gz is that of the bytes inside; the digest of an archive is that of its regular
files and their names, in sorted order. So a repacked copy passes and a changed one does not.
"""

import gzip
import hashlib
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lamina.media.files import is_archive

LARGEST = 4 << 30  # bytes that a file of the catalogue may unpack to
DAMAGED = (EOFError, OSError, ValueError, RuntimeError, NotImplementedError, zlib.error,
           lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)  # raised by broken archives


def hash_content(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of what the file holds once it is unpacked."""
    if is_archive(path):
        budget = LARGEST
        listed = []
        for name, stream in members(path):
            listed.append([name, hash_stream(stream, algorithm, budget)])
            budget -= stream.tell()
        return hashlib.new(algorithm, json.dumps(sorted(listed)).encode()).hexdigest()
    unpack = gzip.open if path.name.lower().endswith(".gz") else open
    with unpack(path, "rb") as stream:
        return hash_stream(stream, algorithm)


def hash_stream(stream: IO[bytes], algorithm: str, largest: int = LARGEST) -> str:
    """The hexadecimal digest of the stream's bytes; ValueError past `largest` bytes."""
    digest, size = hashlib.new(algorithm), 0
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
        if size > largest:
            raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
    return digest.hexdigest()


def members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and stream of each regular file of a zip or tar archive; nothing is written anywhere.

    A stream must be read before the next one is asked for.
    """
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    with opened.open(info) as stream:
                        yield info.filename, stream
    else:
        with tarfile.open(path, "r|*") as opened:
            for info in opened:
                if info.isreg():
                    yield info.name.removeprefix("./"), opened.extractfile(info)
