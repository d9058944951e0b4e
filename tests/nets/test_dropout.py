"""Dropout on a CPU against what its definition says, and against torch's own."""

import pytest
import torch
from torch.nn import functional

from lamina.nets.dropout import FEW, Dropout, dropout

COUNT = 200_000  # more than FEW: drawn here, not by torch


@pytest.mark.parametrize("share", (0.1, 0.5, 0.9))
def test_an_element_is_dropped_with_its_chance_and_else_grows_by_as_much(share):
    torch.manual_seed(0)
    made = dropout(torch.ones(COUNT), share, True)
    kept = made[made != 0]
    spread = (share * (1 - share) / COUNT) ** 0.5
    assert abs(1 - len(kept) / COUNT - share) < 5 * spread
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - share)), rtol=2e-4, atol=0)


def test_elements_are_dropped_independently():
    """Neighbours come from one random number of 64 bits: no pair of them may agree too often."""
    torch.manual_seed(0)
    gone = (dropout(torch.ones(COUNT), 0.5, True) == 0).double()
    for apart in (1, 2, 3, 4, 16):
        pairs = torch.corrcoef(torch.stack((gone[:-apart], gone[apart:])))
        assert abs(pairs[0, 1]) < 5 / COUNT**0.5


def test_gradients_pass_where_elements_passed():
    x = torch.randn(100, 300, requires_grad=True)
    made = dropout(x, 0.3, True)
    made.sum().backward()
    torch.testing.assert_close(x.grad * x, made)


def test_the_seed_decides_what_is_dropped():
    x = torch.randn(3, 7, 1001)
    drawn = [(torch.manual_seed(seed), dropout(x, 0.3, True))[1] for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("count", (0, 1, FEW, FEW + 1, 4 * FEW + 3))
@pytest.mark.parametrize("type", (torch.float32, torch.bfloat16))
def test_any_size_and_type(count, type):
    x = torch.ones(count, dtype=type)
    made = dropout(x, 0.25, True)
    assert made.shape == x.shape and made.dtype == type
    assert set(made.tolist()) <= {0.0, torch.tensor(4 / 3, dtype=type).item()}


def test_nothing_is_dropped_in_evaluation_or_with_a_share_of_0():
    x = torch.randn(2 * FEW)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(dropout(x, 0.0, True), x)


def test_few_elements_are_left_to_torch():
    x = torch.ones(FEW)
    torch.manual_seed(0)
    expected = functional.dropout(x, 0.5)
    torch.manual_seed(0)
    assert torch.equal(dropout(x, 0.5, True), expected)


def test_examples_that_vmap_takes_side_by_side_lose_different_elements():
    torch.manual_seed(0)
    x = torch.ones(2, 2 * FEW)
    made = torch.func.vmap(lambda one: dropout(one, 0.5, True), randomness="different")(x)
    assert 0.45 < (made[0] == made[1]).float().mean() < 0.55
