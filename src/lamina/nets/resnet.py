"""A small residual net for small images (He et al. 2016; the short form of Page 2018)."""

import math

from torch import Tensor, nn


class ResNet(nn.Module):
    """A stem and three stages, each of which halves the image and doubles the channels.

    (batch, channels, height, width) -> (batch, labels).
    width: channels of the stem; the last stage has eight times as many.
    blocks: residual blocks per stage.
    halvings: how often the stem halves the image, for larger images and for speed.
    norm: "batch", or "group" (Wu and He 2018), with which no example depends on its batch.
    """

    def __init__(self, channels: int, labels: int, *, width: int = 16, blocks: int = 1,
                 halvings: int = 1, norm: str = "batch"):
        super().__init__()
        layers: list[nn.Module] = [convolution(channels, width, norm)]
        layers += [nn.MaxPool2d(2, ceil_mode=True) for _ in range(halvings)]
        for stage in range(3):
            inside, outside = width * 2**stage, width * 2 ** (stage + 1)
            layers += [convolution(inside, outside, norm), nn.MaxPool2d(2, ceil_mode=True)]
            layers += [Residual(outside, norm) for _ in range(blocks)]
        self.features = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.head = nn.Linear(width * 8, labels)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image))


class Residual(nn.Module):
    """x + f(x), with f two normalised convolutions."""

    def __init__(self, width: int, norm: str):
        super().__init__()
        self.inner = nn.Sequential(convolution(width, width, norm), convolution(width, width, norm))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.inner(maps)


def convolution(inside: int, outside: int, norm: str) -> nn.Module:
    """3x3 convolution, normalisation, ReLU."""
    layer = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    normed = nn.BatchNorm2d(outside) if norm == "batch" else \
        nn.GroupNorm(math.gcd(8, outside), outside)
    return nn.Sequential(layer, normed, nn.ReLU())
