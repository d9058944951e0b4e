"""How well masks are found: pixels shared by answer and truth."""

from collections.abc import Sequence

import numpy

from lamina.metrics.metric import Metric, ratio


def shared_pixels(answer: numpy.ndarray, truth: numpy.ndarray, counted: numpy.ndarray,
                  classes: int) -> numpy.ndarray:
    """(classes, 3): pixels in both, in the answer, in the truth, among those that count."""
    answer, truth = answer[counted], truth[counted]
    return numpy.stack([numpy.bincount(some, minlength=classes)
                        for some in (answer[answer == truth], answer, truth)], axis=1)


def overlaps(shared: numpy.ndarray) -> tuple[float, float]:
    """(Dice, IoU) of one picture: means over the classes but the first that occur in it.

    A class occurs as truth or as answer; where none does both are 1.
    """
    both, answer, truth = shared[1:].T
    occurs = answer + truth > 0
    if not occurs.any():
        return 1.0, 1.0
    both, total = both[occurs], (answer + truth)[occurs]
    return float((2 * both / total).mean()), float((both / (total - both)).mean())


def mean_iou(rows: numpy.ndarray) -> float:
    """Mean over classes of the IoU over all pixels of all pictures; classes that occur count."""
    both, answer, truth = rows.sum(axis=0).reshape(-1, 3).T
    union = answer + truth - both
    return float((both[union > 0] / union[union > 0]).mean())


def share(rows: numpy.ndarray) -> float:
    """The ratio of sums; NaN where there is nothing to divide by, as the class never occurs."""
    return ratio(rows) if rows[:, 1].any() else float("nan")


DICE = Metric("dice", "higher", "Dice coefficient of each picture, mean over the classes in it "
              "but the first")
IOU = Metric("iou", "higher", "intersection over union of each picture, mean over the classes in "
             "it but the first")
MEAN_IOU = Metric("mean_iou", "higher", "intersection over union of all pictures' pixels, mean "
                  "over all classes", score=mean_iou)
PIXELS = Metric("pixel_accuracy", "higher", "fraction of pixels with the right class",
                score=ratio)


def of_class(name: str) -> tuple[Metric, Metric]:
    """The Dice coefficient and the IoU of one class, over all pixels of all pictures."""
    return tuple(Metric(f"{measure} {name}", "higher", f"{told} of {name}, over all pictures' "
                        "pixels", score=share) for measure, told in (
        ("dice", "Dice coefficient"), ("iou", "intersection over union")))


def measured(answer: numpy.ndarray, truth: numpy.ndarray, counted: numpy.ndarray,
             names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """What one picture contributes to each of the metrics above, by the metric's name.

    answer, truth: the class of each pixel. counted: which pixels count. names: of the classes.
    """
    shared = shared_pixels(answer, truth, counted, len(names))
    dice, iou = overlaps(shared)
    found = {"dice": (dice,), "iou": (iou,), "mean_iou": tuple(shared.ravel()),
             "pixel_accuracy": (shared[:, 0].sum(), counted.sum())}
    for name, (both, answered, true) in zip(names, shared.tolist(), strict=True):
        found |= {f"dice {name}": (2 * both, answered + true),
                  f"iou {name}": (both, answered + true - both)}
    return found
