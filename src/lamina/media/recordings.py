"""Recordings of speech with what was said, in the layouts that people have them in.

    a.wav a.txt b.wav b.txt …                a text beside each sound, of the same name
    1/2/1-2-0000.flac 1/2/1-2.trans.txt      a list "NAME WORDS …" in a folder, as LibriSpeech has
    clips/… list.csv                         a list with a column of sounds and one of texts

Each also inside an archive, perhaps under train/, dev/, test/. A list in CSV, TSV, JSON lines or
Parquet may have the columns split and speaker; in LibriSpeech's layout a sound's name begins with
its speaker's. Speakers are groups: no two parts share one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lamina.media import manifest, sound, text
from lamina.media.files import File, is_archive, listing
from lamina.media.manifest import Item

SOUND_COLUMNS = ("audio", "audio_filepath", "sound", "wav", "path", "file", "file_name", "filename")
TEXT_COLUMNS = ("text", "transcript", "transcription", "sentence", "words")
SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id", "group")


@dataclass(frozen=True, slots=True)
class Recording(File):
    """A sound file, or the part of it from `start` to `stop`, in seconds.

    rate, channels: of the file. first, last: seconds of the file between which lies what is to be
    told of this part; the rest it shares with its neighbours.
    """

    rate: int = 0
    channels: int = 1
    start: float = 0.0
    stop: float = 0.0
    first: float = 0.0
    last: float = 0.0
    whole: bool = True

    def __str__(self) -> str:
        return self.name if self.whole else \
            f"{self.name} from {clock(self.start)} to {clock(self.stop)}"

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.stop - self.start


class Found(NamedTuple):
    """Items with texts; "name: why" of the damaged ones; what a person should know of the rest."""

    items: list[Item]
    damaged: list[str]
    notes: list[str]


def read(path: Path, *, tidy: Callable[[str], str]) -> Found:
    """The recordings in `path` whose words are known; tidy: makes a text what is to be learnt.

    ValueError: nothing there looks like recordings with texts; it says what was looked for.
    """
    files = listing(path)
    sounds = [file for file in files if file.name.lower().endswith(sound.SUFFIXES)]
    archives = [file.path for file in files if file.member is None and is_archive(file.path)]
    if path.is_dir() and len(archives) == 1 and not sounds:
        return read(archives[0], tidy=tidy)
    found, spare = Found([], [], []), []
    lists = [file for file in files if is_list(file)]
    if lists:
        for file in lists:
            listed(file, found, tidy)
    else:
        texts = beside(path, files)
        known = {key(path, file): file for file in sounds}
        found.damaged.extend(f"{name}: its text has no sound beside it"
                             for name in texts if name not in known)
        for name, file in known.items():
            if name in texts:
                add(Item(file, texts[name], *declared(path, file)), found, tidy)
            else:
                spare.append(file.name)
    if not found.items:
        raise ValueError(
            f"{path} holds no recordings with texts; expected sounds such as .wav, .flac or .ogg "
            "with a .txt of the same name beside each, a .trans.txt of lines NAME WORDS in a "
            "folder, or a CSV or JSONL with the columns audio and text"
            + (f" ({found.damaged[0]})" if found.damaged else ""))
    if spare:
        found.notes.append(f"{len(spare):,} recordings have no text and are left out, for example "
                           f"{spare[0]}")
    return found


def add(item: Item, found: Found, tidy: Callable[[str], str]) -> None:
    """Take the item up, or say why not: its text is empty, or its sound is not readable."""
    try:
        words = tidy(item.target)
        if not words:
            raise ValueError("its text is empty; expected what is said in it")
        found.items.append(item._replace(input=recorded(item.input), target=words))
    except (ValueError, OSError) as reason:
        found.damaged.append(f"{item.input}: {reason}")


def recorded(file: File) -> Recording:
    """All of a sound file; ValueError or OSError: it is not readable."""
    form = sound.form(file)
    return Recording(file.path, file.member, form.rate, form.channels, 0.0, form.seconds, 0.0,
                     form.seconds)


def is_list(file: File) -> bool:
    """Whether it is a list of sounds: it has a column of a usual name."""
    if not file.name.lower().endswith(manifest.SUFFIXES):
        return False
    rows = [row for row in manifest.rows(file) if "" not in row]
    return bool(rows) and any(name in rows[0] for name in SOUND_COLUMNS)


def listed(file: File, found: Found, tidy: Callable[[str], str]) -> None:
    """Adds the rows of a list."""
    rows = manifest.rows(file)
    columns = list(dict.fromkeys(name for row in rows for name in row if name))
    which, said = (column(columns, usual) for usual in (SOUND_COLUMNS, TEXT_COLUMNS))
    if not said:
        raise ValueError(f"{file}: expected a column 'text' of what is said, found "
                         f"{', '.join(map(repr, columns))}")
    speaker, part = column(columns, SPEAKER_COLUMNS), manifest.split_in_name(file.parts[-1])
    for number, row in enumerate(rows, 1):
        try:
            if "" in row:
                raise ValueError(row[""])
            if not row.get(which):
                raise ValueError(f"expected a path in {which!r}, got {row.get(which)!r}")
            group = str(row[speaker]) if speaker and row.get(speaker) not in (None, "") else None
            split = manifest.split_of(row.get("split")) or part
            given = manifest.resolve(str(row[which]), file)
            add(Item(given, str(row.get(said) or ""), group, split), found, tidy)
        except ValueError as reason:
            found.damaged.append(f"{file} row {number}: {reason}")


def column(columns: Sequence[str], usual: Sequence[str]) -> str:
    """The first of the usual names that there is; "" where there is none."""
    return next((name for name in usual if name in columns), "")


# ---- folders --------------------------------------------------------------------------------


def key(root: Path, file: File) -> str:
    """A file's place in its data set, without its suffix."""
    inside = PurePosixPath(*file.parts) if file.member else \
        PurePosixPath(file.path.relative_to(root) if root.is_dir() else file.path.name)
    return str(inside.with_suffix(""))


