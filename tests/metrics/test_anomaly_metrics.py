"""Scores of anomalies, and baselines without gradients, beside scikit-learn's."""

import numpy
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

from lamina.metrics import anomaly, outliers


def test_average_precision_is_scikit_learns_with_ties_too():
    random = numpy.random.default_rng(0)
    for digits in (1, 8):
        rows = numpy.stack([random.random(200).round(digits), random.random(200) < 0.2], 1)
        assert anomaly.average_precision(rows) == pytest.approx(
            average_precision_score(rows[:, 1], rows[:, 0]))
    assert numpy.isnan(anomaly.average_precision(rows * [1, 0]))


def test_alarms_are_counted_and_no_alarm_has_no_precision():
    alarms, anomalous = numpy.array([1, 1, 0, 0], bool), numpy.array([1, 0, 1, 0], bool)
    rows = anomaly.alarmed(alarms, anomalous)
    assert anomaly.ALARM_PRECISION.score(rows["alarm_precision"]) == 0.5
    assert anomaly.ALARM_RECALL.score(rows["alarm_recall"]) == 0.5
    none = anomaly.alarmed(alarms & False, anomalous)
    assert numpy.isnan(anomaly.ALARM_PRECISION.score(none["alarm_precision"]))


@pytest.fixture(scope="module")
def cloud():
    """Usual points on a plane in five dimensions, and asked ones of which some lie far off."""
    random = numpy.random.default_rng(1)
    known = random.normal(size=(600, 2)) @ random.normal(size=(2, 5))
    known += 0.1 * random.normal(size=known.shape)
    asked = numpy.concatenate([known[:200] + 0.01, 3 * random.normal(size=(40, 5))])
    return known, asked, numpy.arange(240) >= 200


def test_isolation_forest_ranks_as_scikit_learns(cloud):
    known, asked, anomalous = cloud
    ours = outliers.isolation_forest(known, asked, numpy.random.default_rng(0))
    theirs = -IsolationForest(random_state=0).fit(known).score_samples(asked)
    assert numpy.corrcoef(ours, theirs)[0, 1] > 0.98
    assert abs(ours - theirs).mean() < 0.02
    assert roc_auc_score(anomalous, ours) == pytest.approx(roc_auc_score(anomalous, theirs),
                                                           abs=0.03)


def test_isolation_forest_of_equal_examples_says_that_all_are_alike():
    found = outliers.isolation_forest(numpy.ones((5, 3)), numpy.ones((4, 3)),
                                      numpy.random.default_rng(0))
    assert numpy.ptp(found) == 0


def test_residual_and_distance_are_the_textbook_ones(cloud):
    known, asked, _ = cloud
    model = PCA(outliers.VARIANCE, svd_solver="full").fit(known)
    rest = asked - model.inverse_transform(model.transform(asked))
    numpy.testing.assert_allclose(outliers.principal_residual(known, asked), (rest ** 2).mean(1),
                                  rtol=1e-6, atol=1e-9)
    scaled = (asked - known.mean(0)) / known.std(0)
    numpy.testing.assert_allclose(outliers.distance(known, asked), (scaled ** 2).mean(1))
