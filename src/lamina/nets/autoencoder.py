"""Autoencoders: an encoder from values to a code of a few numbers, and a decoder back.

`Autoencoder(image_encoder(…), image_decoder(…))`, and so for vectors (rows of a table) and series
(windows of one): what `decode` gives has the shape of what `encode` takes.
"""

from torch import Tensor, nn

SMALLEST_SIDE = 4  # pixels or steps down to which strided convolutions halve
MOST_HALVINGS = 4


class Autoencoder(nn.Module):
    """Values to a code and back: (batch, ...) -> (batch, code) -> (batch, ...).

    active: how many numbers of a code may be other than zero, the largest of them (k-sparse
        autoencoder, Makhzani and Frey 2014); 0: all.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, *, active: int = 0):
        super().__init__()
        self.encoder, self.decoder, self.active = encoder, decoder, active

    def forward(self, values: Tensor) -> Tensor:  # (batch, ...), as values
        return self.decode(self.encode(values))

    def encode(self, values: Tensor) -> Tensor:  # (batch, ...) -> (batch, code)
        """The code of each example."""
        code = self.encoder(values)
        if not self.active:
            return code
        least = code.topk(self.active, dim=1).values[:, -1:]
        return code.masked_fill(code < least, 0.0)

    def decode(self, code: Tensor) -> Tensor:  # (batch, code) -> (batch, ...)
        """What a code stands for."""
        return self.decoder(code)


class VariationalAutoencoder(Autoencoder):
    """Each example is a normal distribution over codes, whose mean is its code (Kingma and Welling
    2014). encoder: (batch, ...) -> (batch, 2 * code): the means, then the log variances.
    """

    def posterior(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The means and the log variances, each (batch, code)."""
        return self.encoder(values).chunk(2, dim=1)

    def encode(self, values: Tensor) -> Tensor:  # (batch, ...) -> (batch, code)
        """The mean of each example's distribution."""
        return self.posterior(values)[0]


# ---- vectors ------------------------------------------------------------------------------------

def vector_encoder(size: int, outputs: int, *, width: int, depth: int) -> nn.Module:
    """(batch, size) -> (batch, outputs), over `depth` hidden layers that grow narrower."""
    return multilayer([size, *widths(width, depth), outputs])


def vector_decoder(size: int, code: int, *, width: int, depth: int) -> nn.Module:
    """(batch, code) -> (batch, size), the encoder's layers in reverse."""
    return multilayer([code, *reversed(widths(width, depth)), size])


def widths(width: int, depth: int) -> list[int]:
    """Of the hidden layers, each half as wide as the one before."""
    return [max(8, width >> layer) for layer in range(depth)]


def multilayer(sizes: list[int]) -> nn.Sequential:
    """Linear layers with GELU between them."""
    layers: list[nn.Module] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])


# ---- images and series --------------------------------------------------------------------------

def image_encoder(channels: int, height: int, width: int, outputs: int, *,
                  filters: int) -> nn.Module:
    """(batch, channels, height, width) -> (batch, outputs), by convolutions of stride 2.

    filters: of the first one; each has twice as many as the one before.
    """
    return strided(nn.Conv2d, channels, (height, width), outputs, filters)


def image_decoder(channels: int, height: int, width: int, code: int, *, filters: int) -> nn.Module:
    """(batch, code) -> (batch, channels, height, width), the encoder's layers in reverse."""
    return unstrided(nn.ConvTranspose2d, channels, (height, width), code, filters)


def series_encoder(steps: int, outputs: int, *, filters: int) -> nn.Module:
    """(batch, 1, steps) -> (batch, outputs), as `image_encoder`."""
    return strided(nn.Conv1d, 1, (steps,), outputs, filters)


def series_decoder(steps: int, code: int, *, filters: int) -> nn.Module:
    """(batch, code) -> (batch, 1, steps), as `image_decoder`."""
    return unstrided(nn.ConvTranspose1d, 1, (steps,), code, filters)


def strided(convolution: type[nn.Module], channels: int, shape: tuple[int, ...], outputs: int,
            filters: int) -> nn.Sequential:
    """Convolutions of stride 2, then one linear layer."""
    layers: list[nn.Module] = []
    shapes = halved(shape)
    for layer in range(len(shapes) - 1):
        layers += [convolution(channels, filters << layer, 3, stride=2, padding=1), nn.GELU()]
        channels = filters << layer
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * area(shapes[-1]), outputs))


def unstrided(transposed: type[nn.Module], channels: int, shape: tuple[int, ...], code: int,
              filters: int) -> nn.Sequential:
    """A linear layer, then transposed convolutions up to the shape."""
    shapes = halved(shape)
    depth = len(shapes) - 1
    first = filters << depth - 1 if depth else channels
    layers: list[nn.Module] = [nn.Linear(code, first * area(shapes[-1])),
                               Maps(first, shapes[-1])]
    for layer in reversed(range(depth)):
        more = tuple(big - 2 * small + 1 for big, small in
                     zip(shapes[layer], shapes[layer + 1], strict=True))  # 1 where a side is even
        after = filters << layer - 1 if layer else channels
        layers += [nn.GELU(), transposed(filters << layer, after, 3, stride=2, padding=1,
                                         output_padding=more)]
    return nn.Sequential(*layers)


class Maps(nn.Module):
    """(batch, sides x channels) -> (batch, channels, *sides), of images with channels last."""

    def __init__(self, channels: int, sides: tuple[int, ...]):
        super().__init__()
        self.channels, self.sides = channels, sides

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers.unflatten(1, (*self.sides, self.channels)).movedim(-1, 1)


def halved(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The shape, and what each convolution of stride 2 leaves of it."""
    shapes = [shape]
    while len(shapes) <= MOST_HALVINGS and min(shapes[-1]) >= 2 * SMALLEST_SIDE:
        shapes.append(tuple(-(-side // 2) for side in shapes[-1]))
    return shapes


def area(shape: tuple[int, ...]) -> int:
    """Pixels or steps in all."""
    return shape[0] if len(shape) == 1 else shape[0] * area(shape[1:])
