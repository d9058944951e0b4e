"""A small residual net for small images (He et al. 2016; the short form of Page 2018)."""

from torch import Tensor, nn


class ResNet(nn.Module):
    """A stem and three stages, each of which halves the image and doubles the channels.

    (batch, channels, height, width) -> (batch, labels).
    width: channels of the stem; the last stage has eight times as many.
    blocks: residual blocks per stage.
    halvings: how often the stem halves the image, for larger images and for speed.
    """

    def __init__(self, channels: int, labels: int, *, width: int = 16, blocks: int = 1,
                 halvings: int = 1):
        super().__init__()
        layers: list[nn.Module] = [convolution(channels, width)]
        layers += [nn.MaxPool2d(2, ceil_mode=True) for _ in range(halvings)]
        for stage in range(3):
            inside, outside = width * 2**stage, width * 2 ** (stage + 1)
            layers += [convolution(inside, outside), nn.MaxPool2d(2, ceil_mode=True)]
            layers += [Residual(outside) for _ in range(blocks)]
        self.features = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.head = nn.Linear(width * 8, labels)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image))


class Residual(nn.Module):
    """x + f(x), with f two normalised convolutions."""

    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.Sequential(convolution(width, width), convolution(width, width))

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.inner(maps)


def convolution(inside: int, outside: int) -> nn.Module:
    """3x3 convolution, batch normalisation, ReLU."""
    layer = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(layer, nn.BatchNorm2d(outside), nn.ReLU())
