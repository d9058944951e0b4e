"""Healthy trainings stay quiet; faults that were provoked are found and named."""

import json
import math
from dataclasses import replace

import numpy
import pytest
import torch
from torch import nn

from lamina import health, tasks
from lamina.budget import Plan, constant
from lamina.case import Case
from lamina.datasets import find
from lamina.folder import read_log
from lamina.health import course, forecast, gap
from lamina.health.layers import look
from lamina.learning import Phase, Update
from lamina.metrics.metric import ACCURACY, RMSE, Metric
from lamina.options import Options
from lamina.parts import prepare
from lamina.run import Run
from lamina.source import Batches

SECONDS = 1.5


def trained(name, source, folder, cpu, *, steps, task=None, fraction=1.0, **settings) -> Case:
    """A finished training as the report gets it."""
    kind = tasks.find(name)
    task = task or kind(kind.Settings.make(settings))
    parts = prepare(task, source, fraction=fraction)
    folder.mkdir(exist_ok=True)
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(steps),
              folder=folder, say=lambda line: None)
    run.save()
    for _ in run.train():
        pass
    return Case(run, run.finish(), parts, Options(), read_log(folder))


def found(case: Case) -> str:
    """All findings as one text."""
    section, findings = health.measure(case, SECONDS)
    json.dumps(section, allow_nan=False)
    return "\n".join(one.line() for one in findings)


@pytest.fixture(scope="module")
def digits():
    return find("digits", offline=True)


def test_a_healthy_training_is_quiet_and_says_what_was_looked_at(digits, tmp_path, cpu):
    case = trained("image-classification", digits, tmp_path, cpu, steps=150, net="mlp")
    before = [values.clone() for values in case.net.state_dict().values()]
    section, findings = health.measure(case, SECONDS)
    assert findings == []
    assert section["gap"]["train"]["value"] > 0.97
    assert section["units"] and section["layers"] and section["watched"] >= 64
    for old, new in zip(before, case.net.state_dict().values(), strict=True):
        assert torch.equal(old, new), "looking changes nothing"


def test_a_learning_rate_a_hundred_times_too_high_is_found(digits, tmp_path, cpu):
    text = found(trained("image-classification", digits, tmp_path, cpu, steps=100, net="mlp",
                         learning_rate=0.1))
    assert "learning rate is too high" in text or "was too high" in text
    rate = float(text.split("--learning-rate ")[1].split()[0].rstrip(";,"))
    assert 1e-5 <= rate <= 1e-2


def test_a_learning_rate_a_thousand_times_too_low_is_found(digits, tmp_path, cpu):
    text = found(trained("image-classification", digits, tmp_path, cpu, steps=100, net="mlp",
                         learning_rate=1e-6))
    assert "learning rate is too low" in text
    assert 2e-4 <= float(text.split("--learning-rate ")[1].split()[0].rstrip(";,")) <= 5e-3


