"""Text: files to documents, documents to passages, passages to tokens and back.

Documents are joined into one stream, each followed by END, and the stream is cut into passages.
"""

import codecs
import gzip
import json
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy

from lamina.media.files import File, is_archive, listing, unpacked
from lamina.media.manifest import SPLIT_WORDS, Item, rows, split_of
from lamina.media.manifest import SUFFIXES as LISTS

END = "\u2403"  # "symbol for end of text", which people can see in a page or on a terminal
SUFFIXES = tuple(f".{kind}{packed}" for kind in ("txt", "text", "tokens", "md")
                 for packed in ("", ".gz"))
ABOUT = ("readme", "license", "licence", "copying")  # files that are about the data
SHORT_LINE = 40  # characters; a file of many such lines and no empty one is a list
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


# ---- files ----------------------------------------------------------------------------------


class Found(NamedTuple):
    """What was read: documents, whether each is a line of a list, and "name: why" of the rest."""

    documents: list[Item]
    lines: bool
    damaged: list[str]


def read(path: Path, *, unit: str = "auto") -> Found:
    """The documents of a text file, a list with a `text` column, a folder or an archive of these.

    unit: "file", "line", or "auto": a line where every file is a list of short lines.
    Parts are declared by names ("train.txt", "wiki.test.tokens", "valid/a.txt") or by the column
    `split` of a list. ValueError: nothing readable, or no such column.
    """
    folder = path.is_dir() or is_archive(path)
    files = [file for file in listing(path, SUFFIXES + LISTS if folder else ())
             if not (folder and file.parts[-1].lower().startswith(ABOUT))]
    if not files:
        raise ValueError(f"{path} holds no text: expected files such as {', '.join(SUFFIXES[::2])} "
                         f"or {LISTS[0]} with a text column")
    items: list[Item] = []
    texts: list[Item] = []
    damaged: list[str] = []
    for file, part in zip(files, declared(files, path), strict=True):
        if file.name.lower().endswith(LISTS):
            items += listed(file, part, damaged)
            continue
        try:
            texts.append(Item(decode(file), split=part))
        except (ValueError, OSError) as reason:
            damaged.append(f"{file}: {reason}")
    lines = unit == "line" or (unit == "auto" and bool(texts)
                               and all(is_list(item.input) for item in texts))
    if lines:
        texts = [Item(line, split=item.split) for item in texts
                 for line in item.input.split("\n")]
    items = [item for item in items + texts if item.input.strip()]
    if not items:
        raise ValueError(f"{path} holds no text" + (f"; {damaged[0]}" if damaged else ""))
    return Found(items, lines, damaged)


def decode(file: File) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or else Latin-1; gunzipped.

    ValueError: it is not text. OSError: it cannot be read.
    """
    try:
        data = unpacked(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as reason:
        raise ValueError(f"damaged gzip file ({reason})") from None
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    controls = len(CONTROLS.findall(text))
    if "\0" in text or controls > len(text) / 1000:
        raise ValueError(f"not a text: {controls} of its {len(text)} characters are controls")
    return clean(text)


def clean(text: str) -> str:
    """The text with Unix line ends, without END, and without what UTF-8 cannot express."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace(END, "")
    return text.encode("utf-8", "replace").decode()


def is_list(text: str) -> bool:
    """Whether it is a list of names, say: at least 100 short lines, none of them empty."""
    lines = text.strip("\n").split("\n")
    return len(lines) >= 100 and all(line and len(line) <= SHORT_LINE for line in lines)


def declared(files: Sequence[File], root: Path) -> list[str | None]:
    """The part that each file's name or folder declares; none unless one of them is for training.
    """
    found = []
    for file in files:
        inside = file.parts if file.member else file.path.relative_to(root).parts \
            if root.is_dir() else ()
        words = re.split(r"[^a-z]+", inside[-1].lower()) if inside else []
        found.append(next((SPLIT_WORDS[word] for word in [*inside[:-1], *words]
                           if word in SPLIT_WORDS), None))
    return found if {"train"} < set(found) else [None] * len(files)


def listed(file: File, part: str | None, damaged: list[str]) -> list[Item]:
    """The column `text` of a list; rows that cannot be read are added to `damaged`."""
    items = []
    for number, row in enumerate(rows(file), 1):
        if "" in row:
            damaged.append(f"{file}: {row['']}")
        elif "text" not in row:
            raise ValueError(f"{file} has no column text; its columns: {', '.join(row)}")
        elif not isinstance(row["text"], str):
            damaged.append(f"{file}: row {number}: expected text, got {row['text']!r}")
        else:
            items.append(Item(clean(row["text"]), split=part or split_of(row.get("split"))))
    return items


# ---- passages -------------------------------------------------------------------------------


