"""Attacks against closed forms and planted weaknesses; training against them."""

import csv
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor, nn

from lamina import attacks, keys, tasks, verbs
from lamina.adversary import Adversary
from lamina.answers import Label
from lamina.attacks import corruptions, pictures, robustness, rows, texts
from lamina.attacks.gradient import Ball, fgsm, lengths, margins, pgd
from lamina.attacks.pictures import Effort
from lamina.attacks.subject import Subject, sample
from lamina.budget import Plan
from lamina.case import Case
from lamina.device import machine
from lamina.errors import UserError
from lamina.metrics.metric import ACCURACY
from lamina.options import Options
from lamina.parts import prepare
from lamina.run import Run
from lamina.scoring import Part
from lamina.session import Session
from lamina.task import Data, Example, Task

DIGITS = Path(attacks.__file__).parents[1] / "datasets" / "digits" / "digits.npz"
WEIGHTS = torch.tensor([[1.0, -2.0, 0.5, 0.0], [-1.0, 1.0, 0.25, 3.0]])
EFFORT = Effort((0.05, 0.2, 0.4), (1, 3, 5), 10, 2)


def linear(inputs: Tensor) -> Tensor:
    """Two logits of four numbers."""
    return inputs @ WEIGHTS.T


# ---- gradient attacks ---------------------------------------------------------------------------

def test_fgsm_on_a_linear_model_is_the_closed_form():
    inputs, targets = torch.full((2, 4), 0.5), torch.tensor([0, 1])
    changed = fgsm(linear, Ball(inputs, 0.1, 0.0, 1.0), targets)
    towards = WEIGHTS[1] - WEIGHTS[0]  # what makes class 1 likelier
    expected = inputs + 0.1 * torch.stack([towards.sign(), -towards.sign()])
    torch.testing.assert_close(changed, expected)
    gain = margins(linear(changed), targets) - margins(linear(inputs), targets)
    torch.testing.assert_close(gain, torch.full((2,), 0.1 * float(towards.abs().sum())))


@pytest.mark.parametrize("norm, dual", [("max", 1), ("euclidean", 2)])
@pytest.mark.parametrize("margin", [False, True])
def test_pgd_reaches_the_worst_point_of_a_linear_model(norm, dual, margin):
    inputs, targets = torch.full((3, 4), 0.5), torch.tensor([0, 1, 0])
    changed = pgd(linear, Ball(inputs, 0.1, 0.0, 1.0, norm), targets, steps=20, margin=margin,
                  generator=keys.generator(0, "test"))
    gain = margins(linear(changed), targets) - margins(linear(inputs), targets)
    worst = 0.1 * float(torch.linalg.vector_norm(WEIGHTS[1] - WEIGHTS[0], dual))
    assert (gain <= worst * 1.0001).all()
    assert (gain >= worst * (0.9999 if norm == "max" else 0.95)).all()


@pytest.mark.parametrize("norm", ["max", "euclidean"])
def test_what_an_attack_hands_in_is_inside_the_ball_and_the_range(norm):
    centre = torch.rand(8, 1, 5, 5, generator=keys.generator(0, "ball")) * 255
    weights = torch.randn(25, 3, generator=keys.generator(0, "net")) / 500

    def net(inputs: Tensor) -> Tensor:
        return inputs.flatten(1) @ weights

    ball = Ball(centre, 20.0, 0.0, 255.0, norm)
    for changed in (ball.start(), pgd(net, ball, torch.zeros(8).long(), steps=7),
                    fgsm(net, ball, torch.zeros(8).long())):
        change = changed - centre
        size = change.abs().amax((1, 2, 3)) if norm == "max" else lengths(change).flatten()
        assert size.max() <= 20 + 1e-3 and size.min() > 1
        assert changed.min() >= 0 and changed.max() <= 255
    assert torch.equal(ball.project(centre), centre)


def test_tiny_slopes_still_steer():
    slope = torch.tensor([[3e-30, 4e-30]])
    ball = Ball(torch.zeros(1, 2), 1.0, -9.0, 9.0, "euclidean")
    torch.testing.assert_close(ball.steepest(slope), torch.tensor([[0.6, 0.8]]))


# ---- pictures -----------------------------------------------------------------------------------