def test_dead_units_are_counted_in_the_layer_where_they_are(digits, tmp_path, cpu):
    case = trained("image-classification", digits, tmp_path, cpu, steps=60, net="mlp")
    layers = [module for module in case.net.modules() if isinstance(module, nn.Linear)]
    with torch.no_grad():
        layers[0].bias[: len(layers[0].bias) * 3 // 4] = -1e3
    seen = look(case.run, SECONDS)
    dead = {name: int((highest <= 0).sum()) for name, highest in seen.units.items()}
    assert max(dead.values()) >= len(layers[0].bias) * 3 // 4
    assert sum(count >= len(layers[0].bias) * 3 // 4 for count in dead.values()) == 1
    assert "dead units" in found(case)


def test_a_large_net_on_a_few_examples_is_overfitting(digits, tmp_path, cpu):
    case = trained("image-classification", digits, tmp_path, cpu, steps=60, net="mlp",
                   fraction=0.015)
    text = found(case)
    assert "overfitted" in text and "more data helps most" in text
    assert len(case.parts.training) < 30


def test_a_net_too_small_for_its_data_is_underfitting(tmp_path, cpu):
    """A checkerboard of 6 by 6 fields, which nets with one hidden number cannot tell apart."""
    random = numpy.random.default_rng(0)
    points = random.uniform(0, 6, (4000, 2))
    rows = [f"{x:.4f},{y:.4f},{'ab'[(int(x) + int(y)) % 2]}" for x, y in points]
    path = tmp_path / "board.csv"
    path.write_text("\n".join(["x,y,label", *rows]))
    text = found(trained("table-prediction", path, tmp_path / "run", cpu, steps=200, net="mlp",
                         width=2, depth=1, members=1, bins=4, column_width=1))
    assert "underfitted" in text
    assert "--width 4 (now 2)" in text


class Sigmoids(nn.Module):
    """Twelve layers of sigmoids: each takes at least three quarters of the gradient away."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        sizes = [inputs, *[32] * 12]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
        self.out = nn.Linear(32, outputs)

    def forward(self, image):
        x = image.flatten(1).float() / 255
        for layer in self.layers:
            x = layer(x).sigmoid()
        return self.out(x)


def test_a_vanishing_gradient_is_found_by_layer(digits, tmp_path, cpu):
    kind = tasks.find("image-classification")
    task = kind(kind.Settings.make({"net": "mlp"}))
    task.build = lambda: Sigmoids(64, 10)
    case = trained("image-classification", digits, tmp_path, cpu, steps=60, task=task)
    assert "the gradient vanishes" in found(case)
    section, _ = health.measure(case, SECONDS)
    sizes = [row["gradient"] for row in section["layers"]]
    assert sizes[0] < 1e-4 * sizes[-1]


def test_gradients_by_layer_are_those_of_torch(digits, tmp_path, cpu):
    case = trained("image-classification", digits, tmp_path, cpu, steps=5, net="cnn")
    seen = look(case.run, 0.001)  # one batch
    phase = case.run.phases[-1]
    phase.batches.load_state_dict({"step": phase.batches.state_dict()["step"] - 1})
    batch = {name: values[:64] for name, values in next(phase.batches).items()}
    [update] = phase.learn(batch)
    named = {name: p for name, p in case.net.named_parameters() if p.ndim > 1}
    slopes = torch.autograd.grad(update.loss, list(named.values()))
    assert set(seen.gradients) == set(named)
    for (name, weight), slope in zip(named.items(), slopes, strict=True):
        assert seen.gradients[name] == pytest.approx((slope.norm().item(), weight.norm().item()))


def test_the_log_holds_the_gradient_and_the_length_of_the_step(digits, tmp_path, cpu):
    case = trained("image-classification", digits, tmp_path, cpu, steps=30, net="mlp")
    for line in case.log:
        assert line["gradients"]["loss"] > 0
        assert 1e-4 < line["updates"]["loss"] < 0.1


def test_a_judge_that_won_is_told_from_one_that_did_not(prepared, tmp_path, cpu):
    task, parts = prepared("image-translation", width=4, blocks=1, batch_size=4)
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(3),
              folder=tmp_path, evaluations=1)
    for _ in run.train():
        pass

    def told(last: float) -> list:
        log = [{"phase": "train", "step": step, "learning_rate": 1e-4, "losses": {
            "generators": 4.0, "discriminators": 0.5 if step < 20 else last}}
            for step in range(1, 101)]
        case = Case(run, run.finish(), parts, Options(), log)
        return [one.what for one in health.won(case, log, look(run, 0.01))]

    assert told(0.25) == []
    assert "the discriminators have won" in told(0.01)[0]


def test_a_small_memory_and_exploration_that_never_ended_are_told(prepared, tmp_path, cpu):
    task, parts = prepared("control", memory=300, prefill=100, batch_size=32)
    run = Run(task, task.start(), parts.train, None, machine=cpu, plan=Plan(80))
    for _ in run.train():
        pass
    told = [one.what for one in run.phases[-1].batches.findings()]
    assert len(told) == 2 and "still explored" in told[0] and "memory is too small" in told[1]
    task, parts = prepared("control", prefill=100, batch_size=32, explore_transitions=100)
    run = Run(task, task.start(), parts.train, None, machine=cpu, plan=Plan(80))
    for _ in run.train():
        pass
    assert run.phases[-1].batches.findings() == []


# ---- the log alone --------------------------------------------------------------------------


def lines(losses, *, rate=lambda progress: 1e-3, update=5e-3, scores=None):
    count = len(losses)
    return [{"phase": "train", "step": i + 1, "learning_rate": rate((i + 1) / count),
             "losses": {"loss": float(loss)}, "gradients": {"loss": 1.0},
             "updates": {"loss": update}, **({"scores": {"error": scores[i]}} if scores else {})}
            for i, loss in enumerate(losses)]


def test_jumps_of_a_loss_are_counted_and_noise_is_not():
    random = numpy.random.default_rng(0)
    calm = 2 * numpy.linspace(1, 0.3, 200) * numpy.exp(0.1 * random.standard_normal(200))
    assert course.spikes(calm) == []
    calm[[50, 90, 150]] *= 4
    assert course.spikes(calm) == [50, 90, 150]


def test_a_score_that_turned_is_told_only_beyond_chance():
    metric = Metric("error", "lower", "")
    log = lines([1.0] * 8, scores=[0.5, 0.3, 0.2, 0.2, 0.25, 0.3, 0.35, 0.4])
    assert "became worse" in course.turned(metric, log, 0.05)[0].what
    assert course.turned(metric, log, 0.15) == []


def test_an_exploded_gradient_is_told():
    log = lines([1.0] * 50)
    assert course.gradient_findings(log) == []
    log[20]["gradients"]["loss"] = None  # it was not finite
    assert "exploded" in course.gradient_findings(log)[0].what


def test_the_forecast_of_a_power_law_holds_what_comes():
    """60 noisy curves whose floor, exponent and noise are drawn: the band holds the truth."""
    random, held = numpy.random.default_rng(0), []
    x = numpy.linspace(0.2, 1, 9) * 1000
    rates = numpy.clip((1 - x / 1000) / 0.5, 0, 1)
    for _ in range(60):
        floor, gain, exponent = random.uniform(0, 0.5), random.uniform(0.1, 1), \
            random.uniform(0.1, 1)
        true = floor + gain * (x / 1000) ** -exponent + random.uniform(0, 0.2) * rates
        noise = 0.01 * random.standard_normal(9)
        then = forecast.fit(x, true + noise, rates=rates).ahead((true + noise)[-1], 2.0)
        held.append(then.low <= floor + gain * 2**-exponent <= then.high)
    assert numpy.mean(held) > 0.9


def test_a_curve_without_noise_is_forecast_exactly():
    x = numpy.array([100, 200, 400, 800, 1600.0])
    then = forecast.fit(x, 0.1 + 3 * x**-0.4).at(2.0)
    assert then.value == pytest.approx(0.1 + 3 * 3200**-0.4, rel=0.02)
    assert then.explained > 0.999


def test_no_forecast_where_the_curve_does_not_tell():
    random = numpy.random.default_rng(0)
    metric = Metric("error", "lower", "")
    log = lines([1.0] * 20, scores=list(random.uniform(0.2, 0.3, 20)))
    assert course.twice(metric, log, 0, seed=0) is None
    perfect = lines([1.0] * 20, scores=[0.0] * 20)
    assert course.twice(metric, perfect, 0, seed=0) is None
    falling = lines([1.0] * 20, scores=[float((i + 1.0) ** -0.5) for i in range(20)])
    then = course.twice(metric, falling, 0, seed=0)
    assert then.value == pytest.approx(40**-0.5, rel=0.05)


def test_errors_are_measured_from_a_perfect_score():
    assert course.error_of(ACCURACY, 0.75, [0.75]) == 0.25
    assert course.error_of(RMSE, 3.0, [3.0]) == 3.0
    assert course.error_of(Metric("return", "higher", ""), 120.0, [20.0, 120.0]) is None
    assert math.isinf(gap.half_width(None))


def test_a_phase_with_one_example_and_no_validation_is_measured(prepared, tmp_path, cpu):
    task, parts = prepared("image-classification", net="mlp")
    one = {name: values[:1] for name, values in parts.train.items()}
    data = replace(parts.data, train=parts.data.train[:1])
    parts = type(parts)(data, one, parts.validation, parts.test)
    run = Run(task, task.start(), one, None, machine=cpu, plan=Plan(2), folder=tmp_path)
    for _ in run.train():
        pass
    section, _ = health.measure(Case(run, run.finish(), parts, Options(), []), SECONDS)
    assert section["forecast"] is None


class Quiet(nn.Module):
    """Channels before time, as one-dimensional convolutions leave them; the second one is dead."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(1, 3, 3)
        with torch.no_grad():
            self.convolution.bias[:] = torch.tensor([5.0, -50.0, 5.0])

    def forward(self, x):
        return self.convolution(x).relu().mean((1, 2))


def test_a_feature_map_is_one_unit_also_along_time(cpu):
    from test_run import Line

    task, x = Line(Line.Settings()), torch.rand(20, 1, 9)

    class Mapped(Line):
        """A net with a dead channel."""

        def build(self):
            return Quiet()

        def learn(self, net, batch):
            yield Update(net(batch["x"]).square().mean(), net)

        def phases(self, net, train):
            yield Phase("train", Batches(train, 10, seed=0), lambda batch: self.learn(net, batch),
                        {net: (torch.optim.SGD(net.parameters(), 1e-6),)}, constant)

    task = Mapped(Mapped.Settings())
    run = Run(task, task.start(), {"x": x}, machine=cpu, plan=Plan(2))
    for _ in run.train():
        pass
    [highest] = look(run, 1.0).units.values()
    assert (highest > 0).tolist() == [True, False, True]
