"""Rates, gaps and thresholds of groups equal references, and the known gaps are found."""

import csv
import gzip
import io
from types import SimpleNamespace

import numpy
import pytest
from sklearn.metrics import confusion_matrix, precision_score
from tests_data import needs_data

import lamina
from lamina import cli
from lamina.answers import Label, Number, Text
from lamina.errors import UserError
from lamina.options import Options
from lamina.task import Data, Example
from lamina.trust import bootstrap, fairness, groups, rates, thresholds


def people(count: int, gap: float = 0.0, seed: int = 0):
    """(examples, answers): two groups; the scores of "b" are lower by `gap` at equal truth."""
    random = numpy.random.default_rng(seed)
    group, truth = random.random(count) < 0.4, random.random(count) < 0.35
    score = 1 / (1 + numpy.exp(-(random.normal(0, 1, count) + 3 * truth - 1.7 - gap * group)))
    examples = [Example({"who": "b" if b else "a", "age": str(age)}, "yes" if y else "no")
                for b, y, age in zip(group, truth, random.integers(18, 90, count), strict=True)]
    answers = [Label("yes" if p > 0.5 else "no", {"no": 1 - p, "yes": p}) for p in score.tolist()]
    return examples, answers


def case_of(examples, answers, names, **kinds):
    third = len(examples) // 3
    part = SimpleNamespace
    return part(options=Options(groups=names), labels=kinds.get("labels", True), seed=0,
                numbers=not kinds.get("labels", True), calibration=None,
                data=part(train=examples[:third]),
                parts=part(validation=part(examples=examples[third : 2 * third]),
                           test=part(examples=examples[2 * third:])),
                validation_answers=answers[third : 2 * third],
                test_answers=answers[2 * third:])


# ---- rates --------------------------------------------------------------------------------------

def test_rates_equal_those_of_the_confusion_matrix():
    examples, answers = people(600, gap=0.5)
    truth = numpy.array([example.target == "yes" for example in examples])
    chosen = numpy.array([answer.label == "yes" for answer in answers])
    who = [example.input["who"] for example in examples]
    score = numpy.array([answer.probabilities["yes"] for answer in answers])
    drawn = bootstrap.weights(600, seed=0, draws=50)
    table = rates.Grouped.of(rates.of_labels(chosen, truth, score), who, ["a", "b"], drawn).table()
    for row in table:
        inside = numpy.array(who) == row["name"]
        (tn, fp), (fn, tp) = confusion_matrix(truth[inside], chosen[inside])
        found = {name: rate["value"] for name, rate in row["rates"].items()}
        assert row["n"] == inside.sum()
        assert found["true positive rate"] == pytest.approx(tp / (tp + fn))
        assert found["false positive rate"] == pytest.approx(fp / (fp + tn))
        assert found["selection rate"] == pytest.approx((tp + fp) / inside.sum())
        assert found["accuracy"] == pytest.approx((tp + tn) / inside.sum())
        assert found["precision"] == pytest.approx(precision_score(truth[inside], chosen[inside]))
        assert found["predicted rate"] == pytest.approx(score[inside].mean())
        assert found["observed above predicted"] == pytest.approx(
            truth[inside].mean() - score[inside].mean())
        assert all(rate["low"] <= rate["value"] <= rate["high"] for rate in row["rates"].values())


def test_gaps_are_those_worked_by_hand():
    chosen = numpy.array([True] * 60 + [False] * 40 + [True] * 20 + [False] * 80)
    truth = numpy.tile([True, False], 100)
    drawn = bootstrap.weights(200, seed=0)
    gaps = rates.Grouped.of(rates.of_labels(chosen, truth), ["a"] * 100 + ["b"] * 100, ["a", "b"],
                            drawn).gaps()
    gap = gaps["selection rate"]
    assert gap["value"] == pytest.approx(0.4) and gap["ratio"] == pytest.approx(1 / 3)
    assert (gap["highest"], gap["lowest"], gap["significant"]) == ("a", "b", True)
    half = 1.96 * (0.6 * 0.4 / 100 + 0.2 * 0.8 / 100) ** 0.5
    assert gap["low"] == pytest.approx(0.4 - half, abs=0.02)
    assert gap["high"] == pytest.approx(0.4 + half, abs=0.02)
    assert not gaps["accuracy"]["significant"]


def test_errors_of_numbers_by_group():
    errors = numpy.array([1.0, -1.0, 3.0, 3.0])
    drawn = bootstrap.weights(4, seed=0, draws=100)
    low, high = rates.Grouped.of(rates.of_numbers(errors, "m"), list("aabb"), ["a", "b"],
                                 drawn).table()
    assert [low["rates"][name]["value"] for name in ("mean error", "rmse")] == [0.0, 1.0]
    assert [high["rates"][name]["value"] for name in ("mean error", "rmse")] == [3.0, 3.0]