def run_of(steps: int, strength: float = 0.0, **named) -> tuple[Run, object]:
    """A run of the tutorial's net on the digits that the package ships."""
    kind = tasks.find("image-classification")
    task = kind(kind.Settings.make({"net": "cnn", "batch_size": 64}))
    parts = prepare(task, DIGITS)
    adversary = Adversary(strength, steps=3) if strength else None
    return Run(task, task.start(), parts.train, parts.validation, machine=machine(
        device="cpu", threads=1), plan=Plan(steps), adversary=adversary, evaluations=2,
        **named), parts


def subject_of(run: Run, parts, count: int = 180) -> Subject:
    return Subject(run.task, run.net, run.machine, sample(parts.test, count, 0), 0)


@pytest.fixture(scope="module")
def plain():
    torch.set_num_threads(1)
    run, parts = run_of(150)
    for _ in run.train():
        pass
    run.finish()
    return run, parts


@pytest.fixture(scope="module")
def measured(plain):
    return pictures.measured(subject_of(*plain), EFFORT)


@pytest.fixture(scope="module")
def hardened():
    torch.set_num_threads(1)
    run, parts = run_of(250, 0.2)
    for _ in run.train():
        pass
    run.finish()
    return run, parts


def curves(found) -> dict:
    return {curve["name"]: dict(zip(curve["strengths"], curve["values"], strict=True))
            for curve in found["curves"]}


def test_the_attack_is_real(measured, plain):
    found = curves(measured)
    assert measured["clean"]["value"] > 0.93
    assert found["PGD"][0.4] <= 0.02
    for strength, value in found["PGD"].items():
        assert value <= found["FGSM"][strength]
    assert measured["masked"] == []
    run, parts = plain
    probe = run.task.probe(run.net, {k: v[:100] for k, v in parts.test.batch.items()})
    ball = Ball(probe.inputs, 25.5, 0.0, 255.0)
    losses = [margins(probe.outputs(pgd(
        probe.outputs, ball, probe.targets, steps=steps, generator=keys.generator(0, "steps"))),
        probe.targets).mean().item() for steps in (1, 3, 10)]
    assert losses == sorted(losses)


def test_curves_hold_intervals_around_their_values(measured):
    for curve in measured["curves"]:
        assert curve["n"] == 180 and len(curve["strengths"]) == len(curve["values"]) == 3
        for low, value, high in zip(curve["low"], curve["values"], curve["high"], strict=True):
            assert 0 <= low <= value <= high <= 1


def test_the_pictures_show_what_was_changed(measured):
    for shown in measured["examples"]:
        assert shown["before"].split()[0] == shown["truth"] != shown["after"].split()[0]
        assert all(picture.startswith("<img") for picture in shown["html"].values())
    assert len(measured["sheet"]) == 3 * len(corruptions.CORRUPTIONS)


