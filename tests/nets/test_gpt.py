import math

import pytest
import torch
from torch.nn.functional import conv1d, cross_entropy, pad, scaled_dot_product_attention

from lamina.nets.gpt import GPT, attention, norm, rotate, rotations


@pytest.fixture
def net():
    torch.manual_seed(0)
    made = GPT(11, layers=2, width=16, heads=2)
    for weight in made.parameters():  # the output layers start at zero
        torch.nn.init.normal_(weight, std=0.3)
    return made.eval()


def test_first_answer_is_uniform():
    logits, _ = GPT(11, layers=1, width=8, heads=2)(torch.tensor([[1, 2, 3]]))
    assert torch.equal(logits.softmax(-1), torch.full((1, 3, 11), 1 / 11))


def test_no_position_sees_a_later_one(net):
    tokens = torch.randint(11, (2, 9))
    changed = tokens.clone()
    changed[:, 6] = (changed[:, 6] + 1) % 11
    before, after = net(tokens)[0], net(changed)[0]
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])


@pytest.mark.parametrize("pieces", [(1,) * 9, (5, 1, 3), (8, 1)])
def test_cache_gives_the_same_as_all_at_once(net, pieces):
    tokens = torch.randint(11, (2, 9))
    whole, _ = net(tokens)
    found, past = [], None
    for piece in tokens.split(pieces, 1):
        logits, past = net(piece, past)
        found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), whole)


def test_convolution_equals_the_one_of_torch(net):
    x = torch.randn(2, 5, 16)
    kernel = net.convolution.weight.view(16, 16, 4)
    expected = x + conv1d(pad(x.mT, (3, 0)), kernel).mT
    found, _ = net.convolve(x)
    torch.testing.assert_close(found, expected)


def test_attention_equals_the_one_of_torch():
    query, key, value = torch.randn(3, 2, 4, 7, 6).unbind()
    expected = scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(attention(query, key, value), expected)
    torch.testing.assert_close(attention(query[:, :, 5:], key, value), expected[:, :, 5:])


def test_rotary_scores_depend_on_the_distance_alone():
    query, key = torch.randn(2, 1, 1, 4, 8).unbind()
    scores = [rotate(query, turns) @ rotate(key, turns).transpose(-1, -2)
              for turns in (rotations(0, 4, 8, query.device), rotations(50, 4, 8, query.device))]
    torch.testing.assert_close(scores[0], scores[1], atol=1e-4, rtol=0)


def test_rotation_turns_the_first_pair_by_one_radian_per_position():
    turned = rotate(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), rotations(0, 2, 2, torch.device("cpu")))
    torch.testing.assert_close(turned, torch.tensor([[1.0, 0.0], [math.cos(1), math.sin(1)]]))


def test_norm_has_a_mean_of_zero_and_a_variance_of_one():
    normed = norm(torch.randn(3, 64) * 7 + 2)
    torch.testing.assert_close(normed.mean(-1), torch.zeros(3))
    torch.testing.assert_close(normed.var(-1, correction=0), torch.ones(3))


def test_dropout_only_while_learning():
    torch.manual_seed(0)
    net = GPT(11, layers=1, width=16, heads=2, dropout=0.5)
    torch.nn.init.normal_(net.head.weight)
    tokens = torch.randint(11, (1, 5))
    assert not torch.equal(net(tokens)[0], net(tokens)[0])
    net.eval()
    assert torch.equal(net(tokens)[0], net(tokens)[0])


def test_learns_to_copy_what_it_read():
    torch.manual_seed(0)
    net = GPT(8, layers=2, width=32, heads=2)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(100):
        half = torch.randint(8, (32, 8))
        tokens = torch.cat((half, half), 1)
        logits, _ = net(tokens[:, :-1])
        loss = cross_entropy(logits[:, 7:].flatten(0, 1), tokens[:, 8:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1  # chance: log 8 = 2.08; only attention over the past can do better


def test_a_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="width 20 and heads 4"):
        GPT(11, layers=1, width=20, heads=4)
