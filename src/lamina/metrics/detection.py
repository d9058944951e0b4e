"""Average precision of boxes, from rows that each picture contributes by itself.

A row holds how many boxes of each label the picture has, and of each box that was found its
label, its score, and at which overlaps it is right. Matching needs the picture alone, so pictures
can be resampled. Scores are COCO's (Lin et al. 2014): 101 recalls, at most MOST boxes a picture.
"""

import numpy

MOST = 100  # boxes of a picture that are judged, the surest
OVERLAPS = numpy.linspace(0.5, 0.95, 10)  # at which a box may be right
RECALLS = numpy.linspace(0, 1, 101)
COLUMNS = 4  # of each box that was found: label, score, right and passed over, as bits


def row(found: numpy.ndarray, score: numpy.ndarray, label: numpy.ndarray, truth: numpy.ndarray,
        true_label: numpy.ndarray, crowd: numpy.ndarray, labels: int) -> numpy.ndarray:
    """What a picture contributes: (labels + COLUMNS · MOST,), NaN where fewer boxes were found.

    found: (n, 4) as (left, top, right, bottom); score, label: (n,). truth: (m, 4); true_label,
    crowd: (m,). A box in a crowd is neither right nor wrong. Labels are below `labels`.
    """
    order = numpy.argsort(-score, kind="stable")[:MOST]
    right, passed = matched(found[order], label[order], truth, true_label, crowd)
    bits = 2.0 ** numpy.arange(len(OVERLAPS))
    filled = numpy.full((MOST, COLUMNS), numpy.nan)
    filled[: len(order)] = numpy.stack(
        [label[order], score[order], right @ bits, passed @ bits], 1)
    count = numpy.bincount(true_label[~crowd], minlength=labels)[:labels]
    return numpy.concatenate([count, filled.reshape(-1)])


def matched(found: numpy.ndarray, label: numpy.ndarray, truth: numpy.ndarray,
            true_label: numpy.ndarray, crowd: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Which boxes, the surest first, are right at each overlap, and which are passed over.

    Each takes the box it overlaps best of those that none before has taken: (n, overlaps) both.
    """
    right = numpy.zeros((len(found), len(OVERLAPS)), bool)
    passed = right.copy()
    if not len(truth):
        return right, passed
    overlap = overlaps(found, truth, crowd) * (label[:, None] == true_label)
    free = numpy.tile(~crowd, (len(OVERLAPS), 1))
    least = numpy.minimum(OVERLAPS, 1 - 1e-10)
    levels = numpy.arange(len(OVERLAPS))
    for place, own in enumerate(overlap):
        fits = numpy.where(free, own, 0.0)
        taken = fits.argmax(1)
        hit = fits[levels, taken] >= least
        free[levels[hit], taken[hit]] = False
        right[place] = hit
        passed[place] = ~hit & (own[crowd].max(initial=0.0) >= least)
    return right, passed


def overlaps(found: numpy.ndarray, truth: numpy.ndarray, crowd: numpy.ndarray) -> numpy.ndarray:
    """Intersection over union (n, m); of a crowd, over the area of what was found."""
    low = numpy.maximum(found[:, None, :2], truth[None, :, :2])
    high = numpy.minimum(found[:, None, 2:], truth[None, :, 2:])
    both = (high - low).clip(min=0).prod(2)
    own, other = ((box[:, 2:] - box[:, :2]).prod(1) for box in (found, truth))
    union = numpy.where(crowd, own[:, None], own[:, None] + other - both)
    return both / numpy.maximum(union, 1e-12)


def map50(rows: numpy.ndarray) -> float:
    """The mean over labels of the average precision at an overlap of 0.5."""
    return mean_average_precision(rows, 1)


def map50_95(rows: numpy.ndarray) -> float:
    """The same, averaged over the overlaps 0.50, 0.55 … 0.95."""
    return mean_average_precision(rows, len(OVERLAPS))


def mean_average_precision(rows: numpy.ndarray, levels: int) -> float:
    """Over the labels that occur and the first so many overlaps; NaN where no label occurs."""
    counts, found = counted(rows)
    label, score, right, passed = found[numpy.argsort(-found[:, 1], kind="stable")].T
    bits = 1 << numpy.arange(levels)[:, None]
    right, passed = (column.astype(int) & bits > 0 for column in (right, passed))
    each = [average_precision(right[:, label == one], passed[:, label == one], counts[one])
            for one in counts.nonzero()[0]]
    return float(numpy.mean(each)) if each else float("nan")


def average_precision(right: numpy.ndarray, passed: numpy.ndarray, count: float) -> float:
    """The mean precision at RECALLS, where that of a recall is the best of any higher one.

    right, passed: (overlaps, n), the surest first. count: how many there are to be found.
    """
    hits, misses = right.cumsum(1), (~right & ~passed).cumsum(1)
    precision = hits / numpy.maximum(hits + misses, 1)
    precision = numpy.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    padded = numpy.pad(precision, ((0, 0), (0, 1)))
    return float(numpy.mean([known[numpy.searchsorted(recall, RECALLS)] for known, recall in
                             zip(padded, hits / count, strict=True)]))


def counted(rows: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """How many there are of each label (labels,), and the boxes that were found (n, COLUMNS)."""
    labels = rows.shape[1] - COLUMNS * MOST
    found = rows[:, labels:].reshape(-1, COLUMNS)
    return rows[:, :labels].sum(0), found[~numpy.isnan(found[:, 1])]


def of_label(rows: numpy.ndarray, label: int) -> numpy.ndarray:
    """The rows as if there were no other label."""
    labels = rows.shape[1] - COLUMNS * MOST
    found = rows[:, labels:].reshape(len(rows), MOST, COLUMNS).copy()
    found[found[:, :, 0] != label] = numpy.nan
    found[:, :, 0] = numpy.where(numpy.isnan(found[:, :, 0]), numpy.nan, 0)
    return numpy.concatenate([rows[:, label : label + 1], found.reshape(len(rows), -1)], 1)


def right_and_wrong(rows: numpy.ndarray, least: float) -> tuple[numpy.ndarray, ...]:
    """Of each picture, over boxes that score at least so: right ones, found ones, all there are."""
    labels = rows.shape[1] - COLUMNS * MOST
    found = rows[:, labels:].reshape(len(rows), MOST, COLUMNS)
    given = numpy.nan_to_num(found[:, :, 1], nan=-1.0) >= least
    right, passed = (numpy.nan_to_num(found[:, :, place]).astype(int) & 1 > 0 for place in (2, 3))
    return (given & right).sum(1), (given & ~passed).sum(1), rows[:, :labels].sum(1)
