"""Nets that find things in pictures: one stage, and two with a look at each region.

Both stand on the residual net of resnet.py with a feature pyramid (Lin et al. 2017, "Feature
pyramid networks"), see the picture at strides of 8, 16 and 32 pixels, and need no anchor boxes:
each place of a map says how far the sides of a box are from it (Tian et al. 2019, FCOS).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina.nets import boxes
from lamina.nets.resnet import rectified, stem_and_stages

RARE = 0.01  # the chance that a place is given for each label before anything is learnt
FARTHEST = 6.0  # of the log of a distance in strides; no picture is so large
CHOSEN = 10  # places that may learn one box
OUTNUMBERED = 0.25  # share of the regions learnt from that are boxes, at most
SAME, NEAR = 0.5, 2  # overlap from which a region is a box; samples a side of a region's bins
SMALL = 1e-9  # keeps quotients finite
BINS = 7  # of a side of a region
SMALLEST = 56  # pixels; regions of twice this side are read from the second map


class Dense(NamedTuple):
    """What every place of the maps says. A place is (x, y, stride) in pixels.

    boxes: (batch, places, 4). logits: (batch, places, labels). places: (places, 3).
    maps: (batch, channels, height, width) of each stride.
    """

    boxes: Tensor
    logits: Tensor
    places: Tensor
    maps: list[Tensor]


class Pyramid(nn.Module):
    """Maps of one width at strides of 8, 16 and 32, each of which knows what the coarser ones saw.

    (batch, channels, height, width) -> three maps.
    """

    def __init__(self, channels: int, *, width: int, blocks: int, out: int):
        super().__init__()
        layers, self.ends = stem_and_stages(channels, width=width, blocks=blocks, halvings=2,
                                            stages=3, norm="batch")
        self.features = nn.Sequential(*layers)
        self.lateral = nn.ModuleList(nn.Conv2d(width * 2**stage, out, 1) for stage in (1, 2, 3))
        self.smooth = nn.ModuleList(convolution(out) for _ in range(3))

    def forward(self, image: Tensor) -> list[Tensor]:
        found, start = [], 0
        for end, lateral in zip(self.ends, self.lateral, strict=True):
            image = self.features[start:end](image)
            found.append(lateral(image))
            start = end
        for finer in (1, 0):
            found[finer] = found[finer] + functional.interpolate(
                found[finer + 1], found[finer].shape[2:], mode="nearest")
        return [smooth(maps) for smooth, maps in zip(self.smooth, found, strict=True)]


class DenseHead(nn.Module):
    """A box and the log-odds of every label at each place of the maps; one head for all maps."""

    def __init__(self, width: int, labels: int):
        super().__init__()
        self.seen, self.sides = convolution(width), convolution(width)
        self.logits = nn.Conv2d(width, labels, 3, padding=1)
        self.distances = nn.Conv2d(width, 4, 3, padding=1)
        nn.init.constant_(self.logits.bias, math.log(RARE / (1 - RARE)))
        for last in (self.logits, self.distances):
            nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(self.distances.bias, math.log(2))  # boxes of four strides at first

    def forward(self, maps: Sequence[Tensor]) -> Dense:
        """The maps are of strides 8, 16 and 32."""
        logits = torch.cat([self.logits(self.seen(one)).flatten(2) for one in maps], 2)
        far = torch.cat([self.distances(self.sides(one)).flatten(2) for one in maps], 2)
        places = torch.cat([grid(one, 8 * 2**level) for level, one in enumerate(maps)])
        far = far.mT.float().clamp(max=FARTHEST).exp() * places[:, 2:]
        centre = places[:, :2]
        return Dense(torch.cat([centre - far[..., :2], centre + far[..., 2:]], -1),
                     logits.mT.float(), places, list(maps))


class OneStage(nn.Module):
    """Labels and boxes from the maps at once, as in YOLO (Redmon et al. 2016) and FCOS.

    pixels (batch, channels, height, width), 0 to 255 -> while it learns what `Dense` says, else
    boxes (batch, n, 4) and chances (batch, n, labels).
    """

    def __init__(self, body: Pyramid, *, out: int, labels: int, mean: Sequence[float],
                 deviation: Sequence[float]):
        super().__init__()
        self.body, self.head = body, DenseHead(out, labels)
        keep_normal(self, mean, deviation)

    def forward(self, pixels: Tensor) -> Dense | tuple[Tensor, Tensor]:
        found = self.head(self.body(normal(self, pixels)))
        return found if self.training else (found.boxes, found.logits.sigmoid())

    def losses(self, found: Dense, truth: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Of labels and of boxes. truth: (batch, most, 4); label: (batch, most), -1 where none."""
        return dense_losses(found, truth, label)


