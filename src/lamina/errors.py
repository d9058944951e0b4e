"""The one exception for what the user can mend."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can put right: one line says what was expected, what came, what to do."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word closest to `word`, or lists them, a dozen at most."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = ", ".join(known[:12]) + (" …" if len(known) > 12 else "")
    return f"known: {listed}" if known else "there are none"
