"""Faults: a kill at any moment, a broken disk, two processes, signals, numbers that are not finite.

The fast part runs with every test; `make test-faults` runs the long campaigns and writes
benchmarks/results/faults.json.
"""

import errno
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lamina import artifact, checkpoint, storage, tasks
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.folder import lock
from lamina.learning import Update
from lamina.run import Run

OPERATIONS = ("open", "write", "fsync", "replace", "unlink", "mkdir", "rmdir", "close")
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "faults.json"


class Killed(BaseException):
    """The process is dead: nothing it would still do happens."""


class Disk:
    """Makes the n-th operation on the disk fail with an error, or kill the process there."""

    def __init__(self, monkeypatch, at: int, fault: int | None):
        self.count, self.at, self.fault, self.dead = 0, at, fault, False
        for name in OPERATIONS:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))

    def wrap(self, real):
        def operation(*arguments, **named):
            if self.dead:
                raise Killed
            self.count += 1
            if self.count == self.at:
                if self.fault is None:
                    self.dead = True
                    raise Killed
                raise OSError(self.fault, os.strerror(self.fault))
            return real(*arguments, **named)
        return operation


def state_at(step: int) -> dict:
    return {"net": {"w": torch.full((64,), float(step))}, "numbers": [1, 2.5, None, "x"]}


def good(state: dict, steps: tuple[int, ...]) -> bool:
    return state["step"] in steps and state["net"]["w"].tolist() == [float(state["step"])] * 64


@pytest.mark.parametrize("fault", [None, errno.EIO, errno.ENOSPC, errno.EROFS],
                         ids=["kill", "EIO", "ENOSPC", "EROFS"])
def test_a_fault_at_any_operation_of_a_save_leaves_a_loadable_checkpoint(fault, tmp_path,
                                                                         monkeypatch):
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        for step in (1, 2):
            checkpoint.save(folder, step, state_at(step))
        with monkeypatch.context() as patched:
            disk = Disk(patched, at, fault)
            try:
                checkpoint.save(folder, 3, state_at(3))
            except (Killed, OSError, UserError):
                pass
        found = checkpoint.newest(folder, lambda line: None)
        assert found is not None and good(found, (2, 3)), f"fault at operation {at}"
        checkpoint.save(folder, 4, state_at(4))  # and the next process goes on
        assert checkpoint.newest(folder, lambda line: None)["step"] == 4
        assert not list(folder.glob(".*"))
        if disk.count < at:
            break
    assert at > 15, "the shim saw hardly any operation"


@pytest.mark.parametrize("fault", [None, errno.EIO, errno.ENOSPC])
def test_a_fault_at_any_operation_of_a_file_leaves_the_old_or_the_new(fault, tmp_path,
                                                                      monkeypatch):
    at = 0
    while True:
        at += 1
        path = tmp_path / f"{at}.json"
        storage.write(path, b"old")
        with monkeypatch.context() as patched:
            disk = Disk(patched, at, fault)
            try:
                storage.write(path, b"new" * 1000)
            except (Killed, OSError, UserError):
                pass
        assert path.read_bytes() in (b"old", b"new" * 1000)
        if disk.count < at:
            break
    assert at > 5


