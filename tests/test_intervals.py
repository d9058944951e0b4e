"""95 % intervals contain the true score about 95 % of the time; their parts equal references."""

import math
import time
from statistics import NormalDist

import numpy
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from lamina import intervals
from lamina.intervals import holm, interval, mcnemar, paired, student
from lamina.metrics import influence
from lamina.metrics.classification import AUROC, MACRO_F1, auroc, macro_f1
from lamina.metrics.detection import map50, map50_95
from lamina.metrics.image import frechet
from lamina.metrics.metric import ACCURACY, MAE, R2, RMSE, Metric, explained, mean, ratio, root_mean

RATIO = Metric("ratio", "lower", "errors per word", score=ratio)


def coverage(metric, draw, truth, repeats=400, groups=()):
    inside = 0
    for seed in range(repeats):
        rows = draw(numpy.random.default_rng([seed, 7]))
        low, high = interval(metric, rows, seed=seed, groups=groups)
        inside += low <= truth <= high
    return inside / repeats


def two_classes(random, n=200):
    """Answers right for 93 % of three quarters and for 60 % of the rest."""
    true = (random.random(n) < 0.25).astype(float)
    wrong = random.random(n) < numpy.where(true, 0.4, 0.07)
    return numpy.stack([true, numpy.where(wrong, 1 - true, true)], 1)


def ranked(random, n=200, share=0.1, distance=2.5):
    positive = random.random(n) < share
    return numpy.stack([random.normal(0, 1, n) + distance * positive, positive], 1)


# 400 data sets: a true coverage of 0.95 falls outside 0.92 to 0.98 once in 200 times


def test_intervals_of_macro_f1_cover():
    joint = numpy.array([[0.75 * 0.93, 0.75 * 0.07], [0.25 * 0.4, 0.25 * 0.6]])
    truth = (2 * numpy.diag(joint) / (joint.sum(0) + joint.sum(1))).mean()
    assert 0.92 <= coverage(MACRO_F1, two_classes, truth) <= 0.98


def test_intervals_of_auroc_cover_with_twenty_positives():
    """Where the percentile bootstrap covers 86 %."""
    truth = NormalDist().cdf(2.5 / math.sqrt(2))
    assert 0.92 <= coverage(AUROC, ranked, truth) <= 0.985


def test_intervals_of_rmse_cover_with_skewed_errors():
    share = coverage(RMSE, lambda random: random.laplace(0, 1, (200, 1)) ** 2, math.sqrt(2),
                     repeats=200)
    assert 0.91 <= share <= 0.985


