"""Pictures with boxes, varied at random as tensors: mosaics, crops, scales, mirrors, light.

All random numbers are of torch's own generators. Boxes are (batch, most, 4) in pixels (left, top,
right, bottom), labels (batch, most), -1 where there is none.
"""

import torch
from torch import Tensor
from torch.nn import functional

KEPT = 0.3  # of a box's area must stay in the picture, else it is no box any more
LEAST = 2.0  # pixels of the shorter side of a box that stays


def mosaic(pixels: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each picture with three others of the batch in one of twice the height and width.

    (Bochkovskiy et al. 2020, YOLOv4, section 3.3): (batch, channels, 2 height, 2 width), and the
    boxes of all four.
    """
    count, _, height, width = pixels.shape
    orders = [torch.arange(count, device=pixels.device)]
    orders += [torch.randperm(count, device=pixels.device) for _ in range(3)]
    tiles = [pixels[order] for order in orders]
    rows = [torch.cat(tiles[:2], 3), torch.cat(tiles[2:], 3)]
    aside = [(0, 0), (width, 0), (0, height), (width, height)]
    moved = [boxes[order] + boxes.new_tensor([*place, *place])
             for order, place in zip(orders, aside, strict=True)]
    return torch.cat(rows, 2), torch.cat(moved, 1), torch.cat([labels[o] for o in orders], 1)


def window(pixels: Tensor, boxes: Tensor, labels: Tensor, size: tuple[int, int], *,
           low: float, high: float, flips: tuple[bool, bool], empty: Tensor
           ) -> tuple[Tensor, Tensor, Tensor]:
    """A window somewhere in each picture, scaled to `size` (height, width), perhaps mirrored.

    low, high: by what the content is enlarged. flips: whether left and right, top and bottom may
    be changed. empty: the colour (1, channels, 1, 1) of what lies outside. Boxes that are mostly
    outside are left out.
    """
    count, device = len(pixels), pixels.device
    whole = pixels.new_tensor([pixels.shape[3], pixels.shape[2]], dtype=torch.float)
    wanted = whole.new_tensor([size[1], size[0]])
    zoom = torch.empty(count, 1, device=device).uniform_(low, high)
    seen = wanted / zoom  # (batch, 2) pixels of the picture across and down
    room = whole - seen  # negative where the window is larger than the picture
    corner = torch.rand(count, 2, device=device) * room
    mirror = 1 - 2 * ((torch.rand(count, 2, device=device) < 0.5)
                      & torch.tensor(flips, device=device)).float()
    centre = 2 * (corner + seen / 2) / whole - 1  # in the coordinates of grid_sample
    turn = torch.zeros(count, 2, 3, device=device)
    turn[:, 0, 0], turn[:, 1, 1] = (mirror * seen / whole).unbind(1)
    turn[:, :, 2] = centre
    places = functional.affine_grid(turn, [count, 1, *size], align_corners=False)
    sampled = functional.grid_sample(pixels.float() - empty, places, align_corners=False) + empty
    corner, zoom = corner[:, None].repeat(1, 1, 2), zoom[:, None]
    moved = (boxes - corner) * zoom
    turned = wanted.repeat(2) - moved[..., [2, 3, 0, 1]]
    moved = torch.where(mirror[:, None].repeat(1, 1, 2) < 0, turned, moved)
    return sampled, *within(moved, labels, wanted)


def within(boxes: Tensor, labels: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """The boxes cut at the edges of a picture, those that are left first; size: (2,)."""
    cut = boxes.maximum(boxes.new_zeros(1)).minimum(size.repeat(2))
    sides, before = cut[..., 2:] - cut[..., :2], boxes[..., 2:] - boxes[..., :2]
    stays = (labels >= 0) & (sides.amin(-1) >= LEAST) & (sides.prod(-1) >= KEPT * before.prod(-1))
    order = stays.byte().argsort(dim=1, descending=True, stable=True)
    order = order[:, : max(1, int(stays.sum(1).max()))]
    labels = labels.masked_fill(~stays, -1).gather(1, order)
    return cut.masked_fill(~stays[..., None], 0.0).gather(
        1, order[:, :, None].expand(-1, -1, 4)), labels


def light(pixels: Tensor, amount: float) -> Tensor:
    """Brightness, contrast and colour of each picture changed by up to that share."""
    def factor() -> Tensor:
        return 1 + amount * (2 * torch.rand(len(pixels), 1, 1, 1, device=pixels.device) - 1)

    grey = pixels.mean(1, keepdim=True)
    pixels = grey + factor() * (pixels - grey)
    middle = grey.mean((2, 3), keepdim=True)
    return (middle * factor() + factor() * (pixels - middle)).clamp(0, 255)
