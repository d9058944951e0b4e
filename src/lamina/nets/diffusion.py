"""A net that takes noise off pictures, what it lowers, and how pictures are made with it.

Scaling, loss and noise levels are those of Karras et al. 2022, "Elucidating the design space of
diffusion-based generative models". Pictures are float32 (batch, channels, size, size), -1 to 1;
labels are weights (batch, labels), one of them 1, all 0 where none is told.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention, silu

SPREAD = 0.5  # standard deviation of pixels that the scaling reckons with
LOWEST, HIGHEST, CURVE = 0.002, 80.0, 7.0  # noise levels of sampling, and how they are spaced
MEAN, DEVIATION = -1.2, 1.2  # of the logarithms of the noise levels that are learnt
COARSEST = 8  # pixels a side at the lowest resolution
FOLDED = 24  # pixels a side from which on 2 x 2 pixels enter together


class Denoiser(nn.Module):
    """The mean of the pictures that a noisy one may have been (Karras et al. 2022, equation 7)."""

    def __init__(self, channels: int, size: int, labels: int, *, width: int, blocks: int):
        super().__init__()
        self.body = UNet(channels, size, labels, width, blocks)

    def forward(self, noisy: Tensor, level: Tensor, label: Tensor) -> Tensor:
        """level: (batch,), the standard deviation of the noise."""
        level = level[:, None, None, None]
        length = (level**2 + SPREAD**2).sqrt()
        change = self.body(noisy / length, level.flatten().log() / 4, label)
        return (SPREAD / length) ** 2 * noisy + level * SPREAD / length * change


def denoising_loss(denoiser: nn.Module, pictures: Tensor, label: Tensor) -> Tensor:
    """The squared error at random noise levels, each weighed alike (their table 1, last column)."""
    level = (MEAN + DEVIATION * torch.randn(len(pictures), device=pictures.device)).exp()
    noise = level[:, None, None, None] * torch.randn_like(pictures)
    error = denoiser(pictures + noise, level, label).float() - pictures
    weight = (level**2 + SPREAD**2) / (level * SPREAD) ** 2
    return (weight * error.square().mean((1, 2, 3))).mean()


def sampled(denoise: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int) -> Tensor:
    """Pictures out of standard normal noise (Lu et al. 2022, "DPM-Solver++", algorithm 2).

    Each step goes where the clean picture would be that the last two guesses lead to.
    denoise: from noisy pictures and the noise's level (batch,) to clean ones; is asked once a step.
    """
    places = torch.linspace(0, 1, steps, dtype=torch.float64)
    high, low = (level ** (1 / CURVE) for level in (HIGHEST, LOWEST))
    levels = ((high + places * (low - high)) ** CURVE).tolist()
    picture = levels[0] * noise
    before, stride = None, 0.0  # the last guess, and how far the last step went in log levels
    for level, lower in pairwise(levels):
        guess = denoise(picture, torch.full((len(noise),), level, device=noise.device))
        last, stride = stride, math.log(level / lower)
        goal = guess if before is None else guess + (guess - before) * stride / (2 * last)
        picture = goal + (picture - goal) * lower / level
        before = guess
    return denoise(picture, torch.full((len(noise),), levels[-1], device=noise.device))


def guided(denoiser: nn.Module, label: Tensor, strength: float
           ) -> Callable[[Tensor, Tensor], Tensor]:
    """Denoising that moves away from what no label would give (Ho and Salimans 2022, equation 6).

    strength: 1 asks for the label alone; more trades variety for pictures that are more like it.
    """
    def denoise(noisy: Tensor, level: Tensor) -> Tensor:
        if strength == 1 or not label.any():
            return denoiser(noisy, level, label)
        asked, unasked = denoiser(torch.cat([noisy, noisy]), torch.cat([level, level]),
                                  torch.cat([label, torch.zeros_like(label)])).chunk(2)
        return unasked + strength * (asked - unasked)

    return denoise


class UNet(nn.Module):
    """Residual blocks at falling and rising resolutions, joined; attention at the lowest.

    (Ho et al. 2020, "Denoising diffusion probabilistic models", appendix B; what is told scales and
    shifts each block as in Dhariwal and Nichol 2021, section 3)
    size: of the pictures, a multiple of 4 from FOLDED pixels on.
    """

    def __init__(self, channels: int, size: int, labels: int, width: int, blocks: int):
        super().__init__()
        fold = 2 if size >= FOLDED else 1
        widths, side = [width], size // fold
        while side % 2 == 0 and side > COARSEST:
            widths.append(min(2 * widths[-1], 4 * width))
            side //= 2
        told = 4 * width
        self.level = Frequencies(width)
        self.label = nn.Parameter(torch.randn(labels, told) / max(1, labels) ** 0.5)
        self.told = nn.Sequential(nn.Linear(width, told), nn.SiLU(), nn.Linear(told, told))
        self.fold = nn.PixelUnshuffle(fold)
        self.enter = nn.Conv2d(channels * fold**2, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before = width
        for depth, wide in enumerate(widths):
            self.down.append(Stage(before, wide, told, blocks, stride=2 if depth else 1))
            before = wide
        self.middle = nn.ModuleList([Block(before, before, told), Attention(before),
                                     Block(before, before, told)])
        for depth, wide in reversed(list(enumerate(widths))):
            self.up.append(Stage(before + wide, wide, told, blocks))
            before = wide
        self.leave = nn.Sequential(norm(width), nn.SiLU(), zero(
            nn.Conv2d(width, channels * fold**2, 3, padding=1)), nn.PixelShuffle(fold))

    def forward(self, picture: Tensor, level: Tensor, label: Tensor) -> Tensor:
        told = silu(self.told(self.level(level)) + label.to(picture.dtype) @ self.label)
        hidden = self.enter(self.fold(picture).contiguous(memory_format=torch.channels_last))
        seen = []
        for stage in self.down:
            hidden = stage(hidden, told)
            seen.append(hidden)
        for part in self.middle:
            hidden = part(hidden, told)
        for stage in self.up:
            beside = seen.pop()
            if hidden.shape[2:] != beside.shape[2:]:
                hidden = interpolate(hidden, size=beside.shape[2:], mode="nearest")
            hidden = stage(torch.cat([hidden, beside], 1), told)
        return self.leave(hidden)


class Stage(nn.Module):
    """The residual blocks of one resolution."""

    def __init__(self, inputs: int, width: int, told: int, blocks: int, stride: int = 1):
        super().__init__()
        self.halve = nn.Conv2d(inputs, inputs, 3, 2, 1) if stride == 2 else nn.Identity()
        self.blocks = nn.ModuleList(Block(width if place else inputs, width, told)
                                    for place in range(blocks))

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        hidden = self.halve(hidden)
        for block in self.blocks:
            hidden = block(hidden, told)
        return hidden


class Block(nn.Module):
    """Two convolutions, scaled and shifted by what is told, added to what came in."""

    def __init__(self, inputs: int, width: int, told: int):
        super().__init__()
        self.first = nn.Sequential(norm(inputs), nn.SiLU(), nn.Conv2d(inputs, width, 3, padding=1))
        self.tell, self.norm = nn.Linear(told, 2 * width), norm(width)
        self.second = zero(nn.Conv2d(width, width, 3, padding=1))
        self.skip = nn.Conv2d(inputs, width, 1) if inputs != width else nn.Identity()

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.tell(told)[:, :, None, None].chunk(2, 1)
        changed = self.norm(self.first(hidden)) * (1 + scale) + shift
        return self.skip(hidden) + self.second(silu(changed))


class Attention(nn.Module):
    """Every place looks at every other, added to what came in."""

    def __init__(self, width: int):
        super().__init__()
        self.norm, self.look = norm(width), nn.Conv2d(width, 3 * width, 1)
        self.out = zero(nn.Conv2d(width, width, 1))

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        query, key, value = self.look(self.norm(hidden)).flatten(2).transpose(1, 2).chunk(3, 2)
        seen = scaled_dot_product_attention(query, key, value)
        return hidden + self.out(seen.transpose(1, 2).reshape(hidden.shape))


class Frequencies(nn.Module):
    """A number as sines and cosines of it: (batch,) -> (batch, width)."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, number: Tensor) -> Tensor:
        half = self.width // 2
        speeds = torch.logspace(-1, 1, half, device=number.device) * math.pi
        turns = number[:, None] * speeds
        return torch.cat([turns.sin(), turns.cos()], 1)


def norm(width: int) -> nn.GroupNorm:
    """Group normalisation of at most eight groups."""
    return nn.GroupNorm(math.gcd(8, width), width)


def zero(layer: nn.Module) -> nn.Module:
    """The layer with weights of 0: what it is added to passes unchanged at first."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
