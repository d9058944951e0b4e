"""Differential privacy: every part of DP-SGD against a hand-written one or opacus's accountant."""

import hashlib
import math
import shutil
import stat
from dataclasses import replace

import numpy
import pytest
import torch
from torch import nn

pytest.importorskip("opacus", reason="pip install 'lamina[privacy]'")

from lamina import artifact, privacy, verbs
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.measure import Pace
from lamina.options import Options
from lamina.privacy import CLIP, ExampleLoss, Privacy, Samples, clipped_sums
from lamina.run import Run
from lamina.session import Session
from lamina.task import tensors

SECRET = b"known to the tests alone"
IMAGES, TABLES = "image-classification", "table-prediction"
NETS = [(IMAGES, {"net": "tanh"}), (IMAGES, {"net": "mlp"}),
        (IMAGES, {"net": "resnet", "norm": "group", "width": 4}),
        (TABLES, {"dropout": 0.0, "members": 3}), (TABLES, {"dropout": 0.0, "net": "residual"}),
        (TABLES, {"dropout": 0.0, "net": "attention", "width": 16})]


def made(prepared, name, **settings):
    """(net, its learn, its data): of the task's own sample, ready to be learnt."""
    task, parts = prepared(name, **settings)
    net = task.start()
    [phase] = task.phases(net, parts.train)
    return net, phase, parts.train


def promise(steps=8, **changed) -> Privacy:
    return Privacy(**{"epsilon": 3.0, "delta": 1e-5, "secret": SECRET, "steps": steps, **changed})


def by_hand(net, learn, batch, clip=CLIP) -> list[torch.Tensor]:
    """Each example's gradient, clipped, added up; one at a time."""
    parameters = list(net.parameters())
    sums = [torch.zeros_like(p) for p in parameters]
    for index in range(len(next(iter(batch.values())))):
        [update] = learn(tensors(batch, slice(index, index + 1)))
        gradients = torch.autograd.grad(update.loss, parameters)
        norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
        sums = [total + g * min(1.0, clip / norm) for total, g in zip(sums, gradients, strict=True)]
    return sums


# ---- one step -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name, settings", NETS, ids=str)
def test_clipped_sums_are_those_of_a_hand_written_loop(name, settings, prepared, monkeypatch):
    net, phase, train = made(prepared, name, **settings)
    batch = tensors(train, slice(9))
    monkeypatch.setattr(privacy, "AT_ONCE", 4)  # three pieces, the last one ragged
    monkeypatch.setattr(privacy, "CLIP", 0.5)  # so that some gradients are clipped
    sums, loss = clipped_sums(ExampleLoss(net, phase.learn), batch)
    expected = by_hand(net, phase.learn, batch, clip=0.5)
    for ours, theirs in zip(sums, expected, strict=True):
        torch.testing.assert_close(ours.view_as(theirs), theirs, rtol=1e-4, atol=1e-5)
    [update] = phase.learn(batch)
    torch.testing.assert_close(loss, update.loss.detach(), rtol=1e-4, atol=1e-5)


def test_no_example_can_do_more_than_the_clipping_norm(prepared):
    net, phase, train = made(prepared, TABLES, dropout=0.0)
    few = {**tensors(train, slice(5)), "target": torch.ones(5, dtype=torch.long)}

    def length(numbers: torch.Tensor) -> float:
        changed = {**few, "numbers": few["numbers"].index_copy(0, torch.tensor([2]), numbers[None])}
        loss = ExampleLoss(net, phase.learn)
        without = tensors(few, torch.tensor([0, 1, 3, 4]))
        one, other = (torch.cat(clipped_sums(loss, b)[0]) for b in (changed, without))
        assert torch.isfinite(one).all()
        return float((one - other).norm())

    ordinary = few["numbers"][2]
    with torch.no_grad():
        net.bias += torch.tensor([40.0, -40.0])  # a loss whose gradients are large
    assert 0 < length(ordinary) <= CLIP * 1.0001
    assert length(torch.full_like(ordinary, math.nan)) == pytest.approx(0, abs=1e-5)


