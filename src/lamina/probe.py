"""A net as a function of real numbers: what attributions and attacks look into."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Probe:
    """A net as a differentiable function of the numbers that an example is made of.

    kind: what the inputs are: pixels, vectors of columns, vectors of tokens, or the observations
        of an episode (then the first dimension is time).
    inputs: float32 (batch, ...): pixels on their own scale 0 to 255 (batch, channels, height,
        width); vectors (batch, columns or tokens, width); observations (time, ...).
    outputs: from tensors shaped as `inputs` to (batch, outputs): logits of labels, or values.
    neutral: shaped as `inputs`: an input that says nothing (mean picture, absent values).
    labels: what the outputs are called.
    targets: (batch,) indices of the true labels, or true values; None where they are not known.
    names: of the features in dimension 1 (columns: one list for all; tokens: one per example).
    low, high: the range in which inputs mean something; None where they are vectors.
    """

    kind: Literal["image", "columns", "tokens", "episode"]
    inputs: Tensor
    outputs: Callable[[Tensor], Tensor]
    neutral: Tensor
    labels: tuple[str, ...]
    targets: Tensor | None = None
    names: Sequence[str] | Sequence[Sequence[str]] = ()
    low: float | None = None
    high: float | None = None
