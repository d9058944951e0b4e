"""Q networks: nets that value the actions of a state, for numbers or pictures."""

import copy
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

LARGE = ((32, 8, 4, 0), (64, 4, 2, 0), (64, 3, 1, 0))  # channels, side, stride, padding: Mnih 2015
SMALL = ((32, 3, 1, 1), (64, 3, 1, 1))  # for pictures too small for those
FARTHEST = 10.0  # standard deviations; a number seen for the first time may be further out
SMALLEST_LARGE = 36  # pixels: the shortest side that the large kernels leave something of


class Perceptron(nn.Module):
    """Fully connected layers with relu, over numbers that are first standardised.

    centre, spread: mean and standard deviation of each number; 0 and 1 until they are set.
    """

    def __init__(self, inputs: int, width: int, layers: int):
        super().__init__()
        sizes = [inputs] + [width] * layers
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(sizes))
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))

    def forward(self, numbers: Tensor) -> Tensor:  # (batch, inputs) -> (batch, width)
        hidden = ((numbers - self.centre) / self.spread).clamp(-FARTHEST, FARTHEST)
        for layer in self.layers:
            hidden = layer(hidden).relu()
        return hidden


class PictureFeatures(nn.Module):
    """Convolutions and one fully connected layer over pixels (Mnih et al. 2015, Methods)."""

    def __init__(self, height: int, width: int, channels: int, features: int):
        super().__init__()
        kernels = LARGE if min(height, width) >= SMALLEST_LARGE else SMALL
        self.convolutions = nn.ModuleList()
        for wanted, side, stride, padding in kernels:
            self.convolutions.append(nn.Conv2d(channels, wanted, side, stride, padding))
            height = (height + 2 * padding - side) // stride + 1
            width = (width + 2 * padding - side) // stride + 1
            channels = wanted
        self.project = nn.Linear(channels * height * width, features)

    def forward(self, pixels: Tensor) -> Tensor:  # (batch, height, width, channels) uint8
        hidden = pixels.permute(0, 3, 1, 2).to(self.project.weight.dtype) / 255
        for convolution in self.convolutions:
            hidden = convolution(hidden).relu()
        return self.project(hidden.flatten(1)).relu()


class DuellingHead(nn.Module):
    """Q(s, a) = V(s) + A(s, a) - mean of A(s, .) (Wang et al. 2016, equation 9)."""

    def __init__(self, inputs: int, actions: int):
        super().__init__()
        self.value = nn.Linear(inputs, 1)
        self.advantage = nn.Linear(inputs, actions)

    def forward(self, features: Tensor) -> Tensor:  # (batch, inputs) -> (batch, actions)
        advantage = self.advantage(features)
        return self.value(features) + advantage - advantage.mean(1, keepdim=True)


class QNetwork(nn.Module):
    """The expected return of each action.

    shape: of an observation: (numbers,), or (height, width, channels) of a uint8 picture.
    """

    def __init__(self, shape: Sequence[int], actions: int, *, width: int, layers: int,
                 duelling: bool):
        super().__init__()
        self.features = (PictureFeatures(*shape, width) if len(shape) == 3
                         else Perceptron(*shape, width, layers))
        self.head = DuellingHead(width, actions) if duelling else nn.Linear(width, actions)

    def forward(self, observation: Tensor) -> Tensor:  # (batch, *shape) -> (batch, actions)
        return self.head(self.features(observation))


class OnlineAndTarget(nn.Module):
    """A net that learns, and the average of what it was, which learning aims at and which answers.

    The average follows by a fixed rate (Lillicrap et al. 2016, section 3). It is the steadier of
    the two, as averages of iterates are (Polyak and Juditsky 1992).
    """

    def __init__(self, online: nn.Module):
        super().__init__()
        self.online = online
        self.target = copy.deepcopy(online).requires_grad_(False)

    @torch.no_grad()
    def follow(self, rate: float) -> None:
        """Move the target that part of the way to the net that learns."""
        torch._foreach_lerp_(list(self.target.parameters()), list(self.online.parameters()), rate)

    @torch.no_grad()
    def standardise(self, centre: Tensor, spread: Tensor) -> None:
        """Set the mean and standard deviation of each number of an observation."""
        for net in (self.online, self.target):
            net.features.centre.copy_(centre)
            net.features.spread.copy_(spread)

    def forward(self, observation: Tensor) -> Tensor:  # (batch, *shape) -> (batch, actions)
        return self.target(observation)