class Rounded(nn.Module):
    """A net whose inputs are rounded first, so that every gradient is 0."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        return self.net((pixels / 8).round() * 8)


def test_masked_gradients_are_said(plain):
    run, parts = plain
    subject = replace(subject_of(run, parts, 60), net=Rounded(run.net))
    found = pictures.measured(subject, EFFORT)
    assert len(found["masked"]) == 2, found["masked"]
    assert "flat around 100%" in found["masked"][0]
    told = robustness.findings({**found, "kind": "image", "metric": {
        "name": "accuracy", "fraction": True}}, 0.0)
    assert told[0].level == "warning"


@pytest.mark.parametrize("name", corruptions.CORRUPTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_corruption_grows_with_its_severity(name, channels):
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    scene = 110 + 60 * (x / 3).sin() * (y / 4).cos() + 20 * ((x + y) % 7 > 3)
    pixels = scene.expand(2, channels, 32, 32).clone()
    pixels[:, 0] *= 0.8
    pixels = pixels.round()
    away = []
    for severity in corruptions.SEVERITIES:
        changed = corruptions.corrupted(name, pixels, severity, keys.generator(0, name))
        assert changed.shape == pixels.shape and torch.equal(changed, changed.round())
        assert changed.min() >= 0 and changed.max() <= 255
        away.append(float((changed - pixels).square().mean()))
    assert away[0] > 0 and away == sorted(away)


def test_blur_is_that_of_scipy():
    scipy = pytest.importorskip("scipy.ndimage")
    pixels = torch.rand(1, 1, 64, 64, generator=keys.generator(0, "blur"))
    ours = corruptions.blurred(pixels, 5, keys.generator(0))[0, 0].numpy()
    theirs = scipy.gaussian_filter(pixels[0, 0].numpy(), corruptions.BLUR[4] * 64, mode="nearest",
                                   truncate=3)
    numpy.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_scores_fall_as_severity_grows(measured):
    found = curves(measured)
    assert found["contrast"][5] < found["contrast"][3] + 0.02 < measured["clean"]["value"] + 0.04
    means = [numpy.mean([found[name][severity] for name in corruptions.CORRUPTIONS])
             for severity in (1, 3, 5)]
    assert means[0] > means[1] > means[2]


# ---- texts --------------------------------------------------------------------------------------

class Keyword(Task):
    """Says "good" where a text has the word fine, else "bad": a text to a label."""

    metrics = (ACCURACY,)

    def read(self, source: Path | str) -> Data:
        raise NotImplementedError

    def encode(self, examples):
        return {"fine": torch.tensor(["fine" in one.input.split() for one in examples])}

    def build(self) -> nn.Module:
        return nn.Identity()

    def answer(self, net, batch):
        return [Label(*(("good", {"good": 0.9, "bad": 0.1}) if fine
                        else ("bad", {"good": 0.2, "bad": 0.8}))) for fine in batch["fine"]]

    def baselines(self, train, test):
        return {}

    @classmethod
    def sample(cls, folder):
        raise NotImplementedError


def of_examples(task: Task, examples: list[Example], net: nn.Module | None = None) -> Subject:
    part = Part(examples, task.encode(examples))
    return Subject(task, net or task.build(), machine(device="cpu", threads=1), part, 0)


def test_any_task_from_text_to_label_is_attacked_and_the_search_beats_chance():
    task = Keyword(Keyword.Settings())
    examples = [Example(f"the weather in {place} is fine today", "good")
                for place in ("Oslo", "Rome", "Lima", "Cairo", "Delhi", "Quito")]
    found = texts.measured(of_examples(task, examples), (0.03, 0.2), (1, 4))
    curve = curves(found)
    assert found["clean"]["value"] == 1
    assert curve["searched typos"][4] == 0 < curve["typos"][0.03]
    assert curve["typos"][0.2] < 1
    assert all("fine" in one["input"] and "fine" not in one["changed"].split()
               for one in found["examples"])


def test_typos_are_those_of_a_keyboard():
    random = keys.numpy_generator(0, "typos")
    assert set(texts.neighbours("s")) == set("adwezx")
    assert set(texts.neighbours("Q")) == {"W", "A", "1", "2"}
    assert texts.neighbours("é") == []
    for text in ("abc", "x", "héllo wörld", "  ", "", "42"):
        for _ in range(30):
            typed = texts.mistyped(text, random)
            assert abs(len(typed) - len(text)) <= 1
            if not any(map(str.isalnum, text)):
                assert typed == text
        left = texts.missing(Example(text), 0.5, random).input
        assert (len(left) >= 1 or not text) and len(left) <= len(text)


def test_of_a_continued_text_only_the_continuation_is_scored(prepared, cpu):
    task, parts = prepared("text-generation", layers=1, width=16, heads=1)
    subject = texts.continued(Subject(task, task.start(), cpu, sample(parts.test, 3, 0), 0))
    example = subject.part.examples[0]
    assert len(example.input) <= texts.CONTEXT and len(example.target) <= texts.CONTEXT
    tokens = task.encode([example])
    known, size = int(tokens["prompt"][0]), int(tokens["length"][0])
    with torch.no_grad():
        logits, _ = subject.net(tokens["tokens"][:, : size - 1])
    nats = nn.functional.cross_entropy(logits[0, known - 1 :].float(),
                                       tokens["tokens"][0, known:size].long(), reduction="sum")
    row = subject.rows([example])[0]
    assert row[0] == pytest.approx(float(nats), rel=1e-4)
    assert row[1] == len(example.target)
    found = texts.measured(subject, (0.1,), (1,))
    searched = curves(found)["searched typos"]
    assert searched[1] >= found["clean"]["value"]


# ---- tables -------------------------------------------------------------------------------------

class Weak(Task):
    """Answers by the column `weak` alone where it is known, else by the colour."""

    metrics = (ACCURACY,)

    def read(self, source: Path | str) -> Data:
        raise NotImplementedError

    def encode(self, examples):
        values = [one.input.get("weak") for one in examples]
        return {"weak": torch.tensor([float("nan") if value in (None, "") else float(value)
                                      for value in values], dtype=torch.float64),
                "red": torch.tensor([one.input.get("colour") == "red" for one in examples])}

    def build(self) -> nn.Module:
        return nn.Identity()

    def answer(self, net, batch):
        known = ~batch["weak"].isnan()
        chances = torch.where(known, torch.sigmoid(batch["weak"].double() - 50), torch.where(
            batch["red"], 0.9, 0.1).double())
        return [Label("yes" if chance > 0.5 else "no", {"yes": chance, "no": 1 - chance})
                for chance in chances.tolist()]

    def baselines(self, train, test):
        return {}

    @classmethod
    def sample(cls, folder):
        raise NotImplementedError


@pytest.fixture
def weak() -> Subject:
    random = keys.numpy_generator(0, "weak")
    examples = []
    for index in range(60):
        value = int(random.integers(0, 101))
        examples.append(Example({
            "weak": str(value), "noise": f"{random.normal():.3f}", "age": str(20 + index),
            "colour": str(random.choice(["red", "green", "blue"]))},
            "yes" if value > 50 else "no"))
    return of_examples(Weak(Weak.Settings()), examples)


def test_the_search_finds_the_planted_weak_column(weak):
    found = rows.measured(weak, (0.1, 0.5), (1, 2), ())
    curve = curves(found)
    assert found["clean"]["value"] == 1
    assert set(found["changed"]) == {"weak"} and found["changed"]["weak"] >= 30
    values = numpy.array([int(one.input["weak"]) for one in weak.part.examples])
    reach = numpy.trunc(0.5 * values.std())
    within = ((values > 50) & (values - reach <= 50)) | ((values <= 50) & (values + reach > 50))
    assert curve["columns changed"][1] == pytest.approx(1 - within.mean())
    assert curve["numbers moved"][0.5] == pytest.approx(1 - within.mean())
    assert found["columns"][0]["name"] == "weak"
    assert [one["value"] for one in found["columns"][1:]] == [1, 1, 1]
    assert curve["missing columns"][1] >= found["columns"][0]["value"]


def test_fixed_columns_do_not_change_and_unknown_ones_are_named(weak):
    found = rows.measured(weak, (0.5,), (2,), ("weak",))
    assert found["changed"] == {} and curves(found)["columns changed"][2] == 1
    with pytest.raises(UserError, match="weak"):
        rows.measured(weak, (0.5,), (2,), ("weka",))


def test_numbers_stay_whole_in_their_range_and_within_reach(weak):
    cells = {cell.name: cell for cell in rows.cells_of(weak)}
    age = cells["age"]
    assert age.whole and not cells["noise"].whole and cells["colour"].others
    assert age.moved("30", 0.1) == 30 + numpy.trunc(0.1 * age.deviation)
    assert age.moved("78", 5.0) == 79 and age.moved("", 1.0) == "" and age.moved(None, 1.0) is None


def test_a_model_that_leans_on_one_column_is_told_so(weak):
    found = rows.measured(weak, (), (), ())
    found |= {"kind": "row", "metric": {"name": "accuracy", "fraction": True}}
    [finding] = robustness.findings(found, 0.0)
    assert finding.level == "hint" and "'weak'" in finding.what


# ---- training against attacks -------------------------------------------------------------------

def test_training_against_attacks_makes_robust(plain, hardened, measured):
    found = pictures.measured(subject_of(*hardened), EFFORT)
    before, after = (curves(one)["PGD"][0.2] for one in (measured, found))
    assert before < 0.12 and after > 0.3  # 3 seeds: 0.03 to 0.04, and 0.37 to 0.41
    assert found["clean"]["value"] > 0.9
    assert found["masked"] == []
    assert "robust accuracy" in hardened[0].best["scores"]


def test_the_attack_leaves_the_net_and_the_labels_alone(plain):
    run, parts = plain
    before = {name: values.clone() for name, values in run.net.state_dict().items()}
    batch = {name: values[:32] for name, values in parts.train.items()}
    torch.manual_seed(0)
    changed = Adversary(0.1)(run.task, run.net, batch)
    assert all(torch.equal(values, before[name]) for name, values in run.net.state_dict().items())
    assert torch.equal(changed["label"], batch["label"])
    change = changed["image"] - batch["image"].float()
    assert 0 < change.abs().max() <= 25.5 + 1e-3


def test_resumed_hardened_run_ends_with_the_weights_of_the_uninterrupted_one(tmp_path):
    whole, _ = run_of(6, 0.1)
    halves, _ = run_of(6, 0.1, folder=tmp_path)
    plain, _ = run_of(6)
    for run in (whole, plain):
        for _ in run.train():
            pass
    next(point for point in halves.train() if point.step == 3)
    halves.save()
    resumed, _ = run_of(6, 0.1, folder=tmp_path)
    assert resumed.resume() and resumed.step == 3
    for _ in resumed.train():
        pass
    for name, values in whole.net.state_dict().items():
        assert torch.equal(resumed.net.state_dict()[name], values), name
    assert not torch.equal(plain.net.body.out.weight, whole.net.body.out.weight)


@pytest.mark.parametrize("name", ["table-prediction", "text-generation", "deep-belief",
                                  "image-translation"])
def test_what_cannot_be_hardened_is_refused_before_training(name, samples, tmp_path):
    with pytest.raises(UserError, match="leave --adversarial out"):
        verbs.train(name, samples(name), run=tmp_path / "run", adversarial=0.1, steps="2")
    assert not (tmp_path / "run").exists()


def test_hardening_and_privacy_are_not_combined(samples, tmp_path):
    with pytest.raises(UserError, match="cannot be combined with adversarial"):
        verbs.train("image-classification", samples("image-classification"), steps="2",
                    run=tmp_path / "run", adversarial=0.1, private_epsilon=1.0)


def test_a_hardened_run_reports_both_costs_and_how_to_repeat_it(samples, tmp_path):
    options, settings = verbs.divide("image-classification", {
        "adversarial": 0.05, "steps": "6", "net": "cnn", "threads": 1,
        "run": str(tmp_path / "run")})
    session = Session.start("image-classification", str(samples("image-classification")), options,
                            settings, command="", began=0.0, say=lambda line: None)
    for _ in session.train():
        pass
    assert "--adversarial 0.05" in session.repeat()
    document = session.conclude()
    session.close()
    assert document["cost"]["training_flops"] > 0
    case = Case(session.run, session.run.net.eval(), session.parts, options)
    found, _ = robustness.measure(case, 60.0)
    assert found["adversarial"]["times_slower"] > 2 and found["adversarial"]["strength"] == 0.05
    assert 0.05 in curves(found)["PGD"]
    assert found["sampled"].startswith("all ")
    json.dumps(found)


# ---- the verb and the report --------------------------------------------------------------------

def test_the_report_measures_within_its_seconds_or_not_at_all(plain):
    run, parts = plain
    case = Case(run, run.net, parts, Options())
    assert robustness.measure(case, 0.0) == (None, [])
    began = time.monotonic()
    found, told = robustness.measure(case, 2.0)
    assert time.monotonic() - began < 4
    assert found["kind"] == "image" and "test examples" in found["sampled"]
    assert all(finding.level == "hint" for finding in told)


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_has_a_part_in_the_report_or_none(name, prepared, cpu):
    task, parts = prepared(name)
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(1))
    found, _ = robustness.measure(Case(run, run.net, parts, Options()), 1.0)
    assert found is None or found["clean"]["n"] > 0


def test_the_verb_prints_and_saves(tmp_path):
    path = tmp_path / "rows.csv"
    random = keys.numpy_generator(0, "verb")
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["size", "kind", "price"])
        for _ in range(120):
            size = random.uniform(20, 200)
            out.writerow([f"{size:.1f}", random.choice(["flat", "house"]), f"{1000 * size:.0f}"])
    verbs.train("table-prediction", path, run=tmp_path / "run", steps="30", threads=1)
    found = verbs.attack(tmp_path / "run", examples=10, fixed=("kind",))
    assert found["metric"]["name"] == "rmse" and found["fixed"] == ["kind"]
    moved = curves(found)["numbers moved"]
    assert list(moved.values()) == sorted(moved.values())
    text = attacks.to_text(found)
    assert "numbers moved" in text and "where one column is missing" in text
    attacks.save(found, tmp_path / "attack.html")
    page = (tmp_path / "attack.html").read_text()
    assert "<h2>When inputs are changed</h2>" in page and "http" not in page.split("</head>")[1]
    for wrong, message in (({"strengths": (2.0,)}, "at most 1"), ({"examples": 0}, "1 or more"),
                           ({"fixed": ("knid",)}, "kind")):
        with pytest.raises(UserError, match=message):
            verbs.attack(tmp_path / "run", **{"examples": 5, **wrong})
