"""Two small classifiers of images, the first that an introduction shows."""

from torch import Tensor, nn


def image_mlp(channels: int, size: int, labels: int, *, width: int = 512) -> nn.Module:
    """Two hidden layers over all pixels: (batch, channels, size, size) -> (batch, labels)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, width), nn.ReLU(),
                         nn.Linear(width, width), nn.ReLU(), nn.Linear(width, labels))


class TutorialCNN(nn.Module):
    """Conv 32 3x3, max-pool 2, dense 128: the net of the well-known MNIST tutorial.

    (batch, channels, size, size) -> (batch, labels). Weights start as Keras starts them: Glorot
    and Bengio 2010, eq. 16, with zero biases.
    """

    def __init__(self, channels: int, size: int, labels: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 32, 3)
        self.hidden = nn.Linear(32 * ((size - 2) // 2) ** 2, 128)
        self.out = nn.Linear(128, labels)
        for layer in (self.convolution, self.hidden, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        maps = nn.functional.max_pool2d(self.convolution(image).relu(), 2)
        return self.out(self.hidden(maps.flatten(1)).relu())
