"""Average precision: COCO's evaluator gives the same numbers, and resampling pictures is sound."""

import numpy
import pytest

from lamina import intervals
from lamina.metrics import detection, influence
from lamina.metrics.influence import BY_SCORE
from lamina.metrics.metric import Metric

LABELS = 3


def pictures(count: int, *, seed: int = 0, crowds: bool = True) -> list[tuple]:
    """Found and true boxes of so many pictures: some found, some missed, some made up."""
    random = numpy.random.default_rng(seed)
    made = []
    for number in range(count):
        truth = boxes(random, 0 if number % 7 == 0 else random.integers(1, 8))
        true_label = random.integers(0, LABELS, len(truth))
        seen = random.random(len(truth)) < 0.8
        near = truth[seen] + random.normal(0, 4, (seen.sum(), 4))
        found = numpy.concatenate([near, near[:2] + 1, boxes(random, 2)])
        found[:, 2:] = numpy.maximum(found[:, 2:], found[:, :2] + 1)
        label = numpy.concatenate([true_label[seen], true_label[seen][:2],
                                   random.integers(0, LABELS, 2)])
        crowd = random.random(len(truth)) < (0.15 if crowds else 0)
        made.append((found, random.random(len(found)), label, truth, true_label, crowd))
    return made


def boxes(random: numpy.random.Generator, count: int) -> numpy.ndarray:
    corner = random.uniform(0, 150, (count, 2))
    return numpy.concatenate([corner, corner + random.uniform(10, 60, (count, 2))], 1)


def rows(made: list[tuple]) -> numpy.ndarray:
    return numpy.array([detection.row(*one, LABELS) for one in made])


@pytest.mark.parametrize("crowds", [False, True])
def test_scores_are_those_of_the_coco_evaluator(crowds):
    evaluator = pytest.importorskip("faster_coco_eval")
    made = pictures(40, crowds=crowds)
    images = [{"id": number, "width": 300, "height": 300} for number in range(len(made))]
    truths, founds = [], []
    for number, (found, score, label, truth, true_label, crowd) in enumerate(made):
        for box, kind, many in zip(truth, true_label, crowd, strict=True):
            side = (box[2:] - box[:2]).tolist()
            truths.append({"id": len(truths) + 1, "image_id": number, "category_id": int(kind),
                           "bbox": [*box[:2].tolist(), *side], "area": side[0] * side[1],
                           "iscrowd": int(many)})
        founds += [{"image_id": number, "category_id": int(kind), "score": float(sure),
                    "bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}
                   for box, kind, sure in zip(found, label, score, strict=True)]
    known = evaluator.COCO({"images": images, "annotations": truths, "categories": [
        {"id": kind, "name": str(kind)} for kind in range(LABELS)]})
    judge = evaluator.COCOeval_faster(known, known.loadRes(founds), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    whole = rows(made)
    assert detection.map50_95(whole) == pytest.approx(judge.stats[0], abs=1e-9)
    assert detection.map50(whole) == pytest.approx(judge.stats[1], abs=1e-9)
    each = judge.eval["precision"][0, :, :, 0, 2].mean(0)
    own = [detection.map50(detection.of_label(whole, kind)) for kind in range(LABELS)]
    assert own == pytest.approx(each, abs=1e-9)


def test_average_precision_worked_by_hand():
    """Right, wrong, right, of three: precision 1 up to a recall of 1/3, then 2/3 up to 2/3."""
    right = numpy.array([[True, False, True]])
    found = detection.average_precision(right, ~right & False, 3)
    assert found == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)


def test_picture_without_boxes_contributes_and_breaks_nothing():
    none = numpy.zeros((0, 4)), numpy.zeros(0), numpy.zeros(0, int)
    empty = detection.row(*none, none[0], none[2], numpy.zeros(0, bool), LABELS)
    assert numpy.isnan(detection.map50(empty[None]))
    whole = rows(pictures(10))
    assert detection.map50(numpy.concatenate([whole, empty[None]])) == detection.map50(whole)
    right, given, there = detection.right_and_wrong(empty[None], 0.5)
    assert (right, given, there) == (0, 0, 0)


def test_boxes_below_the_score_are_not_counted():
    made = pictures(20, crowds=False)
    right, given, there = detection.right_and_wrong(rows(made), 0.5)
    assert given.tolist() == [int((one[1] >= 0.5).sum()) for one in made]
    assert there.tolist() == [len(one[3]) for one in made]
    assert (right <= given).all() and right.sum() > 0


def test_jackknife_agrees_with_the_bootstrap_over_pictures():
    whole = rows(pictures(80))
    random = numpy.random.default_rng(1)
    again = [detection.map50(whole[random.integers(80, size=80)]) for _ in range(300)]
    error = BY_SCORE[detection.map50](whole).std() / 80**0.5
    assert numpy.std(again) == pytest.approx(error, rel=0.15)
    low, high = intervals.interval(Metric("map50", "higher", "", score=detection.map50), whole,
                                   seed=0)
    assert low < detection.map50(whole) < high
    assert high - low == pytest.approx(3.92 * numpy.std(again), rel=0.25)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_intervals_of_few_pictures_stay_between_0_and_1(count):
    for seed in range(5):
        low, high = intervals.interval(Metric("map50", "higher", "", score=detection.map50),
                                       rows(pictures(count, seed=seed)), seed=0)
        assert 0 <= low < high <= 1


def test_leaving_out_groups_gives_the_same_error_as_one_at_a_time(monkeypatch):
    whole = rows(pictures(90))
    alone = BY_SCORE[detection.map50](whole)
    monkeypatch.setattr(influence, "LEFT_OUT", 45)
    assert BY_SCORE[detection.map50](whole).std() == pytest.approx(alone.std(), rel=0.2)
