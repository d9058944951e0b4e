"""What a process must not import and an ending may take: held by names and counts, not by time."""

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from lamina import artifact, choice, insight, judge, session, uncompiled
from lamina.budget import Plan
from lamina.case import Case
from lamina.options import Options
from lamina.run import Run

HEAVY = ("captum", "jinja2", "matplotlib", "mpmath", "pandas", "rich", "scipy", "sklearn", "sympy",
         "tokenizers", "torch._dynamo.eval_frame", "torch._inductor")


def loaded(code: str, *words: object) -> list[str]:
    """Those of HEAVY that a process has imported after this code, which may use `words`."""
    code += f"\nprint(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", "import sys\nwords = sys.argv[1:]\n" + code,
                           *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1].split()


COMMAND = """
from lamina import cli, uncompiled
uncompiled.postpone_compiler()
assert cli.main(words) == 0
"""


@pytest.mark.parametrize("name, settings", [("image-classification", {"net": "cnn"}),
                                            ("text-generation", {})])
def test_a_prediction_imports_nothing_that_it_does_not_use(name, settings, prepared, samples,
                                                           tmp_path):
    task, _ = prepared(name, **settings)
    artifact.save(tmp_path / artifact.NAME, task, task.start(), {})
    given = next(samples(name).rglob("*.png")) if name == "image-classification" else "a"
    assert loaded(COMMAND, "predict", tmp_path, given) == []


def test_a_training_imports_no_compiler(samples, tmp_path):
    found = loaded(COMMAND, "train", "image-classification", samples("image-classification"),
                   "--net", "mlp", "--minutes", "0.02", "--run", tmp_path / "run")
    assert not {"sympy", "torch._dynamo.eval_frame", "torch._inductor", "captum"} & set(found)


def test_torch_compiles_after_the_compiler_was_postponed():
    code = """
from lamina import uncompiled
uncompiled.postpone_compiler()
import torch
net = torch.nn.Linear(3, 2)
optimizer = torch.optim.AdamW(net.parameters())
assert "torch._dynamo.eval_frame" not in sys.modules
x = torch.ones(4, 3)
assert torch.equal(torch.compile(net, backend="eager")(x), net(x))
net(x).sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
"""
    assert "torch._dynamo.eval_frame" in loaded(code)


def test_what_others_keep_from_being_compiled_is_kept_by_the_compiler_itself(monkeypatch):
    asked = []
    unloaded = uncompiled.Compiler("torch._dynamo")
    monkeypatch.setattr(uncompiled.importlib, "import_module", lambda name: SimpleNamespace(
        disable=lambda function, recursive, reason: asked.append(reason)))
    assert unloaded.disable(len, True, wrapping=False) is len
    unloaded.disable(len, reason="slow")
    assert asked == ["slow"]
    assert not hasattr(unloaded, "__file__")


def test_an_unfilled_net_has_the_shapes_of_a_real_one(prepared):
    for name in ("image-classification", "table-prediction", "text-generation"):
        task, _ = prepared(name)
        with torch.device("meta"), artifact.Unfilled():
            empty = task.build().state_dict()
        real = task.build().state_dict()
        assert {key: (value.shape, value.dtype) for key, value in empty.items()} == \
            {key: (value.shape, value.dtype) for key, value in real.items()}


def test_the_net_answers_each_test_example_once(prepared, cpu):
    """Scores, confusions, gallery and calibration are all made from the same answers."""
    task, parts = prepared("image-classification", net="mlp")
    net = task.start()
    seen = 0

    def count(module, given, made):
        nonlocal seen
        seen += len(given[0])

    net.register_forward_hook(count)
    case = Case(SimpleNamespace(task=task, machine=cpu, answers=[]), net, parts, Options())
    assert judge.verdict(case).chosen.made
    first = 1  # whose answer tells what kind of answers there are
    assert seen == len(parts.test) + len(parts.validation) + first


def test_what_the_best_weights_answered_to_the_validation_part_is_not_asked_again(prepared, cpu):
    task, parts = prepared("image-classification", net="mlp")
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(20),
              evaluations=4)
    for _ in run.train():
        pass
    case = Case(run, run.finish(), parts, Options())
    assert case.validation_answers is run.answers
    assert case.validation_answers == case.answers(parts.validation)
    run.restore(run.state())
    assert not run.answers, "they may be of other weights than the checkpoint's best"


def test_rows_of_answers_are_those_that_scoring_measures(prepared, cpu):
    from lamina import scoring

    for name in ("image-classification", "table-prediction"):
        task, parts = prepared(name)
        net = task.start()
        case = Case(SimpleNamespace(task=task, machine=cpu, answers=[]), net, parts, Options())
        measured = scoring.rows(task, net, parts.test, cpu)
        assert case.test_rows.keys() == measured.keys()
        for metric, rows in measured.items():
            assert (case.test_rows[metric] == rows).all()


@pytest.mark.parametrize("minutes, seconds", [(0.25, 1.0), (0.5, 2.0), (1, 4.0), (60, 4.0),
                                              (None, 4.0)])
def test_dear_answers_take_a_fifteenth_of_the_run_at_most(minutes, seconds):
    assert choice.allowance(minutes) == seconds


def test_insights_share_the_time_that_is_left(monkeypatch):
    """Each part is told its share of what the parts before it have left over."""
    clock, told = [100.0], {}
    monkeypatch.setattr(insight.time, "monotonic", lambda: clock[0])

    def part(name, takes):
        def measure(case, seconds):
            told[name] = seconds
            clock[0] += takes
            return None, []
        return measure

    monkeypatch.setattr(insight, "PARTS", (("first", 0.5, part("first", 3.0)),
                                           ("second", 0.5, part("second", 9.0)),
                                           ("third", 1.0, part("third", 1.0))))
    insight.insights(None, 10.0)
    assert told == {"first": 5.0, "second": 3.5, "third": 0.0}


@pytest.mark.parametrize("late, left", [(0.0, 1.25), (0.75, 0.5), (9.0, 0.0)])
def test_a_late_ending_takes_its_delay_from_the_insights(late, left):
    """A quarter of a minute allows 1.25 seconds; what judging took too long is taken off."""
    one = object.__new__(session.Session)
    one.end = time.monotonic() + 1.25 + session.WRITING_SECONDS - late
    found = one.left_for_insights(Options(minutes=0.25), learning=8.0)
    assert found == pytest.approx(left, abs=0.1)
