"""Nets that value actions: shapes, the duelling equation, the target's copy."""

import pytest
import torch
from torch import nn

from lamina.nets.value import DuellingHead, OnlineAndTarget, QNetwork


def net_of(shape, duelling=False) -> QNetwork:
    torch.manual_seed(0)
    return QNetwork(shape, 3, width=32, layers=2, duelling=duelling)


@pytest.mark.parametrize("duelling", [False, True])
@pytest.mark.parametrize("shape", [(4,), (84, 84, 4), (36, 50, 3), (7, 7, 3), (1, 1, 1)])
def test_every_shape_of_observation_gives_a_value_for_each_action(shape, duelling):
    observation = torch.randint(256, (5, *shape)).to(torch.uint8)
    assert net_of(shape, duelling)(observation).shape == (5, 3)


def test_plain_net_is_the_one_written_with_torch():
    net = net_of((4,))
    first, second = net.features.layers
    reference = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), net.head)
    numbers = torch.randn(6, 4)
    torch.testing.assert_close(net(numbers), reference(numbers))


def test_convolutions_are_those_of_the_paper():
    """84 by 84 pixels of 4 frames: 32 8x8 stride 4, 64 4x4 stride 2, 64 3x3 stride 1, 7x7 left."""
    net = QNetwork((84, 84, 4), 3, width=512, layers=1, duelling=False)
    found = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0])
             for c in net.features.convolutions]
    assert found == [(4, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)]
    assert net.features.project.in_features == 64 * 7 * 7


def test_duelling_values_average_to_the_value_of_the_state():
    torch.manual_seed(0)
    head = DuellingHead(8, 3)
    features = torch.randn(5, 8)
    torch.testing.assert_close(head(features).mean(1), head.value(features)[:, 0])
    gap = head.advantage(features)[:, 0] - head.advantage(features)[:, 2]
    torch.testing.assert_close(head(features)[:, 0] - head(features)[:, 2], gap)


def test_target_starts_equal_and_goes_part_of_the_way_when_it_follows():
    net = OnlineAndTarget(net_of((4,)))
    numbers = torch.randn(2, 4)
    torch.testing.assert_close(net(numbers), net.online(numbers))
    before = net(numbers)
    with torch.no_grad():
        net.online.head.bias += 1
    torch.testing.assert_close(net(numbers), before)
    net.follow(0.25)
    torch.testing.assert_close(net(numbers), before + 0.25)
    assert all(parameter.requires_grad for parameter in net.online.parameters())
