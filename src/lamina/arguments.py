"""Words of a command line to places and flags; a mistake is one line with the nearest flag."""

import argparse
import re
import types
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, Union, get_args, get_origin

from lamina.errors import UserError, nearest

Flags = dict[str, tuple[Any, str]]  # name: (type, help)


class Verb(NamedTuple):
    """places: TASK, [OPTIONAL], SEVERAL ...; help: one line."""

    places: str
    help: str


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake becomes one UserError."""

    def error(self, message: str) -> NoReturn:
        known = [flag for action in self._actions for flag in action.option_strings]
        unknown = re.match(r"unrecognized arguments: (--?[\w-]+)", message)
        if unknown:
            raise UserError(f"unknown flag {unknown[1]}: {nearest(unknown[1], known)}")
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            raise UserError(f"{self.prog}: {missing} is missing; {self.prog} --help shows how")
        raise UserError(f"{self.prog}: {message}")


def parse(name: str, verb: Verb, words: list[str], flags: Flags, *, any_flag: bool = False
          ) -> tuple[list[str], dict[str, Any]]:
    """(the values of the places, the flags that were given).

    any_flag: flags beyond those listed are taken too, as text, for the task to check.
    """
    parser = Parser(prog=f"lamina {name}", description=verb.help, allow_abbrev=False,
                    formatter_class=argparse.RawTextHelpFormatter)
    places = re.findall(r"(\[?)(\w+)( \.\.\.)?\]?", verb.places)
    for number, (optional, place, many) in enumerate(places):
        count = "*" if optional and many else "+" if many else "?" if optional else None
        parser.add_argument(f"place{number}", metavar=place, nargs=count)
    for flag, (kind, help) in flags.items():
        add(parser, flag, kind, help)
    parsed, more = parser.parse_known_intermixed_args(words)
    choices = {flag: getattr(parsed, flag) for flag in flags if getattr(parsed, flag) is not None}
    if more:
        if not any_flag or not more[0].startswith("--"):
            parser.error("unrecognized arguments: " + " ".join(more))
        choices |= loose(more)
    values: list[str] = []
    for number in range(len(places)):
        value = getattr(parsed, f"place{number}")
        values += value if isinstance(value, list) else [] if value is None else [value]
    return values, choices


def loose(words: list[str]) -> dict[str, str]:
    """--flag value pairs that no parser knows."""
    found: dict[str, str] = {}
    while words:
        flag, _, value = words.pop(0).partition("=")
        if not flag.startswith("--"):
            raise UserError(f"expected a --flag, got {flag!r}")
        if not value:
            if not words:
                raise UserError(f"{flag} has no value")
            value = words.pop(0)
        found[flag[2:].replace("-", "_")] = value
    return found


def add(parser: argparse.ArgumentParser, flag: str, kind: Any, help: str) -> None:
    """One flag; a bool is --flag or --no-flag."""
    if kind is bool:
        parser.add_argument(f"--{flag.replace('_', '-')}", dest=flag, default=None,
                            action=argparse.BooleanOptionalAction, help=help.replace("%", "%%"))
    else:
        parser.add_argument(f"--{flag.replace('_', '-')}", dest=flag, help=help.replace("%", "%%"),
                            metavar=metavar(kind), type=Path if kind is Path else str)


def metavar(kind: Any) -> str:
    """What stands for the value in the help."""
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return "|".join(metavar(k) for k in get_args(kind) if k is not type(None))
    if get_origin(kind) in (list, tuple):
        return f"{metavar(get_args(kind)[0])},…"
    return {int: "N", float: "X", str: "TEXT", Path: "FILE"}.get(kind, "VALUE")


def described(cls: type) -> Flags:
    """Each field of a Settings class as a flag with its range and default."""
    from lamina.settings import hints, span

    flags: Flags = {}
    for name, kind in hints(cls).items():
        spec = cls.__dataclass_fields__[name]
        reach = span(spec.metadata.get("low"), spec.metadata.get("high"))
        default = spec.default
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        notes = [reach] * bool(reach) + [f"default {default}"] * (default is not None)
        help = spec.metadata.get("help", "")
        flags[name] = kind, help + (f" ({'; '.join(notes)})" if notes else "")
    return flags
