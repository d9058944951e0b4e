"""Nets that recommend: what a history's vector is, what is never shown, what an item is due to."""

import pytest
import torch

from lamina.nets import recommend


def net_of(users=None, layers=None, ratings=None, items=8):
    torch.manual_seed(0)
    made = recommend.Recommender(users or recommend.Bag(), items=items, known=2, width=8, entries=5,
                                 layers=layers, ratings=ratings)
    return made.eval()


def kinds():
    return {"factorisation": net_of(), "neural": net_of(layers=recommend.Layers(8)),
            "transformer": net_of(recommend.Sequence(8, layers=1, heads=2, dropout=0.0))}


def test_shares_of_a_bag_sum_to_one_and_fall_with_age():
    there = torch.tensor([[False, True, True, True], [False] * 4])
    shares = recommend.Bag().shares(there)
    assert shares.sum(1).tolist() == pytest.approx([1.0, 0.0])
    assert shares[0, 0] == 0 and (shares[0, 1:].diff() >= 0).all()


def test_layers_are_those_over_both_vectors_at_once():
    """The sum of two layers is one layer over the user's and the item's vector side by side."""
    torch.manual_seed(0)
    layers = recommend.Layers(4)
    torch.nn.init.normal_(layers.output.weight)
    user, items = torch.randn(2, 4), torch.randn(3, 4)
    weight = torch.cat([layers.user.weight, layers.item.weight], 1)
    both = torch.cat([user[:, None].expand(2, 3, 4), items.expand(2, 3, 4)], 2)
    hidden = torch.nn.functional.linear(both, weight, layers.user.bias).relu()
    torch.testing.assert_close(layers(user, items), layers.output(hidden)[:, :, 0])


@pytest.mark.parametrize("kind", ["factorisation", "neural", "transformer"])
def test_what_was_taken_is_never_recommended(kind):
    history = torch.tensor([[0, 3, 5, 1]])
    _, top = kinds()[kind].best(history, torch.tensor([0]), 2, count=8)
    assert not set(top[0].tolist()) & {1, 3, 5}  # 3 is older than the context of 2
    assert sorted(top[0].tolist()) == [0, 0, 0, 2, 4, 6, 7, 8]


def test_a_user_without_history_gets_what_is_popular():
    net = net_of()
    net.popularity.copy_(torch.arange(8.0))
    assert net.best(torch.zeros(1, 4, dtype=torch.long), torch.tensor([0]), 4, count=3)[1].tolist() \
        == [[8, 7, 6]]


@torch.no_grad()
def test_reasons_are_the_items_without_which_the_score_falls_most():
    net = net_of()
    history, user = torch.tensor([0, 3, 5, 1]), torch.tensor(0)
    [[*reasons]] = net.because(history, user, torch.tensor([7]), most=3)
    whole = net(history[None], user[None])[0, 6]
    falls = {}
    for place in (1, 2, 3):
        there = history > 0
        there[place] = False
        falls[int(history[place])] = float(
            whole - net.read(net.embed(history[None]), there[None], user[None])[0, 6])
    assert reasons == sorted((item for item in falls if falls[item] > 0),
                             key=falls.get, reverse=True)


def test_ratings_start_at_damped_means():
    """Two ratings of item 1 lie 1 above the mean: its bias is 2 / (2 + damping)."""
    ratings = recommend.Ratings(2, width=4)
    ratings.start(torch.tensor([1, 1, 2, 2]), torch.tensor([4.0, 4.0, 2.0, 2.0]))
    none = torch.full((1, 1), float("nan"))
    found = ratings(torch.zeros(1, 1, dtype=torch.long), none, torch.tensor([[1, 2, 0]]))
    bias = 2 / (2 + recommend.DAMPING)
    assert found[0].tolist() == pytest.approx([3 + bias, 3 - bias, 3.0])


def test_memory_recalls_each_user():
    memory = recommend.Memory(2, 5)
    nan = float("nan")
    memory.keep(torch.tensor([2, 1]), torch.tensor([[0, 4, 2], [3, 5, 1]]),
                torch.tensor([[nan, 4.0, 2.0], [3.0, 5.0, 1.0]]))
    items, ratings = memory.recall(torch.tensor([1, 2, 0]), 4)
    assert items.tolist() == [[0, 3, 5, 1], [0, 0, 4, 2], [0, 0, 0, 0]]
    assert ratings[0, 1:].tolist() == [3.0, 5.0, 1.0] and ratings[2].isnan().all()
    assert memory.recall(torch.tensor([1]), 2)[0].tolist() == [[5, 1]]


def test_start_begins_at_the_singular_vectors_of_who_took_what():
    """Two groups of users with nothing in common: the first score ranks within the group."""
    net = net_of(items=4)
    history = torch.tensor([[1, 2], [1, 2], [3, 4], [3, 4]])
    net.memory = recommend.Memory(4, 8)
    net.start(torch.arange(1, 5), history, torch.full((4, 2), float("nan")))
    scores = net(torch.tensor([[0, 1], [0, 3]]), torch.tensor([0, 0]))
    assert scores[0, 1] > scores[0, 2:].max() and scores[1, 3] > scores[1, :2].max()
