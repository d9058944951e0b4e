"""How strange an example is, and which of its values make it so: autoencoders and Deep SVDD.

Both are ensembles: each member is shown a part of the values of its own (feature bagging, Lazarevic
and Kumar 2005), so that no few values decide. What a member does not see is 0, the usual value of
standardised columns.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

LEVELS = 1001  # quantiles of the held-out scores that are kept
RARE = 0.1  # share of the held-out examples that are
SMALLEST = 1e-6


class Strangeness(NamedTuple):
    """score: (batch,). shares: (batch, ...) of each value in it, they add up to the score.
    expected: (batch, ...) what would have been usual.
    """

    score: Tensor
    shares: Tensor
    expected: Tensor


class AnomalyNet(nn.Module, ABC):
    """An ensemble that scores examples, and remembers how held-out examples scored."""

    def __init__(self, body: nn.Module, shape: tuple[int, ...], *, members: int, shown: float):
        super().__init__()
        self.body = body  # (batch, members, ...) -> (batch, members, ...)
        self.register_buffer("seen", draw(members, shape, shown))
        self.register_buffer("rare", torch.ones(members))  # a score that few held-out ones exceed
        self.register_buffer("levels", torch.zeros(LEVELS))

    @abstractmethod
    def scores(self, values: Tensor, known: Tensor) -> Tensor:  # (batch, members)
        """How strange each member finds each example; lower while it learns what is usual."""

    @abstractmethod
    def judge(self, values: Tensor, known: Tensor) -> Strangeness:
        """The score, and what it is made of."""

    def centre_on(self, values: Tensor) -> None:
        """What must be taken from training examples, (batch, ...), before any step."""

    def forward(self, values: Tensor, known: Tensor) -> Tensor:  # (batch,)
        """The score of each example."""
        return self.together(self.scores(values, known))

    def together(self, scores: Tensor) -> Tensor:  # (batch, members) -> (batch,)
        """The mean of the members' scores, each in units of what is rare for it."""
        return (scores / self.rare).mean(1)

    def remember(self, scores: Tensor) -> None:
        """Keep what is rare for each member, and quantiles of the score, of the members' scores
        of held-out examples, (examples, members).
        """
        last = len(scores) - 1
        self.rare.copy_(scores.sort(0).values[round((1 - RARE) * last)].clamp(min=SMALLEST))
        ordered = self.together(scores).sort().values
        places = torch.linspace(0, last, LEVELS, device=scores.device, dtype=torch.float64)
        below = places.long()
        above = ordered[(below + 1).clamp(max=last)]
        self.levels.copy_(ordered[below] + (places - below) * (above - ordered[below]))

    def threshold(self, rate: float) -> Tensor:
        """The score that such a share of the held-out examples exceeds."""
        place = (1 - rate) * (LEVELS - 1)
        low = min(int(place), LEVELS - 2)
        return self.levels[low] + (place - low) * (self.levels[low + 1] - self.levels[low])

    def rarity(self, scores: Tensor) -> Tensor:  # (batch,)
        """The share of the held-out examples with a score at least as high."""
        above = torch.searchsorted(self.levels, scores.to(self.levels)).clamp(1, LEVELS - 1)
        low, high = self.levels[above - 1], self.levels[above]
        between = ((scores - low) / (high - low).clamp(min=SMALLEST)).clamp(0, 1)
        return 1 - (above - 1 + between) / (LEVELS - 1)


