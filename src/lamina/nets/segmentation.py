"""Nets that label every pixel of a picture, what they lower, and pictures in tiles.

Normalisation is over the batch while learning and by running statistics when answering: a tile is
then answered like the same place of the whole picture.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1.0  # pixels; keeps soft Dice of an absent class finite


class UNet(nn.Module):
    """Halves the picture step by step and doubles it again, each scale beside its counterpart.

    (Ronneberger et al. 2015, figure 1; convolutions are padded and normalised.)

    (batch, channels, height, width) -> (batch, outputs, height, width).
    width: channels at full resolution; each halving doubles them.
    depth: how often the picture is halved.
    """

    def __init__(self, channels: int, outputs: int, *, width: int, depth: int):
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(stage(inner, outer) for inner, outer in
                                  zip([channels, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * wide, wide, 2, stride=2)
                                for wide in widths[:-1])
        self.join = nn.ModuleList(stage(2 * wide, wide) for wide in widths[:-1])
        self.out = nn.Conv2d(width, outputs, 1)
        self.multiple = 2**depth

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        x = widened(image, self.multiple)
        skips = []
        for number, down in enumerate(self.down):
            x = down(functional.max_pool2d(x, 2) if number else x)
            skips.append(x)
        skips.pop()
        for up, join in zip(reversed(self.up), reversed(self.join), strict=True):
            x = join(torch.cat([skips.pop(), up(x)], dim=1))
        return self.out(x)[:, :, :height, :width]


class FCN(nn.Module):
    """A classifier's stages, each of which scores the classes; coarse scores are added to finer.

    (Long et al. 2015, section 4.2. The paper stops at an eighth of the resolution, for photos of
    500 pixels; here the finest scores are those at half of it.)

    (batch, channels, height, width) -> (batch, outputs, height, width).
    width: channels of the first stage; each stage doubles them and halves the picture.
    depth: how many stages there are.
    """

    def __init__(self, channels: int, outputs: int, *, width: int, depth: int):
        super().__init__()
        widths = [width * 2**level for level in range(depth)]
        self.down = nn.ModuleList(stage(inner, outer) for inner, outer in
                                  zip([channels, *widths], widths, strict=False))
        self.score = nn.ModuleList(nn.Conv2d(wide, outputs, 1) for wide in widths)
        self.multiple = 2**depth

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        x = widened(image, self.multiple)
        scores = []
        for down, score in zip(self.down, self.score, strict=True):
            x = functional.max_pool2d(down(x), 2)
            scores.append(score(x))
        total = scores.pop()
        while scores:
            total = doubled(total) + scores.pop()
        return doubled(total)[:, :, :height, :width]


def stage(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def doubled(scores: Tensor) -> Tensor:
    """Twice the height and width, bilinear."""
    return functional.interpolate(scores, scale_factor=2, mode="bilinear")


def widened(image: Tensor, multiple: int) -> Tensor:
    """The picture with its last row and column repeated until both sides are multiples."""
    below, right = (-side % multiple for side in image.shape[2:])
    return functional.pad(image, (0, right, 0, below), mode="replicate") if below or right \
        else image


class Normalized(nn.Module):
    """A net whose uint8 pictures are first brought to mean 0 and deviation 1 per channel.

    mean, deviation: of each channel, in grey levels 0 to 255.
    """

    def __init__(self, body: nn.Module, mean: Sequence[float], deviation: Sequence[float]):
        super().__init__()
        self.body = body
        for name, values in (("mean", mean), ("deviation", deviation)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1))

    def forward(self, image: Tensor) -> Tensor:  # (batch, channels, height, width)
        values = (image.to(self.mean.dtype) - self.mean) / self.deviation
        return self.body(values.contiguous(memory_format=torch.channels_last))


# ---- what is lowered ----------------------------------------------------------------------------

def soft_dice(chances: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """1 - the Dice coefficient of probabilities, the mean over classes that occur in the batch.

    (Milletari et al. 2016, section 3, who square the terms below the line; the sums are over all
    pixels of the batch.)

    chances, truth: (batch, classes, height, width), 0 to 1. counted: (batch, 1, height, width).
    """
    chances, truth = chances * counted, truth * counted
    shared, both = ((chances * truth).sum((0, 2, 3)), (chances + truth).sum((0, 2, 3)))
    dice = (2 * shared + EPSILON) / (both + EPSILON)
    present = truth.sum((0, 2, 3)) > 0
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)


def mean_of(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of those that count; 0 where none does."""
    return (values * counted).sum() / counted.sum().clamp(min=1)


def borders(objects: Tensor) -> Tensor:
    """Pixels of an object that touch another object or none: (batch, 1, height, width), 0 or 1.

    objects: the number of each pixel's object, 0 for none; the same shape.
    """
    ids = objects.float()
    highest = functional.max_pool2d(ids, 3, stride=1, padding=1)
    lowest = -functional.max_pool2d(-ids, 3, stride=1, padding=1)
    return ((ids > 0) & (highest != lowest)).float()


# ---- tiles --------------------------------------------------------------------------------------

def in_tiles(net: nn.Module, image: Tensor, *, tile: int, overlap: int, multiple: int) -> Tensor:
    """net(image) of a picture that is too large to be seen at once: its tiles, faded together.

    (batch, channels, height, width) -> (batch, outputs, height, width).
    tile, overlap: pixels; tiles start at multiples of `multiple`, which divides tile - overlap,
        so that pooling falls on the same pixels as in the whole picture.

    In an overlap the weight of a tile is 0 in the quarter at its edge, 1 in the quarter furthest
    from it, and follows a cosine between them. A net that sees no further than a quarter of the
    overlap gives what it gives for the whole picture.
    """
    height, width = image.shape[2:]
    if height <= tile and width <= tile:
        return net(image)
    total = weight = None
    for top, below in spans(height, tile, overlap, multiple):
        for left, right in spans(width, tile, overlap, multiple):
            found = net(image[:, :, top:below, left:right])
            faded = ramps(top, below, height, overlap)[:, None] * ramps(left, right, width, overlap)
            faded = faded.to(found)
            if total is None:
                total = found.new_zeros(*found.shape[:2], height, width)
                weight = found.new_zeros(height, width)
            total[:, :, top:below, left:right] += found * faded
            weight[top:below, left:right] += faded
    return total / weight


def spans(length: int, tile: int, overlap: int, multiple: int) -> list[tuple[int, int]]:
    """Where tiles begin and end along a side: overlapping, the last ends where the side does."""
    last = max(0, math.ceil((length - tile) / multiple) * multiple)
    starts = [*range(0, last, tile - overlap), last]
    return [(start, min(length, start + tile)) for start in starts]


def ramps(start: int, end: int, length: int, overlap: int) -> Tensor:
    """The weight of each pixel along a tile's side, (end - start,); 1 at the picture's own edge."""
    places = torch.arange(start, end) + 0.5
    weight = torch.ones(end - start)
    for inside, edge in ((start > 0, places - start), (end < length, end - places)):
        if inside:
            share = (2 * edge / overlap - 0.5).clamp(0, 1)
            weight = weight * (1 - torch.cos(math.pi * share)) / 2
    return weight
