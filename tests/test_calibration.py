"""Calibrated probabilities come true; sets and intervals hold the truth as often as asked."""

import csv
import json
from types import SimpleNamespace

import numpy
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss
from tests_data import needs_data

import lamina
from lamina import artifact, cli
from lamina.answers import Label, Number, Text
from lamina.errors import UserError
from lamina.metrics import calibration as metrics
from lamina.task import Example
from lamina.trust import calibration, conformal, reliability
from lamina.trust.calibration import Calibration


def drawn(count: int, classes: int = 5, sharpness: float = 1.0, seed: int = 0):
    """Logits `sharpness` times too large, and labels drawn from the right probabilities."""
    random = numpy.random.default_rng(seed)
    logits = random.normal(0, 2, (count, classes))
    right = numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True)
    truth = (right.cumsum(1) < random.random((count, 1))).sum(1).clip(max=classes - 1)
    return sharpness * logits, truth


def answered(logits: numpy.ndarray) -> list[Label]:
    probabilities = numpy.exp(calibration.scaled(logits, 1.0))
    return [Label(str(row.argmax()), {str(i): p for i, p in enumerate(row.tolist())})
            for row in probabilities]


def case_of(logits, truth, *, train=None, coverage=0.9):
    """What reliability.measure asks of a case; the first half of the examples is validation."""
    half = len(truth) // 2
    examples = [Example(None, str(label)) for label in truth]
    return finished(answered(logits), examples, half, coverage=coverage, labels=True)


def finished(answers, examples, half, *, coverage, labels):
    part = SimpleNamespace
    case = part(labels=labels, numbers=not labels, seed=0, options=part(coverage=coverage),
                parts=part(validation=part(examples=examples[:half]),
                           test=part(examples=examples[half:])),
                validation_answers=answers[:half], raw_test_answers=answers[half:])
    case.calibration = calibration.fit(case)
    case.test_answers = calibration.apply(case.raw_test_answers, case.calibration)
    return case


# ---- the measures -------------------------------------------------------------------------------

def test_the_error_of_hand_worked_bins():
    confidence = numpy.array([0.5, 0.6, 0.7, 0.9])
    right = numpy.array([True, False, True, True])
    # two bins: |0.55 - 0.5| and |0.8 - 1|, half of the examples in each
    assert metrics.calibration_error(confidence, right, bins=2) == pytest.approx(0.125)
    assert metrics.calibration_error(numpy.ones(4), numpy.ones(4)) == 0


def test_the_diagram_equals_that_of_scikit_learn():
    random = numpy.random.default_rng(0)
    confidence = random.random(1000)
    right = random.random(1000) < confidence ** 2
    true, predicted = calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    rows = reliability.diagram(confidence, right)
    assert [row["right"] for row in rows] == pytest.approx(true.tolist())
    assert [row["confidence"] for row in rows] == pytest.approx(predicted.tolist())
    assert metrics.calibration_error(confidence, right, bins=10) == pytest.approx(
        abs(true - predicted).mean())


def test_equal_confidences_share_a_bin():
    assert len(set(metrics.equal_mass(numpy.repeat([0.3, 0.8], 50)))) == 2
    random = numpy.random.default_rng(0)
    right = random.random(10_000) < 0.7
    assert metrics.calibration_error(numpy.full(10_000, 0.7), right) < 0.02


def test_brier_and_likelihood_equal_scikit_learn():
    logits, truth = drawn(500, classes=2)
    probabilities = numpy.exp(calibration.scaled(logits, 1.0))
    assert metrics.brier(probabilities, truth).mean() == pytest.approx(
        2 * brier_score_loss(truth, probabilities[:, 1]))
    assert metrics.surprise(numpy.log(probabilities), truth).mean() == pytest.approx(
        log_loss(truth, probabilities))


def test_the_error_by_chance_is_that_of_perfect_probabilities():
    found = []
    for seed in range(60):
        confidence = numpy.random.default_rng(seed).uniform(0.5, 1, 400)
        right = numpy.random.default_rng(1000 + seed).random(400) < confidence
        found.append(metrics.calibration_error(confidence, right)
                     <= reliability.by_chance(confidence, seed))
    assert 0.93 <= numpy.mean(found) <= 1


# ---- temperature --------------------------------------------------------------------------------

