"""Scores of masks by hand; parts of masks as scipy labels them."""

import math

import numpy
import pytest

from lamina.media.masks import otsu
from lamina.metrics import objects, segmentation
from lamina.metrics.objects import components, grown, same_objects, separated
from lamina.metrics.segmentation import mean_iou, overlaps, shared_pixels


def test_scores_of_a_hand_worked_picture():
    truth = numpy.array([[0, 0, 1, 1], [2, 2, 1, 255]])
    answer = numpy.array([[0, 1, 1, 1], [2, 0, 0, 1]])
    found = segmentation.measured(answer, truth, truth != 255, ["paper", "a", "b"])
    assert found["pixel_accuracy"] == (4, 7)
    assert found["dice"] == (pytest.approx((2 * 2 / 6 + 2 * 1 / 3) / 2),)
    assert found["iou"] == (pytest.approx((2 / 4 + 1 / 2) / 2),)
    assert found["dice a"] == (4, 6) and found["iou b"] == (1, 2)
    assert mean_iou(numpy.array([found["mean_iou"]])) == pytest.approx((1 / 4 + 2 / 4 + 1 / 2) / 3)


def test_empty_pictures_that_stay_empty_are_right():
    nothing, some = numpy.zeros((4, 4), int), numpy.ones((4, 4), int)
    everywhere = numpy.ones((4, 4), bool)
    assert overlaps(shared_pixels(nothing, nothing, everywhere, 2)) == (1.0, 1.0)
    assert overlaps(shared_pixels(some, nothing, everywhere, 2)) == (0.0, 0.0)
    assert overlaps(shared_pixels(some, nothing, ~everywhere, 2)) == (1.0, 1.0)


def test_class_that_never_occurs_has_no_score():
    assert math.isnan(segmentation.share(numpy.zeros((3, 2))))


def test_parts_are_those_of_scipy():
    label = pytest.importorskip("scipy.ndimage").label
    random = numpy.random.default_rng(0)
    for density in (0.0, 0.2, 0.5, 0.6, 0.9, 1.0):
        mask = random.random((40, 57)) < density
        assert (components(mask) == label(mask)[0]).all()


def test_parts_of_a_spiral_are_one():
    mask = numpy.zeros((21, 21), bool)
    mask[::2] = True
    mask[1::4, -1] = mask[3::4, 0] = True
    assert components(mask).max() == 1


def test_touching_objects_are_parted_at_their_border():
    mask = numpy.zeros((9, 16), bool)
    mask[1:8, 1:15] = True
    border = numpy.zeros_like(mask)
    border[1:8, 7:9] = True
    assert separated(mask, numpy.zeros_like(mask), smallest=1).max() == 1
    found = separated(mask, border, smallest=1)
    assert found.max() == 2 and ((found > 0) == mask).all()
    assert (found == 1).sum() == (found == 2).sum() == 49


def test_parts_that_are_all_border_are_objects_and_specks_are_none():
    mask = numpy.zeros((8, 12), bool)
    mask[1:4, 1:4] = mask[1:4, 6:9] = mask[6, 6] = True
    found = separated(mask, mask, smallest=4)
    assert found.max() == 2 and found[6, 6] == 0
    assert separated(numpy.zeros((3, 3), bool), mask[:3, :3], smallest=4).max() == 0


def test_growing_stays_in_the_mask():
    seeds = numpy.zeros((5, 9), int)
    seeds[2, 1] = 3
    mask = numpy.ones((5, 9), bool)
    mask[:, 4] = False
    found = grown(seeds, mask)
    assert (found[:, :4] == 3).all() and (found[:, 4:] == 0).all()


def test_objects_are_found_above_half_an_overlap():
    truth, answer = numpy.zeros((10, 10), int), numpy.zeros((10, 10), int)
    truth[0:4, 0:4], truth[6:9, 6:9], truth[0:2, 8:10] = 1, 2, 5
    answer[0:4, 0:3], answer[6:9, 8:10], answer[5, 0:3] = 4, 2, 1
    assert same_objects(answer, truth) == (1, 3, 3)
    assert objects.measured(answer, truth) == {"count_error": (0,), "object_f1": (2, 6)}
    assert same_objects(truth * 0, truth) == (0, 0, 3)


def test_otsu_finds_the_valley_between_two_heaps():
    random = numpy.random.default_rng(0)
    levels = numpy.concatenate([random.normal(60, 8, 4000), random.normal(170, 12, 1000)])
    assert 80 < otsu(levels.clip(0, 255).astype(numpy.uint8)) < 140
    assert otsu(numpy.full((4, 4), 7, numpy.uint8)) == 0


def test_otsu_is_the_one_that_parts_best():
    levels = numpy.random.default_rng(1).integers(0, 256, 500).astype(numpy.uint8)
    within = [sum(part.size * part.var() for part in (levels[levels <= t], levels[levels > t])
                  if part.size) for t in range(256)]
    assert within[otsu(levels)] == pytest.approx(min(within))
