"""What the page, the text and the terminal draw from report.json alike."""

import json
import math
import shlex
from collections.abc import Iterable
from typing import Any

import numpy

from lamina.numbers import count, duration, energy, operations, rounded, size

Document = dict[str, Any]


def place(document: Document) -> str:
    """The folder of the run."""
    return document.get("folder") or f"runs/{document['name']}"


def commands(document: Document) -> list[tuple[str, str]]:
    """(what it does, the command) for what a user may want next."""
    run = shlex.quote(place(document))
    return [("Use it on inputs of your own", f"lamina predict {run} INPUT"),
            ("See why it answers so", f"lamina explain {run} INPUT"),
            ("Train for longer", longer(document)),
            ("Set it beside another run", f"lamina compare {run} OTHER_RUN")]


def longer(document: Document) -> str:
    """The run's command with about three times its time, into a new folder."""
    words, kept = document["command"].split(" "), []
    replaced = ("--minutes", "--epochs", "--steps", "--target", "--run")
    for before, word in zip(["", *words], words, strict=False):
        if word.split("=")[0] not in replaced and before not in replaced:
            kept.append(word)
    minutes = max(1, math.ceil(3 * (document["cost"].get("seconds") or 60) / 60))
    return " ".join([*kept, "--minutes", str(minutes)])


def costs(cost: Document) -> list[tuple[str, str]]:
    """What the run cost, by name; what was not measured is left out."""
    known = {key: value for key, value in cost.items() if value is not None}
    texts = {
        "time": ("seconds", duration),
        "steps": ("steps", count), "epochs": ("epochs", rounded),
        "examples per second": ("examples_per_second", count),
        "parameters": ("parameters", count), "peak memory": ("peak_memory_bytes", size),
        "device": ("device", str), "precision": ("precision", str), "threads": ("threads", count),
        "to learn": ("training_flops", operations), "per answer": ("answer_flops", operations),
        "energy, estimated": ("energy_joules", energy)}
    return [(name, text(known[key])) for name, (key, text) in texts.items() if key in known]


def time_split(cost: Document) -> list[tuple[str, float]]:
    """(what, seconds) of the run's stretches, as far as they were measured."""
    known = {key: value for key, value in cost.items() if value is not None}
    if "learning_seconds" in known and "evaluating_seconds" in known:
        known["learning_seconds"] -= known["evaluating_seconds"]  # they are part of it
    names = {"reading_seconds": "reading the data", "learning_seconds": "learning",
             "evaluating_seconds": "validation scores", "report_seconds": "test scores and report"}
    split = [(what, known[name]) for name, what in names.items() if name in known]
    rest = (cost.get("seconds") or 0) - sum(seconds for _, seconds in split)
    return [*split, ("the rest", rest)] if split and rest > 0.05 * cost["seconds"] else split


def code(given: Any) -> str:
    """A setting's value as JSON."""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, default=str)


def fields(document: Document, names: Iterable[str] = ()) -> list[tuple[str, Any]]:
    """Dotted names and values of a nested document."""
    found = []
    for name, value in document.items():
        path = (*names, str(name))
        if isinstance(value, dict) and value:
            found += fields(value, path)
        else:
            found.append((".".join(path), value))
    return found


def without_html(given: Any) -> Any:
    """The document without what only the page shows: every entry called html."""
    if isinstance(given, dict):
        return {key: without_html(value) for key, value in given.items() if key != "html"}
    return [without_html(value) for value in given] if isinstance(given, list) else given


def without_nan(given: Any) -> Any:
    """The document in JSON's own types, with None for every number that JSON cannot hold."""
    if isinstance(given, dict):
        return {key: without_nan(value) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [without_nan(value) for value in given]
    if isinstance(given, (numpy.generic, numpy.ndarray)):
        return without_nan(given.tolist())
    return None if isinstance(given, float) and not math.isfinite(given) else given


def urgent_first(findings: Iterable[Document]) -> list[Document]:
    """Errors, then warnings, then hints, then what has another level."""
    known = ("error", "warning", "hint")
    return sorted(findings, key=lambda finding: known.index(finding["level"])
                  if finding["level"] in known else len(known))


def summed_up(findings: Iterable[Document]) -> str:
    """How many findings there are of each level: "1 error, 2 warnings"."""
    times: dict[str, int] = {}
    for finding in urgent_first(findings):
        times[str(finding["level"])[:20]] = times.get(str(finding["level"])[:20], 0) + 1
    return ", ".join(f"{number} {level}{'s' * (number > 1)}" for level, number in times.items())
