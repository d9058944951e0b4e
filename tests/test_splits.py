"""Nothing straddles: not equal contents, not groups; declared parts are kept."""

from collections import Counter

import pytest

from lamina.errors import UserError
from lamina.media.manifest import Item
from lamina.splits import LARGEST_PART, divide


def inputs(part):
    return {example.input for example in part}


def test_equal_contents_never_straddle():
    items = [Item(f"text {i % 70}", "ab"[i % 2]) for i in range(400)]
    data = divide(items)
    assert not inputs(data.train) & inputs(data.test)
    assert not inputs(data.train) & inputs(data.validation)
    assert not inputs(data.validation) & inputs(data.test)
    assert len(data.train) + len(data.validation) + len(data.test) == 400


def test_groups_never_straddle():
    items = [Item(i, "ab"[i % 2], group=f"speaker {i % 20}") for i in range(200)]
    data = divide(items)
    groups = [{example.group for example in part}
              for part in (data.train, data.validation, data.test)]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    assert "group" in data.how


def test_the_split_does_not_depend_on_the_order_of_the_files():
    items = [Item(f"text {i}", "ab"[i % 2]) for i in range(300)]
    assert inputs(divide(items).test) == inputs(divide(items[::-1]).test)


def test_every_label_has_its_tenth_in_each_part():
    items = [Item(i, "rare" if i % 20 == 0 else "common") for i in range(1000)]
    data = divide(items)
    assert Counter(e.target for e in data.test) == {"common": 95, "rare": 5}
    assert {e.target for e in data.validation} == {"common", "rare"}


def test_declared_parts_are_kept_and_only_the_missing_is_cut():
    items = [Item(i, "a", split="test" if i < 30 else "train") for i in range(100)]
    data = divide(items)
    assert inputs(data.test) == set(range(30))
    assert data.cut == ("validation",)
    assert len(data.validation) == 7
    assert "train and test as declared" in data.how


def test_validation_is_bounded():
    data = divide([Item(i, split="test" if i < 10 else None) for i in range(60_010)])
    assert len(data.validation) == LARGEST_PART


def test_too_few_examples_are_refused():
    with pytest.raises(UserError, match="too few"):
        divide([Item(1, "a"), Item(1, "a")])


def test_a_test_part_alone_is_refused():
    with pytest.raises(UserError, match="no training part"):
        divide([Item(i, "a", split="test") for i in range(10)])
