"""A small residual net for small images: much is learnt from few, cheap steps.

He et al. 2016; short as in Page 2018, "How to train your ResNet"; pooling before normalisation,
GELU and frozen scales as in Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU".
"""

import math

from torch import Tensor, nn


class ResNet(nn.Module):
    """A stem and stages, each of which doubles the channels and halves the image.

    (batch, channels, height, width) -> (batch, labels).
    width: channels of the stem.
    blocks: residual convolutions per stage.
    halvings: how often the stem halves the image.
    stages: how often the image is halved after the stem.
    norm: "batch", or "group" (Wu and He 2018), with which no example depends on its batch.
    """

    def __init__(self, channels: int, labels: int, *, width: int = 16, blocks: int = 1,
                 halvings: int = 1, stages: int = 3, norm: str = "batch"):
        super().__init__()
        layers, _ = stem_and_stages(channels, width=width, blocks=blocks, halvings=halvings,
                                    stages=stages, norm=norm)
        width *= 2**stages
        self.features = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, labels)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image))


def stem_and_stages(channels: int, *, width: int, blocks: int, halvings: int, stages: int,
                    norm: str) -> tuple[list[nn.Module], list[int]]:
    """The layers of a ResNet before it pools, and the place after each stage's last one."""
    kernel = {"kernel_size": 3, "padding": 1, "bias": False}
    layers: list[nn.Module] = []
    for number in range(max(1, halvings)):
        layers += [nn.Conv2d(width if number else channels, width, **kernel,
                             stride=2 if halvings else 1), *rectified(width, norm)]
    ends = []
    for _ in range(stages):
        layers += [nn.Conv2d(width, 2 * width, **kernel), nn.MaxPool2d(2, ceil_mode=True),
                   *rectified(2 * width, norm)]
        width *= 2
        layers += [Residual(nn.Conv2d(width, width, **kernel), *rectified(width, norm))
                   for _ in range(blocks)]
        ends.append(len(layers))
    return layers, ends


class Residual(nn.Sequential):
    """x + f(x), with f the layers in a row."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps + super().forward(maps)


def rectified(width: int, norm: str) -> tuple[nn.Module, nn.Module]:
    """Normalisation, then a GELU."""
    return (nn.BatchNorm2d(width) if norm == "batch" else
            nn.GroupNorm(math.gcd(8, width), width)), nn.GELU()
