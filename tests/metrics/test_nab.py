"""The score of the Numenta Anomaly Benchmark against hand-worked alarms."""

import numpy
import pytest

from lamina.metrics import nab

WINDOWS = [(40, 59)]


def alarms(*places, steps=100):
    found = numpy.zeros(steps, bool)
    found[list(places)] = True
    return found


@pytest.mark.parametrize("profile", nab.PROFILES)
def test_perfect_is_100_and_no_alarm_is_0(profile):
    assert nab.score([alarms(40)], [WINDOWS], profile) == pytest.approx(
        100 * (1 + profile.missed) / (1 + profile.missed))
    assert nab.score([alarms()], [WINDOWS], profile) == 0


def test_alarms_are_worth_the_published_sigmoid():
    """2 / (1 + exp(5 y)) - 1, in the window over its value at -1; y counts windows' lengths."""
    def early(y):
        return 2 / (1 + numpy.exp(5 * y)) - 1
    middle = nab.score([alarms(50)], [WINDOWS])
    assert middle == pytest.approx(100 * (early(-10 / 20) / early(-1) + 1) / 2)
    behind = nab.score([alarms(40, 69)], [WINDOWS])  # 10 steps behind a window 19 steps long
    assert behind == pytest.approx(100 * (2 + 0.11 * early(10 / 19)) / 2)
    before = nab.score([alarms(30, 40)], [WINDOWS])
    assert before == pytest.approx(100 * (2 - 0.11) / 2)


def test_only_the_earliest_alarm_of_a_window_counts_and_probation_counts_nothing():
    assert nab.score([alarms(40, 45, 59)], [WINDOWS]) == pytest.approx(100)
    assert nab.score([alarms(0, 14, 40)], [WINDOWS]) == pytest.approx(100)
    assert nab.probation(10_000) == 750


def test_best_threshold_is_as_good_as_the_best_that_is_tried():
    random = numpy.random.default_rng(0)
    scores = [random.random(300).round(2) for _ in range(3)]
    windows = [[(100, 130), (200, 205)], [(60, 90)], []]
    for profile in nab.PROFILES:
        tried = [nab.score([series >= threshold for series in scores], windows, profile)
                 for threshold in numpy.unique(numpy.concatenate(scores))]
        found, threshold = nab.best(scores, windows, profile)
        assert found == pytest.approx(max(0, *tried))
        if found > 0:
            assert nab.score([series >= threshold for series in scores], windows,
                             profile) == pytest.approx(found)
