"""Random crops and colours of batches of pictures, on the device that they are on.

Randomness is torch's own; who calls seeds it.
"""

import torch
from torch import Tensor
from torch.nn import functional


def crops(image: Tensor, labels: Tensor, sizes: Tensor, *, side: int, zoom: float,
          mirrored: tuple[bool, bool], outside: int) -> tuple[Tensor, Tensor]:
    """A part of each picture, enlarged or reduced, perhaps mirrored, with the same of its labels.

    image: (batch, channels, height, width); becomes float32 (batch, channels, side, side), less
        where the pictures have less. labels: integers (batch, maps, height, width), likewise.
    sizes: (batch, 2), the height and width of each picture in its top left corner.
    zoom: a side of a crop shows side * (1 - zoom) to side * (1 + zoom) pixels.
    mirrored: whether upside down, whether left to right. outside: label beyond the picture.
    """
    count = len(image)
    room = image.shape[2:]
    shape = [min(side, length) for length in room]
    window = [min(length, -int(-part * (1 + zoom) // 1)) for part, length in
              zip(shape, room, strict=True)]
    free = (sizes.cpu() - torch.tensor(window)).clamp(min=0)
    starts = (torch.rand(count, 2) * (free + 1)).long().tolist()
    image, labels = (torch.stack([one[:, top : top + window[0], left : left + window[1]]
                                  for one, (top, left) in zip(maps, starts, strict=True)])
                     for maps in (image, labels))
    scale = torch.empty(count, 1).uniform_(1 - zoom, 1 + zoom)
    shown = scale * torch.tensor(shape) / torch.tensor(window)  # of the window, may exceed 1
    centre = torch.empty(count, 2).uniform_(-1, 1) * (1 - shown).abs()
    turned = 1 - 2 * (torch.rand(count, 2) < 0.5 * torch.tensor(mirrored)).float()
    theta = torch.zeros(count, 2, 3)
    for row, axis in enumerate((1, 0)):  # affine_grid takes x first
        theta[:, row, row] = (shown * turned)[:, axis]
        theta[:, row, 2] = centre[:, axis]
    grid = functional.affine_grid(theta, [count, 1, *shape], align_corners=False).to(image.device)
    moved = functional.grid_sample(labels.float() - outside, grid, "nearest", "zeros", False)
    return (functional.grid_sample(image.float(), grid, "bilinear", "border", False),
            (moved + outside).to(labels.dtype))


def jittered(image: Tensor, strength: float) -> Tensor:
    """Pictures whose channels are brighter or darker and whose contrast is more or less.

    image: float (batch, channels, height, width), grey levels. strength: the largest change, as a
        share of brightness and of contrast.
    """
    count, channels = image.shape[:2]
    level, contrast = (1 + strength * (2 * torch.rand(count, of, 1, 1, device=image.device) - 1)
                       for of in (channels, 1))
    mean = image.mean((1, 2, 3), keepdim=True)
    return (((image - mean) * contrast + mean) * level).clamp(0, 255)
