"""What a training cost, against hand counts."""

import json

import pytest
import torch
from test_run import Line, points
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lamina import cost, verbs
from lamina.budget import Plan
from lamina.learning import Update
from lamina.run import Run


class Wide(Line):
    """A matrix of 1 by 50 and one of 50 by 1."""

    def build(self):
        return nn.Sequential(nn.Linear(1, 50, bias=False), nn.Linear(50, 1, bias=False))

    def learn(self, net, batch):
        yield Update((net(batch["x"]) - batch["y"]).square().mean(), net)


def test_operations_of_training_are_those_counted_by_hand(cpu):
    task = Wide(Wide.Settings())
    run = Run(task, task.start(), points(40), machine=cpu, plan=Plan(6))
    for _ in run.train():
        pass
    before = [p.clone() for p in run.net.parameters()]
    # An example: 2 × 50 forward in each of two layers; back, 2 × 50 for each layer's weights and
    # 2 × 50 for the second one's input. Batches of 10, 6 steps.
    assert cost.training_flops(run) == 6 * 10 * (2 * 100 + 2 * 100 + 100)
    for old, new in zip(before, run.net.parameters(), strict=True):
        assert torch.equal(old, new)


def test_operations_of_parametrised_layers_are_counted():
    layer = spectral_norm(nn.Linear(20, 30, bias=False))
    before = nn.Linear(10, 20, bias=False)
    with cost.arithmetic() as counter:
        cost.slopes(layer(before(torch.randn(4, 10))).sum(), before)
    assert counter.get_total_flops() >= 4 * (2 * 200 + 2 * 600 + 2 * 600 + 2 * 200)


def test_counters_of_the_processor_are_read_and_wrap_around(tmp_path, monkeypatch):
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the package: counted in it already
    (package / "energy_uj").write_text("900000000\n")
    (package / "max_energy_range_uj").write_text("999999999\n")
    known = cost.counters(tmp_path)
    assert known == {"intel-rapl:0": (900_000_000, 999_999_999)}
    readings = iter([known, {"intel-rapl:0": (100_000_000, 999_999_999)}])
    monkeypatch.setattr(cost, "counters", lambda: next(readings))
    reading = cost.Meter().reading()
    assert reading["energy_joules"] == 200
    assert "counters" in reading["energy_how"]


def test_without_counters_energy_is_an_estimate_that_says_so(monkeypatch):
    monkeypatch.setattr(cost, "counters", dict)
    seconds = iter([10.0, 35.0])
    monkeypatch.setattr(cost, "core_seconds", lambda: next(seconds))
    reading = cost.Meter().reading()
    assert reading["energy_joules"] == 25 * cost.WATTS_PER_CORE
    assert "estimate: 25 seconds" in reading["energy_how"] and "10 watts" in reading["energy_how"]


def test_the_report_splits_the_time(samples, tmp_path):
    done = verbs.train("image-classification", samples("image-classification"), steps=10,
                       net="mlp", threads=1, run=tmp_path / "run", say=lambda line: None)
    spent = json.loads((tmp_path / "run" / "report.json").read_text())["cost"]
    assert spent == done.report["cost"]
    for name in ("reading_seconds", "learning_seconds", "report_seconds", "training_flops",
                 "answer_flops", "energy_joules", "peak_memory_bytes"):
        assert spent[name] > 0, name
    assert 0 < spent["evaluating_seconds"] <= spent["learning_seconds"]
    assert spent["reading_seconds"] + spent["learning_seconds"] + spent["report_seconds"] \
        <= spent["seconds"] + 0.1
    parameters = spent["parameters"]
    assert spent["answer_flops"] == pytest.approx(2 * parameters, rel=0.01), "one pass of an mlp"