def test_alike_groups_raise_no_alarm_and_unlike_ones_do():
    alarms = [bool(fairness.measure(case_of(*people(3000, seed=seed), ("who",)), 1.0)[1])
              for seed in range(12)]
    assert sum(alarms) <= 1
    for seed in range(4):
        _, findings = fairness.measure(case_of(*people(3000, gap=1.2, seed=seed), ("who",)), 1.0)
        assert [finding.level for finding in findings] == ["warning"]
        assert "groups of who" in findings[0].what and "true positive rate" in findings[0].evidence


def test_people_who_come_in_clusters_widen_the_intervals():
    examples, answers = people(900)
    together = [Example(e.input, e.target, f"family {i // 30}") for i, e in enumerate(examples)]
    repeated = [answers[i // 30 * 30] for i in range(900)]  # a family is answered alike
    alone = fairness.measure(case_of(examples, repeated, ("who",)), 1.0)[0]
    known = fairness.measure(case_of(together, repeated, ("who",)), 1.0)[0]

    def width(found):
        rate = found["columns"][0]["groups"][0]["rates"]["selection rate"]
        return rate["high"] - rate["low"]

    assert width(known) > 1.5 * width(alone)


# ---- groups -------------------------------------------------------------------------------------

def test_numbers_are_cut_at_the_quartiles_of_the_training_part():
    train = [Example({"age": str(age), "flag": str(age % 2)}) for age in range(1, 101)]
    cut = groups.Grouping.learn("age", train)
    assert cut.cuts == (25.75, 50.5, 75.25)
    asked = [Example({"age": age}) for age in ("3", 51, "76", "900", "", "many")]
    assert cut.of(asked) == ["up to 25.75", "above 50.5 to 75.25", "above 75.25", "above 75.25",
                             "(missing)", "(missing)"]
    assert groups.Grouping.learn("flag", train).of(train[:2]) == ["1", "0"]


def test_small_groups_are_taken_together():
    names = ["a"] * 50 + ["b"] * 10 + ["c"] * 5
    pooled, small = groups.pooled(names)
    assert pooled == ["a"] * 50 + ["(small groups)"] * 15 and small == {"b": 10, "c": 5}
    assert groups.pooled(["a"] * 50 + ["b"] * 10) == (["a"] * 50 + ["b"] * 10, {})


def test_an_unknown_column_is_refused_before_training(samples, capsys):
    path = samples("table-prediction")
    assert cli.main(["train", "table-prediction", str(path), "--groups", "plam",
                     "--steps", "1"]) == 2
    assert "no column 'plam': did you mean 'plan'?" in capsys.readouterr().err
    photos = Data([Example("a.png", "cat")] * 3, [], [], how="")
    with pytest.raises(UserError, match="no rows of a table and have no groups"):
        groups.check(photos, ("sex",))
    groups.check(Data([Example("a.wav", "yes", "anna")], [], [], how=""), ("group",))


# ---- thresholds ---------------------------------------------------------------------------------

def test_thresholds_make_the_rates_alike_that_they_promise():
    examples, answers = people(12_000, gap=1.2)
    found, _ = fairness.measure(case_of(examples, answers, ("who",)), 5.0)
    choices = {choice["name"]: choice for choice in found["columns"][0]["thresholds"]["choices"]}
    gaps = {name: {gap["rate"]: gap["value"] for gap in choice["gaps"]}
            for name, choice in choices.items()}
    assert gaps["as trained"]["true positive rate"] > 0.2
    assert gaps["equal opportunity"]["true positive rate"] < 0.06
    assert gaps["demographic parity"]["selection rate"] < 0.04
    assert choices["equalised odds"]["equalised_odds"] < 0.06
    assert choices["equal opportunity"]["thresholds"]["b"] \
        < choices["equal opportunity"]["thresholds"]["a"] - 0.15


def test_rates_at_a_threshold_equal_the_counted_ones():
    random = numpy.random.default_rng(0)
    score, truth = random.random(500).round(2), random.random(500) < 0.5
    found = thresholds.of_thresholds(score, truth)
    for place in (0, 49, 98):
        chosen = score >= thresholds.GRID[place]
        assert found["selection rate"][place] == pytest.approx(chosen.mean())
        assert found["true positive rate"][place] == pytest.approx(chosen[truth].mean())
        assert found["accuracy"][place] == pytest.approx((chosen == truth).mean())


def test_the_trade_begins_at_the_model_and_no_threshold_beats_it_in_both():
    examples, answers = people(6000, gap=1.2)
    found, _ = fairness.measure(case_of(examples, answers, ("who",)), 5.0)
    section = found["columns"][0]
    accuracy = numpy.mean([answer.label == example.target for example, answer in
                           list(zip(examples, answers, strict=True))[4000:]])
    for curve in section["thresholds"]["curves"]:
        assert curve["each"][0][1] == pytest.approx(accuracy)
        assert curve["each"][-1][0] < curve["each"][0][0] / 2
        assert all(0 <= gap <= 1 and 0 <= right <= 1 for gap, right in curve["one"])


# ---- what else may come -------------------------------------------------------------------------

def test_more_labels_numbers_and_other_answers():
    random = numpy.random.default_rng(0)
    inputs = [{"who": str(name)} for name in random.choice(["a", "b"], 900)]
    shares = {"x": 0.5, "y": 0.3, "z": 0.2}
    labels = [Label("x", shares) if row["who"] == "a" else Label("y", shares) for row in inputs]
    examples = [Example(row, str(random.choice(["x", "y", "z"]))) for row in inputs]
    found, findings = fairness.measure(case_of(examples, labels, ("who",)), 1.0)
    assert found["positive"] is None and findings
    assert found["columns"][0]["groups"][0]["rates"].keys() == {
        "accuracy", "found of x", "found of y", "found of z"}
    wrong = [Number(5.0 + 3 * (row["who"] == "b")) for row in inputs]
    examples = [Example(row, 5.0 + random.normal()) for row in inputs]
    found, findings = fairness.measure(case_of(examples, wrong, ("who",), labels=False), 1.0)
    assert found["columns"][0]["worst"]["name"] == "b" and "mean error" in findings[0].evidence
    case = case_of(examples, [Text("a")] * 900, ("who",))
    case.labels = case.numbers = False
    assert fairness.measure(case, 1.0)[0] is None
    assert fairness.measure(case_of(examples, wrong, ()), 1.0) == (None, [])


@pytest.mark.parametrize("count", [3, 12])
def test_a_handful_of_people_is_measured_without_fault(count):
    found, findings = fairness.measure(case_of(*people(count), ("who", "age")), 0.0)
    assert findings == [] and found["columns"][0]["gaps"] == []
    assert found["columns"][0]["thresholds"] is None


def test_two_columns_are_also_crossed():
    found, _ = fairness.measure(case_of(*people(2000), ("who", "age")), 5.0)
    assert [column["name"] for column in found["columns"]] == ["who", "age", "who × age"]
    assert sum(group["n"] for group in found["columns"][2]["groups"]) == found["n"]


# ---- real data ----------------------------------------------------------------------------------

@needs_data("compas")
def test_the_published_rates_of_compas_are_reproduced(data):
    """Larson et al. 2016, "How we analyzed the COMPAS recidivism algorithm": of those not arrested
    again 44.85 % (black) and 23.45 % (white) were called a risk; of the others 27.99 and 47.72 %
    were not."""
    text = gzip.decompress((data / "compas-scores-two-years.csv.gz").read_bytes()).decode()
    header, *rows = csv.reader(io.StringIO(text))
    place = {name: header.index(name) for name in ("race", "decile_score", "two_year_recid")}
    chosen = numpy.array([int(row[place["decile_score"]]) >= 5 for row in rows])
    truth = numpy.array([row[place["two_year_recid"]] == "1" for row in rows])
    race = [row[place["race"]] for row in rows]
    grouped = rates.Grouped.of(rates.of_labels(chosen, truth), race,
                               ["African-American", "Caucasian"],
                               bootstrap.weights(len(rows), seed=0, draws=200))
    black, white = (row["rates"] for row in grouped.table())
    assert [round(100 * row["false positive rate"]["value"], 2) for row in (black, white)] \
        == [44.85, 23.45]
    assert [round(100 * (1 - row["true positive rate"]["value"]), 2) for row in (black, white)] \
        == [27.99, 47.72]
    gaps = grouped.gaps()
    assert gaps["false positive rate"]["significant"] and gaps["true positive rate"]["significant"]


@needs_data("compas")
def test_training_on_compas_shows_the_gap(data, tmp_path):
    trained = lamina.train("table-prediction", "compas", steps=120, evaluations=2, threads=1,
                           members=1, groups=("race",), run=str(tmp_path / "run"),
                           say=lambda line: None)
    found = trained.report["fairness"]
    assert found["positive"] == "1"
    rate = {group["name"]: group["rates"]["false positive rate"]
            for group in found["columns"][0]["groups"]}
    assert rate["African-American"]["low"] > rate["Caucasian"]["high"]
    assert any("groups of race" in finding["what"] for finding in trained.report["findings"])


@needs_data("adult-income")
@pytest.mark.quality
def test_training_on_adult_income_shows_the_gaps(data, tmp_path):
    trained = lamina.train("table-prediction", "adult-income", epochs=3, threads=1,
                           groups=("sex", "race"), run=str(tmp_path / "run"),
                           say=lambda line: None)
    [sex, race, _] = trained.report["fairness"]["columns"]
    gap = next(gap for gap in sex["gaps"] if gap["rate"] == "selection rate")
    assert gap["highest"] == "Male" and gap["low"] > 0.12 and gap["ratio"] < 0.5
    assert next(gap for gap in race["gaps"] if gap["rate"] == "selection rate")["significant"]
