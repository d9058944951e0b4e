"""The memory of transitions: rewards in a row, where an episode ends, where the memory does."""

import numpy
import pytest
import torch

from lamina.replay import Replay


def filled(replay: Replay, *, transitions: int) -> Replay:
    """Number t pays 2**t and is called t; number 4 terminated, number 3 was cut off."""
    for first in range(0, transitions, replay.copies):
        numbers = numpy.arange(first, first + replay.copies)
        replay.add(observation=numbers[:, None], next_observation=numbers[:, None], action=numbers,
                   reward=2.0**numbers, terminated=numbers == 4, ended=numpy.isin(numbers, (3, 4)))
    return replay


@pytest.mark.parametrize(("rewards", "expected"), [
    # of each row: rewards, discount, row of the last; even rows are one copy's, odd the other's
    (1, {0: (1, 0.5, 0), 2: (4, 0.5, 2), 4: (16, 0, 4), 6: (64, 0.5, 6),
         1: (2, 0.5, 1), 3: (8, 0.5, 3), 5: (32, 0.5, 5), 7: (128, 0.5, 7)}),
    (3, {0: (1 + 2 + 4, 0, 4), 2: (4 + 8, 0, 4), 4: (16, 0, 4), 6: (64, 0.5, 6),
         1: (2 + 4, 0.25, 3), 3: (8, 0.5, 3), 5: (32 + 64, 0.25, 7), 7: (128, 0.5, 7)})])
def test_rewards_and_discounts_are_the_hand_worked_ones(rewards, expected):
    """Row 4 terminated, row 3 was cut off: the former has no future, the latter has."""
    replay = filled(Replay(8, copies=2, shape=(1,), kind=numpy.float32), transitions=8)
    batch = replay.draw(500, numpy.random.default_rng(0), rewards=rewards, discount=0.5)
    columns = [batch[name][:, 0].tolist()
               for name in ("action", "reward", "discount", "next_observation")]
    found = {row: tuple(rest) for row, *rest in zip(*columns, strict=True)}
    assert found == expected


def test_rewards_are_followed_around_the_end_of_the_memory():
    """Transitions 3 to 7 are remembered in rows 3, 4, 0, 1, 2; all are of one copy."""
    replay = filled(Replay(5, copies=1, shape=(1,), kind=numpy.float32), transitions=8)
    assert len(replay) == 5
    replay.rows["terminated"][:] = replay.rows["ended"][:] = False
    replay.rows["reward"][:] = [5, 6, 7, 3, 4]
    replay.rows["action"][:] = numpy.arange(5)
    batch = replay.draw(200, numpy.random.default_rng(0), rewards=2, discount=1.0)
    found = dict(zip(batch["action"][:, 0].tolist(), batch["reward"][:, 0].tolist(), strict=True))
    assert found == {3: 3 + 4, 4: 4 + 5, 0: 5 + 6, 1: 6 + 7, 2: 7}


def test_saved_memory_draws_the_same():
    replay, again = (Replay(8, copies=2, shape=(1,), kind=numpy.float32) for _ in range(2))
    filled(replay, transitions=10)
    again.load_state_dict(replay.state_dict())
    one, other = (each.draw(20, numpy.random.default_rng(1), rewards=3, discount=0.9)
                  for each in (replay, again))
    assert all(torch.equal(*map(torch.from_numpy, pair))
               for pair in zip(one.values(), other.values(), strict=True))