class Reconstruction(AnomalyNet):
    """Autoencoders: strange is what does not come back from a narrow code as it was.

    (Hawkins et al. 2002; ensembles of them: Chen et al. 2017.) A member's score is the mean squared
    deviation of the values that it sees.
    """

    def deviations(self, values: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each member its reconstruction, the squared deviations of what it sees, and what
        share of these each value is, all (batch, members, ...).
        """
        seen = self.seen & known[:, None]  # (batch, members, ...)
        back = self.body(values[:, None] * self.seen)
        parts = seen / seen.flatten(2).sum(2).clamp(min=1).reshape(*seen.shape[:2],
                                                                   *[1] * (seen.ndim - 2))
        return back, (back - values[:, None]) ** 2 * parts, parts

    def scores(self, values: Tensor, known: Tensor) -> Tensor:  # (batch, members)
        return self.deviations(values, known)[1].flatten(2).sum(2)

    def judge(self, values: Tensor, known: Tensor) -> Strangeness:
        back, deviations, parts = self.deviations(values, known)
        shares = (deviations / self.rare.reshape(-1, *[1] * (values.ndim - 1))).mean(1)
        expected = (back * parts).sum(1) / parts.sum(1).clamp(min=SMALLEST)
        return Strangeness(shares.flatten(1).sum(1), shares, expected)


class DeepSVDD(AnomalyNet):
    """Encoders that draw usual examples together: strange is what stays far from the centre.

    (Ruff et al. 2018, one-class Deep SVDD.) So that the map cannot become constant, no layer has
    a bias and the centre is the mean code before any step (their section 3.3).
    """

    def __init__(self, body: nn.Module, shape: tuple[int, ...], *, members: int, shown: float,
                 code: int):
        super().__init__(body, shape, members=members, shown=shown)
        self.register_buffer("centres", torch.zeros(members, code))
        self.register_buffer("usual", torch.zeros(shape))
        for module in self.body.modules():
            if getattr(module, "bias", None) is not None:
                module.register_parameter("bias", None)

    def codes(self, values: Tensor) -> Tensor:  # (batch, members, code)
        """Where each member puts each example."""
        return self.body(values[:, None] * self.seen)

    def centre_on(self, values: Tensor) -> None:
        """The centres are the mean codes; numbers near 0 are moved off it, as a zero is easy."""
        with torch.no_grad():
            self.usual.copy_(values.mean(0))
            centres = self.codes(values).mean(0)
            away = torch.where(centres < 0, -0.1, 0.1)
            self.centres.copy_(torch.where(centres.abs() < 0.1, away, centres))

    def scores(self, values: Tensor, known: Tensor) -> Tensor:  # (batch, members)
        return ((self.codes(values) - self.centres) ** 2).mean(2)

    def judge(self, values: Tensor, known: Tensor) -> Strangeness:
        """The shares are the slope of the score in each value times how far that is from usual,
        where moving back would lower the score.
        """
        with torch.inference_mode(False), torch.enable_grad():
            given = values.clone().requires_grad_()
            score = self(given, known.clone())
            [slope] = torch.autograd.grad(score.sum(), given)
        pull = (slope * (values - self.usual) * known).clamp(min=0)
        whole = pull.flatten(1).sum(1).clamp(min=SMALLEST)
        shares = pull * (score.detach() / whole).reshape(-1, *[1] * (pull.ndim - 1))
        return Strangeness(score.detach(), shares, self.usual.expand_as(values))


def draw(members: int, shape: tuple[int, ...], shown: float) -> Tensor:  # (members, *shape)
    """Which values each member sees, at random: from two to so large a share of them; of 1: all.

    Few values often lie near a curve, so that the members that see few judge finely; others see
    what only many values together show.
    """
    count = torch.Size(shape).numel()
    if shown == 1:
        return torch.ones(members, *shape, dtype=torch.bool)
    sizes = torch.randint(2, max(2, round(shown * count)) + 1, (members, 1))
    return (torch.rand(members, count).argsort(1) < sizes).reshape(members, *shape)


class Linears(nn.Module):
    """A linear layer for each member, side by side: (batch, members, before) -> (…, after)."""

    def __init__(self, members: int, before: int, after: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, before, after) * before ** -0.5)
        self.bias = nn.Parameter(torch.zeros(members, after))

    def forward(self, values: Tensor) -> Tensor:
        found = torch.einsum("bmi,mio->bmo", values, self.weight)
        return found if self.bias is None else found + self.bias


def linears(members: int, *sizes: int) -> nn.Sequential:
    """Linear layers for each member with SiLU between them."""
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        layers += [Linears(members, before, after), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class Alone(nn.Module):
    """A net for all members, so for the only one: (batch, members, ...) -> (batch, members, ...).
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, values: Tensor) -> Tensor:
        return self.net(values.flatten(0, 1)).unflatten(0, values.shape[:2])
