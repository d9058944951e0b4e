"""Pictures as nets take them: uint8 pixels to numbers from -1 to 1, and back."""

import numpy
import torch
from torch import Tensor


def scaled(pictures: Tensor) -> Tensor:
    """uint8 pixels as numbers from -1 to 1."""
    return pictures.float() / 127.5 - 1


def pixels(made: Tensor) -> numpy.ndarray:
    """Numbers from -1 to 1 as uint8 (pictures, height, width, channels)."""
    return pictures_last(((made.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))


def pictures_last(tensor: Tensor) -> numpy.ndarray:
    """(pictures, channels, height, width) as (pictures, height, width, channels)."""
    return tensor.permute(0, 2, 3, 1).cpu().numpy()