def test_dividing_logarithms_of_probabilities_is_dividing_logits():
    logits, _ = drawn(50)
    probabilities = numpy.exp(calibration.scaled(logits, 1.0))
    assert calibration.scaled(numpy.log(probabilities), 3.0) == pytest.approx(
        calibration.scaled(logits, 3.0))


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0, 8.0])
def test_the_temperature_is_found(sharpness):
    logits, truth = drawn(4000, sharpness=sharpness)
    logs = calibration.logarithms(answered(logits))
    assert calibration.temperature_of(logs, truth) == pytest.approx(sharpness, rel=0.06)


def test_the_temperature_is_the_likeliest_one():
    logits, truth = drawn(2000, sharpness=2.5)
    best = calibration.temperature_of(logits, truth)
    losses = {t: metrics.surprise(calibration.scaled(logits, t), truth).mean()
              for t in (best, best * 1.05, best / 1.05)}
    assert min(losses, key=losses.get) == best


def test_few_or_faultless_examples_do_not_make_a_model_surer_than_they_show():
    sure, truth = numpy.eye(3)[[0, 1, 2] * 4] * 3, numpy.array([0, 1, 2] * 4)
    assert 0.5 < calibration.temperature_of(sure, truth) < 1  # without bound the best is 0
    logits, truth = drawn(3, sharpness=1.0)
    assert 0.3 < calibration.temperature_of(logits, truth) < 3


def test_degenerate_probabilities_stay_probabilities():
    answers = [Label("a", {"a": 1.0, "b": 0.0}), Label("b", {"a": float("nan"), "b": 1.0})]
    known = Calibration(temperature=2.0, thresholds={"0.9": 0.5})
    for answer in calibration.apply(answers, known.to_json()):
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert all(0 <= p <= 1 for p in answer.probabilities.values())
    wrong = numpy.log([[1.0, 1e-45]] * 30)
    assert calibration.temperature_of(wrong, numpy.ones(30, dtype=int)) \
        <= calibration.LARGEST_TEMPERATURE


def test_the_label_never_changes():
    logits, _ = drawn(300)
    for temperature in (0.1, 1.0, 15.0):
        known = Calibration(temperature=temperature, thresholds={})
        before = answered(logits)
        after = calibration.apply(before, known.to_json())
        assert [a.label for a in after] == [a.label for a in before]
        assert all(a.probability == max(a.probabilities.values()) for a in after)


def test_an_overconfident_model_is_at_least_twice_as_well_calibrated():
    found, findings = reliability.measure(case_of(*drawn(4000, sharpness=4.0)), 10.0)
    assert found["before"]["error"]["value"] > 0.1
    assert found["after"]["error"]["value"] < found["before"]["error"]["value"] / 2
    assert found["after"]["error"]["low"] <= found["after"]["error"]["value"] \
        <= found["after"]["error"]["high"]
    assert found["after"]["negative_log_likelihood"]["value"] \
        < found["before"]["negative_log_likelihood"]["value"]
    assert findings == []


def test_a_trained_overconfident_model_is_at_least_twice_as_well_calibrated(tmp_path):
    random = numpy.random.default_rng(0)
    path = tmp_path / "noisy.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*"abcdefgh", "split", "label"])
        for place, row in enumerate(random.normal(0, 1, (3000, 8)).round(4)):
            part = "train" if place < 400 else "validation" if place < 1200 else "test"
            said = "yes" if (row[0] > 0) != (random.random() < 0.3) else "no"
            out.writerow([*row, part, said])
    trained = lamina.train("table-prediction", path, steps=300, evaluations=1, dropout=0.0,
                           weight_decay=0.0, members=1, width=128, threads=1,
                           run=str(tmp_path / "run"), say=lambda line: None)
    found = trained.report["calibration"]
    assert found["before"]["error"]["value"] > 0.1 and found["temperature"] > 2
    assert found["after"]["error"]["value"] < found["before"]["error"]["value"] / 2


# ---- coverage -----------------------------------------------------------------------------------

def test_the_threshold_has_the_rank_of_the_paper():
    scores = numpy.arange(1.0, 20.0)  # 19 of them: rank ⌈20 × 0.9⌉ = 18
    assert conformal.threshold(scores, 0.9) == 18
    assert conformal.threshold(scores[:9], 0.9) == 9
    assert conformal.threshold(scores[:8], 0.9) == numpy.inf
    assert conformal.thresholds(scores[:9], 0.9) == {"0.5": 5, "0.8": 8, "0.9": 9}


