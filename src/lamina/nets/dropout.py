"""Dropout that is fast on a CPU, where torch draws a random number of its own for each element.

Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

BITS = 16  # of chance for an element; torch draws 64 at a time in the time of one number
FEW = 10_000  # elements, up to which torch's own is faster


def dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """While training, each element is 0 with the chance `share`, to 2⁻¹⁶, and else so much larger
    that its mean stays; any shape, that of the result."""
    dropped = round(share * 2**BITS)
    if not training or not dropped:
        return x
    if x.device.type != "cpu" or x.numel() <= FEW or torch.compiler.is_compiling():
        return functional.dropout(x, share)
    drawn = x.new_empty(-(-x.numel() * BITS // 64), dtype=torch.int64).random_(-2**63, None)
    level = drawn.view(torch.int16)[: x.numel()].view(x.shape).float()  # from -2¹⁵ to 2¹⁵ - 1
    kept = level.add_(1 + 2**(BITS - 1) - dropped).clamp(0, 1).mul_(2**BITS / (2**BITS - dropped))
    return x * kept.to(x.dtype)


class Dropout(nn.Dropout):
    """`dropout` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training)
