"""The verbs, as Python calls; the command line calls these and prints what they give.

    lamina.train("table-prediction", "adult.csv", minutes=2, net="mlp").scores
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lamina.tasks as registry
from lamina.answers import Answer
from lamina.errors import UserError, nearest
from lamina.interrupt import Stopped, deferred
from lamina.options import Options
from lamina.run import Point
from lamina.settings import as_flags, hints


@dataclass(frozen=True)
class Trained:
    """What a training gave: where it lies, and its report."""

    folder: Path
    report: dict[str, Any]

    @property
    def scores(self) -> dict[str, float]:
        """The test scores by name."""
        return {score["name"]: score["value"] for score in self.report["scores"]}


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def silent(point: Point) -> None:
    pass


def sample(task: str, folder: str | Path) -> Path:
    """Write a tiny data set in the format that the task reads; gives what `train` takes."""
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; give the name of a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    return registry.find(task).sample(folder)


def data() -> list[Any]:
    """The public data sets that are known by name."""
    from lamina import datasets

    return datasets.table()


def train(task: str, data: str | Path, *, watch: Callable[[Point], None] = silent,
          say: Callable[[str], None] = to_stderr, began: float | None = None,
          command: str | None = None, **choices: Any) -> Trained:
    """Train a model; afterwards the run folder holds it and its report.

    data: a path, a name of the catalogue, or a name that the task knows (an environment).
    watch: called with each step's Point.
    say: called with each line of news.
    began: when the clock of --minutes started (time.monotonic); default now. With repeat=5 each
        training has a clock of its own.
    choices: options (minutes=5, target="accuracy=0.99" …) and the task's settings.
    """
    began = time.monotonic() if began is None else began
    from lamina import privacy
    from lamina.session import Session

    options, settings = divide(task, choices)
    if options.private_epsilon is not None:
        privacy.require(registry.find(task), options)
    command = command or spelled(task, data, choices)
    if options.repeat > 1:
        from lamina import repeat

        options = repeat.train_first(task, str(data), options, settings, watch=watch, say=say,
                                     began=began, command=command)
        began = time.monotonic()
    if options.learning_curve:
        from lamina.health import learning_curve

        options = learning_curve.train_first(task, str(data), options, settings, watch=watch,
                                             say=say)
    session = Session.start(task, str(data), options, settings, began=began, say=say,
                            command=command)
    return conducted(session, watch)


def resume(run: str | Path, *, watch: Callable[[Point], None] = silent,
           say: Callable[[str], None] = to_stderr) -> Trained:
    """Go on with a run that was interrupted; it ends with the weights it would have had."""
    from lamina.session import Session

    return conducted(Session.reopen(Path(run), say=say), watch)


def conducted(session: Any, watch: Callable[[Point], None]) -> Trained:
    """Train a session to its end. Stopped: a signal came; a checkpoint was saved first."""
    try:
        for note in session.parts.data.notes:
            session.say(note)
        for line in session.parts.data.damaged[:5]:
            session.say(f"left out, damaged: {line}")
        with deferred() as asked:
            for point in session.train():
                watch(point)
                if asked:
                    session.run.save()
                    raise Stopped(asked[0])
        return Trained(session.folder, session.conclude())
    except Stopped as stopped:
        stopped.folder = session.folder
        raise
    finally:
        session.close()


def evaluate(model: str | Path, data: str | Path | None = None, *, part: str | None = None,
             offline: bool = False, groups: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Scores of a model with their 95 % intervals.

    data: default the data set the model was trained on.
    part: train, validation, test or all; default the test part where the data declare one or are
        the model's own, else all of it.
    groups: columns; the scores of each of their groups follow those of all.
    """
    from lamina import artifact, scoring
    from lamina.session import find_data
    from lamina.trust import fairness

    loaded = artifact.load(model)
    task = loaded.task
    own = loaded.document["data"]["source"]
    source = str(data) if data is not None else own
    read = task.read(find_data(type(task), source, offline=offline))
    if part is None:
        part = "all" if "test" in read.cut and source != own else "test"
    if part not in ("train", "validation", "test", "all"):
        raise UserError(f"part: expected train, validation, test or all; got {part!r}")
    chosen = [*read.train, *read.validation, *read.test] if part == "all" else getattr(read, part)
    damaged: list[str] = []
    encoded = scoring.encode(task, chosen, damaged, name=part)
    scoring.check_damage(damaged, len(chosen))
    if any(example.target is None for example in encoded.examples) and \
            any(example.target is not None for example in encoded.examples):
        raise UserError(f"{source}: some examples of the {part} part have no target")
    rows = scoring.rows(task, loaded.net, encoded, loaded.machine)
    seed = task.settings.seed
    return scoring.scores(task.metrics, rows, seed=seed,
                          groups=[example.group for example in encoded.examples]) \
        + fairness.scores(task.metrics, rows, read, encoded.examples, groups, seed=seed)