def test_sets_hold_the_labels_whose_probability_is_high_enough():
    probabilities = numpy.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.15, 0.8, 0.05]])
    assert conformal.chosen("abc", probabilities, 0.66) == [("a",), ("a", "b"), ("b",)]
    assert conformal.chosen("abc", probabilities, 0.25) == [(), (), ("b",)]


def test_sets_of_labels_cover_as_asked():
    held = []
    for seed in range(30):
        case = case_of(*drawn(800, sharpness=2.0, seed=seed))
        found, _ = reliability.measure(case, 0.0)
        held.append(found["coverage"]["value"])
    assert 0.89 <= numpy.mean(held) <= 0.915  # 30 × 400 test examples: 0.90 ± 0.004


@pytest.mark.parametrize("count", [60, 2000])
def test_intervals_of_numbers_cover_as_asked_and_widen_with_the_errors(count):
    held, widths = [], []
    for seed in range(40):
        random = numpy.random.default_rng(seed)
        truth = random.uniform(1, 10, count)
        answers = [Number(v) for v in (truth + random.normal(0, 0.1 * truth)).tolist()]
        case = finished(answers, [Example(None, v) for v in truth.tolist()], count // 2,
                        coverage=0.9, labels=False)
        found, _ = reliability.measure(case, 1.0)
        held.append(found["coverage"]["value"])
        widths.append([row["size"] for row in found["coverage"]["by"]])
    assert 0.885 <= numpy.mean(held) <= 0.93
    small, *_, large = numpy.mean(widths, axis=0)
    assert large > 2 * small if count > 100 else large == pytest.approx(small)


def test_a_shifted_test_part_is_found():
    logits, truth = drawn(2000)
    logits[1000:] = drawn(1000, seed=9)[0]  # the answers to the test part fit nothing
    _, findings = reliability.measure(case_of(logits, truth), 1.0)
    assert "less often than asked for" in " ".join(f.what for f in findings)
    assert "too high" in " ".join(f.what for f in findings)
    assert all(finding.level != "error" for finding in findings)


def test_a_label_that_is_seldom_covered_is_named():
    random = numpy.random.default_rng(0)
    truth = (random.random(4000) < 0.1).astype(int)
    logits = numpy.stack([numpy.full(4000, 2.0), truth * 0.5 + random.normal(0, 1, 4000)], axis=1)
    found, findings = reliability.measure(case_of(logits, truth), 1.0)
    assert found["coverage"]["by"][1]["value"] < 0.7
    assert [f.level for f in findings if "of some examples less often" in f.what] == ["hint"]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_tiny_and_one_sided_parts_are_measured_without_fault(count):
    logits, _ = drawn(count)
    found, findings = reliability.measure(case_of(logits, numpy.zeros(count, dtype=int)), 0.0)
    assert found["n"] == count - count // 2 and "why" in found["coverage"] and findings == []
    assert json.loads(json.dumps(found))
    numbers = [Number(float("nan")), Number(1.0), Number(2.0)]
    examples = [Example(None, 1.0), Example(None, 1.0), Example(None, None)]
    case = finished(numbers, examples, 1, coverage=0.9, labels=False)
    assert reliability.measure(case, 0.0) == (None, [])


# ---- the model file -----------------------------------------------------------------------------

GOOD = {"kind": "label", "temperature": 2.0, "coverage": 0.9, "examples": 50,
        "thresholds": {"0.5": 0.3, "0.8": 0.6, "0.9": 0.999}}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, prepared):
    """A function that writes a model file with that calibration; and an input for it."""
    task, parts = prepared("table-prediction")

    def write(known):
        path = tmp_path_factory.mktemp("model") / artifact.NAME
        document = {"data": {"source": "x"}} | ({} if known is ... else {"calibration": known})
        artifact.save(path, task, task.start(), document)
        return path

    return write, json.dumps(dict(parts.data.test[0].input))