def damage(path: Path, how: str, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif how == "zero":
        start = chance.randrange(max(1, len(data) - 16))
        block = data[start : start + 512]
        data[start : start + 512] = bytes(len(block)) if any(block) else b"\1" * len(block)
    else:
        del data[chance.randrange(len(data)) :]
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("how", ["flip", "zero", "cut"])
def test_every_damaged_checkpoint_is_noticed_and_the_one_before_used(how, tmp_path):
    chance = random.Random(0)
    for step in (1, 2):
        checkpoint.save(tmp_path / "good", step, state_at(step))
    for trial in range(60):
        folder = tmp_path / f"{trial}"
        shutil.copytree(tmp_path / "good", folder)
        victim = chance.choice(sorted((folder / "step-00000002").iterdir()))
        damage(victim, how, chance)
        said: list[str] = []
        found = checkpoint.newest(folder, said.append)
        assert good(found, (1,)), f"{how} in {victim.name}"
        assert "step-00000002 is damaged" in said[0]


def test_a_swapped_file_or_folder_is_noticed(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state_at(step))
    newer, older = tmp_path / "step-00000002", tmp_path / "step-00000001"
    shutil.copy(older / "state.safetensors", newer / "state.safetensors")
    with pytest.raises(checkpoint.Unusable, match="checksum"):
        checkpoint.load(newer)
    shutil.rmtree(newer)
    shutil.copytree(older, newer)
    with pytest.raises(checkpoint.Unusable, match="it holds step 1"):
        checkpoint.load(newer)


def test_a_full_disk_names_the_bytes_needed_and_free(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, state_at(1))
    monkeypatch.setattr(storage, "free_bytes", lambda folder: 100)
    with pytest.raises(UserError, match=r"the disk is full: .* needs [\d,]+ bytes, 100 are free"):
        checkpoint.save(tmp_path, 2, state_at(2))
    assert good(checkpoint.newest(tmp_path, print), (1,))


def test_a_read_only_folder_is_one_clear_line(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UserError, match="cannot be written"):
        storage.write(tmp_path / "x", b"1")


def test_one_of_two_processes_wins_and_a_stale_lock_does_not_block(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").write_text("left by a process that is gone")
    held = lock(tmp_path / "run")
    code = ("import sys; from pathlib import Path; from lamina.folder import lock\n"
            "from lamina.errors import UserError\n"
            "try: lock(Path(sys.argv[1]))\n"
            "except UserError as reason: print(reason); sys.exit(2)")
    other = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True,
                           text=True)
    assert other.returncode == 2 and "another process is working on" in other.stdout
    os.close(held)
    os.close(lock(tmp_path / "run"))


def broken_run(prepared, cpu, folder, breaks_at) -> Run:
    """A run whose loss is NaN from a step on, for as long as the rate is not small enough."""
    task, parts = prepared("image-classification", net="mlp")
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(20),
              folder=folder, evaluations=4, say=lambda line: None)
    learn, seen = task.learn, run.phases[0].learn

    def breaking(batch):
        for update in seen(batch):
            bad = run.step >= 10 and run.rollbacks < breaks_at
            yield Update(update.loss * float("nan") if bad else update.loss, update.part)

    assert learn
    run.phases[0] = type(run.phases[0])(
        "train", run.phases[0].batches, breaking, run.phases[0].optimizers,
        run.phases[0].schedule)
    run.save()
    return run


def test_a_loss_that_is_not_finite_is_rolled_back_with_smaller_steps(prepared, cpu, tmp_path):
    run = broken_run(prepared, cpu, tmp_path, breaks_at=2)
    for _ in run.train():
        pass
    assert run.step == 20 and run.rollbacks == 2
    assert all(torch.isfinite(values).all() for values in run.best["weights"].values())


def test_a_loss_that_stays_broken_ends_the_run_clearly(prepared, cpu, tmp_path):
    run = broken_run(prepared, cpu, tmp_path, breaks_at=99)
    with pytest.raises(UserError, match="became nan at step 11, also after 3 rollbacks"):
        for _ in run.train():
            pass
    state = checkpoint.newest(tmp_path / "checkpoints", print)
    assert all(torch.isfinite(values).all() for values in state["net"].values())


def test_one_in_a_hundred_damaged_inputs_is_listed_and_the_run_completes(samples, tmp_path):
    from lamina import verbs

    data = tmp_path / "photos"
    shutil.copytree(samples("image-classification"), data)
    victims = sorted(data.rglob("*.png"))[::60]
    for victim in victims:
        victim.write_bytes(victim.read_bytes()[:40])
    trained = verbs.train("image-classification", data, net="mlp", steps=2, run=tmp_path / "run",
                          say=lambda line: None)
    listed = trained.report["data"]["damaged"]
    assert len(listed) == len(victims) == 2
    assert all(any(victim.name in line for line in listed) for victim in victims)


# ---- whole processes ------------------------------------------------------------------------

FAST = {"batch_size": "8"}  # settings that keep a step short; every task has these


