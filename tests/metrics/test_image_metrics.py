import numpy
import pytest

from lamina.metrics.image import (
    absolute_error,
    features,
    frechet_distance,
    mean_and_covariance,
    signal_to_noise,
)


def test_errors_of_known_differences():
    truth = numpy.full((4, 4, 1), 100, numpy.uint8)
    picture = truth.copy()
    picture[:2] += 51  # half of the pixels a fifth of the range away
    assert absolute_error(picture, truth) == 25.5
    assert signal_to_noise(picture, truth) == pytest.approx(10 * numpy.log10(2 * 25))
    assert signal_to_noise(truth, truth) == 100.0


def test_frechet_distance_of_gaussians_with_a_closed_form():
    """Diagonal covariances: the squared differences of means and of standard deviations."""
    random = numpy.random.default_rng(0)
    rows = random.standard_normal((200_000, 3)) * [1.0, 2.0, 0.5] + [1.0, 0.0, 0.0]
    mean, covariance = numpy.zeros(3), numpy.diag([4.0, 4.0, 1.0])
    expected = (1.0 + (1 - 2) ** 2 + 0 + (0.5 - 1) ** 2) / 9.0
    assert frechet_distance(rows, mean, covariance) == pytest.approx(expected, rel=0.02)


def test_frechet_distance_of_a_set_to_itself_is_zero_and_of_its_mean_is_one():
    rows = numpy.random.default_rng(0).standard_normal((500, 4)) @ numpy.ones((4, 4)) * 3
    mean, covariance = rows.mean(0), numpy.cov(rows, rowvar=False, bias=True)
    assert frechet_distance(rows, mean, covariance) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(rows.mean(0, keepdims=True), mean, covariance) == pytest.approx(1)


def test_features_rank_pictures_by_how_far_they_are_from_the_domain():
    """Bright squares on black: the same, moved by 1 and by 6 pixels, dimmed, inverted."""
    random = numpy.random.default_rng(0)

    def squares(count: int) -> numpy.ndarray:
        pictures = numpy.zeros((count, 28, 28, 1), numpy.uint8)
        for picture in pictures:
            top, left = random.integers(2, 14, 2)
            picture[top : top + 6, left : left + 6] = 255
        return pictures

    moments = mean_and_covariance(features(squares(400)))
    mean, covariance = numpy.array(moments[0]), numpy.array(moments[1]).reshape(32, 32)
    new = squares(200)

    def distance(pictures: numpy.ndarray) -> float:
        return frechet_distance(features(pictures), mean, covariance)

    same, near, far = (distance(numpy.roll(new, move, (1, 2))) for move in (0, 1, 6))
    assert same < near < far
    assert same < 0.1
    assert distance(new // 2) > 3 * same
    assert distance(255 - new) > far


def test_features_are_fixed_and_the_same_one_by_one():
    pictures = numpy.random.default_rng(1).integers(0, 256, (130, 16, 20, 3), dtype=numpy.uint8)
    together = features(pictures)
    assert together.shape == (130, 32)
    one_by_one = numpy.concatenate([features(picture[None]) for picture in pictures])
    numpy.testing.assert_allclose(together, one_by_one, rtol=1e-4, atol=1e-5)
