"""Scores of labels against scikit-learn's."""

import numpy
import pytest
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from lamina.answers import Label, Number
from lamina.metrics.classification import AUROC, MACRO_F1, auroc, macro_f1
from lamina.metrics.metric import R2


@pytest.mark.parametrize("decimals", [0, 1, 2, 8])
def test_auroc_equals_scikit_learn_with_and_without_ties(decimals):
    random = numpy.random.default_rng(decimals)
    positive = random.random(500) < 0.3
    scores = (random.random(500) + 0.4 * positive).round(decimals)
    found = auroc(numpy.stack([scores, positive], axis=1))
    assert found == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def test_auroc_of_one_class_is_not_a_number():
    assert numpy.isnan(auroc(numpy.array([[0.2, 1.0], [0.4, 1.0]])))


def test_macro_f1_equals_scikit_learn():
    random = numpy.random.default_rng(0)
    true = random.integers(0, 6, 400)
    answered = numpy.where(random.random(400) < 0.6, true, random.integers(0, 4, 400))
    found = macro_f1(numpy.stack([true, answered], axis=1).astype(float))
    assert found == pytest.approx(f1_score(true, answered, average="macro"), abs=1e-12)


def test_rows_name_classes_by_their_place_and_a_foreign_label_by_minus_one():
    answer = Label("b", {"a": 0.2, "b": 0.8})
    assert MACRO_F1.row(answer, "a") == (0, 1)
    assert MACRO_F1.row(answer, "z") == (-1, 1)
    assert AUROC.row(answer, "b") == (0.8, True)
    assert macro_f1(numpy.array([[-1.0, 1.0], [1.0, 1.0]])) == pytest.approx(1 / 3)


def test_r2_equals_scikit_learn():
    random = numpy.random.default_rng(0)
    targets, values = random.normal(size=50), random.normal(size=50)
    rows = numpy.array([R2.row(Number(v), t) for v, t in zip(values, targets, strict=True)])
    assert R2.score(rows) == pytest.approx(r2_score(targets, values), abs=1e-12)
