"""Scores of rankings, against cases worked by hand; item-kNN, against the equation."""

import math

import numpy
import pytest

from lamina.metrics import ranking


def test_ndcg_and_recall_of_a_hand_worked_ranking():
    """Hits at places 1 and 3 of 4 where 3 are relevant: (1 + 1/2) / (1 + 1/log2 3 + 1/2)."""
    ndcg, recall = ranking.gains(numpy.array([7, 2, 9, 4]), numpy.array([9, 7, 5, 0]), 3)
    assert ndcg == pytest.approx(1.5 / (1 + 1 / math.log2(3) + 0.5))
    assert recall == pytest.approx(2 / 3)


def test_more_relevant_items_than_places_can_still_be_ranked_perfectly():
    assert ranking.gains(numpy.array([1, 2]), numpy.array([1, 2, 3, 4]), 4) == (1.0, 1.0)


def test_an_item_that_nobody_knew_counts_as_missed():
    assert ranking.gains(numpy.array([1, 0]), numpy.array([1, 0]), 2)[1] == 0.5


def test_ndcg_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = numpy.random.default_rng(0)
    scores, truth = random.random((20, 50)), random.random((20, 50)) < 0.2
    top = ranking.best(scores, numpy.zeros_like(truth))
    ours = [ranking.gains(row, numpy.flatnonzero(true) + 1, int(true.sum()))[0]
            for row, true in zip(top, truth, strict=True)]
    assert numpy.mean(ours) == pytest.approx(metrics.ndcg_score(truth, scores, k=10))


def test_best_leaves_out_what_was_seen_and_says_where_nothing_is_left():
    scores = numpy.array([[3.0, 1.0, 2.0]])
    assert ranking.best(scores, numpy.array([[True, False, False]])).tolist() == [[3, 2, 0]]


def test_coverage_is_the_share_of_items_that_anybody_is_shown():
    assert ranking.coverage(8)(numpy.array([[1.0, 2.0], [2.0, 0.0]])) == 0.25


def test_rmse_is_over_ratings_and_not_over_users():
    assert ranking.rmse(numpy.array([[4.0, 1.0], [0.0, 3.0]])) == 1.0


def test_item_neighbours_are_shrunk_cosines():
    taken = (numpy.random.default_rng(1).random((30, 12)) < 0.4).astype(numpy.float32)
    history = numpy.array([4, 7])
    together = taken.T @ taken
    norms = numpy.sqrt(together.diagonal())
    cosine = together / (numpy.outer(norms, norms) + ranking.SHRINKAGE)
    numpy.fill_diagonal(cosine, 0)
    found = ranking.ItemNeighbours(taken)
    assert found.scores(history) == pytest.approx(cosine[history].sum(0), rel=1e-5)
    assert found.scores(history, 1.0) == pytest.approx(cosine[7] + cosine[4] / 2, rel=1e-5)
