"""Codes as bits: each number rounded to a level, each level as long as it is rare."""

import torch
from torch import Tensor, nn

FARTHEST = 128  # levels to each side of the middle one
PRIOR = 16.0  # codes that the normal curve counts for beside those that were seen


class Quantizer(nn.Module):
    """Rounds codes to multiples of one step, the same for all their numbers, and counts bits.

    The step is a part of the numbers' common deviation, so that a number that hardly varies takes
    hardly a bit. The lengths are those of an ideal entropy coder whose tables were fitted on other
    codes: how often each level came there, smoothed towards a normal curve.
    centre, step: what the middle level stands for, and the distance of two. lengths: bits of each
    level, (code, 2 * FARTHEST + 1).
    """

    def __init__(self, code: int):
        super().__init__()
        self.register_buffer("centre", torch.zeros(code))
        self.register_buffer("step", torch.ones(()))
        self.register_buffer("lengths", torch.zeros(code, 2 * FARTHEST + 1))

    def fit(self, codes: Tensor, fineness: float) -> None:
        """Take centres, step and lengths from codes, (examples, code).

        fineness: the step, in root mean square deviations of the codes' numbers.
        """
        codes = codes.double()
        deviations = codes.std(0, correction=0)
        self.centre.copy_(codes.mean(0))
        self.step.copy_((fineness * deviations.square().mean().sqrt()).clamp(min=1e-12))
        counts = codes.new_zeros(self.lengths.shape)
        seen = self.indices(codes).T  # (code, examples)
        counts.scatter_add_(1, seen, torch.ones_like(seen, dtype=counts.dtype))
        edges = (torch.arange(-FARTHEST, FARTHEST, device=codes.device) + 0.5) * self.step.double()
        below = torch.special.ndtr(edges / deviations.clamp(min=self.step / 8)[:, None])
        normal = torch.diff(below, dim=1, prepend=0 * below[:, :1], append=1 + 0 * below[:, :1])
        normal = normal.clamp(min=1e-9) / normal.clamp(min=1e-9).sum(1, keepdim=True)
        self.lengths.copy_(-((counts + PRIOR * normal) / (len(codes) + PRIOR)).log2())

    def indices(self, codes: Tensor) -> Tensor:  # (examples, code), whole numbers
        """The level of each number."""
        levels = ((codes - self.centre) / self.step).round()
        return levels.clamp(-FARTHEST, FARTHEST).long() + FARTHEST

    def forward(self, codes: Tensor) -> Tensor:  # (examples, code), as codes
        """The codes as their bits give them back."""
        return (self.indices(codes) - FARTHEST).to(codes.dtype) * self.step + self.centre

    def bits(self, codes: Tensor) -> Tensor:  # (examples, code) -> (examples,)
        """How many bits each code takes."""
        indices = self.indices(codes)
        return self.lengths.expand(len(codes), -1, -1).gather(2, indices[:, :, None]).sum((1, 2))


class Compressor(nn.Module):
    """An autoencoder, and what turns its codes into bits."""

    def __init__(self, autoencoder: nn.Module, code: int):
        super().__init__()
        self.autoencoder, self.quantizer = autoencoder, Quantizer(code)

    def forward(self, values: Tensor) -> Tensor:  # (batch, ...), as values
        return self.autoencoder(values)
