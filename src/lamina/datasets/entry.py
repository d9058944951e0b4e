"""What the catalogue says of a data set."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Preparation = Callable[[Mapping[str, Path]], dict[str, bytes]]
Progress = Callable[[str, int, int], None]  # name of the file, bytes done, bytes in all


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file as its maker gives it.

    name: a gzipped copy, `name`.gz, is taken as well.
    size: bytes of the file, or of the download.
    contents: accepted digests of what is inside ("sha256:…"), see `content`.
    packed: the digest of the file itself, quick to check and all that is known of some.
    urls: where it can be had, tried in this order; none if it can only be fetched by hand.
    """

    name: str
    size: int
    contents: tuple[str, ...] = ()
    packed: str = ""
    urls: tuple[str, ...] = ()

    def at(self, folder: Path) -> Path | None:
        """The file in that folder, gzipped or not, if it is there."""
        paths = folder / self.name, folder / f"{self.name}.gz"
        return next((path for path in paths if os.path.isfile(path)), None)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One public data set.

    examples: how many there are, counted in `unit`.
    forms: the sets of files it comes as; any one of them will do.
    prepare: gives the files that tasks read, by name; None where they read the raw ones.
    ships: whether the first form lies in this package.
    folder: what the user's folder of it is called; by default as the data set is.
    """

    name: str
    what: str
    tasks: tuple[str, ...]
    examples: int
    unit: str = "examples"
    licence: str
    page: str
    forms: tuple[tuple[RawFile, ...], ...]
    prepare: Preparation | None = None
    ships: bool = False
    folder: str = ""

    def download(self) -> tuple[RawFile, ...]:
        """The form that can be downloaded, or nothing."""
        return next((form for form in self.forms if all(file.urls for file in form)), ())

    def size(self) -> int:
        """Bytes of the form that can be downloaded, else of the first one."""
        return sum(file.size for file in self.download() or self.forms[0])
