"""Objects in masks: parted, counted, and found again."""

import numpy

from lamina.metrics.metric import Metric
from lamina.metrics.segmentation import share

ALIKE = 0.5  # intersection over union above which two objects are the same


def components(mask: numpy.ndarray) -> numpy.ndarray:
    """The connected parts of a mask, numbered from 1 on; pixels that share an edge are connected.

    Each pixel points to a lower one that it is connected with, and then to where that one points
    (Shiloach and Vishkin 1982), so few passes join even long parts.
    """
    number = numpy.cumsum(mask).reshape(mask.shape) - 1
    beside, below = mask[:, :-1] & mask[:, 1:], mask[:-1] & mask[1:]
    one = numpy.concatenate([number[:, :-1][beside], number[:-1][below]])
    other = numpy.concatenate([number[:, 1:][beside], number[1:][below]])
    root = numpy.arange(number.flat[-1] + 1 if mask.size else 0)
    while (apart := root[one] != root[other]).any():
        one, other = root[one[apart]], root[other[apart]]
        numpy.minimum.at(root, numpy.maximum(one, other), numpy.minimum(one, other))
        while (root != (further := root[root])).any():
            root = further
    found = numpy.zeros(mask.shape, numpy.int32)
    found[mask] = numpy.unique(root, return_inverse=True)[1] + 1
    return found


def grown(objects: numpy.ndarray, mask: numpy.ndarray) -> numpy.ndarray:
    """The objects, each grown by a pixel at a time within the mask until they meet."""
    found = objects.copy()
    while True:
        edged = numpy.pad(found, 1)
        near = numpy.maximum.reduce([edged[:-2, 1:-1], edged[2:, 1:-1], edged[1:-1, :-2],
                                     edged[1:-1, 2:]])
        fresh = mask & (found == 0) & (near > 0)
        if not fresh.any():
            return found
        found[fresh] = near[fresh]


def separated(mask: numpy.ndarray, border: numpy.ndarray, *, smallest: int) -> numpy.ndarray:
    """The objects of a mask, from 1 on: parts without their borders, grown back over them.

    A part that is all border is an object of its own; fewer than `smallest` pixels are none.
    """
    found = grown(components(mask & ~border), mask)
    rest = components(mask & (found == 0))
    found = numpy.where(rest > 0, rest + found.max(initial=0), found)
    sizes = numpy.bincount(found.ravel())
    kept = sizes >= smallest
    kept[0] = False
    return (numpy.cumsum(kept) * kept)[found].astype(numpy.int32)


def same_objects(answer: numpy.ndarray, truth: numpy.ndarray) -> tuple[int, int, int]:
    """How many objects are in both, in the answer, in the truth.

    Numbers from 1 on, 0 for none. Objects are the same above an IoU of one half, so that each has
    one partner at most.
    """
    count, known = int(answer.max(initial=0)), int(truth.max(initial=0))
    shared = numpy.bincount((truth.ravel().astype(numpy.int64) * (count + 1) + answer.ravel()),
                            minlength=(known + 1) * (count + 1)).reshape(known + 1, count + 1)
    union = shared.sum(1, keepdims=True) + shared.sum(0, keepdims=True) - shared
    alike = shared[1:, 1:] > ALIKE * union[1:, 1:]
    return int(alike.sum()), int((shared[:, 1:].sum(0) > 0).sum()), \
        int((shared[1:].sum(1) > 0).sum())


COUNT_ERROR = Metric("count_error", "lower", "how many objects too many or too few a picture gets",
                     unit="objects")
OBJECT_F1 = Metric("object_f1", "higher", "F1 of objects; one is found where the IoU is above "
                   "one half", score=share)


def measured(answer: numpy.ndarray, truth: numpy.ndarray) -> dict[str, tuple[float, ...]]:
    """What the objects of one picture contribute to each of these metrics, by its name."""
    both, count, known = same_objects(answer, truth)
    return {"count_error": (abs(count - known),), "object_f1": (2 * both, count + known)}