class TwoStage(nn.Module):
    """Regions first, then a closer look at each (Ren et al. 2015, Faster R-CNN).

    The first stage, the region proposal net, is the dense head with the one label "something".
    Each region's maps are pooled to BINS² places (He et al. 2017, RoIAlign) and two layers give
    its label and move its sides. A label's chance is the geometric mean of both stages' (Zhou et
    al. 2021, "Probabilistic two-stage detection").

    The same outputs as OneStage.
    regions: how many the first stage proposes.
    """

    def __init__(self, body: Pyramid, *, out: int, labels: int, mean: Sequence[float],
                 deviation: Sequence[float], regions: int = 100, learnt: int = 64):
        super().__init__()
        self.body, self.head = body, DenseHead(out, 1)
        self.regions, self.learnt = regions, learnt
        self.look = nn.Sequential(nn.Linear(out * BINS**2, 4 * out), nn.GELU(),
                                  nn.Linear(4 * out, 4 * out), nn.GELU())
        self.label, self.move = nn.Linear(4 * out, labels + 1), nn.Linear(4 * out, 4)
        for last in (self.label, self.move):
            nn.init.normal_(last.weight, std=0.01)
            nn.init.zeros_(last.bias)
        keep_normal(self, mean, deviation)

    def forward(self, pixels: Tensor) -> Dense | tuple[Tensor, Tensor]:
        found = self.head(self.body(normal(self, pixels)))
        if self.training:
            return found
        regions, something = self.propose(found)
        logits, moves = self.closer(found.maps, regions)
        chances = logits.softmax(2)[:, :, :-1]
        return moved(regions, moves), chances.sqrt() * something[:, :, None].sqrt()

    def propose(self, found: Dense) -> tuple[Tensor, Tensor]:
        """The regions (batch, n, 4) and the chance that each holds something, (batch, n)."""
        proposed, chance, _ = boxes.best(found.boxes.detach(), found.logits.detach().sigmoid(),
                                         count=self.regions, overlap=0.7)
        return proposed, chance

    def closer(self, maps: Sequence[Tensor], regions: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (batch, n, labels + 1), the last one "nothing", and moves (batch, n, 4)."""
        seen = self.look(align(maps, regions, BINS).flatten(2))
        return self.label(seen).float(), self.move(seen).float()

    def losses(self, found: Dense, truth: Tensor, label: Tensor
               ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the first stage's labels and boxes, and of the second's."""
        first = dense_losses(found, truth, label.clamp(max=0))
        regions, _ = self.propose(found)
        regions, which = sampled(torch.cat([regions, truth], 1), truth, label, self.learnt)
        logits, moves = self.closer(found.maps, regions)
        nothing = logits.shape[2] - 1
        wanted = torch.where(which < 0, nothing, label.gather(1, which.clamp(min=0)))
        real = boxes.area(regions) > 0
        kind = functional.cross_entropy(logits[real], wanted[real])
        hit = real & (which >= 0)
        goal = truth.gather(1, which.clamp(min=0)[:, :, None].expand(-1, -1, 4))[hit]
        aside = functional.smooth_l1_loss(moves[hit], moves_to(regions[hit], goal),
                                          reduction="sum", beta=0.1) / max(1, len(goal))
        return *first, kind, aside


# ---- what both are made of ------------------------------------------------------------------

def convolution(width: int) -> nn.Sequential:
    """A 3x3 convolution, normalised and rectified."""
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False),
                         *rectified(width, "batch"))


