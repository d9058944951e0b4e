"""Settings: one dataclass field is a flag, a JSON key, a help line, a range check and a docs row.

    @dataclass(frozen=True, kw_only=True)
    class Settings(lamina.settings.Settings):
        width: int = setting(128, "channels of the widest layer", low=1, high=4096)

The same check serves the command line (text), model files (JSON) and Python (values).
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from lamina.errors import UserError, nearest


def setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    at_predict: bool = False,
) -> Any:
    """One field of a Settings class.

    help: one line; it names the unit where the name does not.
    low, high: the range that is accepted, both ends included. Give `high` to whatever sizes a
        tensor: a hostile model file is refused by it before memory is asked for.
    at_predict: may be given again when answers are made (a temperature, say).
    """
    return field(
        default=default,
        metadata={"help": help, "low": low, "high": high, "at_predict": at_predict},
    )


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A frozen record whose fields are checked against their types and ranges when it is made."""

    def __post_init__(self):
        for name, kind in hints(type(self)).items():
            given = getattr(self, name)
            spec = self.__dataclass_fields__[name]
            value = convert(given, kind, name)
            check_range(value, spec.metadata.get("low"), spec.metadata.get("high"), name)
            object.__setattr__(self, name, value)

    @classmethod
    def make(cls, values: Mapping[str, Any], what: str = "setting") -> Self:
        """The record with these values; UserError names an unknown key and its nearest match."""
        known = hints(cls)
        for name in values:
            if name not in known:
                raise UserError(f"unknown {what} {name!r}: {nearest(name, known)}")
        missing = [f.name for f in dataclasses.fields(cls)
                   if f.name not in values and f.default is dataclasses.MISSING
                   and f.default_factory is dataclasses.MISSING]
        if missing:
            raise UserError(f"{what} {missing[0]!r} is missing")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """The values as JSON types; `make` takes them back."""
        return {name: list(value) if isinstance(value, tuple) else value
                for name, value in dataclasses.asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """What every task lets its user choose; a task's own Settings adds its fields."""

    seed: int = setting(0, "seed of every random choice", low=0, high=2**62)
    batch_size: int = setting(64, "examples per optimizer step", low=1, high=65536)
    learning_rate: float = setting(1e-3, "peak step size of the optimizer", low=0, high=100)


@cache
def hints(cls: type) -> dict[str, Any]:
    """Name and type of each field of a dataclass, in order."""
    known = get_type_hints(cls)
    return {f.name: known[f.name] for f in dataclasses.fields(cls)}


def convert(value: Any, kind: Any, name: str) -> Any:
    """`value`, given as text, JSON or Python, as the type `kind`; UserError names `name`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return convert_union(value, arguments, name)
    if origin is Literal:
        return convert_choice(value, arguments, name)
    if origin in (list, tuple):
        if isinstance(value, str) and origin is tuple:
            value = [part for part in value.split(",") if part]
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{name}: expected a list, got {value!r}")
        return origin(convert(item, arguments[0], f"{name}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(k, str) for k in value):
            raise UserError(f"{name}: expected names and values, got {value!r}")
        return {k: convert(item, arguments[1], f"{name}.{k}") for k, item in value.items()}
    if dataclasses.is_dataclass(kind):
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise UserError(f"{name}: expected an object, got {value!r}")
        return kind.make(value, what=f"entry of {name}")
    return convert_scalar(value, kind, name)


def convert_union(value: Any, kinds: tuple[Any, ...], name: str) -> Any:
    """The first of the types that takes the value; None only where it is one of them."""
    if type(None) in kinds and (value is None or value == "none"):
        return None
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    if type(value) in kinds:
        return value
    for kind in kinds[:-1]:
        try:
            return convert(value, kind, name)
        except UserError:
            continue
    return convert(value, kinds[-1], name)


def convert_choice(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    for choice in choices:
        if value == choice or str(value) == str(choice):
            return choice
    expected = ", ".join(str(choice) for choice in choices)
    raise UserError(f"{name}: expected one of {expected}; got {value!r}")


def convert_scalar(value: Any, kind: type, name: str) -> Any:
    if kind is Any:
        return value
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(value, bool) or str(value).lower() in words:
            return value if isinstance(value, bool) else words[str(value).lower()]
        raise UserError(f"{name}: expected true or false, got {value!r}")
    if kind is str:
        if isinstance(value, (str, PurePath)):
            return str(value)
        raise UserError(f"{name}: expected text, got {value!r}")
    article = "a whole number" if kind is int else "a number"
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError
        number = kind(value)
        if kind is int and not isinstance(value, str) and number != value:
            raise ValueError
        if kind is float and not math.isfinite(number):
            raise ValueError
        return number
    except (ValueError, OverflowError):
        raise UserError(f"{name}: expected {article}, got {value!r}") from None


def check_range(value: Any, low: float | None, high: float | None, name: str) -> None:
    """UserError if a number, or one of a tuple of numbers, lies outside [low, high]."""
    for number in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            continue
        if (low is not None and number < low) or (high is not None and number > high):
            raise UserError(f"{name}: expected {span(low, high)}, got {number:g}")


def span(low: float | None, high: float | None) -> str:
    """The accepted range in words."""
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low:g}"
    return f"{low:g} to {high:g}" if low is not None else f"at most {high:g}"


def as_flags(values: Mapping[str, Any]) -> list[str]:
    """The command-line words that give these values."""
    words: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif value is not None:
            text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            words += [f"--{flag}", text]
    return words
