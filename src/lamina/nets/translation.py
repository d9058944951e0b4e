"""Nets that turn one picture into another, and the net that tells made pictures from real ones.

Normalisation is per picture (instance normalisation, Ulyanov et al. 2016), so that the translation
of a picture does not depend on the other pictures of its batch.
"""

import torch
from torch import Tensor, nn

from lamina.nets.dropout import Dropout


class ResidualGenerator(nn.Module):
    """Halves the picture twice, refines it in residual blocks, doubles it twice.

    (Johnson et al. 2016; Zhu et al. 2017, "Unpaired image-to-image translation", appendix 7.2)

    channels: of the picture, in and out; values from -1 to 1.
    width: channels at full resolution; four times as many at a quarter of it.
    blocks: residual blocks.
    """

    def __init__(self, channels: int, width: int, blocks: int):
        super().__init__()
        self.down = nn.Sequential(
            *convolution(channels, width, 7),
            *convolution(width, 2 * width, 3, stride=2),
            *convolution(2 * width, 4 * width, 3, stride=2),
        )
        self.blocks = nn.Sequential(*[ResidualBlock(4 * width) for _ in range(blocks)])
        self.up = nn.Sequential(
            *doubling(4 * width, 2 * width),
            *doubling(2 * width, width),
            nn.Conv2d(width, channels, 7, padding=3, padding_mode="reflect"),
            nn.Tanh(),
        )
        self.apply(start_small)

    def forward(self, image: Tensor) -> Tensor:  # (batch, channels, height, width) both ways
        return self.up(self.blocks(self.down(image)))


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to what came in."""

    def __init__(self, width: int):
        super().__init__()
        self.change = nn.Sequential(*convolution(width, width, 3),
                                    *convolution(width, width, 3)[:2])

    def forward(self, x: Tensor) -> Tensor:  # (batch, channels, height, width) both ways
        return x + self.change(x)


class UNetGenerator(nn.Module):
    """Halves the picture step by step and doubles it again, each scale seeing its counterpart.

    (Ronneberger et al. 2015; Isola et al. 2017, "Image-to-image translation with conditional
    adversarial networks", appendix 6.1)

    channels: of the picture, in and out; values from -1 to 1.
    width: channels after the first halving; they double up to eight times as many.
    depth: how often the picture is halved; its sides must be divisible by 2 ** depth.
    """

    def __init__(self, channels: int, width: int, depth: int):
        super().__init__()
        widths = [width * min(8, 2**level) for level in range(depth)]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, wide in enumerate(widths):
            outer = widths[level - 1] if level else channels
            self.down.append(halving(outer, wide, normalised=level > 0))
            inner = wide if level == depth - 1 else 2 * wide  # the skip comes beside it
            self.up.append(nn.Sequential(*doubling(inner, outer if level else width)))
        for level in range(4, depth - 1):  # three of the paper's eight; none in small pictures
            self.up[level].append(Dropout(0.5))
        self.out = nn.Sequential(
            nn.Conv2d(width + channels, channels, 3, padding=1, padding_mode="reflect"), nn.Tanh())
        self.apply(start_small)

    def forward(self, image: Tensor) -> Tensor:  # (batch, channels, height, width) both ways
        skips = [image]
        for half in self.down:
            skips.append(half(skips[-1]))
        x = skips.pop()
        for double in reversed(self.up):
            x = torch.cat([double(x), skips.pop()], dim=1)
        return self.out(x)


class PatchDiscriminator(nn.Module):
    """One score for each overlapping patch of a picture: high where it looks real.

    (Isola et al. 2017, section 3.2.2; 3 layers see patches of 70 pixels, 2 layers of 34)
    """

    def __init__(self, channels: int, width: int, layers: int):
        super().__init__()
        widths = [width * min(8, 2**level) for level in range(layers + 1)]
        stages = [halving(channels, width, normalised=False)]
        for level in range(1, layers):
            stages.append(halving(widths[level - 1], widths[level], normalised=True))
        self.net = nn.Sequential(
            *stages,
            nn.Conv2d(widths[-2], widths[-1], 4, padding=1, bias=False),
            nn.InstanceNorm2d(widths[-1], affine=True), nn.LeakyReLU(0.2),
            nn.Conv2d(widths[-1], 1, 4, padding=1),
        )
        self.apply(start_small)

    def forward(self, image: Tensor) -> Tensor:  # (batch, channels, height, width)
        return self.net(image)  # (batch, 1, rows of patches, columns of patches)


def convolution(inputs: int, outputs: int, size: int, *, stride: int = 1) -> list[nn.Module]:
    """Convolution over the mirrored border, instance normalisation, ReLU."""
    return [nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, padding_mode="reflect",
                      bias=False),
            nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()]


def doubling(inputs: int, outputs: int) -> list[nn.Module]:
    """Twice the height and width. (A kernel of 4 covers every pixel alike: no checkerboard.)"""
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(outputs, affine=True), nn.ReLU()]


def halving(inputs: int, outputs: int, *, normalised: bool) -> nn.Sequential:
    """Half the height and width, leaky ReLU."""
    norm = [nn.InstanceNorm2d(outputs, affine=True)] if normalised else []
    return nn.Sequential(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not normalised),
                         *norm, nn.LeakyReLU(0.2))


def start_small(module: nn.Module) -> None:
    """Weights of standard deviation 0.02, as both papers start."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Translators(nn.Module):
    """A generator for each direction that was learnt."""

    def __init__(self, generators: dict[str, nn.Module]):
        super().__init__()
        self.directions = nn.ModuleDict(generators)

    def forward(self, image: Tensor, domain: Tensor) -> Tensor:
        """Each picture in the other domain.

        image: (batch, channels, height, width), -1 to 1, both ways.
        domain: (batch,), where each picture is from: 0 for A, 1 for B.
        """
        made = torch.zeros_like(image)
        for number, direction in enumerate(("AtoB", "BtoA")):
            chosen = domain == number
            if chosen.all():
                return self.directions[direction](image)
            if chosen.any():
                made[chosen] = self.directions[direction](image[chosen]).to(made.dtype)
        return made


class Adversaries(nn.Module):
    """Generators, and for each direction the discriminator that judges what it makes."""

    def __init__(self, generators: Translators, discriminators: dict[str, nn.Module]):
        super().__init__()
        self.generators = generators
        self.discriminators = nn.ModuleDict(discriminators)


def halvings(size: int) -> int:
    """How often a side can be halved, staying even, until it is 2 or odd."""
    depth = 0
    while size % 2 == 0 and size > 2:
        size, depth = size // 2, depth + 1
    return depth


def squares(scores: Tensor, wanted: float) -> Tensor:
    """The least-squares loss of a discriminator's scores (Mao et al. 2017)."""
    return (scores.float() - wanted).square().mean()


def judged(discriminator: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """What a discriminator should lower: real patches score 1, made ones 0."""
    on_real, on_made = discriminator(torch.cat([real, made])).chunk(2)
    return (squares(on_real, 1.0) + squares(on_made, 0.0)) / 2
