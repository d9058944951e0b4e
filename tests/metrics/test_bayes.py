"""Naive Bayes beside scikit-learn's."""

import numpy
import pytest

from lamina.metrics import bayes
from lamina.metrics.classification import MICRO_F1

TEXTS = [text.split() for text in ("good fun film", "good good cast", "dull film", "bad dull plot",
                                   "bad film", "fun and odd", "odd plot")]


@pytest.mark.parametrize("several", [False, True])
def test_chances_are_those_of_multinomial_naive_bayes(several):
    naive = pytest.importorskip("sklearn.naive_bayes")
    vectors = pytest.importorskip("sklearn.feature_extraction.text").CountVectorizer(
        analyzer=set, binary=True)
    kinds = numpy.array([0, 0, 1, 1, 1, 2, 2])
    truth = numpy.eye(3)[kinds]
    asked = [["good", "plot"], ["unheard"], ["dull", "odd", "film"]]
    found = bayes.chances(TEXTS, truth, asked, several=several)
    counts = vectors.fit_transform(TEXTS)
    if not several:
        model = naive.MultinomialNB().fit(counts, kinds)
        numpy.testing.assert_allclose(found, model.predict_proba(vectors.transform(asked)))
        return
    for label in range(3):  # scikit-learn does not smooth how often a label holds
        yes = truth[:, label].sum()
        prior = [8 - yes - 0, yes + 1]
        model = naive.MultinomialNB(class_prior=numpy.array(prior) / sum(prior)).fit(
            counts, truth[:, label])
        expected = model.predict_proba(vectors.transform(asked))[:, 1]
        numpy.testing.assert_allclose(found[:, label], expected)


def test_micro_f1_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = numpy.random.default_rng(0)
    truth, answered = random.integers(0, 2, (2, 40, 4))

    class Answer:
        def __init__(self, row):
            self.labels = tuple(numpy.flatnonzero(row))

    rows = numpy.array([MICRO_F1.row(Answer(given), tuple(numpy.flatnonzero(true)))
                        for given, true in zip(answered, truth, strict=True)])
    assert MICRO_F1.score(rows) == pytest.approx(metrics.f1_score(truth, answered, average="micro"))
