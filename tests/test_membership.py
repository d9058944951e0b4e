"""The membership attack: its numbers against scikit-learn, its verdict on models made to leak."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy
import pytest
import torch
from sklearn.metrics import roc_auc_score

from lamina import verbs
from lamina.answers import Label, Number
from lamina.scoring import Part
from lamina.task import Data, Example
from lamina.trust import membership
from lamina.trust.membership import advantage, area, confidences, curve, hits_at, matched, outsiders


@pytest.mark.parametrize("seed", range(3))
def test_auc_is_that_of_scikit_learn(seed):
    random = numpy.random.default_rng(seed)
    inside = random.normal(0.4, 1, 300).round(1)  # rounded, so that there are ties
    outside = random.normal(0, 1, 200).round(1)
    value, low, high = area(inside, outside)
    known = roc_auc_score([1] * 300 + [0] * 200, numpy.concatenate((inside, outside)))
    assert value == pytest.approx(known, abs=1e-12)
    assert low < value < high
    points = numpy.array(curve(inside, outside, points=500))
    assert numpy.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(known, abs=0.01)


def test_interval_of_the_auc_holds_the_truth_95_times_in_100():
    random = numpy.random.default_rng(0)
    true = 0.63816319508  # of normal numbers half a deviation apart: Phi(0.5 / sqrt(2))
    held = 0
    for _ in range(1000):
        _, low, high = area(random.normal(0.5, 1, 100), random.normal(0, 1, 150))
        held += low <= true <= high
    assert 930 <= held <= 970


def test_auc_of_ties_and_of_wholly_separate_scores():
    assert area(numpy.zeros(50), numpy.zeros(40)) == (0.5, 0.5, 0.5)
    value, low, high = area(numpy.ones(40), numpy.zeros(40))
    assert value == high == 1.0 and 0.9 < low < 1.0
    assert area(numpy.ones(1), numpy.zeros(1))[0] == 1.0


def test_hits_and_advantage_of_scores_that_can_be_counted():
    inside, outside = numpy.array([5.0, 4, 3, -3]), numpy.arange(100) / 50 - 1  # up to 0.98
    assert hits_at(inside, outside, 0.01) == 0.75  # the threshold is 0.96: one outsider is above
    assert hits_at(numpy.full(4, 0.97), outside, 0.01) == 1.0
    assert hits_at(outside, outside, 0.01) == pytest.approx(0.01)
    losses = numpy.logaddexp(0, -inside)
    below = (numpy.logaddexp(0, -outside) < losses.mean()).mean()
    assert advantage(inside, outside) == pytest.approx(0.75 - below)


@dataclass
class Stub:
    """A case whose model gives the true label the probability `sure(example)`."""

    train: list
    test: list
    sure: object
    labels: bool = True
    seed: int = 0
    cut: tuple = ("validation", "test")
    asked: list = field(default_factory=list)

    @property
    def data(self):
        return Data(self.train, self.test, self.test, how="", cut=self.cut)

    @property
    def parts(self):
        def of(examples):
            return Part(examples, {"x": torch.arange(len(examples))})

        return SimpleNamespace(training=of(self.train), validation=of(self.test),
                               test=of(self.test))

    def answers(self, part):
        self.asked.append(len(part))
        found = []
        for example in part.examples:
            sure = self.sure(example)
            other = "b" if example.target == "a" else "a"
            found.append(Label(example.target, {example.target: sure, other: 1 - sure}))
        return found


def examples(count: int, kind: str, targets: str = "ab") -> list[Example]:
    return [Example(f"{kind} {i}", targets[i % len(targets)]) for i in range(count)]


def test_a_model_that_answers_all_alike_gives_nothing_away():
    section, found = membership.measure(Stub(examples(900, "in"), examples(400, "out"),
                                             lambda example: 0.7), 5.0)
    assert (section["auc"], section["low"], section["high"]) == (0.5, 0.5, 0.5)
    assert section["hits"] == section["advantage"] == 0.0
    assert section["n"] == 400 and found == []
    assert section["sampled"].startswith("400 of 900 training examples")


@pytest.mark.parametrize("surer, level", [(0.2, None), (0.5, "hint"), (1.5, "warning")])
def test_the_level_of_the_finding_follows_the_lower_end(surer, level):
    random = numpy.random.default_rng(1)

    def sure(example):
        logit = random.normal(surer if example.input.startswith("in") else 0.0, 1)
        return float(1 / (1 + numpy.exp(-logit)))

    section, found = membership.measure(Stub(examples(2000, "in"), examples(2000, "out"), sure), 9)
    assert [one.level for one in found] == ([] if level is None else [level])
    assert section["low"] < 0.5 + 0.5 * numpy.tanh(surer) < 1
    if level:
        assert "--private-epsilon" in found[0].do and f"{section['auc']:.3f}" in found[0].evidence


def test_confidence_tells_apart_what_rounds_to_certainty():
    case = Stub([Example("in", "a")], [], lambda example: 1.0)
    case.answers = lambda part: [Label("a", {"a": 1.0, "b": 1e-20}),
                                 Label("a", {"a": 1.0, "b": 1e-30}), Label("b", {"b": 1.0})]
    part = Part(examples(3, "in", "a"), {"x": torch.arange(3)})
    first, second, third = confidences(case, part, [0, 1, 2])
    assert first == pytest.approx(46.05, abs=0.01)
    assert second > first > 0 > third > -numpy.inf


def test_pairs_share_their_label():
    members, others = examples(100, "in", "aab"), examples(40, "out", "abbc")
    pairs = matched(members, [*others, Example("bare")], seed=3)
    assert all(members[i].target == others[j].target for i, j in pairs)
    assert len(pairs) == len({i for i, _ in pairs}) == len({j for _, j in pairs}) == 10 + 20


def test_outsiders_are_cut_from_the_same_source_where_any_part_is():
    def of(*cut, group=None):
        return outsiders(Data([Example("x", "a", group)], [], [], how="", cut=cut))

    assert of("validation", "test") == ("test", "")
    assert of("validation")[0] == "validation" and "chose the weights" in of("validation")[1]
    assert of()[0] == "test" and "declared" in of()[1]
    assert "groups" in of("test", group="patient 1")[1]


def test_other_answers_few_examples_and_no_time_are_no_reason_to_fail():
    assert membership.measure(Stub([], [], None, labels=False), 1.0) == (None, [])
    few = Stub(examples(20, "in"), examples(20, "out"), lambda example: 0.5)
    assert membership.measure(few, 1.0) == (None, [])
    nan = Stub(examples(90, "in"), examples(90, "out"), lambda example: float("nan"))
    assert membership.measure(nan, 1.0) == (None, [])
    other = Stub(examples(90, "in", "a"), examples(90, "out", "b"), lambda example: 0.5)
    assert membership.measure(other, 1.0) == (None, [])
    many = Stub(examples(2000, "in"), examples(2000, "out"), lambda example: 0.5)
    assert membership.measure(many, 0.0)[0]["n"] == membership.CHUNK
    assert Number(1.0).kind == "number"


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Random pictures with random labels: all that can be learnt of them is to remember them."""
    random = numpy.random.default_rng(0)
    pictures = random.integers(0, 256, (700, 8, 8), dtype=numpy.uint8)
    labels = random.integers(0, 2, 700)
    path = tmp_path_factory.mktemp("noise") / "noise.npz"
    numpy.savez(path, images=pictures, labels=labels)
    return path


def report_of(noise, tmp_path, **choices) -> dict:
    return verbs.train("image-classification", noise, run=tmp_path / "run", threads=1,
                       evaluations=1, say=lambda line: None, **choices).report


def test_a_model_that_learnt_by_heart_is_found_out(noise, tmp_path):
    document = report_of(noise, tmp_path, net="mlp", epochs=25)
    section = document["membership"]
    assert section["low"] > 0.8 and section["advantage"] > 0.2
    [finding] = [one for one in document["findings"] if "training part" in one["what"]]
    assert finding["level"] == "warning"
    assert "Can one tell" in (tmp_path / "run" / "report.html").read_text()


def test_under_differential_privacy_the_same_data_stay_hidden(noise, tmp_path, monkeypatch):
    pytest.importorskip("opacus", reason="pip install 'lamina[privacy]'")
    monkeypatch.setattr("lamina.privacy.token_bytes", lambda count: b"k" * count)
    document = report_of(noise, tmp_path, epochs=25, private_epsilon=1.0, batch_size=64)
    section = document["membership"]
    assert section["low"] < 0.5 < section["high"] and section["auc"] < 0.6
    assert not any("training part" in one["what"] for one in document["findings"])
