"""Nets for the rows of a table."""

import pytest
import torch

from lamina.nets import tabular

NUMBERS, CATEGORIES, ROWS, OUTPUTS = 3, 9, 5, 4


def nets():
    vectors = {"numbers": NUMBERS, "categories": CATEGORIES, "bins": 8}
    for members in (1, 3):
        for make in (tabular.multilayer, tabular.residual):
            seen = tabular.Members(columns=NUMBERS + 2, column_width=6, members=members)
            yield members, tabular.RowNet(
                tabular.ColumnVectors(**vectors, width=6),
                make(seen, width=16, depth=2, dropout=0.1),
                members=members, width=16, outputs=OUTPUTS)
    yield 1, tabular.RowNet(
        tabular.ColumnVectors(**vectors, width=16),
        tabular.ColumnAttention(width=16, depth=2, heads=4, dropout=0.1),
        members=1, width=16, outputs=OUTPUTS)


def row_batch(rows=ROWS):
    torch.manual_seed(1)
    return torch.rand(rows, NUMBERS), torch.randint(CATEGORIES, (rows, 2), dtype=torch.int32)


@pytest.mark.parametrize("members, net", list(nets()))
def test_every_member_answers_every_row_and_all_weights_learn(members, net):
    outputs = net(*row_batch())
    assert outputs.shape == (ROWS, members, OUTPUTS)
    outputs.square().sum().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize("members, net", list(nets()))
def test_a_row_does_not_depend_on_the_others(members, net):
    net.eval()
    numbers, categories = row_batch()
    together = net(numbers, categories)
    alone = torch.cat([net(numbers[i : i + 1], categories[i : i + 1]) for i in range(ROWS)])
    torch.testing.assert_close(alone, together)


def test_a_number_is_encoded_piecewise_linearly():
    vectors = tabular.ColumnVectors(numbers=1, categories=1, bins=4, width=4)
    with torch.no_grad():
        vectors.weight[0] = torch.eye(4)  # the vector is then the encoding itself
        vectors.bias.zero_()
    none = torch.zeros(4, 0, dtype=torch.int32)
    found = vectors(torch.tensor([[0.0], [0.3], [0.75], [1.0]]), none)[:, 0]
    torch.testing.assert_close(found, torch.tensor([
        [0.0, 0.0, 0.0, 0.0], [1.0, 0.2, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]]))


def test_members_share_their_layers_but_answer_differently():
    one, many = (tabular.Members(columns=2, column_width=3, members=m) for m in (1, 4))
    assert torch.equal(one.scale, torch.ones(1, 6))
    assert len(torch.unique(many.scale, dim=0)) == 4
    assert torch.equal(many.scale[:, :3], many.scale[:, :1].expand(-1, 3))  # one per column


def test_rows_of_numbers_alone_and_of_categories_alone_are_taken():
    for numbers, categories in ((2, 0), (0, 2)):
        vectors = tabular.ColumnVectors(numbers=numbers, categories=5, bins=3, width=4)
        found = vectors(torch.rand(ROWS, numbers),
                        torch.zeros(ROWS, categories, dtype=torch.int32))
        assert found.shape == (ROWS, 2, 4)
        assert torch.isfinite(found).all()
