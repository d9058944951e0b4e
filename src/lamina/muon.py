"""Muon: steps whose singular values are all about 1, so that no direction is learnt slowly.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks". torch.optim.Muon
takes one matrix after another, in bfloat16, for which many processors have no arithmetic; here
matrices with as many rows are taken together, and in float32 on a CPU.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that is steepest at 0
ITERATIONS = 5


class Muon(Optimizer):
    """Nesterov momentum, orthogonalized.

    weights: matrices, or filters (out, in, height, width), which are taken for (out, in · …).
    """

    def __init__(self, weights: Iterable[nn.Parameter], lr: float, *, momentum: float = 0.95):
        super().__init__(weights, {"lr": lr, "momentum": momentum})
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            if weight.ndim < 2:
                raise ValueError(f"expected matrices, got a weight of shape {tuple(weight.shape)}")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = {}
            for weight in (weight for weight in group["params"] if weight.grad is not None):
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                mean = state["momentum_buffer"]
                mean.lerp_(weight.grad, 1 - group["momentum"])
                ahead = weight.grad.lerp(mean, group["momentum"]).flatten(1)
                wide = ahead.mT if ahead.shape[0] > ahead.shape[1] else ahead
                shape = wide.shape if wide.is_cuda else wide.shape[:1]
                alike.setdefault(tuple(shape), []).append((weight, wide))
            for some in alike.values():
                for (weight, _), step in zip(some, orthogonal([wide for _, wide in some]),
                                             strict=True):
                    rows, columns = weight.flatten(1).shape
                    step = step.mT if rows > columns else step
                    weight.add_(step.reshape(weight.shape),
                                alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def orthogonal(matrices: Sequence[Tensor]) -> Sequence[Tensor]:  # (rows, columns), rows <= columns
    """U Vᵀ of each matrix U S Vᵀ, nearly: its singular values become about 0.7 to 1.2.

    By Newton and Schulz: x becomes p x with p = a + b x xᵀ + c (x xᵀ)², five times. On a CPU the
    p's, no larger than x xᵀ, are multiplied first; bfloat16 is too coarse for that. All matrices
    have as many rows, and on a GPU as many columns too.
    """
    if matrices[0].is_cuda:
        x = torch.stack([*matrices])
        x = (x / size(x)).bfloat16()
        for _ in range(ITERATIONS):
            x = polynomial(x @ x.mT) @ x
        return x.to(matrices[0].dtype)
    whole = [x / size(x) for x in matrices]
    gram = torch.stack([x @ x.mT for x in whole])
    product = factor = polynomial(gram)
    for _ in range(ITERATIONS - 1):
        gram = factor @ gram @ factor  # of the x that is due
        factor = polynomial(gram)
        product = factor @ product
    return [one @ x for one, x in zip(product, whole, strict=True)]


def size(matrices: Tensor) -> Tensor:
    """No singular value of a matrix is larger than this."""
    return matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7


def polynomial(gram: Tensor) -> Tensor:  # (n, rows, rows)
    """a + b gram + c gram²."""
    a, b, c = COEFFICIENTS
    found = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    found.diagonal(dim1=-2, dim2=-1).add_(a)
    return found
