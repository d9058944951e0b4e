"""Pictures as nets take them: their sizes; uint8 pixels as numbers from -1 to 1, and back."""

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from lamina.errors import UserError
from lamina.media import image


def shapes_of(pictures: Sequence[Any]) -> list[tuple[int, int, int]]:
    """(height, width, channels) of the training pictures that can be read; UserError: none can."""
    found = []
    for picture in pictures:
        try:
            found.append(image.shape(picture))
        except (OSError, ValueError):
            continue  # named when it is encoded
    if not found:
        raise UserError(f"no training picture can be read; the first is {pictures[0]}: is it a "
                        "picture?")
    return found


def scaled(pictures: Tensor) -> Tensor:
    """uint8 pixels as numbers from -1 to 1."""
    return pictures.float() / 127.5 - 1


def pixels(made: Tensor) -> numpy.ndarray:
    """Numbers from -1 to 1 as uint8 (pictures, height, width, channels)."""
    return pictures_last(((made.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))


def pictures_last(tensor: Tensor) -> numpy.ndarray:
    """(pictures, channels, height, width) as (pictures, height, width, channels)."""
    return tensor.permute(0, 2, 3, 1).cpu().numpy()
