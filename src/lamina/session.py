"""A training from data and minutes to a report: reads, learns, judges, writes the run folder.

    runs/<name>/settings.json, log.jsonl, checkpoints/, model.safetensors, report.json, report.html
"""

import math
import os
import shlex
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lamina import (
    artifact,
    cost,
    device,
    insight,
    judge,
    measure,
    privacy,
    repeat,
    storage,
    tasks,
)
from lamina.adversary import Adversary
from lamina.budget import Budget, Plan
from lamina.case import Case
from lamina.errors import UserError, nearest
from lamina.findings import ordered
from lamina.folder import abandon, folder_for, lock, read_log, read_settings
from lamina.health import learning_curve
from lamina.options import Options
from lamina.parts import Parts, prepare
from lamina.report import write as write_report
from lamina.run import Point, Run
from lamina.settings import as_flags
from lamina.task import Task
from lamina.trust import fairness, groups

SLACK = 0.985  # of the minutes are planned for; the rest is for what a noisy machine adds
LOOKING = 0.08  # of the time for learning may go into scores of the validation part
JUDGING_SECONDS = 0.4  # of what the test part is compared with, beside the net's own answers
WRITING_SECONDS = 0.5  # of the report and the end of the process


class Session:
    """One run folder, locked for this process. Leave with `close`."""

    def __init__(self, folder: Path, say: Callable[[str], None]):
        self.folder, self.say = folder, say
        self.began = time.monotonic()
        self.reading = 0.0  # seconds until the data were encoded
        self.end = math.inf  # when --minutes are over, on the monotonic clock
        self.meter = cost.Meter()
        self.lock = lock(folder)
        self.run: Run
        self.parts: Parts
        self.settings: dict[str, Any] = {}

    # ---- beginning --------------------------------------------------------------------------

    @classmethod
    def start(cls, name: str, source: str, options: Options, settings: dict[str, Any], *,
              command: str, began: float, say: Callable[[str], None]) -> "Session":
        """A new run: data read, net built, machine measured, steps planned, all written down."""
        entered, kind = time.monotonic(), tasks.find(name)
        if options.private_epsilon is not None:
            privacy.require(kind, options)
            settings = {**kind.private, **settings}
        chosen = kind.Settings.make(settings, what=f"setting of {name}")
        budget = options.budget(kind.budget)
        path = find_data(kind, source, offline=options.offline)
        place = device.machine(device=options.device, precision=options.precision,
                               threads=options.threads, layout=options.layout,
                               optimizer_kernel=options.optimizer_kernel,
                               compile=options.compile, enough=kind.threads)
        if place.precision == "bfloat16" and not device.bfloat16_may_pay():
            say("this machine has no arithmetic for bfloat16: expect it to be many times slower "
                "than --precision float32")
        task = kind(chosen)
        parts = prepare(task, path, fraction=options.fraction, limit=options.memory())
        options.goal(task.metrics)
        groups.check(parts.data, options.groups)
        session = cls(folder_for(options.run, source), say)
        try:
            session.began, session.reading = began, time.monotonic() - entered
            session.settings = {
                "task": tasks.name_of(kind), "name": session.folder.name, "command": command,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "source": str(path) if Path(path).exists() else source,
                "settings": chosen.to_json(), "options": options.to_json(),
                "facts": task.facts.to_json(), "data": parts.summary(source),
                "versions": device.versions()}
            session.plan(task, parts, budget, options, place)
        except BaseException:
            abandon(session.folder)
            session.close()
            raise
        return session

    def plan(self, task: Task, parts: Parts, budget: Budget, options: Options,
             place: device.Machine) -> None:
        """Build the net, fix the number of steps, and write settings.json and checkpoint 0."""
        net = task.start()
        if options.start_from:
            note = artifact.start_from(task.exported(net), options.start_from)
            parts.data.notes.append(note)
            self.say(note)
        self.build(task, parts, net, place, Plan(1), options.evaluations)
        if self.run.adversary is not None:
            self.run.adversary.check(task, net, self.run.phases)
        if options.fraction < 1 and self.run.phases[-1].batches.length is None:
            raise UserError(f"fraction: {self.settings['task']} has no training part to learn a "
                            "share of; it makes its data while it learns")
        keep_pace = plan_steps(self.run, budget, options, parts, self.began)
        self.settings |= {"steps": str(self.run.plan), "evaluations": self.run.evaluations,
                          "machine": self.run.machine.to_json(), "repeat": self.repeat()}
        if self.run.privacy is not None:
            self.run.privacy.plan(max(self.run.plan.totals))
            privacy.keep(self.run.privacy, self.folder)
            self.settings["privacy"] = self.run.privacy.planned()
        storage.write_json(self.folder / "settings.json", self.settings)
        self.run.save()
        if keep_pace is not None:
            self.run.keep_pace, self.end = keep_pace, keep_pace.end

    def build(self, task: Task, parts: Parts, net: nn.Module, place: device.Machine, plan: Plan,
              evaluations: int) -> None:
        options = Options.make(self.settings["options"])
        device.give_memory_back()
        device.keep_memory(scarce=parts.stored)
        self.parts = parts
        self.run = Run(task, net, parts.train, parts.validation, machine=place, plan=plan,
                       folder=self.folder, evaluations=evaluations,
                       micro_batches=options.micro_batches, target=options.goal(task.metrics),
                       save_seconds=options.save_seconds, say=self.say,
                       adversary=Adversary(options.adversarial) if options.adversarial else None,
                       privacy=privacy.promised(options, self.folder,
                                                self.settings.get("privacy")))
        if options.profile and place.device.type == "cuda":
            self.run.spent.wait = torch.cuda.synchronize

    @classmethod
    def reopen(cls, folder: Path, *, say: Callable[[str], None]) -> "Session":
        """A run that was interrupted, standing where its newest good checkpoint was taken.

        UserError: no run folder, another data set than then, no good checkpoint.
        """
        settings = read_settings(folder)
        session = cls(folder, say)
        try:
            session.settings = settings
            options = Options.make(settings["options"])
            kind = tasks.find(settings["task"])
            place = device.machine(**settings["machine"])
            task = kind(kind.Settings.make(settings["settings"]),
                        kind.Facts.make(settings["facts"], what="fact"))
            parts = prepare(task, find_data(kind, settings["source"], offline=options.offline),
                            fraction=options.fraction, limit=options.memory())
            session.reading = time.monotonic() - session.began
            if parts.summary("")["fingerprint"] != settings["data"]["fingerprint"]:
                raise UserError(f"the data at {settings['source']} differ from those that {folder} "
                                "was started with; train anew, or bring the old data back")
            session.build(task, parts, task.start(), place, Plan(settings["steps"]),
                          settings["evaluations"])
            if not session.run.resume():
                if any((folder / "checkpoints").glob("step-*")):
                    raise UserError(f"no checkpoint of {folder} is usable; train anew")
                session.say("no checkpoint was written yet; starting at step 0")
                if options.start_from:
                    artifact.start_from(task.exported(session.run.net), options.start_from)
        except BaseException:
            session.close()
            raise
        return session

    # ---- learning and ending ----------------------------------------------------------------

    def train(self) -> Iterator[Point]:
        """Learns; a point for each step. The best model so far is on disk from the first
        evaluation on."""
        for point in self.run.train():
            if point.scores and self.run.best and self.run.best["step"] == point.step:
                self.save_model()
            if point.losses:
                self.meter.sample()
            yield point

    def save_model(self, scores: list[dict[str, Any]] | None = None,
                   calibration: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the best weights so far as model.safetensors."""
        best = self.run.best
        net = self.run.task.start().to(self.run.machine.device)
        net.load_state_dict(best["weights"] if best else self.run.net.state_dict())
        known = {name: self.settings[name] for name in ("versions", "created")}
        data = {name: self.settings["data"][name] for name in ("source", "split", "fingerprint")}
        document = {**known, "data": data, "scores": scores or [],
                    "validation": best["scores"] if best else {}, "steps": self.run.step,
                    "calibration": calibration}
        if self.run.privacy is not None:
            document["privacy"] = self.run.privacy.summary(self.run.step)
            del data["fingerprint"]  # it would confirm a guess at the training examples
        return artifact.save(self.folder / artifact.NAME, self.run.task, net, document)

    def conclude(self) -> dict[str, Any]:
        """Judge the best weights on the test part, once; write the model file and the report."""
        run, concluding = self.run, time.monotonic()
        device.give_memory_back()
        self.settings["steps"] = str(run.plan)
        self.settings["repeat"] = self.repeat()
        storage.write_json(self.folder / "settings.json", self.settings)
        net = run.finish()
        options = Options.make(self.settings["options"])
        case = Case(run, net, self.parts, options, read_log(self.folder))
        verdict = judge.verdict(case)
        storage.write(self.folder / judge.ROWS, verdict.rows_bytes())
        model = self.save_model(verdict.document["scores"], case.calibration)
        sections, findings = insight.insights(case, self.left_for_insights(
            options, learning=run.seconds))
        if self.end < math.inf and run.step == run.plan.total:  # minutes, not a target, ended it
            verdict.chosen.make(self.end - WRITING_SECONDS - time.monotonic())
        document = {
            "task": self.settings["task"], "name": self.folder.name,
            "folder": str(self.folder),
            "command": self.settings["command"], "date": self.settings["created"],
            "data": self.settings["data"], **verdict.document, **sections,
            "cost": cost.measured(case, self.meter, began=self.began, reading=self.reading,
                                  report=time.monotonic() - concluding),
            "settings": self.settings["settings"],
            "steps": self.settings["steps"], "repeat": self.settings["repeat"],
            "versions": self.settings["versions"], "model": model}
        if run.privacy is not None:
            document["privacy"] = run.privacy.summary(run.step)
            del document["repeat"]  # the same command draws other noise
        if options.learning_curve:
            curve, found = learning_curve.section(self.folder, case.task.metrics[0], document,
                                                  seed=case.seed)
            document["learning_curve"] = curve
            findings += found
        if options.repeat > 1:
            seeds, found = repeat.section(self.folder, case.task.metrics, document)
            document |= {"seeds": seeds} if seeds else {}
            findings += found
        findings += judge.findings(document, case)
        document["findings"] = [one.to_json(case.data) for one in ordered(findings)]
        written = write_report(self.folder, document, verdict.chosen.by_sort())
        privacy.forget(self.folder)
        return written

    def left_for_insights(self, options: Options, *, learning: float) -> float:
        """Seconds: their allowance, less what everything before took longer than was planned."""
        allowed = insight.allowance(60 * options.minutes if options.minutes else learning)
        return max(0.0, min(allowed, self.end - WRITING_SECONDS - time.monotonic()))

    def repeat(self) -> str:
        """The command that makes the same weights again."""
        run, options = self.run, Options.make(self.settings["options"])
        asked = {name: value for name in ("micro_batches", "start_from", "target", "fraction",
                                               "adversarial", "private_epsilon", "private_delta")
                 if (value := getattr(options, name)) != getattr(Options(), name)}
        default = type(run.task.settings)().to_json()
        chosen = {name: value for name, value in self.settings["settings"].items()
                  if value != default[name]}
        return shlex.join(["lamina", "train", self.settings["task"], self.settings["source"],
                           *as_flags({"steps": str(run.plan), "evaluations": run.evaluations,
                                      **run.machine.to_json(), **asked, **chosen})])

    def close(self) -> None:
        """Give the run folder free."""
        os.close(self.lock)


def plan_steps(run: Run, budget: Budget, options: Options, parts: Parts, began: float
               ) -> measure.Pace | None:
    """Fix the run's plan; gives what keeps it inside its minutes, if it has any."""
    if budget.steps is not None:
        run.plan = Plan(budget.steps)
        return None
    if budget.epochs is not None:
        length = run.phases[-1].batches.length
        if length is None:
            raise UserError(f"{tasks.name_of(type(run.task))} has no epochs: there is no end to "
                            "its data; give --steps or --minutes")
        run.plan = Plan(max(1, round(budget.epochs * length)))
        measure.choose_for_long(run, options)
        return None
    whole = 60 * budget.minutes
    trial = min(0.05 * whole, 5.0 if options.target is None else 1.0)  # a target may come soon
    step = measure.choose_machine(run, options, seconds=trial, learning=0.9 * whole)
    evaluation, adjusting = measure.seconds_per_evaluation(run)
    ending = evaluation * len(parts.test) / len(parts.validation) + JUDGING_SECONDS \
        + fairness.SECONDS * len(options.groups) + WRITING_SECONDS
    allowed = insight.allowance(whole) + measure.seconds_per_gallery(run, budget.minutes)
    evaluation += adjusting + measure.seconds_per_attack(run)
    end = began + SLACK * whole
    left = end - allowed - ending - time.monotonic()
    run.evaluations = max(1, min(run.evaluations, int(LOOKING * left / max(evaluation, 1e-9))))
    run.plan = Plan(max(1, int((left - run.evaluations * evaluation) / step)))
    return measure.Pace(run, end=end, step=step, evaluation=evaluation, ending=ending,
                        allowed=allowed)


def find_data(kind: type[Task], source: str, *, offline: bool) -> Path | str:
    """The path of a data set given by path or by a catalogue name; UserError offers a near one."""
    from lamina.datasets import CATALOGUE, find

    path = Path(source).expanduser()
    if path.exists():
        return path
    if kind.reads_names:
        return source
    if source in CATALOGUE:
        return find(source, offline=offline)
    near = [str(path.parent / entry.name) for entry in path.parent.iterdir()] \
        if path.parent.is_dir() else []
    raise UserError(f"no file, folder or known data set is called {source!r}: "
                    + nearest(source, [*near, *CATALOGUE]))
