"""Markdown that means what it says, whatever the text in it is."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST = 400  # characters of a text


def safe(text: Any, longest: int = LONGEST) -> str:
    """Text that means itself wherever it stands: on one line, escaped, without control signs.

    Marks that turn the direction of writing are dropped as well; they could garble what follows.
    """
    words = " ".join(str(text).split())
    words = "".join(sign for sign in words if unicodedata.category(sign) not in ("Cc", "Cs")
                    and not "\u202a" <= sign <= "\u202e" and not "\u2066" <= sign <= "\u2069")
    if len(words) > longest:
        words = words[:longest - 1] + "…"
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    words = re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", words)
    return re.sub(r"^(\d*)([-+.)])(?=\s|$)", r"\1\\\2", words)  # would begin a list


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; every cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    texts = [[cell if cell == "---" else safe(cell) for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in texts)


def fenced(command: str) -> str:
    """A command as it is typed, in a fence that it cannot close."""
    runs = [len(run) for run in re.findall(r"`+", command)]
    fence = "`" * max(3, 1 + max(runs, default=0))
    return f"{fence}sh\n{command}\n{fence}"
