"""The machine is chosen by measurement, and the choice changes nothing that is learnt."""

from dataclasses import replace

import pytest
import torch
from test_run import Line
from test_run import run_of as line_of

from lamina import device, limits, measure, tasks
from lamina.budget import Plan
from lamina.options import Options
from lamina.parts import prepare
from lamina.run import Run
from lamina.stopwatch import Stopwatch

SMALL = {"image-classification": {}, "table-prediction": {},
         "text-generation": {"layers": 1, "width": 32, "context": 16}}
CHANGES = {"loop": {"optimizer_kernel": "loop"}, "foreach": {"optimizer_kernel": "foreach"},
           "threads": {"threads": 2}}


def run_of(name: str, folder, cpu, **settings) -> Run:
    kind = tasks.find(name)
    (folder / "data").mkdir(exist_ok=True)
    task = kind(kind.Settings.make(settings))
    parts = prepare(task, kind.sample(folder / "data") if not any((folder / "data").iterdir())
                    else folder / "data")
    return Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(100))


def losses(run: Run, steps: int = 4) -> torch.Tensor:
    """Of the first steps of the first phase."""
    for _ in range(steps):
        run.learn(run.phases[0])
        run.step += 1
    return torch.stack([loss for kept in run._losses.values() for loss in kept])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", SMALL)
def test_no_choice_changes_what_is_learnt_beyond_rounding(name, change, tmp_path, cpu):
    usual = losses(run_of(name, tmp_path, cpu, **SMALL[name]))
    changed = losses(run_of(name, tmp_path, replace(cpu, **CHANGES[change]), **SMALL[name]))
    torch.set_num_threads(cpu.threads)
    assert torch.allclose(usual, changed, rtol=2e-3), (usual, changed)
    assert usual.min() < usual.max(), "nothing was learnt, so nothing was compared"


@pytest.mark.skipif(not device.compiles(torch.device("cpu")), reason="no C++ compiler here")
def test_compiled_learns_the_same_and_never_compiles_for_evaluations(tmp_path, cpu):
    usual = losses(run_of("image-classification", tmp_path, cpu, net="mlp"), 3)
    run = run_of("image-classification", tmp_path, replace(cpu, compile="default"), net="mlp")
    compiled = losses(run, 3)
    assert torch.allclose(usual, compiled, rtol=1e-3)
    assert "forward" not in vars(run.net), "outside a step the net is as it was written"
    state = run.state()
    assert state["usual_size"] == run.phases[0].batches.batch_size


def test_a_change_is_kept_only_if_it_is_faster_by_a_tenth(tmp_path, cpu, monkeypatch):
    run = run_of("image-classification", tmp_path, replace(cpu, threads=2))
    times = {2: 1.0, 1: 0.95}
    monkeypatch.setattr(measure, "seconds_per_step", lambda run, _: times[run.machine.threads])
    assert measure.choose_machine(run, Options(), seconds=100, learning=1) == 1.0
    assert run.machine.threads == 2
    times[1] = 0.8
    assert measure.choose_machine(run, Options(), seconds=100, learning=1) == 0.8
    assert run.machine.threads == 1


def test_what_is_forced_is_not_tried(tmp_path, cpu):
    run = run_of("image-classification", tmp_path, replace(cpu, threads=2))
    torch.set_num_threads(cpu.threads)
    asked = Options(threads=2, precision="float32", layout="contiguous", compile="no")
    assert not list(measure.candidates(run, asked, learning=1e6))


def test_trials_leave_no_trace(tmp_path, cpu):
    run = run_of("image-classification", tmp_path, cpu)
    before = {name: values.clone() for name, values in run.net.state_dict().items()}
    measure.choose_machine(run, Options(threads=1), seconds=0.2, learning=1)
    assert all(torch.equal(values, before[name]) for name, values in run.net.state_dict().items())
    assert run.step == 0 and not run.spent.seconds and run.phases[0].batches.step == 0
    fresh = run_of("image-classification", tmp_path, run.machine)
    assert torch.equal(losses(run), losses(fresh))


def test_the_stopwatch_counts_each_second_once(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 10.0, 14.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    spent = Stopwatch()
    for what in ("forward", "backward", None, "forward", None):
        spent(what)
    assert spent.seconds == {"forward": 5.0, "backward": 2.0}


def test_limits_are_those_of_a_product_and_a_copy(cpu):
    found = limits.measured(cpu)
    assert 1e9 < found.float32 < 1e14 and 1e8 < found.bandwidth < 1e13
    left = torch.ones(2048, 2048)
    assert found.float32 >= 0.3 * 2 * 2048**3 / limits.fastest(lambda: left @ left, cpu.device)


def test_bytes_of_a_step_by_hand(cpu):
    """Ten floats x and y; x and the differences are kept; weight, bias, and a momentum of each."""
    run = line_of(Line(Line.Settings()), cpu)
    run.learn(run.phases[0])
    batch = next(run.phases[0].batches)
    weights = 2 * 4
    expected = 2 * 40 + 2 * (40 + 40) + 6 * weights + 2 * weights
    assert limits.step_bytes(run, run.phases[0], batch) == expected