def test_noise_is_normal_and_of_the_promised_size():
    drawn = promise(noise_multiplier=2.5).noisy([torch.zeros(200, 300), torch.ones(40_000)], 7)
    drawn[60_000:] -= 1
    assert float(drawn.mean()) == pytest.approx(0, abs=0.03)
    assert float(drawn.std()) == pytest.approx(2.5 * CLIP, rel=0.01)
    levels = torch.tensor([0.01, 0.1, 0.25, 0.5, 0.9, 0.999])
    found = torch.quantile(drawn.double() / 2.5, levels.double())
    torch.testing.assert_close(found, torch.special.ndtri(levels.double()), rtol=0, atol=0.06)


def test_noise_and_samples_depend_on_secret_and_step_alone():
    base = privacy.normal(SECRET, "noise", 3, count=20_000)
    assert numpy.array_equal(base, privacy.normal(SECRET, "noise", 3, count=20_000))
    for secret, name, step in ((SECRET, "noise", 4), (b"another", "noise", 3),
                               (SECRET, "sample", 3)):
        other = privacy.normal(secret, name, step, count=20_000)
        assert abs(numpy.corrcoef(base, other)[0, 1]) < 0.03


def test_the_most_extreme_bits_give_finite_noise(monkeypatch):
    class Bits:
        def digest(self, size):
            return b"\0" * 8 + b"\xff" * 8

    monkeypatch.setattr(privacy.hashlib, "shake_256", lambda seed: Bits())
    low, high = privacy.normal(SECRET, "noise", 0, count=2)
    assert -9 < low < -8 and high == pytest.approx(-low)


def test_each_example_is_sampled_alone_and_at_the_rate():
    count, rate, steps = 500, 0.06, 400
    samples = Samples({"x": torch.arange(count)}, promise(steps, rate=rate))
    drawn = torch.zeros(steps, count)
    for step in range(steps):
        drawn[step, next(samples)["x"]] = 1
    sizes, times = drawn.sum(1), drawn.sum(0)
    assert float(sizes.mean()) == pytest.approx(count * rate, rel=0.03)
    assert float(sizes.var()) == pytest.approx(count * rate * (1 - rate), rel=0.25)
    assert float(times.var()) == pytest.approx(steps * rate * (1 - rate), rel=0.25)
    with pytest.raises(AssertionError, match="more steps"):
        next(samples)


def run_of(prepared, cpu, *, steps=6, folder=None, secret=SECRET, name=TABLES, **settings) -> Run:
    task, parts = prepared(name, **{"batch_size": 16, **settings})
    private = promise(steps, secret=secret, noise_multiplier=0.7)
    return Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(steps),
               folder=folder, evaluations=2, say=lambda line: None, privacy=private)


def finished(run: Run) -> Run:
    for _ in run.train():
        pass
    return run


def digest(net: nn.Module) -> str:
    return hashlib.sha256(b"".join(value.numpy().tobytes()
                                   for value in net.state_dict().values())).hexdigest()