def test_intervals_of_accuracy_by_group_cover():
    """40 groups of 25 with an intraclass correlation of 0.1; without groups coverage is 0.70."""
    groups = [str(i // 25) for i in range(1000)]

    def draw(random):
        own = numpy.repeat(random.beta(9 * 0.9, 9 * 0.1, 40), 25)
        return (random.random((1000, 1)) < own[:, None]).astype(float)
    assert 0.91 <= coverage(ACCURACY, draw, 0.9, groups=groups) <= 0.98
    assert coverage(ACCURACY, draw, 0.9) < 0.85


@pytest.mark.parametrize(("metric", "draw"), [
    (ACCURACY, lambda r: (r.random((300, 1)) < 0.8) * 1.0), (RMSE, lambda r: r.random((300, 1))),
    (MACRO_F1, two_classes), (AUROC, ranked), (RATIO, lambda r: r.random((300, 2)) + 0.1),
    (R2, lambda r: numpy.stack([r.random(300), r.normal(0, 2, 300)], 1))],
    ids=lambda given: getattr(given, "name", ""))
def test_influence_is_what_leaving_an_example_out_changes(metric, draw):
    rows = draw(numpy.random.default_rng(0))
    whole, n = metric.score(rows), len(rows)
    left_out = numpy.array([(n - 1) * (whole - metric.score(numpy.delete(rows, i, 0)))
                            for i in range(n)])
    values = influence.BY_SCORE[metric.score](rows)
    assert abs(values.mean()) < 1e-12
    assert numpy.corrcoef(values, left_out)[0, 1] > 0.999
    assert values.std() == pytest.approx(left_out.std(), rel=0.06)


def test_every_score_with_a_formula_or_a_jackknife_has_influence_values():
    assert set(influence.BY_SCORE) == {mean, root_mean, ratio, explained, macro_f1, auroc, map50,
                                       map50_95, frechet}


def test_auroc_is_that_of_scikit_learn_with_ties():
    random = numpy.random.default_rng(0)
    rows = numpy.stack([random.integers(0, 6, 200), random.random(200) < 0.3], 1) * 1.0
    assert auroc(rows) == pytest.approx(roc_auc_score(rows[:, 1], rows[:, 0]))


def test_wilson_and_student_equal_scipy():
    expected = stats.binomtest(93, 100).proportion_ci(method="wilson")
    assert intervals.wilson(93, 100) == pytest.approx((expected.low, expected.high))
    for freedom in (1, 2, 5, 10, 200):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)


def test_mcnemar_equals_the_exact_binomial_test():
    for gained, lost in ((0, 0), (6, 0), (3, 9), (40, 25), (800, 700)):
        count = gained + lost
        expected = stats.binomtest(gained, count).pvalue if count else 1.0
        assert mcnemar(gained, lost) == pytest.approx(expected)


def test_holm_equals_the_worked_example():
    """Holm 1979: 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before), 0.04 x 1."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_the_interval_of_two_accuracies_agrees_with_mcnemar():
    """Five examples that only one gets right are not enough, eight are, whatever n is."""
    for gained, real in ((5, False), (8, True)):
        first = numpy.ones((500, 1))
        first[:gained] = 0
        found = paired(ACCURACY, first, numpy.ones((500, 1)), seed=0)
        assert (found.low > 0) == real == (found.p < 0.05)


def test_paired_intervals_cover():
    """Two models with errors of which half are shared; the second is better by 0.1."""
    inside = 0
    for seed in range(300):
        random = numpy.random.default_rng([seed, 3])
        shared = random.exponential(1, (200, 1))
        first, second = shared + random.exponential(1.1, (200, 1)), \
            shared + random.exponential(1.0, (200, 1))
        found = paired(MAE, first, second, seed=seed)
        inside += found.low <= -0.1 <= found.high
    assert 0.91 <= inside / 300 <= 0.985


def test_groups_count_in_a_paired_difference():
    random = numpy.random.default_rng(0)
    groups = [str(i // 50) for i in range(1000)]
    gain = numpy.repeat(random.random(20) < 0.5, 50)[:, None]  # whole groups are won
    first = (random.random((1000, 1)) < 0.5).astype(float)
    second = numpy.where(gain, 1.0, first)
    alone = paired(ACCURACY, first, second, seed=0)
    grouped = paired(ACCURACY, first, second, seed=0, groups=groups)
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    assert grouped.p > alone.p


def test_a_score_without_a_meaning_has_no_interval():
    one_class = numpy.stack([numpy.random.default_rng(0).random(50), numpy.ones(50)], 1)
    assert all(map(math.isnan, interval(AUROC, one_class, seed=0)))
    assert all(map(math.isnan, interval(RMSE, numpy.array([[math.nan]]), seed=0)))


def test_few_and_equal_examples_break_nothing():
    for rows in (numpy.ones((1, 1)), numpy.ones((2, 1)), numpy.zeros((3, 1))):
        low, high = interval(ACCURACY, rows, seed=0)
        assert 0 <= low < high <= 1
    low, high = interval(MAE, numpy.full((50, 1), 3.0), seed=0)
    assert low == high == pytest.approx(3.0)
    perfect = numpy.stack([numpy.arange(60.0), numpy.arange(60) >= 50], 1)
    low, high = interval(AUROC, perfect, seed=0)
    assert 0.7 < low < 0.95 and high == pytest.approx(1)
    assert all(map(math.isnan, interval(MAE, numpy.full((1, 1), 2.5), seed=0)))


def test_ten_thousand_examples_cost_little():
    random = numpy.random.default_rng(0)
    began = time.process_time()
    interval(RMSE, random.normal(0, 1, (10_000, 1)) ** 2, seed=0)
    interval(AUROC, ranked(random, 10_000), seed=0)
    interval(MACRO_F1, random.integers(0, 10, (10_000, 2)) * 1.0, seed=0)
    assert time.process_time() - began < 1.0