def predict(model: str | Path, inputs: Sequence[str] = (), *, coverage: float | None = None,
            **changes: Any) -> Iterator[Answer]:
    """Answers to inputs as the task reads them: files, folders, texts, rows, seeds.

    coverage: chance that the set of labels or the interval holds the truth; default the run's.
    changes: settings that may change when answering, such as temperature=0.7.
    """
    return answering(model, coverage, changes).predict(list(inputs))


def predict_table(model: str | Path, inputs: Sequence[str], path: str | Path, *,
                  coverage: float | None = None, **changes: Any) -> int:
    """The answers of `predict` in one file, .parquet or .npz, a row each; gives how many."""
    from lamina.answers import table
    from lamina.scoring import named

    loaded = answering(model, coverage, changes)
    examples = loaded.examples(list(inputs))
    return table.write(Path(path), [named(example) for example in examples],
                       loaded.predict(examples))


def answering(model: str | Path, coverage: float | None, changes: dict[str, Any]) -> Any:
    """The model with the coverage and the settings that it shall answer with."""
    from lamina import artifact

    loaded = artifact.load(model).with_settings(changes)
    return loaded if coverage is None else loaded.with_coverage(coverage)


def check(task: str, data: str | Path, *, offline: bool = False, seconds: float = 60.0,
          **choices: Any) -> dict[str, Any]:
    """What may be wrong with a data set, before anything is trained: "findings", the most urgent
    first, and what was looked at.

    seconds: for the checks, after reading; where the data are large they look at samples.
    choices: the task's settings. UserError: the data cannot be used.
    """
    from lamina import checks
    from lamina.parts import prepare
    from lamina.session import find_data

    if not seconds > 0:
        raise UserError(f"seconds: expected a number above 0, got {seconds:g}")
    kind = registry.find(task)
    made = kind(kind.Settings.make(choices, what=f"setting of {task}"))
    parts = prepare(made, find_data(kind, str(data), offline=offline))
    return checks.document(made, parts, str(data), seconds)


def explain(model: str | Path, inputs: Sequence[str], *, method: str = "auto",
            label: str | None = None) -> Iterator[Any]:
    """Which parts of each input made its answer: an Explanation for each.

    method: auto or one of those that the kind of input has.
    label: the answer to explain; default the one that is given.
    """
    from lamina import artifact, explanations

    return explanations.explain(artifact.load(model), list(inputs), method=method, label=label)


def attack(model: str | Path, data: str | Path | None = None, *, offline: bool = False,
           strengths: tuple[float, ...] = (), examples: int = 500,
           fixed: tuple[str, ...] = ()) -> dict[str, Any]:
    """How far a model's score falls under attacks and corruptions of growing strength.

    data: default the data set the model was trained on; its test part is used.
    strengths: of the attacks on images, as fractions of their range, and of the moves of a table's
        numbers, in deviations; default some of both.
    examples: how many of the test part are attacked.
    fixed: columns of a table that no attack may change.
    """
    from lamina import artifact, attacks

    return attacks.attack(artifact.load(model), data, offline=offline, strengths=strengths,
                          examples=examples, fixed=fixed)


def report(run: str | Path) -> dict[str, Any]:
    """The report of a finished run, as report.json holds it."""
    import json

    path = Path(run) / "report.json"
    if not path.is_file():
        from lamina.folder import read_settings

        read_settings(Path(run))
        raise UserError(f"{run} has no report yet; lamina resume {run} finishes it")
    return json.loads(path.read_text())


def compare(*runs: str | Path) -> list[dict[str, Any]]:
    """Each run beside the first: the paired difference of every score on the same test examples."""
    from lamina.comparison import compared

    if len(runs) < 2:
        raise UserError("expected two or more run folders to compare")
    return compared([Path(run) for run in runs])


def divide(task: str, choices: dict[str, Any]) -> tuple[Options, dict[str, Any]]:
    """The run's options and the task's settings among `choices`."""
    known = hints(Options)
    settings = {name: value for name, value in choices.items() if name not in known}
    fields = hints(registry.find(task).Settings)
    for name in settings:
        if name not in fields:
            raise UserError(f"unknown setting {name!r} of {task}: "
                            f"{nearest(name, [*fields, *known])}")
    return Options.make({n: v for n, v in choices.items() if n in known}), settings


def spelled(task: str, data: str | Path, choices: dict[str, Any]) -> str:
    """The command line that says the same as a Python call."""
    return " ".join(["lamina", "train", task, str(data), *as_flags(choices)])
