"""Scores of labels beyond accuracy: F1 and, for two classes, the area under the ROC."""

import numpy

from lamina.metrics.metric import Metric


def macro_f1(rows: numpy.ndarray) -> float:
    """The mean over classes of F1, from (true class, answered class); classes that occur count.

    A class is its index; -1 stands for one that the model does not know.
    """
    f1, total = f1_of_classes(rows)
    return float(f1[total > 0].mean())


def f1_of_classes(rows: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """F1 of each class from -1 on, and how often it occurs, as truth and as answer: (classes,)."""
    true, answered = rows.T.astype(int) + 1
    length = int(rows.max()) + 2
    right = numpy.bincount(true[true == answered], minlength=length)
    total = numpy.bincount(true, minlength=length) + numpy.bincount(answered, minlength=length)
    return 2 * right / numpy.maximum(total, 1), total


def auroc(rows: numpy.ndarray) -> float:
    """The chance that a positive outranks a negative, from (score, positive); ties count half.

    (Mann and Whitney 1947) NaN where one of the two classes is absent.
    """
    positive = rows[:, 1] > 0
    positives, negatives = numpy.sort(rows[positive, 0]), numpy.sort(rows[~positive, 0])
    if not len(positives) or not len(negatives):
        return float("nan")
    below = numpy.searchsorted(negatives, positives, "left")
    not_above = numpy.searchsorted(negatives, positives, "right")
    return float((below + not_above).mean() / (2 * len(negatives)))


def classes_of(answer, target: str) -> tuple[int, int]:
    """The true and the answered class by their places among the answer's probabilities."""
    names = list(answer.probabilities)
    return names.index(target) if target in answer.probabilities else -1, names.index(answer.label)


def second_class(answer, target: str) -> tuple[float, bool]:
    """The probability of the second class, and whether it is the true one."""
    name = list(answer.probabilities)[1]
    return answer.probabilities[name], target == name


def hits(answer, target: tuple[str, ...]) -> tuple[int, int]:
    """Twice the labels that are right, and how many there are as truth and as answer."""
    return 2 * len(set(answer.labels) & set(target)), len(answer.labels) + len(target)


def micro_f1(rows: numpy.ndarray) -> float:
    """F1 over all labels of all examples, from `hits`; 1 where there are none at all."""
    total = rows[:, 1].sum()
    return float(rows[:, 0].sum() / total) if total else 1.0


MICRO_F1 = Metric("micro_f1", "higher", "F1 over all labels of all examples", hits, micro_f1)
EXACT = Metric("exact", "higher", "fraction of examples all of whose labels are right",
               lambda answer, target: (set(answer.labels) == set(target),))
MACRO_F1 = Metric("macro_f1", "higher", "F1 of each class, averaged", classes_of, macro_f1)
AUROC = Metric("auroc", "higher", "chance that a true case outranks a false one",
               second_class, auroc)
