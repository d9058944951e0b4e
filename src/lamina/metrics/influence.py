"""How much each example moves a score: the first-order (influence) values behind its variance.

The values have mean 0; their mean square per example is the score's sampling variance (Hampel
1974; for the area under the ROC it is DeLong, DeLong and Clarke-Pearson's of 1988). Summed over a
group they give the variance where examples of a group are alike.
"""

from collections.abc import Callable

import numpy

from lamina.metrics.classification import auroc, f1_of_classes, macro_f1
from lamina.metrics.detection import map50, map50_95
from lamina.metrics.image import frechet
from lamina.metrics.metric import explained, mean, ratio, root_mean

LEFT_OUT = 200  # times that examples are left out, at most; of more some at a time


def of_mean(rows: numpy.ndarray) -> numpy.ndarray:  # (examples,)
    return rows[:, 0] - rows[:, 0].mean()


def of_root_mean(rows: numpy.ndarray) -> numpy.ndarray:
    return of_mean(rows) / (2 * numpy.sqrt(rows[:, 0].mean()))


def of_ratio(rows: numpy.ndarray) -> numpy.ndarray:
    return (rows[:, 0] - ratio(rows) * rows[:, 1]) / rows[:, 1].mean()


def of_explained(rows: numpy.ndarray) -> numpy.ndarray:
    distance = (rows[:, 1] - rows[:, 1].mean()) ** 2
    return ((1 - explained(rows)) * distance - rows[:, 0]) / distance.mean()


def of_macro_f1(rows: numpy.ndarray) -> numpy.ndarray:
    true, answered = rows.T.astype(int) + 1
    f1, total = f1_of_classes(rows)
    each = (2 * (true == answered) - f1[true]) / total[true] - f1[answered] / total[answered]
    return each * len(rows) / numpy.count_nonzero(total)


def of_auroc(rows: numpy.ndarray) -> numpy.ndarray:
    scores, positive = rows[:, 0], rows[:, 1] > 0
    positives, negatives = numpy.sort(scores[positive]), numpy.sort(scores[~positive])
    outranked = below(negatives, scores) / len(negatives)  # share of the negatives
    outranking = 1 - below(positives, scores) / len(positives)
    return numpy.where(positive, (outranked - auroc(rows)) * len(rows) / len(positives),
                       (outranking - auroc(rows)) * len(rows) / len(negatives))


def below(known: numpy.ndarray, asked: numpy.ndarray) -> numpy.ndarray:
    """How many of the sorted `known` each of `asked` is above; ties count half."""
    return (numpy.searchsorted(known, asked, "left")
            + numpy.searchsorted(known, asked, "right")) / 2


def jackknife(score: Callable[[numpy.ndarray], float]
              ) -> Callable[[numpy.ndarray], numpy.ndarray]:
    """Of a score with no such formula: how much it falls where an example is left out, times what
    is left (Tukey 1958); where some are left out together, each has an equal share of the variance.
    """
    def of(rows: numpy.ndarray) -> numpy.ndarray:
        group = numpy.arange(len(rows)) % LEFT_OUT
        sizes = numpy.bincount(group)
        falls = score(rows) - numpy.array([score(rows[group != one]) for one in range(len(sizes))])
        return ((falls - falls.mean()) * (len(rows) - sizes) / numpy.sqrt(sizes))[group]

    return of


BY_SCORE = {mean: of_mean, root_mean: of_root_mean, ratio: of_ratio, explained: of_explained,
            macro_f1: of_macro_f1, auroc: of_auroc,
            frechet: jackknife(frechet), map50: jackknife(map50), map50_95: jackknife(map50_95)}