def test_predictions_are_calibrated_and_come_with_sets(saved, capsys):
    write, row = saved
    path, plain = write(GOOD), write(...)
    assert cli.main(["predict", str(plain), row, "--json"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert set(before) == {"kind", "label", "probability", "probabilities"}
    assert cli.main(["predict", str(path), row, "--json"]) == 0
    after = json.loads(capsys.readouterr().out)
    roots = {name: p ** 0.5 for name, p in before["probabilities"].items()}
    for name, root in roots.items():
        assert after["probabilities"][name] == pytest.approx(root / sum(roots.values()))
    assert after["coverage"] == 0.9 and after["set"][0] == after["label"] == before["label"]
    assert set(after["set"]) == set(roots)
    assert cli.main(["predict", str(path), row, "--coverage", "0.5"]) == 0
    assert "(50% set: none fits well enough)" in capsys.readouterr().out


def test_another_coverage_must_be_in_the_file(saved, capsys):
    write, row = saved
    assert cli.main(["predict", str(write(GOOD)), row, "--coverage", "0.7"]) == 2
    assert "expected one that the model file keeps (0.5, 0.8, 0.9), got 0.7" \
        in capsys.readouterr().err
    assert cli.main(["predict", str(write(None)), row, "--coverage", "0.8"]) == 2
    assert "no sets and no intervals" in capsys.readouterr().err


def test_numbers_get_intervals():
    known = Calibration(kind="number", coverage=0.8, thresholds={"0.8": 2.0}, centres=(10, 20),
                        scales=(1, 3))
    [answer, beyond] = calibration.apply([Number(15.0, "m"), Number(99.0)], known.to_json())
    assert (answer.low, answer.high, answer.coverage) == (11.0, 19.0, 0.8)
    assert (beyond.low, beyond.high) == (93.0, 105.0)
    assert answer.line() == "15 m  (80%: 11 to 19)"
    assert answer.to_json() == {"kind": "number", "value": 15.0, "unit": "m", "low": 11.0,
                                "high": 19.0, "coverage": 0.8}
    assert Number(15.0).to_json() == {"kind": "number", "value": 15.0, "unit": ""}


def test_other_kinds_of_answer_pass_unchanged():
    answers = [Text("a"), Number(1.0), Label("a", {"a": 1.0})]
    assert calibration.apply(answers, None) == answers
    assert calibration.apply(answers[:2], GOOD) == answers[:2]


@pytest.mark.parametrize("change, message", [
    ({"temperature": 0.0}, "temperature: expected"),
    ({"temperature": 1e9}, "temperature: expected"),
    ({"temperature": "hot"}, "temperature: expected a number"),
    ({"temperature": float("nan")}, "temperature"), ({"coverage": 3}, "coverage: expected"),
    ({"thresholds": [1, 2]}, "thresholds: expected names and values"),
    ({"thresholds": {"0.9": -1}}, "thresholds: expected a coverage and a score"),
    ({"thresholds": {"0.9": float("inf")}}, "thresholds.0.9"),
    ({"thresholds": {"high": 0.5}}, "thresholds: expected a coverage"),
    ({"kind": "text"}, "kind: expected one of"), ({"examples": -1}, "examples: expected"),
    ({"centres": [1.0]}, "as many of each"), ({"centres": [2, 1], "scales": [1, 1]}, "rising"),
    ({"scales": [-1.0], "centres": [0.0]}, "scales: expected"), ({"kind": "number"}, "of each"),
    ({"code": "import os"}, "unknown entry of calibration"), ({"thresholds": None}, "thresholds")])
def test_a_hostile_calibration_is_refused_in_one_line(saved, change, message):
    path = saved[0](GOOD | change)
    with pytest.raises(UserError, match=message) as raised:
        artifact.load(path, device="cpu")
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 500


def test_a_calibration_that_is_no_object_is_refused(saved):
    for known in ([1], "x", 3, {}):
        with pytest.raises(UserError, match="calibration|missing"):
            artifact.load(saved[0](known), device="cpu")


@needs_data("adult-income")
@pytest.mark.quality
def test_adult_income_is_covered_and_calibrated(data, tmp_path):
    trained = lamina.train("table-prediction", "adult-income", epochs=3, threads=1,
                           run=str(tmp_path / "run"), say=lambda line: None)
    found = trained.report["calibration"]
    assert 0.89 <= found["coverage"]["value"] <= 0.91
    assert found["after"]["error"]["value"] < 0.02
