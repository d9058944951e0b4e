"""The benchmarks stay alive: every script imports, judges and makes its table; peers are no straw
men. What they measure is not measured here."""

import importlib
import json
import math
import re
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy, pad

from lamina import cli, datasets

HOUSE = Path(__file__).parents[1]
BENCHMARKS = HOUSE / "benchmarks"
PEERS = BENCHMARKS / "peers"
SCRIPTS = sorted(file.stem for file in BENCHMARKS.glob("*.py") if file.stem != "common")
TURNS = ("mnist_target", "mnist_minutes", "tutorial_net", "shakespeare", "cartpole", "budgets",
         "limits")
STEP = {"seconds": 0.01, "flops": 1e9, "bytes": 10**8, "flops_per_second": 1e11,
        "bytes_per_second": 1e10, "least_seconds": 0.01, "fraction_of_limit": 1.0}
LAMINA = {"wall_seconds": 10.0, "learning_seconds": 5.0, "examples": 1e5, "epochs": 2.0,
          "steps": "100", "scores": {name: {"value": 500.0} for name in (
              "accuracy", "return", "nats per character")},
          "profile": {"step": STEP,
                      "limits": {"float32": 2e11, "bfloat16": None, "bandwidth": 2e10}}}
PEER = {"wall_seconds": 60.0, "accuracy": 0.98, "loss": 1.88, "return": 500.0, "epochs": 2,
        "epoch_seconds": [20.0, 22.0], "versions": {"torch": "2"}}


@pytest.fixture(autouse=True)
def paths(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(PEERS))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_imports_and_says_how_to_call_it(name):
    script = importlib.import_module(name)
    assert f"python benchmarks/{name}.py" in script.__doc__
    assert callable(script.main)


@pytest.mark.parametrize("name", TURNS)
def test_a_script_judges_its_runs_and_makes_a_table(name, monkeypatch, tmp_path):
    script, written = importlib.import_module(name), {}
    monkeypatch.setattr(datasets, "find", lambda name: tmp_path)
    monkeypatch.setattr(script, "whole_process", lambda *words: dict(LAMINA))
    monkeypatch.setattr(script, "peer", lambda *words: dict(PEER), raising=False)
    monkeypatch.setattr(script, "write", lambda name, **document: written.update(document))
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--repeats", "2"])
    script.main()
    json.dumps(written)
    columns = list(written["table"][0])
    assert all(list(row) == columns for row in written["table"])
    assert all(isinstance(cell, str) for row in written["table"] for cell in row.values())


def test_the_script_of_kernels_times_both_ways_of_each(monkeypatch):
    import kernels

    written, threads = {}, torch.get_num_threads()
    monkeypatch.setattr(kernels, "write", lambda name, **document: written.update(document))
    monkeypatch.setattr(sys, "argv", ["kernels.py", "--repeats", "1"])
    try:
        kernels.main()
    finally:
        torch.set_num_threads(threads)
    assert [row[""] for row in written["table"]] == list(kernels.KERNELS)
    assert all(float(row["torch, ms"]) > 0 < float(row["Lamina, ms"]) for row in written["table"])


def test_the_script_for_a_gpu_runs_tiny_without_one(monkeypatch, tmp_path):
    import common
    import gpu

    def in_this_process(*words):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        assert cli.main(["train", *map(str, words), "--run", str(folder)]) == 0
        report = json.loads((folder / "report.json").read_text())
        return {"wall_seconds": 1.0, **common.summary(report)}

    written = {}
    monkeypatch.setattr(gpu, "whole_process", in_this_process)
    monkeypatch.setattr(gpu, "write", lambda name, **document: written.update(document, name=name))
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--tiny", "--repeats", "1", "--only", "cifar10"])
    gpu.main()
    assert written["name"] == "gpu-tiny" and written["runs"]["cifar10"][0]["steps"] == "3"


def test_sides_take_turns():
    import common

    order = []

    def side(name):
        return lambda seed: order.append((name, seed)) or {"seconds": len(order)}

    runs = common.in_turns(2, {"a": side("a"), "b": side("b")})
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert common.medians(runs, "seconds") == {"a": 2, "b": 3}


def test_an_environment_is_made_once_and_anew_when_its_pins_change(monkeypatch, tmp_path):
    import common

    commands = []

    def process(*command):
        commands.append(command)
        (tmp_path / ".venv-toy").mkdir(exist_ok=True)

    monkeypatch.setenv("LAMINA_PEERS", str(tmp_path))
    monkeypatch.setattr(common, "PEERS", tmp_path)
    monkeypatch.setattr(common, "process", process)
    (tmp_path / "toy.txt").write_text("toy==1\n")
    common.environment("toy")
    common.environment("toy")
    assert len(commands) == 2  # venv, pip
    (tmp_path / "toy.txt").write_text("toy==2\n")
    common.environment("toy")
    assert len(commands) == 4


def test_peers_are_pinned_and_torch_as_everywhere():
    held = (HOUSE / "constraints.txt").read_text().split()
    for script in PEERS.glob("*_*.py"):
        assert (PEERS / f"{script.stem.partition('_')[0]}.txt").is_file(), script.name
    for pins in PEERS.glob("*.txt"):
        for line in pins.read_text().splitlines():
            assert re.fullmatch(r"[\w-]+==[\d.]+", line), f"{pins.name}: {line}"
            assert not line.startswith("torch==") or line in held