def keep_normal(net: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
    """Buffers that bring pixels to mean 0 and deviation 1 per channel; both on the scale 0 to 1."""
    net.register_buffer("mean", 255 * torch.tensor(mean).view(1, -1, 1, 1))
    net.register_buffer("scale", 1 / (255 * torch.tensor(deviation).view(1, -1, 1, 1)))


def normal(net: nn.Module, pixels: Tensor) -> Tensor:
    """The pixels brought so."""
    values = (pixels.to(net.mean.dtype) - net.mean) * net.scale
    return values.contiguous(memory_format=torch.channels_last)


def grid(maps: Tensor, stride: int) -> Tensor:
    """(x, y, stride) of the centre of each place, row by row: (height · width, 3)."""
    height, width = maps.shape[2:]
    y, x = torch.meshgrid(torch.arange(height, device=maps.device),
                          torch.arange(width, device=maps.device), indexing="ij")
    centres = (torch.stack([x, y], -1).view(-1, 2) + 0.5) * stride
    return functional.pad(centres, (0, 1), value=stride)


# ---- which place learns which box -----------------------------------------------------------

@torch.no_grad()
def assigned(found: Dense, truth: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Which box each place learns, -1 for none, and how well it is placed: (batch, places) both.

    Task-aligned assignment (Feng et al. 2021, TOOD, section 3.2): of the places inside a box those
    CHOSEN that give its label and overlap it best, by chance^0.5 · overlap^6.
    """
    centre = found.places[:, :2]
    known = (label >= 0)[:, :, None]  # (batch, most, 1)
    gaps = torch.cat([centre - truth[:, :, None, :2], truth[:, :, None, 2:] - centre], -1)
    inside = gaps.amin(-1) > 0  # (batch, most, places)
    nearest = (gaps[..., :2] - gaps[..., 2:]).square().sum(-1).argmin(-1, keepdim=True)
    inside = inside.scatter(2, nearest, True) & known  # a small box may hold no place's centre
    overlap = boxes.iou(truth, found.boxes) * inside
    chance = found.logits.sigmoid().mT.gather(
        1, label.clamp(min=0)[:, :, None].expand(-1, -1, len(centre)))
    fit = chance.sqrt() * overlap**6 + SMALL * inside
    least = fit.topk(min(CHOSEN, fit.shape[2]), 2).values[:, :, -1:]
    fit = fit * (inside & (fit >= least))
    overlap = overlap * (fit > 0)
    # as good as the box's best overlap where it fits best
    quality = fit / fit.amax(2, keepdim=True).clamp(min=SMALL) * overlap.amax(2, keepdim=True)
    which = torch.where(fit > 0, overlap + SMALL, overlap).argmax(1)  # of several the nearest fit
    quality = quality.gather(1, which[:, None])[:, 0]
    return torch.where((fit > 0).any(1), which, -1), quality


def dense_losses(found: Dense, truth: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of every label at every place, and 1 - CIoU of the boxes.

    How well a place fits is what it learns to say (Feng et al. 2021, eq. 8).
    """
    which, quality = assigned(found, truth, label)
    batch, place = (which >= 0).nonzero(as_tuple=True)
    taken, weight = which[batch, place], quality[batch, place]
    wanted = torch.zeros_like(found.logits)
    wanted[batch, place, label[batch, taken]] = weight
    total = weight.sum().clamp(min=1)
    seen = functional.binary_cross_entropy_with_logits(found.logits, wanted, reduction="sum")
    apart = 1 - boxes.complete_iou(found.boxes[batch, place], truth[batch, taken])
    return seen / total, (apart * weight).sum() / total


# ---- regions --------------------------------------------------------------------------------

def align(maps: Sequence[Tensor], regions: Tensor, bins: int) -> Tensor:
    """RoIAlign (He et al. 2017, section 3): (batch, n, 4) -> (batch, n, bins · bins, channels).

    Each bin is the mean of NEAR · NEAR samples of the map, read between its pixels; which map is
    decided by the region's size (Lin et al. 2017, eq. 1). Reading between pixels is linear and the
    same in every row, so all of it is two matrix products for each map.
    """
    level = (boxes.area(regions).sqrt() / SMALLEST).clamp(min=1).log2().long()
    level = level.clamp(max=len(maps) - 1)
    found = regions.new_zeros(())
    for number, one in enumerate(maps):
        left, top, right, bottom = (regions / (8 * 2**number) - 0.5).unbind(-1)
        height, width = one.shape[2:]
        down = between(top, bottom, bins, height) * (level == number)[:, :, None, None]
        across = between(left, right, bins, width)
        found = found + torch.einsum("bnyh,bchw,bnxw->bnyxc", down.to(one.dtype), one,
                                     across.to(one.dtype))
    return found.flatten(2, 3)


def between(low: Tensor, high: Tensor, bins: int, size: int) -> Tensor:
    """How much each bin from `low` to `high` takes of each pixel: (batch, n) -> (…, bins, size).

    What lies beyond the ends is as they are.
    """
    steps = (torch.arange(bins * NEAR, device=low.device) + 0.5) / (bins * NEAR)
    places = (low[:, :, None] + steps * (high - low)[:, :, None]).clamp(0, size - 1)
    pixels = torch.arange(size, device=low.device)
    return (1 - (places[..., None] - pixels).abs()).clamp(min=0).unflatten(2, (bins, NEAR)).mean(3)


@torch.no_grad()
def sampled(regions: Tensor, truth: Tensor, label: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """So many regions of each picture, some of them boxes: (batch, count, 4), and which box each
    is, -1 for none (batch, count). Chosen by torch's own generator.
    """
    overlap = boxes.iou(regions, truth) * (label >= 0)[:, None, :]
    close, which = overlap.max(2)
    luck = torch.rand_like(close)
    hit = close >= SAME
    order = torch.where(hit, luck, -1.0).argsort(1, descending=True)
    rank = torch.zeros_like(order).scatter(1, order, torch.arange(
        order.shape[1], device=order.device).expand_as(order))
    taken = hit & (rank < int(OUTNUMBERED * count))  # few boxes in the picture: fewer are taken
    wish = torch.where(taken, 2 + luck, torch.where(hit, -1.0, luck))
    wish = torch.where(boxes.area(regions) > 0, wish, -2.0)
    chosen = wish.topk(min(count, wish.shape[1])).indices
    which = torch.where(taken, which, -1).gather(1, chosen)
    left = wish.gather(1, chosen) < 0  # neither is learnt from
    regions = regions.gather(1, chosen[:, :, None].expand(-1, -1, 4))
    return regions.masked_fill(left[:, :, None], 0.0), which


def moves_to(regions: Tensor, goal: Tensor) -> Tensor:
    """How far the centre moves, in sides, and the log of how the sides grow: (n, 4).

    (Girshick et al. 2014, appendix C), in the usual tenths and fifths.
    """
    size, wanted = (one[..., 2:] - one[..., :2] for one in (regions, goal))
    centre, aim = ((one[..., 2:] + one[..., :2]) / 2 for one in (regions, goal))
    return torch.cat([10 * (aim - centre) / size, 5 * (wanted / size).log()], -1)


def moved(regions: Tensor, moves: Tensor) -> Tensor:
    """The regions after such moves, (..., 4)."""
    size, centre = regions[..., 2:] - regions[..., :2], (regions[..., 2:] + regions[..., :2]) / 2
    centre = centre + moves[..., :2] / 10 * size
    half = size * (moves[..., 2:] / 5).clamp(max=4).exp() / 2
    return torch.cat([centre - half, centre + half], -1)
