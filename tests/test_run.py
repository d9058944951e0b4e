"""The loop, against loops written by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from lamina.budget import Plan, constant, trapezoid
from lamina.keys import seed_all
from lamina.learning import Phase, Update
from lamina.measure import Pace, evaluations_left
from lamina.metrics.metric import RMSE
from lamina.run import Run
from lamina.source import Batches
from lamina.task import Data, Task


class Line(Task):
    """y = 2x + 1, the smallest task there is."""

    metrics = (RMSE,)

    def read(self, source: Path | str) -> Data:
        raise NotImplementedError

    def encode(self, examples):
        raise NotImplementedError

    def build(self) -> nn.Module:
        return nn.Linear(1, 1)

    def learn(self, net, batch) -> Iterator[Update]:
        yield Update((net(batch["x"]) - batch["y"]).square().mean(), net)

    def phases(self, net, train) -> Iterator[Phase]:
        yield Phase("train", Batches(train, 10, seed=self.settings.seed),
                    lambda batch: self.learn(net, batch),
                    {net: (torch.optim.SGD(net.parameters(), 0.1, momentum=0.9),)},
                    trapezoid(warmup=0, decay=1))

    def answer(self, net, batch):
        raise NotImplementedError

    def baselines(self, train, test):
        return {}

    @classmethod
    def sample(cls, folder):
        raise NotImplementedError


def points(count: int = 35) -> dict[str, torch.Tensor]:
    x = torch.linspace(-1, 1, count)[:, None]
    return {"x": x, "y": 2 * x + 1}


def run_of(task: Task, cpu, steps=20, **named) -> Run:
    return Run(task, task.start(), points(), machine=cpu, plan=Plan(steps), **named)


def test_the_loop_does_what_a_hand_written_one_does(cpu):
    task = Line(Line.Settings())
    run = run_of(task, cpu)
    for _ in run.train():
        pass
    net = task.start()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    batches = Batches(points(), 10, seed=0)
    for step in range(20):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 20) * min(1, 1)
        batch = next(batches)
        loss = (net(batch["x"]) - batch["y"]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for ours, theirs in zip(run.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)


def test_every_example_is_seen_once_an_epoch_in_an_order_of_its_own():
    batches = Batches(points(35), 10, seed=0)
    epochs = [torch.cat([next(batches)["x"] for _ in range(batches.length)]) for _ in range(2)]
    for epoch in epochs:
        assert torch.equal(epoch.flatten().sort().values, points(35)["x"].flatten())
    assert not torch.equal(epochs[0], epochs[1])


def test_batches_continue_from_their_state():
    first, second = Batches(points(), 10, seed=0), Batches(points(), 10, seed=0)
    for _ in range(7):
        next(first)
    second.load_state_dict(first.state_dict())
    assert torch.equal(next(first)["x"], next(second)["x"])


def test_micro_batches_add_up_to_the_batch_exactly_weighed(cpu):
    task = Line(Line.Settings())
    whole, parts = run_of(task, cpu), run_of(task, cpu, micro_batches=3)  # 10 = 4 + 4 + 2
    for run in (whole, parts):
        for _ in run.train():
            pass
    for a, b in zip(whole.net.parameters(), parts.net.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


class Two(Line):
    """Two parts; the second loss is asked for when the first part has already been stepped."""

    def build(self):
        return nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})

    def learn(self, net, batch):
        before = net["a"].weight.detach().clone()
        yield Update(net["a"](batch["x"]).square().mean(), net["a"], "first")
        self.moved = not torch.equal(before, net["a"].weight)
        frozen = net["a"].weight.detach().clone()
        yield Update(net["b"](net["a"](batch["x"])).square().mean(), net["b"], "second")
        self.kept = torch.equal(frozen, net["a"].weight) and net["a"].weight.grad is not None

    def phases(self, net, train):
        optimizers = {part: (torch.optim.SGD(part.parameters(), 0.1),) for part in net.values()}
        yield Phase("train", Batches(train, 10, seed=0), lambda batch: self.learn(net, batch),
                    optimizers, constant)


def test_an_update_changes_its_part_and_only_it_before_the_next_is_asked_for(cpu):
    task = Two(Two.Settings())
    run = run_of(task, cpu, steps=3)
    losses = [point.losses for point in run.train()][-1]
    assert task.moved and task.kept
    assert set(losses) == {"first", "second"}


class Silent(Line):
    """Learns nothing."""

    def learn(self, net, batch):
        yield from ()


def test_learning_that_yields_nothing_is_an_error(cpu):
    with pytest.raises(TypeError, match="yielded no Update"):
        list(run_of(Silent(Silent.Settings()), cpu).train())


def test_phases_take_their_shares_of_the_steps(cpu):
    class Three(Line):
        """Three phases."""

        def phases(self, net, train):
            for name, share in (("a", 1), ("b", 1), ("c", 2)):
                optimizer = torch.optim.SGD(net.parameters(), 0.01)
                yield Phase(name, Batches(train, 10, seed=0),
                            lambda batch: self.learn(net, batch), {net: (optimizer,)}, constant,
                            share=share)

    names = [point.phase for point in run_of(Three(Three.Settings()), cpu, steps=20).train()]
    assert names == ["a"] * 5 + ["b"] * 5 + ["c"] * 10


def test_leaving_the_loop_and_coming_back_is_the_same_as_staying(cpu):
    task = Line(Line.Settings())
    whole, halves = run_of(task, cpu), run_of(task, cpu)
    for _ in whole.train():
        pass
    for point in halves.train():
        if point.step == 9:
            break
    for _ in halves.train():
        pass
    assert torch.equal(whole.net.weight, halves.net.weight)


def test_a_slower_machine_gets_fewer_steps_and_still_ends_annealed(cpu, monkeypatch):
    """Time is simulated: a step takes 0.1 s, from step 100 on 0.2 s; 30 s are given."""
    import lamina.measure
    import lamina.run

    clock = [0.0]
    monkeypatch.setattr(lamina.measure.time, "monotonic", lambda: clock[0])
    task = Line(Line.Settings())
    run = run_of(task, cpu, steps=300)
    run.keep_pace = Pace(run, end=31.0, step=0.1, ending=0.5)
    last = None
    for point in run.train():
        clock[0] += 0.1 if point.step < 100 else 0.2
        last = point
    assert last.step == run.plan.total < 220
    assert clock[0] == pytest.approx(30, rel=0.08)
    assert run.phases[0].schedule(run.progress(run.step)) == pytest.approx(0, abs=1e-6)
    again = run_of(task, cpu, steps=str(run.plan))
    for _ in again.train():
        pass
    assert torch.equal(again.net.weight, run.net.weight), "the plan's text repeats the run"


def test_a_plan_far_too_short_is_not_over_before_it_is_seen_to_be(cpu, monkeypatch):
    """Time is simulated: a step takes 0.02 s where 1 s was measured; 30 s are given."""
    import lamina.measure

    clock = [0.0]
    monkeypatch.setattr(lamina.measure.time, "monotonic", lambda: clock[0])
    run = run_of(Line(Line.Settings()), cpu, steps=30)
    run.keep_pace = Pace(run, end=31.0, step=1.0, ending=0.5, allowed=0.5)
    for _ in run.train():
        clock[0] += 0.02
    assert clock[0] == pytest.approx(30, rel=0.08)


@pytest.mark.parametrize("slowness", [2, 4, 10])
@pytest.mark.parametrize("spell", [(3, 18), (10, 20)])
def test_a_disturbance_in_the_middle_does_not_end_a_run(cpu, monkeypatch, spell, slowness):
    """Time is simulated: in a spell of 31 s steps of 0.1 s and looks of 0.2 s take much longer."""
    import lamina.measure

    clock = [0.0]
    monkeypatch.setattr(lamina.measure.time, "monotonic", lambda: clock[0])
    run = run_of(Line(Line.Settings()), cpu, steps=250)
    run.validation = points()
    learn = run.learn

    def taking(seconds):
        seconds *= slowness if spell[0] < clock[0] < spell[1] else 1
        clock[0] += seconds
        return seconds

    def look():
        run.spent.seconds["evaluation"] = run.spent.seconds.get("evaluation", 0.0) + taking(0.2)
        return {}

    monkeypatch.setattr(run, "learn", lambda phase: [learn(phase), taking(0.1)])
    monkeypatch.setattr(run, "validate", look)
    run.keep_pace = Pace(run, end=31.0, step=0.1, evaluation=0.2, ending=4.0)
    for _ in run.train():
        pass
    assert clock[0] == pytest.approx(27, rel=0.08)
    assert run.phases[0].schedule(run.progress(run.step)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("target", [None, (RMSE.name, 0.0)])
def test_the_looks_that_are_left_are_those_that_come(cpu, monkeypatch, target):
    run = run_of(Line(Line.Settings()), cpu, steps=100, target=target)
    run.validation, run.evaluations = points(), 3
    expected, looked = [], []
    monkeypatch.setattr(run, "validate", lambda: looked.append(run.step) or {RMSE.name: 1.0})
    for _ in run.train():
        if run.step < 100:
            expected.append((run.step, evaluations_left(run)))
    assert looked == ([34, 67, 100] if target is None else [32, 34, 67, 72, 100])
    assert expected == [(step, sum(look > step for look in looked)) for step, _ in expected]


def test_keyed_randomness_does_not_depend_on_what_ran_before():
    seed_all(3, "step", 7)
    first = torch.rand(3)
    torch.rand(1000)
    seed_all(3, "step", 7)
    assert torch.equal(torch.rand(3), first)
    seed_all(3, "step", 8)
    assert not torch.equal(torch.rand(3), first)