def test_the_loop_steps_by_the_noisy_mean_of_a_hand_written_dp_sgd(prepared, cpu):
    run = run_of(prepared, cpu, dropout=0.0)
    seen = []
    [optimizer] = run.phases[0].optimizers[run.net]
    optimizer.register_step_pre_hook(lambda *_: seen.append(
        [torch.cat([p.grad.flatten() for p in run.net.parameters()]),
         {name: value.clone() for name, value in run.net.state_dict().items()}]))
    finished(run)
    task, parts = prepared(TABLES, batch_size=16, dropout=0.0)
    net = task.start()
    [phase] = task.phases(net, parts.train)
    samples = Samples(parts.train, promise(rate=phase.batches.batch_size / phase.batches.count))
    for step, (gradient, weights) in enumerate(seen):
        net.load_state_dict(weights)
        sums = torch.cat([g.flatten() for g in by_hand(net, phase.learn, next(samples))])
        noise = torch.from_numpy(privacy.normal(SECRET, "noise", step, count=len(sums))).float()
        expected = (sums + 0.7 * CLIP * noise) / phase.batches.batch_size
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_a_step_on_an_empty_batch_is_noise(prepared, cpu):
    for name, settings in ((TABLES, {}), (IMAGES, {"net": "resnet", "norm": "group"})):
        run = run_of(prepared, cpu, name=name, batch_size=1, steps=12, **settings)
        sizes = [len(next(iter(next(run.phases[0].batches).values()))) for _ in range(12)]
        assert 0 in sizes
        run.phases[0].batches.load_state_dict({"step": 0})
        before = digest(run.net)
        assert digest(finished(run).net) != before
        assert run.examples == sum(sizes)


# ---- the promise --------------------------------------------------------------------------------

@pytest.mark.parametrize("epsilon, rate, steps", [(3.0, 0.02, 300), (0.5, 0.01, 50),
                                                  (8.0, 0.3, 40)])
