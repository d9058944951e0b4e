"""The answers that are shown: confident mistakes, the worst, the most frequent, typical ones."""

from types import SimpleNamespace

import numpy

from lamina import choice
from lamina.answers import Label, Number, Text
from lamina.metrics.metric import ACCURACY, RMSE, Metric, ratio
from lamina.scoring import Part
from lamina.task import Example


def case(examples, answers, metric, *, dear=False):
    """A run at its end, as far as the choice asks about it."""
    test = Part(examples, {})
    kinds = {"labels": isinstance(answers[0], Label), "numbers": isinstance(answers[0], Number)}
    return SimpleNamespace(
        **kinds, parts=SimpleNamespace(test=test), calibration=None,
        options=SimpleNamespace(minutes=None),
        test_answers=[] if dear else answers, task=SimpleNamespace(metrics=(metric,)),
        answers=lambda part, start, count: answers[start:start + count])


def said(label: str, **probabilities: float) -> Label:
    return Label(label, probabilities)


def names(shown, why: str | None = None) -> list[str]:
    return [one.example_html for one in shown if why in (None, one.why)]


def all_of(case, rows):
    """The answers that are shown where there is time for all of them."""
    chosen = choice.Chosen(case, rows)
    chosen.make(1000)
    return chosen.by_sort()


def test_labels_give_confident_then_worst_then_common_mistakes_then_right_ones():
    examples = [Example(f"right {i}", "a") for i in range(9)]
    answers = [said("a", a=0.5 + i / 20, b=0.3, c=0.1) for i in range(9)]
    for i in range(5):  # confident mistakes: 0.99, 0.98 …
        examples.append(Example(f"confident {i}", "a"))
        answers.append(said("b", a=0.005, b=0.99 - i / 100, c=0.0))
    for i in range(4):  # little on the truth, but not sure either
        examples.append(Example(f"worst {i}", "c"))
        answers.append(said("a", a=0.5, b=0.499, c=0.001 + i / 10_000))
    for i in range(3):  # less frequent than a taken for b
        examples.append(Example(f"common {i}", "b"))
        answers.append(said("a", a=0.5 + i / 100, b=0.4, c=0.1))
    shown = all_of(case(examples, answers, ACCURACY), {})
    assert names(shown, choice.CONFIDENT) == [f"confident {i}" for i in range(4)]
    assert names(shown, choice.WORST) == [f"worst {i}" for i in range(4)]
    assert names(shown, choice.COMMON) == ["confident 4", "common 1"]
    assert names(shown, choice.TYPICAL) == ["right 4", *names(shown, choice.TYPICAL)[1:]]
    assert len(names(shown, choice.TYPICAL)) == choice.SHOWN
    assert {one.right for one in shown if one.why != choice.TYPICAL} == {False}


def test_without_mistakes_only_typical_answers_are_shown():
    examples = [Example(str(i), "a") for i in range(20)]
    shown = all_of(case(examples, [said("a", a=1.0)] * 20, ACCURACY), {})
    assert {one.why for one in shown} == {choice.TYPICAL} and len(shown) == 2 * choice.SHOWN


def test_numbers_give_the_largest_errors_and_the_median_ones():
    errors = numpy.array([0.0, 1, 2, 3, 4, 5, 100, -80, 60, 7, 8])
    examples = [Example(f"e{i}", 10.0) for i in range(len(errors))]
    answers = [Number(10.0 + error) for error in errors]
    shown = all_of(case(examples, answers, RMSE), {"rmse": errors[:, None] ** 2})
    assert names(shown, choice.WORST) == ["e6", "e7", "e8", "e10"]
    assert names(shown, choice.TYPICAL)[0] == "e5"


def test_dear_answers_are_made_in_turns_until_the_time_is_over(monkeypatch):
    surprise = Metric("nats", "lower", "", score=ratio)
    rows = {"nats": numpy.array([[float(i), 2.0] for i in range(12)])}
    texts = [Text(f"text {i}") for i in range(12)]
    examples = [Example(f"e{i}") for i in range(12)]
    shown = all_of(case(examples, texts, surprise, dear=True), rows)
    assert names(shown, choice.WORST) == ["e11", "e10", "e9", "e8"]
    assert len(names(shown, choice.TYPICAL)) == 4 and "text 11" in shown[0].answer_html
    clock = iter(range(1000))
    monkeypatch.setattr(choice.time, "monotonic", lambda: next(clock))
    chosen = choice.Chosen(case(examples, texts, surprise, dear=True), rows)
    chosen.make(4)
    assert [one.why for one in chosen.by_sort()] == [choice.WORST, choice.TYPICAL]
    chosen.make(0)
    assert len(chosen.made) == 2, "there was no time for another one"
    chosen.make(1000)
    assert names(chosen.by_sort()) == names(shown)


def test_scores_that_no_example_has_alone_give_the_first_few():
    distance = Metric("distance", "lower", "", score=lambda rows: float(rows.std()))
    examples = [Example(f"e{i}") for i in range(20)]
    made = case(examples, [Text("x")] * 20, distance, dear=True)
    shown = all_of(made, {"distance": numpy.zeros((20, 2))})
    assert [one.example_html for one in shown] == [f"e{i}" for i in range(12)]
    assert {one.why for one in shown} == {""}


def test_nan_and_single_examples_do_not_stop_the_report():
    made = case([Example("only", 1.0)], [Number(float("nan"))], RMSE)
    assert len(all_of(made, {"rmse": numpy.array([[numpy.nan]])})) == 1
