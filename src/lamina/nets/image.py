"""Small classifiers of images: what an introduction shows first, and one for private learning."""

from torch import Tensor, nn


def image_mlp(channels: int, size: int, labels: int, *, width: int = 512) -> nn.Module:
    """Two hidden layers over all pixels: (batch, channels, size, size) -> (batch, labels)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, width), nn.ReLU(),
                         nn.Linear(width, width), nn.ReLU(), nn.Linear(width, labels))


class TutorialCNN(nn.Module):
    """Conv 32 3x3, max-pool 2, dense 128: the net of the well-known MNIST tutorial.

    (batch, channels, size, size) -> (batch, labels). Maps are flattened as Keras has them, channels
    last, where convolutions are fastest. Weights start as Keras starts them: Glorot and Bengio
    2010, eq. 16, with zero biases.
    """

    def __init__(self, channels: int, size: int, labels: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 32, 3)
        self.dense = nn.Linear(32 * ((size - 2) // 2) ** 2, 128)
        self.out = nn.Linear(128, labels)
        for layer in (self.convolution, self.dense, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        # pooled before relu: the same, as relu is monotone, with a quarter of the work
        maps = nn.functional.max_pool2d(self.convolution(image), 2).permute(0, 2, 3, 1)
        return self.out(self.dense(maps.flatten(1).relu()).relu())


class TanhCNN(nn.Module):
    """Two convolutions and a dense layer with tanh, which learns best under noise and clipping.

    (batch, channels, size, size) -> (batch, labels). Few weights, so little noise in all; bounded
    activations, so gradients that need little clipping (Papernot et al. 2021, "Tempered sigmoid
    activations for deep learning with differential privacy").
    """

    def __init__(self, channels: int, size: int, labels: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 16, 5, stride=2, padding=2), nn.Tanh(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(16, 32, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten())
        self.hidden = nn.Linear(32 * (-(-size // 8)) ** 2, 32)
        self.out = nn.Linear(32, labels)

    def forward(self, image: Tensor) -> Tensor:
        return self.out(self.hidden(self.features(image)).tanh())