def test_epsilon_is_that_of_the_accountant_and_what_was_asked_for(epsilon, rate, steps):
    from opacus.accountants import RDPAccountant

    private = promise(epsilon=epsilon, rate=rate)
    private.plan(steps)
    accountant = RDPAccountant()
    for _ in range(steps):
        accountant.step(noise_multiplier=private.noise_multiplier, sample_rate=rate)
    assert private.spent(steps) == pytest.approx(accountant.get_epsilon(1e-5), rel=1e-9)
    assert 0.99 * epsilon < private.spent(steps) <= epsilon
    assert 0 == private.spent(0) < private.spent(steps // 2) < private.spent(steps)


def test_the_accountant_agrees_with_a_tighter_one():
    from opacus.accountants import PRVAccountant

    private = promise(rate=0.02)
    private.plan(300)
    other = PRVAccountant()
    other.history = [(private.noise_multiplier, 0.02, 300)]
    assert 0.85 * private.spent(300) < other.get_epsilon(1e-5) < private.spent(300)


def test_what_a_test_can_find_is_bounded():
    assert privacy.most_hits(0, 0) == pytest.approx(0.01)
    assert privacy.most_hits(math.log(5), 0) == pytest.approx(0.05)
    assert privacy.most_hits(50, 1e-5) == pytest.approx(1)


def test_a_plan_that_follows_the_machine_never_spends_more(prepared, cpu, monkeypatch):
    """A machine that turns out faster than measured: without a promise the plan would grow."""
    for private, grows in ((True, False), (False, True)):
        run = run_of(prepared, cpu, steps=400, batch_size=2)
        run.privacy = replace(run.privacy, steps=400) if private else None
        now = [0.0]
        monkeypatch.setattr("lamina.measure.time.monotonic", lambda now=now: now[0])
        pace = Pace(run, end=100.0, step=0.2, ending=1.0)
        for _ in range(30):
            run.step += 10
            now[0] += 0.5
            pace()
        assert (run.plan.total > 400) is grows


@pytest.mark.parametrize("name, settings", [NETS[0], NETS[2], (TABLES, {})], ids=str)
def test_resumed_private_run_ends_with_the_weights_of_the_uninterrupted_one(
        name, settings, prepared, cpu, tmp_path):
    whole = finished(run_of(prepared, cpu, name=name, **settings))
    interrupted = run_of(prepared, cpu, name=name, folder=tmp_path, **settings)
    next(point for point in interrupted.train() if point.step == 3)
    interrupted.save()
    resumed = run_of(prepared, cpu, name=name, folder=tmp_path, **settings)
    assert resumed.resume() and resumed.step == 3
    assert digest(finished(resumed).net) == digest(whole.net)
    other = finished(run_of(prepared, cpu, name=name, secret=b"another", **settings))
    assert digest(other.net) != digest(whole.net)


def test_a_diverging_private_run_is_not_taken_again(prepared, cpu, tmp_path):
    run = run_of(prepared, cpu, folder=tmp_path)
    run.save()
    with torch.no_grad():
        next(run.net.parameters()).fill_(math.nan)
    with pytest.raises(UserError, match="became nan"):
        finished(run)


# ---- a whole run --------------------------------------------------------------------------------

def begun(folder, source, **choices) -> Session:
    options, settings = verbs.divide(TABLES, {"private_epsilon": 2.0, "steps": "6",
                                              "run": str(folder), "threads": 1, **choices})
    return Session.start(TABLES, str(source), options, settings, command="", began=0.0,
                         say=lambda line: None)


def test_the_secret_stays_in_the_run_folder_and_goes_with_its_end(samples, tmp_path):
    session = begun(tmp_path / "a", samples(TABLES))
    key = tmp_path / "a" / privacy.KEY
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text()
    assert len(bytes.fromhex(secret)) == 32
    for _ in session.train():
        session.run.save()
    document = session.conclude()
    session.close()
    assert not key.exists()
    for path in (path for path in (tmp_path / "a").rglob("*") if path.is_file()):
        data = path.read_bytes()
        assert secret.encode() not in data and bytes.fromhex(secret) not in data, path
    assert "repeat" not in document
    model = artifact.load(tmp_path / "a").document
    assert model["privacy"] == document["privacy"]
    assert model["privacy"]["epsilon"] <= 2.0 and model["privacy"]["steps"] == 6
    assert document["data"]["fingerprint"] not in str(model)
    assert "Differential privacy" in (tmp_path / "a" / "report.html").read_text()


def test_a_reopened_private_session_goes_on_as_it_began(samples, tmp_path):
    session = begun(tmp_path / "a", samples(TABLES))
    session.close()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    nets = []
    for name, stop in (("a", None), ("b", 3)):
        if stop:
            session = Session.reopen(tmp_path / name, say=lambda line: None)
            next(point for point in session.train() if point.step == stop)
            session.run.save()
            session.close()
        session = Session.reopen(tmp_path / name, say=lambda line: None)
        assert (session.run.privacy.noise_multiplier
                == session.settings["privacy"]["noise_multiplier"] > 0)
        nets.append(digest(finished(session.run).net))
        session.close()
    assert nets[0] == nets[1]
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    (tmp_path / "c" / privacy.KEY).unlink()
    shutil.rmtree(tmp_path / "c" / "checkpoints")
    session = Session.reopen(tmp_path / "c", say=lambda line: None)
    with pytest.raises(UserError, match="privacy.key is missing"):
        finished(session.run)
    session.close()


@pytest.mark.parametrize("name, choices, message", [
    ("text-generation", {}, "expected image-classification or table-prediction"),
    ("control", {}, "cannot learn privately"),
    (IMAGES, {"net": "resnet", "norm": "batch"}, "choose --norm group"),
    (TABLES, {"micro_batches": 2}, "micro_batches"),
    (TABLES, {"repeat": 2}, "repeat"),
    (TABLES, {"precision": "bfloat16"}, "float32"),
    (TABLES, {"private_epsilon": 0.01, "private_delta": 1e-12, "epochs": 1e6}, "too little"),
], ids=str)
def test_what_cannot_be_private_is_refused_before_training(name, choices, message, samples,
                                                           tmp_path):
    length = {} if "epochs" in choices else {"steps": "2"}
    with pytest.raises(UserError, match=message):
        verbs.train(name, samples(name), run=tmp_path / "run",
                    **{"private_epsilon": 1.0, **length, **choices})
    assert not (tmp_path / "run").exists()


def test_without_opacus_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opacus.accountants", None)
    from lamina import tasks

    with pytest.raises(UserError, match=r"pip install 'lamina\[privacy\]'"):
        privacy.require(tasks.find(IMAGES), Options(private_epsilon=1.0))
