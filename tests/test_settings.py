"""One field is a flag, a JSON key, a help line and a range check; a mistake is one clear line."""

from dataclasses import dataclass
from typing import Literal

import pytest

from lamina.arguments import described, parse
from lamina.cli import Verb
from lamina.errors import UserError
from lamina.settings import Checked, Settings, as_flags, setting


@dataclass(frozen=True, kw_only=True)
class Example(Settings):
    net: Literal["small", "large"] = setting("small", "the kind of net")
    widths: tuple[int, ...] = setting((8, 4), "units per layer", low=1, high=100)
    mirror: bool = setting(True, "mirror the pictures")
    limit: float | None = setting(None, "seconds; none: no limit", low=0)


def test_text_json_and_python_give_the_same_settings():
    asked = {"net": "large", "widths": (3, 2), "mirror": False, "limit": 1.5, "seed": 7}
    text = {"net": "large", "widths": "3,2", "mirror": "false", "limit": "1.5", "seed": "7"}
    made = Example.make(asked)
    assert made == Example.make(text) == Example.make(made.to_json())


def test_flags_say_what_settings_hold():
    made = Example.make({"net": "large", "widths": (3, 2), "mirror": False, "limit": 1.5})
    _, choices = parse("t", Verb("", ""), as_flags(made.to_json()), described(Example))
    assert Example.make(choices) == made


@pytest.mark.parametrize(("name", "value", "message"), [
    ("net", "big", "net: expected one of small, large; got 'big'"),
    ("widths", "3,x", r"widths\[1\]: expected a whole number, got 'x'"),
    ("widths", (0,), "widths: expected 1 to 100, got 0"),
    ("widths", (1000,), "widths: expected 1 to 100, got 1000"),
    ("mirror", "perhaps", "mirror: expected true or false, got 'perhaps'"),
    ("limit", -1, "limit: expected at least 0, got -1"),
    ("limit", "nan", "limit: expected a number, got 'nan'"),
    ("seed", 1.5, "seed: expected a whole number, got 1.5"),
    ("seed", True, "seed: expected a whole number, got True"),
    ("seed", 1e400, "seed: expected a whole number, got inf"),
    ("batch_size", [1], r"batch_size: expected a whole number, got \[1\]"),
])
def test_a_wrong_value_is_named_with_what_was_expected(name, value, message):
    with pytest.raises(UserError, match=message):
        Example.make({name: value})


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="unknown setting 'lerning_rate': did you mean "
                                        "'learning_rate'"):
        Example.make({"lerning_rate": 1})


def test_an_unknown_flag_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="unknown flag --lerning-rate: did you mean "
                                        "'--learning-rate'"):
        parse("t", Verb("", ""), ["--lerning-rate", "1"], described(Example))


def test_help_of_a_flag_names_range_and_default():
    flags = described(Example)
    assert flags["widths"][1] == "units per layer (1 to 100; default 8,4)"
    assert flags["limit"][1] == "seconds; none: no limit (at least 0)"


def test_nested_records_are_checked_too():
    @dataclass(frozen=True, kw_only=True)
    class Column(Checked):
        name: str
        values: list[str]

    @dataclass(frozen=True, kw_only=True)
    class Table(Checked):
        columns: list[Column]

    globals().update(Column=Column, Table=Table)  # annotations are looked up by name
    table = Table(columns=[{"name": "a", "values": ["x"]}])
    assert table.columns[0].values == ["x"]
    assert Table.make(table.to_json()) == table
    with pytest.raises(UserError, match=r"columns\[0\].*unknown|unknown entry of columns\[0\]"):
        Table.make({"columns": [{"nam": "a"}]})
    with pytest.raises(UserError, match="expected an object"):
        Table.make({"columns": ["a"]})
