"""A net that answers with the running mean of its weights: good answers before the rate has fallen.

Polyak and Juditsky 1992; the weights of the mean are those of Shamir and Zhang 2013, section 4,
"Stochastic gradient descent for non-smooth optimization", which need not know how long a run is.
"""

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call

DECAY = 9.0  # Shamir and Zhang's eta: the mean is over about the last tenth of the steps


class Averaged(nn.Module):
    """`net` while it learns; in evaluation the same net with the mean of its weights.

    Statistics of normalisation layers are averaged as well.
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.register_buffer("average", self.weights())  # (weights)
        self.register_buffer("updates", torch.zeros(()))

    def forward(self, *given: Tensor) -> Tensor:
        if self.training:
            return self.net(*given)
        return functional_call(self.net, self.averages(), given)

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights that a step has changed into the mean."""
        self.updates += 1
        self.average.lerp_(self.weights(), (DECAY + 1) / (DECAY + self.updates))

    @torch.no_grad()
    def averaged(self) -> nn.Module:
        """A copy of the net with the mean of its weights, for what is more than `forward`."""
        made = copy.deepcopy(self.net)
        averages = self.averages()
        for name, values in floating(made).items():
            values.copy_(averages[name])
        return made.train(self.training)

    def averages(self) -> dict[str, Tensor]:
        """The mean of each tensor, by its name, laid out in memory as the tensor is."""
        own = floating(self.net)
        pieces = self.average.split([values.numel() for values in own.values()])
        return {name: laid_out(piece.view(values.shape), values)
                for (name, values), piece in zip(own.items(), pieces, strict=True)}

    def weights(self) -> Tensor:
        """All numbers of the net in a row, as they are now."""
        return torch.cat([values.detach().reshape(-1) for values in floating(self.net).values()])


def laid_out(values: Tensor, like: Tensor) -> Tensor:
    """The values with the strides of another tensor of their shape.

    A filter whose channels come first makes maps whose channels do, which take twice as long.
    """
    return values if values.stride() == like.stride() else torch.empty_like(like).copy_(values)


def floating(net: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, but for integers."""
    return {name: values for name, values in net.state_dict(keep_vars=True).items()
            if values.is_floating_point()}