def test_the_page_shows_the_results_there_are(tmp_path):
    import tables

    circumstances = {"command": "python benchmarks/a.py", "date": "2026-01-02T00:00:00",
                     "machine": {"processor": "P", "cores": 2}, "versions": {"torch": "2.13.0"}}
    (tmp_path / "a.json").write_text(json.dumps({
        "table": [{"side": "lamina", "nats": {"mean": 1.71834, "deviation": 0.00312}}],
        "claims": [{"claim": "fast", "value": 4.2, "holds": True}], **circumstances}))
    page = "<!-- a -->\nformer\n<!-- end -->\ntext\n<!-- b -->\n<!-- end -->\n"
    shown = tables.filled(page, tmp_path)
    assert "| lamina | 1.718 ± 0.0031 |" in shown and "- holds: fast (4.2)" in shown
    assert "former" not in shown and "<!-- b -->\n<!-- end -->" in shown
    assert tables.filled(shown, tmp_path) == shown


def test_spreads_become_rows_where_a_result_has_no_table():
    import tables

    score = {"mean": 0.5, "deviation": 0.1}
    row = {"variant": "no warm-up", "score": score, "seeds": 5, "runs": [1, 2]}
    shown = {"variant": "no warm-up", "score": score, "seeds": 5}
    assert tables.rows_of({"variants": [row]}) == [{"of": "", **shown}]
    assert tables.rows_of({"results": {"mnist": {"steps": 3, "rows": [row]}}}) == [
        {"of": "mnist", **shown}]
    assert tables.rows_of({"results": {"adult": {"no dropout": {"score": score}}}}) == [
        {"of": "adult, no dropout", "score": score}]


def test_every_place_of_the_page_has_a_script():
    places = re.findall(r"<!-- (?!end)(\w+) -->", (HOUSE / "docs" / "benchmarks.md").read_text())
    assert set(TURNS) < set(places)
    assert {place for place in places if not (BENCHMARKS / f"{place}.py").is_file()} <= {
        "ablation_images", "ablation_text", "ablation_tables", "ablation_control", "scaling"}


# ---- peers ----------------------------------------------------------------------------------

def test_the_plain_gpt_is_nanogpts():
    import torch_gpt

    net = torch_gpt.GPT(65)
    blocks = 4 * (2 * 128 + 12 * 128**2)
    assert sum(p.numel() for p in net.parameters()) == blocks + 128 + (65 + 64) * 128
    assert torch_gpt.rate(0, 2000) == pytest.approx(1e-3 / 101)
    assert torch_gpt.rate(100, 2000) == 1e-3
    assert torch_gpt.rate(2000, 2000) == pytest.approx(1e-4)
    tokens = torch.randint(65, (70,))
    with torch.no_grad():
        first = cross_entropy(net(tokens[None, :64])[0], tokens[1:65], reduction="sum")
        rest = cross_entropy(net(tokens[None, 64:69])[0], tokens[65:70], reduction="sum")
    assert torch_gpt.loss(net, tokens) == pytest.approx(((first + rest) / 69).item(), rel=1e-5)


def test_the_plain_gpt_learns():
    import torch_gpt

    torch.manual_seed(0)
    net, tokens = torch_gpt.GPT(8), torch.arange(2000) % 8
    torch_gpt.learn(net, tokens, 20)
    assert torch_gpt.loss(net, tokens[:300]) < 0.4 * math.log(8)


def test_the_plain_resnet18_is_the_one_of_cifar():
    import torch_resnet18

    net = torch_resnet18.resnet18()
    assert sum(p.numel() for p in net.parameters()) == 11_173_962  # as in Liu's pytorch-cifar
    assert torch_resnet18.rate(0.2) == 0.1 and torch_resnet18.rate(1.0) == pytest.approx(0)


def test_the_plain_loop_stops_with_its_time():
    import torch_resnet18

    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 10))
    images, labels = torch.randn(256, 3, 8, 8), torch.arange(256) % 10
    began = time.perf_counter()
    steps = torch_resnet18.learn(net, images, labels, seconds=0.2)
    assert steps >= 1 and time.perf_counter() - began >= 0.2
    best = torch.eye(10)[torch.arange(256) % 4][:, :, None, None]  # the label as answered
    right = (torch.arange(256) % 4 == labels).float().mean().item()
    assert torch_resnet18.accuracy(torch.nn.Flatten(), best, labels) == pytest.approx(right)


def test_images_are_shifted_and_flipped_as_a_whole():
    import torch_resnet18

    torch.manual_seed(0)
    images = torch.randn(6, 3, 5, 5)
    wide = pad(images, (4, 4, 4, 4))
    for index, one in enumerate(torch_resnet18.augmented(images)):
        crops = [wide[index, :, y : y + 5, x : x + 5] for y in range(9) for x in range(9)]
        assert any(torch.equal(one, crop) or torch.equal(one, crop.flip(2)) for crop in crops)


def test_the_hand_written_loop_and_ours_take_turns(monkeypatch):
    import loop_overhead

    written = {}
    monkeypatch.setattr(loop_overhead, "write", lambda name, **document: written.update(document))
    monkeypatch.setattr(sys, "argv", ["loop_overhead.py", "--data", "digits", "--repeats", "2",
                                      "--epochs", "0.2", "--batches", "16"])
    loop_overhead.main()
    assert len(written["results"][16]["ratios"]) == 2
