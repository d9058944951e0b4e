"""The mean of a net's weights: the weights of Shamir and Zhang 2013, and who uses which."""

import copy

import pytest
import torch
from torch import nn

from lamina.nets.average import DECAY, Averaged


def learnt(steps):
    """An averaged net after random steps, and copies of its net after each."""
    torch.manual_seed(0)
    net = Averaged(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)))
    seen = []
    for _ in range(steps):
        net.train()(torch.randn(8, 3))  # moves the running statistics
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(torch.randn_like(weight))
        net.update()
        seen.append(copy.deepcopy(net.net).eval())
    return net, seen


def test_the_first_mean_is_the_net_itself():
    net, [seen] = learnt(1)
    given = torch.randn(5, 3)
    torch.testing.assert_close(net.eval()(given), seen(given))


def test_the_mean_weighs_step_t_of_n_as_the_closed_form_says():
    """(eta + 1) / (eta + t) · prod of (s - 1) / (eta + s) over s from t + 1 to n, by hand."""
    net, seen = learnt(6)
    shares = []
    for t in range(1, 7):
        share = (DECAY + 1) / (DECAY + t)
        for s in range(t + 1, 7):
            share *= (s - 1) / (DECAY + s)
        shares.append(share)
    assert sum(shares) == pytest.approx(1.0)
    for name, values in net.averages().items():
        by_hand = sum(share * one.state_dict()[name] for share, one in zip(shares, seen,
                                                                           strict=True))
        torch.testing.assert_close(values, by_hand, rtol=1e-4, atol=1e-5)


def test_it_learns_with_its_weights_and_answers_with_their_mean():
    net, seen = learnt(4)
    given = torch.randn(5, 3)
    assert not torch.allclose(net.eval()(given), seen[-1](given))
    assert all(weight.grad is None for weight in net.parameters())
    net.train()(given).sum().backward()
    assert all(weight.grad is not None for weight in net.parameters())
    assert {name for name, _ in net.named_parameters()} == {
        f"net.{name}" for name, _ in net.net.named_parameters()}


@pytest.mark.parametrize("channels", [1, 3])
def test_the_mean_lies_in_memory_as_the_weights_do(channels):
    """Else maps lie otherwise in evaluation than in learning, and take twice as long."""
    net = Averaged(nn.Conv2d(channels, 8, 3)).to(memory_format=torch.channels_last)
    net.update()
    mean, given = net.averages()["weight"], torch.randn(2, channels, 9, 9)
    assert mean.stride() == net.net.weight.stride() != mean.flatten().view(mean.shape).stride()
    torch.testing.assert_close(net.eval()(given), net.net(given))
    assert net(given).is_contiguous(memory_format=torch.channels_last)


def test_the_mean_comes_back_with_a_checkpoint():
    net, _ = learnt(3)
    again, _ = learnt(1)
    again.load_state_dict(copy.deepcopy(net.state_dict()))
    given = torch.randn(5, 3)
    assert torch.equal(net.eval()(given), again.eval()(given))
    assert again.updates == 3


def test_a_copy_with_the_mean_answers_as_the_mean_does():
    net, _ = learnt(4)
    given = torch.randn(5, 3)
    made = net.eval().averaged()
    torch.testing.assert_close(made(given), net(given))
    assert not made.training and made is not net.net