def passages(text: str, size: int) -> list[str]:
    """The text in cuts of at most `size` bytes of UTF-8, each where a line or word ends.

    Each begins with the last character of the one before, as context: the first passage and what
    follows the first character of the others are the text.
    """
    found, start = [], 0
    while start < len(text) - 1:
        piece = text[start : start + size].encode()[:size].decode(errors="ignore")
        if start + len(piece) < len(text):
            piece = piece[: boundary(piece, len(piece) * 3 // 4)]
        found.append(piece)
        start += len(piece) - 1
    return found


def boundary(text: str, first: int) -> int:
    """Where to cut, at `first` or later: after the last end of a text, paragraph, line or word."""
    for mark in (END, "\n\n", "\n", " "):
        place = text.rfind(mark, first)
        if place >= 0:
            return place + len(mark)
    return len(text)


# ---- vocabularies ---------------------------------------------------------------------------


class Vocabulary(ABC):
    """Tokens as whole numbers. pieces: the UTF-8 bytes of each token that can be written."""

    pieces: list[bytes]
    size: int
    end: int | None  # the token of END

    @abstractmethod
    def encode(self, text: str) -> numpy.ndarray:
        """The tokens of a text, int32 (tokens,)."""

    def unknown(self, text: str) -> list[str]:
        """The characters that no token can express."""
        return []


class Characters(Vocabulary):
    """A token for each of these characters, and a last one for every other."""

    def __init__(self, characters: str):
        self.known = set(characters)
        self.pieces = [character.encode() for character in characters]
        self.size = len(characters) + 1
        self.end = characters.index(END) if END in self.known else None
        codes = code_points(characters)
        self.table = numpy.full(int(codes.max(initial=0)) + 2, len(characters), numpy.int32)
        self.table[codes] = numpy.arange(len(characters))

    def encode(self, text: str) -> numpy.ndarray:
        return self.table[numpy.minimum(code_points(text), len(self.table) - 1)]

    def unknown(self, text: str) -> list[str]:
        return sorted(set(text) - self.known)


class Bytes(Vocabulary):
    """A token for each byte, and one for END."""

    def __init__(self):
        self.pieces = [bytes([value]) for value in range(256)] + [END.encode()]
        self.size, self.end = 257, 256

    def encode(self, text: str) -> numpy.ndarray:
        parts: list[numpy.ndarray] = []
        for part in text.split(END):
            parts += [numpy.frombuffer(part.encode(), numpy.uint8).astype(numpy.int32),
                      numpy.array([self.end], numpy.int32)]
        return numpy.concatenate(parts[:-1])


class BytePairs(Vocabulary):
    """Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): END, bytes, then merged pairs.

    merges: "left right", the most frequent pair first. ValueError: not a list of merges.
    """

    def __init__(self, merges: Sequence[str]):
        from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

        names = list(dict.fromkeys([END, *byte_names(),
                                    *(pair.replace(" ", "") for pair in merges)]))
        ids = {name: index for index, name in enumerate(names)}
        try:
            model = models.BPE(ids, [tuple(pair.split(" ")) for pair in merges])
        except Exception as reason:  # tokenizers raises no narrower class
            raise ValueError(f"not a list of byte pairs: {reason}") from None
        self.tokenizer = Tokenizer(model)
        self.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.tokenizer.add_special_tokens([AddedToken(END, normalized=False)])
        values = {name: value for value, name in enumerate(byte_names())}
        self.pieces = [END.encode()] + [bytes(values[letter] for letter in name)
                                        for name in names[1:]]
        self.size, self.end = len(names), 0

    def encode(self, text: str) -> numpy.ndarray:
        return numpy.array(self.tokenizer.encode(text).ids, numpy.int32)


def code_points(text: str) -> numpy.ndarray:
    """The Unicode number of each character, (characters,)."""
    return numpy.frombuffer(text.encode("utf-32-le"), "<u4").astype(numpy.int64)


def byte_names() -> list[str]:
    """The printable character that byte-level BPE writes for each byte, by value."""
    names, spare = [], 256
    for value in range(256):
        printable = 33 <= value <= 126 or 161 <= value <= 172 or value >= 174
        names.append(chr(value if printable else spare))
        spare += not printable
    return names


def byte_pairs(texts: Iterable[str], size: int) -> list[str]:
    """The merges of a byte-level BPE of `size` tokens, learnt from these texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[END], show_progress=False,
                                  initial_alphabet=sorted(byte_names()))
    tokenizer.train_from_iterator((text.replace(END, "\n") for text in texts), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]


@lru_cache(maxsize=8)
def vocabulary(kind: str, characters: str = "", merges: tuple[str, ...] = ()) -> Vocabulary:
    """The vocabulary "byte", "character" (of these characters) or "bpe" (of these merges)."""
    if kind == "byte":
        return Bytes()
    return Characters(characters) if kind == "character" else BytePairs(merges)


def spelled(pieces: Iterable[bytes]) -> Iterator[str]:
    """Bytes of UTF-8 as text, each character as soon as its last byte is there."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for piece in pieces:
        if text := decoder.decode(piece):
            yield text
    if rest := decoder.decode(b"", final=True):
        yield rest
