"""Corruptions of pictures at five severities, after Hendrycks and Dietterich 2019, "Benchmarking
neural network robustness to common corruptions and perturbations".

Noise, contrast, brightness and JPEG have the strengths of their ImageNet-C; blur has that of
CIFAR-10-C, whose deviation is given here as a share of the picture's width.
"""

from collections.abc import Callable

import numpy
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from lamina.media import image

SEVERITIES = (1, 2, 3, 4, 5)
NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # deviation, of the range
BLUR = (0.4 / 32, 0.6 / 32, 0.7 / 32, 0.8 / 32, 1.0 / 32)  # deviation, of the width
CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # what is left of it
JPEG = (25, 18, 15, 10, 7)  # quality
BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)  # added, of the range

# (picture with values 0 to 1 (batch, channels, height, width), severity, generator) -> the same
Corruption = Callable[[Tensor, int, torch.Generator], Tensor]


def corrupted(name: str, pixels: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """The pictures, whole grey levels 0 to 255 (batch, channels, height, width), corrupted.

    generator: on the CPU, so that every machine draws the same noise.
    """
    changed = CORRUPTIONS[name](pixels.cpu().float() / 255, severity, generator)
    return (changed.clamp(0, 1) * 255).round().to(pixels.device)


def noisy(pixels: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Gaussian noise on every number."""
    return pixels + NOISE[severity - 1] * torch.randn(pixels.shape, generator=generator)


def blurred(pixels: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """A Gaussian blur, down and then across; edges are repeated."""
    deviation = BLUR[severity - 1] * pixels.shape[3]
    reach = max(1, round(3 * deviation))
    weights = torch.exp(-torch.arange(-reach, reach + 1).float() ** 2 / (2 * deviation**2))
    kernel = (weights / weights.sum()).expand(pixels.shape[1], 1, 1, -1)
    wide = pad(pixels, (reach,) * 4, mode="replicate")
    down = conv2d(wide, kernel.transpose(2, 3), groups=pixels.shape[1])
    return conv2d(down, kernel, groups=pixels.shape[1])


def faded(pixels: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Less contrast around the mean of each picture and channel."""
    mean = pixels.mean((2, 3), keepdim=True)
    return mean + CONTRAST[severity - 1] * (pixels - mean)


def brightened(pixels: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """More brightness: the largest of the channels, with hue and saturation kept."""
    value = pixels.amax(1, keepdim=True)
    brighter = (value + BRIGHTNESS[severity - 1]).clamp(max=1)
    return torch.where(value > 0, pixels * brighter / value.clamp(min=1e-6), brighter)


def compressed(pixels: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """As a JPEG file gives them back."""
    levels = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
    back = [image.recompressed(picture, quality=JPEG[severity - 1]) for picture in levels]
    return torch.from_numpy(numpy.stack(back)).permute(0, 3, 1, 2).float() / 255


CORRUPTIONS: dict[str, Corruption] = {"noise": noisy, "blur": blurred, "contrast": faded,
                                      "brightness": brightened, "JPEG": compressed}
