"""Intervals contain the truth as often as they say; damage is counted, named and bounded."""

import gc

import numpy
import pytest
import torch

from lamina import scoring
from lamina.errors import UserError
from lamina.metrics.metric import ACCURACY, RMSE, Metric, improves, ratio
from lamina.parts import uncollected
from lamina.task import Example


def covered(metric: Metric, draw, truth: float, repeats: int = 200) -> float:
    inside = 0
    for seed in range(repeats):
        low, high = scoring.interval(metric, draw(numpy.random.default_rng(seed)), seed=seed)
        inside += low <= truth <= high
    return inside / repeats


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.99])
def test_accuracy_intervals_cover(truth):
    share = covered(ACCURACY, lambda random: (random.random((400, 1)) < truth).astype(float), truth)
    assert 0.91 <= share <= 0.99


def test_rmse_intervals_cover():
    share = covered(RMSE, lambda random: random.normal(0, 2, (300, 1)) ** 2, 2.0, repeats=100)
    assert 0.89 <= share <= 0.99


def test_all_right_answers_do_not_make_an_interval_of_no_width():
    low, high = scoring.interval(ACCURACY, numpy.ones((20, 1)), seed=0)
    assert low < 0.9 and high == 1.0


def test_groups_widen_an_interval():
    random = numpy.random.default_rng(0)
    speaker = random.random(20) < 0.5
    values = numpy.repeat(speaker, 50)[:, None].astype(float)  # all of a speaker alike
    groups = [str(i // 50) for i in range(1000)]
    alone = scoring.interval(ACCURACY, values, seed=0)
    grouped = scoring.interval(ACCURACY, values, seed=0, groups=groups)
    assert grouped[1] - grouped[0] > 4 * (alone[1] - alone[0])


def test_a_ratio_is_weighed_by_its_denominators():
    assert ratio(numpy.array([[1.0, 1], [0, 9]])) == 0.1


def test_paired_difference_sees_what_separate_intervals_hide():
    random = numpy.random.default_rng(0)
    first = (random.random((2000, 1)) < 0.8).astype(float)
    second = first.copy()
    second[numpy.flatnonzero(first[:, 0] == 0)[:40]] = 1.0
    found = scoring.paired(ACCURACY, first, second, seed=0)
    assert found.value == pytest.approx(0.02)
    assert 0 < found.low < found.value < found.high


def test_nan_never_improves():
    assert not improves(ACCURACY, float("nan"), None)
    assert not improves(RMSE, float("nan"), 3.0)
    assert improves(RMSE, 2.0, 3.0) and improves(ACCURACY, 0.2, 0.1)


def test_confusion_counts_true_labels_by_row():
    found = scoring.confusion([("a", "a"), ("a", "b"), ("b", "b"), ("10", "9"), ("9", "9")])
    assert found["labels"] == ["9", "10", "a", "b"]
    assert found["counts"] == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]


class Fragile:
    """Encodes numbers; "bad" cannot be read."""

    def encode(self, examples):
        if any(example.input == "bad" for example in examples):
            raise ValueError("not a number")
        return {"x": torch.tensor([float(example.input) for example in examples])}


def test_damaged_examples_are_named_and_left_out():
    examples = [Example("bad" if i in (3, 77) else i) for i in range(100)]
    damaged: list[str] = []
    part = scoring.encode(Fragile(), examples, damaged)
    assert damaged == ["bad: not a number"] * 2
    assert part.batch["x"].tolist() == [e.input for e in part.examples] \
        == [i for i in range(100) if i not in (3, 77)]


def test_the_search_for_garbage_pauses_while_data_are_read_and_no_longer():
    def read():
        assert not gc.isenabled()
        raise UserError("unreadable")

    assert gc.isenabled()
    with pytest.raises(UserError):
        uncollected()(read)()
    assert gc.isenabled()


def test_nothing_is_encoded_beyond_the_end():
    class Strict:
        def encode(self, examples):
            raise ValueError(f"asked to encode {len(examples)} examples")

    assert scoring.encode_chunk(Strict(), []) == ([], {}, [])


def test_more_than_a_twentieth_of_damage_is_refused():
    scoring.check_damage(["bad: not a number"] * 5, 100)
    with pytest.raises(UserError, match="6 of 100 examples are damaged, expected at most 5%"):
        scoring.check_damage(["bad: not a number"] * 6, 100)


def test_a_part_without_a_readable_example_is_refused():
    with pytest.raises(UserError, match="every example of the test part is damaged"):
        scoring.encode(Fragile(), [Example("bad")] * 3, [], name="test")
