"""Components, clusters and maps beside scikit-learn's."""

import numpy
import pytest
from sklearn import metrics as reference
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from lamina.metrics.codes import adjusted_rand, purity
from lamina.projections import clusters, neighbour_map, principal


def random() -> numpy.random.Generator:
    return numpy.random.default_rng(0)


@pytest.mark.parametrize("shape", [(300, 20), (20, 300)])
def test_components_are_those_of_scikit_learn(shape):
    values = random().normal(size=shape) * numpy.arange(1, shape[1] + 1) ** -0.5 + 3
    found, known = principal(values, 5), PCA(5, svd_solver="full").fit(values)
    given = found.decode(found.encode(values))
    assert numpy.allclose(given, known.inverse_transform(known.transform(values)), atol=1e-6)
    assert numpy.allclose(abs(found.axes @ known.components_.T), numpy.eye(5), atol=1e-5)


def test_asking_for_more_components_than_there_are_gives_all():
    values = random().normal(size=(4, 9))
    found = principal(values, 8)
    assert len(found.axes) == 3 and numpy.allclose(found.decode(found.encode(values)), values)


def test_agreement_with_labels_is_scikit_learns():
    labels = [str(label) for label in random().integers(0, 4, 200)]
    found = random().integers(0, 6, 200)
    found[:120] = [int(label) for label in labels[:120]]
    assert adjusted_rand(found, labels) == pytest.approx(
        reference.adjusted_rand_score(labels, found))
    table = reference.cluster.contingency_matrix(labels, found)
    assert purity(found, labels) == pytest.approx(table.max(0).sum() / 200)
    assert adjusted_rand(numpy.zeros(3, int), ["a"] * 3) == 1.0


def test_clusters_find_what_lies_apart():
    centres = numpy.array([[0, 0], [9, 0], [0, 9], [9, 9]])
    truth = numpy.repeat(numpy.arange(4), 40)
    values = centres[truth] + random().normal(size=(160, 2))
    assert adjusted_rand(clusters(values, 4, random()), truth.tolist()) == 1.0
    assert set(clusters(numpy.ones((5, 2)), 3, random())) == {0}


def test_map_keeps_neighbours_as_well_as_scikit_learns():
    digits = load_digits()
    values = digits.data[:300]
    assert trustworthiness(values, neighbour_map(values)) >= 0.985  # scikit-learn's: 0.992