def beside(root: Path, files: Sequence[File]) -> dict[str, str]:
    """What is said in the sound of each key."""
    texts: dict[str, str] = {}
    for file in files:
        name = file.name.lower()
        if name.endswith(".trans.txt"):
            folder = PurePosixPath(key(root, file)).parent
            for line in text.decode(file).splitlines():
                one, _, words = line.strip().partition(" ")
                if one:
                    texts[str(folder / one)] = words
        elif name.endswith(".txt") and not file.parts[-1].lower().startswith(text.ABOUT):
            texts[key(root, file)] = text.decode(file)
    return texts


def declared(root: Path, file: File) -> tuple[str | None, str | None]:
    """The speaker and the part that a sound's name and folders tell, where they do."""
    *folders, name = PurePosixPath(key(root, file)).parts
    part = next((part for folder in folders if (part := manifest.split_in_name(folder))), None)
    known = name.split("-")
    speaker = known[0] if len(known) == 3 and known[:2] == list(folders[-2:]) else None
    return speaker, part


# ---- to be transcribed ----------------------------------------------------------------------


def given(item: str, *, longest: float, shared: float) -> Iterator[Recording]:
    """The sounds that a user hands over: a file, or all in a folder, an archive or a list.

    A sound that lasts more than `longest` seconds comes in stretches of that length which share
    `shared` seconds. ValueError: no such file, no sounds in it, not a readable sound.
    """
    path = Path(item)
    if not path.exists():
        raise ValueError(f"no such file: {item}")
    files = listing(path)
    if path.is_file() and is_list(files[0]):
        rows = [row for row in manifest.rows(files[0]) if "" not in row]
        which = column(list(rows[0]), SOUND_COLUMNS)
        files = [manifest.resolve(str(row[which]), files[0]) for row in rows if row.get(which)]
    elif path.is_dir() or is_archive(path):
        files = [file for file in files if file.name.lower().endswith(sound.SUFFIXES)]
        if not files:
            raise ValueError(f"{item} holds no sounds; expected files such as .wav, .flac or .ogg")
    for file in files:
        try:
            whole = recorded(file)
        except (ValueError, OSError) as reason:
            raise ValueError(f"{file}: {reason}") from None
        yield from [whole] if whole.seconds <= longest else stretches(whole, longest, shared)


def stretches(whole: Recording, longest: float, shared: float) -> Iterator[Recording]:
    """The parts of a long sound; what two share is told half by the one and half by the other."""
    start = 0.0
    while True:
        stop = min(start + longest, whole.stop)
        ends = stop >= whole.stop
        yield replace(whole, start=start, stop=stop, whole=False,
                      first=start + shared / 2 if start else 0.0,
                      last=stop if ends else stop - shared / 2)
        if ends:
            return
        start = stop - shared


def clock(seconds: float) -> str:
    """A time as people write it: 1:02:03.4, 2:03.4."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{rest:04.1f}"
