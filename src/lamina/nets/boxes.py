"""Boxes as numbers: how much they overlap, and which of many stay.

A box is (left, top, right, bottom) in pixels, the last dimension of every tensor of boxes.
"""

import math

import torch
from torch import Tensor

SMALL = 1e-7  # keeps quotients finite


def area(boxes: Tensor) -> Tensor:
    """(..., 4) -> (...), square pixels; 0 where a box is turned inside out."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def shared(first: Tensor, second: Tensor) -> Tensor:
    """The area that boxes have in common, place by place: (..., 4), (..., 4) -> (...)."""
    return area(torch.cat([torch.maximum(first[..., :2], second[..., :2]),
                           torch.minimum(first[..., 2:], second[..., 2:])], -1))


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of each with each: (..., n, 4), (..., m, 4) -> (..., n, m)."""
    both = shared(first[..., :, None, :], second[..., None, :, :])
    return both / (area(first)[..., :, None] + area(second)[..., None, :] - both + SMALL)


def complete_iou(first: Tensor, second: Tensor) -> Tensor:
    """CIoU (Zheng et al. 2020, eq. 10), place by place: (..., 4), (..., 4) -> (...).

    Overlap less the distance of the centres and the difference of the shapes, so that boxes which
    do not touch have a slope too.
    """
    both = shared(first, second)
    overlap = both / (area(first) + area(second) - both + SMALL)
    around = torch.maximum(first[..., 2:], second[..., 2:]) \
        - torch.minimum(first[..., :2], second[..., :2])
    apart = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    distance = apart.square().sum(-1) / (around.square().sum(-1) + SMALL)
    angles = [torch.atan2(*(box[..., 2:] - box[..., :2]).clamp(min=SMALL).unbind(-1))
              for box in (first, second)]
    shape = 4 / math.pi**2 * (angles[0] - angles[1]).square()
    with torch.no_grad():
        weight = shape / (1 - overlap + shape + SMALL)
    return overlap - distance - weight * shape


def best(boxes: Tensor, scores: Tensor, *, count: int, overlap: float, looked: int = 300
         ) -> tuple[Tensor, Tensor, Tensor]:
    """The best boxes of each picture that do not overlap a better one of their label.

    boxes: (batch, n, 4). scores: (batch, n, labels). looked: of how many, the best ones.
    Gives boxes (batch, count, 4), scores and labels (batch, count), best first; score 0: none.
    """
    labels = scores.shape[2]
    scores, places = scores.flatten(1).topk(min(looked, scores[0].numel()))  # sorted
    label = places % labels
    boxes = boxes.gather(1, (places // labels)[:, :, None].expand(-1, -1, 4))
    scores = scores * alone(boxes, label, overlap)
    scores, order = scores.topk(min(count, scores.shape[1]))
    return boxes.gather(1, order[:, :, None].expand(-1, -1, 4)), scores, label.gather(1, order)


def alone(boxes: Tensor, label: Tensor, overlap: float) -> Tensor:
    """Which boxes overlap no better one that stays itself, (batch, n); best ones first.

    Greedy non-maximum suppression, for all pictures at once: as long as the answer changes, strike
    out what a box that still stays overlaps (Zheng et al. 2022, "Enhancing geometric factors",
    section 3.3, who prove that it ends as the greedy way does).
    """
    better = ((iou(boxes, boxes) > overlap) & (label[:, :, None] == label[:, None, :])).triu(1)
    stays = torch.ones_like(label, dtype=torch.bool)
    while True:
        before, stays = stays, ~(better & stays[:, :, None]).any(1)
        if torch.equal(before, stays):
            return stays
