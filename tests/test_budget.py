"""Budgets end what they say they end; a revised plan repeats itself from its text."""

import pytest

from lamina.budget import Budget, Plan, cosine, trapezoid
from lamina.errors import UserError


@pytest.mark.parametrize("given", [{}, {"minutes": 1, "steps": "5"}, {"minutes": 0},
                                   {"epochs": -1}])
def test_exactly_one_positive_budget(given):
    with pytest.raises(UserError, match="expected"):
        Budget(**given)


@pytest.mark.parametrize("text", ["0", "-3", "x", "", "900,700", "900,700@0", "900,300@400",
                                  "900@3", "900,700@400,600@300", "1e3", "٣"])
def test_a_broken_plan_is_refused(text):
    with pytest.raises(UserError, match="steps: expected"):
        Plan(text)


def test_progress_goes_from_0_to_1_in_equal_steps():
    plan = Plan(4)
    assert [plan.progress(step) for step in range(5)] == [0, 0.25, 0.5, 0.75, 1]


def test_a_revision_bends_progress_without_a_jump():
    plan = Plan(100)
    before = plan.progress(40)
    plan.revise(40, 60)
    assert plan.progress(40) == before == 0.4
    assert plan.progress(50) == pytest.approx(0.7)
    assert plan.progress(60) == 1.0
    assert str(plan) == "100,60@40"


def test_the_text_of_a_plan_repeats_every_progress_exactly():
    plan = Plan(1000)
    plan.revise(300, 777)
    plan.revise(500, 901)
    again = Plan(str(plan))
    assert [plan.progress(s) for s in range(902)] == [again.progress(s) for s in range(902)]


@pytest.mark.parametrize("schedule", [trapezoid(warmup=0.1, decay=0.5), cosine(warmup=0.1)])
def test_schedules_rise_reach_one_and_end_at_zero(schedule):
    values = [schedule(i / 1000) for i in range(1001)]
    assert 0 < values[0] < 0.02
    assert max(values) == pytest.approx(1, abs=1e-3)
    assert values[-1] == pytest.approx(0, abs=1e-9)
    peak = values.index(max(values))
    assert values[: peak + 1] == sorted(values[: peak + 1])