def lamina(*words: object, **named) -> subprocess.Popen:
    # OMP_NUM_THREADS: equal threads on both sides of a comparison, whatever runs beside it
    return subprocess.Popen([sys.executable, "-m", "lamina.cli", *map(str, words)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=os.environ | {"OMP_NUM_THREADS": "1"}, **named)


def begin(name: str, source: object, run: Path, steps: int) -> subprocess.Popen:
    return lamina("train", name, source, "--steps", steps, "--run", run, "--save-seconds", 0.2,
                  "--evaluations", 2, "--threads", 1, "--batch-size", FAST["batch_size"])


def weights(run: Path) -> str:
    """What identifies the weights: the tensors alone, not when they were made."""
    _, tensors = artifact.read(run / artifact.NAME)
    return artifact.fingerprint("", tensors)


def killed_and_resumed(name: str, source: object, folder: Path, *, steps: int, kills: int,
                       chance: random.Random, seconds: float) -> int:
    """Kill a run at random moments and resume it until it ends; the kills that hit it alive."""
    process = begin(name, source, folder, steps)
    hit = 0
    for _ in range(kills):
        wait_for(folder / "settings.json", process)
        time.sleep(chance.random() * seconds)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            hit += 1
        process.communicate()
        process = lamina("resume", folder)
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out
    return hit


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def test_a_killed_run_ends_with_the_weights_of_the_uninterrupted_one(samples, tmp_path):
    name = "image-classification"
    whole = begin(name, samples(name), tmp_path / "whole", 60)
    out, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, out
    hit = killed_and_resumed(name, samples(name), tmp_path / "killed", steps=60, kills=2,
                             chance=random.Random(1), seconds=1.5)
    assert hit
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(number, code, samples, tmp_path):
    name = "image-classification"
    run = tmp_path / "run"
    process = begin(name, samples(name), run, 100_000)
    wait_for(run / "log.jsonl", process)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code, out
    assert time.monotonic() - began < 30
    assert f"lamina resume {run}" in out and "Traceback" not in out
    assert checkpoint.newest(run / "checkpoints", print)["step"] > 0


@pytest.mark.faults
@pytest.mark.timeout(7200)
def test_campaign_of_100_kills_over_all_tasks(samples, tmp_path):
    chance = random.Random(0)
    found = []
    every = tasks.names()
    per_task = -(-100 // len(every))
    for name in every:
        began = time.monotonic()
        steps = 150
        whole = begin(name, samples(name), tmp_path / name / "whole", steps)
        out, _ = whole.communicate(timeout=900)
        assert whole.returncode == 0, out
        length = json.loads((tmp_path / name / "whole" / "report.json").read_text()
                            )["cost"]["learning_seconds"]
        hits = differing = trial = 0
        while hits < per_task:
            trial += 1
            folder = tmp_path / name / f"killed-{trial}"
            hits += killed_and_resumed(name, samples(name), folder, steps=steps, chance=chance,
                                       kills=min(4, per_task - hits), seconds=length + 0.5)
            differing += weights(folder) != weights(tmp_path / name / "whole")
        found.append({"task": name, "kills": hits, "runs": trial, "unloadable": 0,
                      "differing_hashes": differing,
                      "seconds": round(time.monotonic() - began, 1)})
        print(found[-1], flush=True)
        assert differing == 0
    write_results("kills", found)


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_campaign_of_flipped_bits(tmp_path):
    chance = random.Random(0)
    for step in (1, 2):
        checkpoint.save(tmp_path / "good", step, state_at(step))
    noticed = 0
    for trial in range(1000):
        folder = tmp_path / "trial"
        shutil.copytree(tmp_path / "good", folder)
        damage(chance.choice(sorted((folder / "step-00000002").iterdir())),
               ("flip", "zero", "cut")[trial % 3], chance)
        noticed += good(checkpoint.newest(folder, lambda line: None), (1,))
        shutil.rmtree(folder)
    write_results("damaged checkpoints", {"trials": 1000, "noticed": noticed})
    assert noticed == 1000


def write_results(key: str, value: object) -> None:
    from lamina.device import versions

    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known |= {key: value, "versions": versions(), "command": "make test-faults"}
    RESULTS.write_text(json.dumps(known, indent=2) + "\n")


def test_nothing_in_the_shim_is_missed():
    """The disk is reached through os alone, so the shim above sees every operation of a save."""
    text = Path(storage.__file__).read_text() + Path(checkpoint.__file__).read_text()
    assert not re.search(r"\.write_bytes\(|\.write_text\(|\bopen\((?!path, os|descriptor)", text
                         .replace("os.open(", ""))
