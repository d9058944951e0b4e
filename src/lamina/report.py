"""The report of a run: report.json for programs, report.html for people, lines for a terminal.

The page is one file that asks nothing of anyone: no script, no font, no request. It answers, in
this order: how good, how sure, compared to what, and what to do next.
"""

import json
import math
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import numpy
from markupsafe import Markup

from lamina import chart, storage
from lamina.gallery import Shown, show
from lamina.numbers import SPACE, count, decimals, duration, moment, number, size

__all__ = ["Shown", "render", "show", "to_text", "write"]


Document = dict[str, Any]


def write(folder: Path, document: Document, gallery: Sequence[Shown]) -> None:
    """Write report.json and report.html into the folder of a run, beside its log.jsonl."""
    document = without_nan(document)
    log = read_log(folder / "log.jsonl")
    page = render({"folder": str(folder), **document}, log, gallery)
    plain = without_html(document)
    storage.write(folder / "report.json", (json.dumps(plain, indent=2) + "\n").encode())
    storage.write(folder / "report.html", page.encode(errors="replace"))


def render(document: Document, log: Sequence[dict], gallery: Sequence[Shown]) -> str:
    """The page of a run."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(count=count, size=size, code=code, moment=moment, number=number)
    environment.globals.update(chart=chart)
    template = environment.get_template("report.html.jinja")
    order = {False: 0, None: 1, True: 2}
    return template.render(
        document=document, data=document["data"], fields=fields,
        main=main_score(document), scores=score_table(document), costs=costs(document["cost"]),
        comparison=comparison(document), verdict=verdict(document), commands=commands(document),
        curves=curves(document, log), confusion=chart.confusion(document.get("confusion")),
        gallery=sorted(gallery, key=lambda shown: order[shown.right]))


def to_text(document: Document) -> str:
    """The summary that ends a training on a terminal."""
    lines = [f"{document['task']}: {document['name']}", ""]
    for row in score_table(document):
        lines.append(score_line(row))
        lines += [f"    {name:<22} {value:>14}" for name, value in row["baselines"].items()
                  if value != number(None)]
    lines += ["", f"  {verdict(document)[1]}"]
    for finding in document.get("findings") or ():
        lines.append(f"  {finding['level']}: {finding['what']}; {finding['do']}")
    known = {name: value for name, value in costs(document["cost"])}
    took = [known.get("time", ""), *(f"{known[name]} {name}" for name in ("steps", "parameters")
                                     if name in known), known.get("device", "")]
    lines += ["", f"  took    {', '.join(filter(None, took))}",
              f"  report  {place(document)}/report.html"]
    lines += [f"  next    {command}" for _, command in commands(document)[:1]]
    return "\n".join(lines)


def score_lines(scores: Sequence[Document]) -> str:
    """Scores with their intervals, one a line."""
    return "\n".join(score_line(readable(score)) for score in scores)


def score_line(row: Document) -> str:
    """A readable score in one line."""
    interval = f"95 % interval {row['low']} to {row['high']}" if row["sure"] else "no interval"
    return f"  {row['name']:<24} {row['value']:>14}   {interval}   {row['n']} test examples"


def place(document: Document) -> str:
    """The folder of the run."""
    return document.get("folder") or f"runs/{document['name']}"


# ---- scores ---------------------------------------------------------------------------------


def unit_of(score: Document) -> str:
    """The unit in which people read the score: a fraction of right answers as per cent."""
    values = [score[key] for key in ("value", "low", "high") if score.get(key) is not None]
    fraction = score.get("better") == "higher" and all(0 <= value <= 1 for value in values)
    return score.get("unit") or ("fraction" if fraction else "")


def places_of(score: Document) -> int:
    """The decimal places that the score's interval makes meaningful."""
    low, high = score.get("low"), score.get("high")
    if low is None or high is None or high <= low:
        return decimals(abs(score["value"] or 1), 4)
    return decimals(high - low)


def readable(score: Document) -> Document:
    """The score as text."""
    places, unit = places_of(score), unit_of(score)
    short = "" if unit == "fraction" else unit
    values = {key: number(score.get(key), places, unit) for key in ("value", "low", "high")}
    bare = number(score["value"], places, "fraction" if unit == "fraction" else "")
    return {**values, "name": score["name"], "better": score.get("better", "higher"),
            "bare": bare.removesuffix(f"{SPACE}%"), "unit": short or "%" * bool(unit),
            "n": count(score.get("n")), "help": score.get("help", ""),
            "sure": score.get("low") is not None and score.get("high") is not None}


def main_score(document: Document) -> Document | None:
    """The first score, which chose the model, with its interval drawn at its own scale."""
    if not document["scores"]:
        return None
    score = document["scores"][0]
    found = readable(score)
    if found["sure"] and score["value"] is not None and score["low"] < score["high"]:
        axis = chart.Axis(score["low"], score["high"], 0, 100, ())
        found["drawn"] = Markup(chart.interval(axis, score["value"], score["low"], score["high"]))
    return found


def rivals(document: Document, name: str) -> list[tuple[str, Document]]:
    """The baselines that have a score of this name, with that score."""
    return [(baseline["name"], score) for baseline in document.get("baselines") or ()
            for score in baseline["scores"]
            if score["name"] == name and score.get("value") is not None]


def score_table(document: Document) -> list[Document]:
    """Every score beside the same score of each baseline, as text."""
    table = []
    for score in document["scores"]:
        beside = {baseline["name"]: number(None) for baseline in document.get("baselines") or ()}
        beside |= {name: number(rival["value"], places_of(score), unit_of(score))
                   for name, rival in rivals(document, score["name"])}
        table.append({**readable(score), "baselines": beside})
    return table


def comparison(document: Document) -> Document | None:
    """The main score and the baselines' on one axis."""
    if not document["scores"] or document["scores"][0]["value"] is None:
        return None
    first = document["scores"][0]
    rows = [("this model", first), *rivals(document, first["name"])]
    values = [score[key] for _, score in rows for key in ("value", "low", "high")
              if score.get(key) is not None]
    axis = chart.along(min(values), max(values), 0, 100)
    unit = unit_of(first)
    return {"labels": axis.labels(unit), "rows": [
        {"name": name, "value": number(score["value"], places_of(first), unit),
         "drawn": Markup(chart.interval(axis, score["value"], score.get("low"),
                                        score.get("high")))}
        for name, score in rows]}


def verdict(document: Document) -> tuple[str, str]:
    """("good", "unsure" or "bad", one sentence): whether learning was worth it."""
    scores = [score for score in document["scores"][:1] if score["value"] is not None]
    known = rivals(document, scores[0]["name"]) if scores else []
    if not known:
        return "unsure", "No baseline was measured, so there is nothing to compare with."
    score, sign = scores[0], 1 if scores[0].get("better", "higher") == "higher" else -1
    name, best = max(known, key=lambda rival: sign * rival[1]["value"])
    value = number(best["value"], places_of(score), unit_of(score))
    against = f"the best answer that needs no learning ({name}: {value})"

    def ends(one: Document) -> tuple[float, float]:
        edges = [sign * one[key] for key in ("value", "low", "high") if one.get(key) is not None]
        return min(edges), max(edges)

    if ends(score)[0] > ends(best)[1]:
        return "good", f"Clearly better than {against}."
    if ends(score)[1] < ends(best)[0]:
        return "bad", f"Worse than {against}."
    return "unsure", f"Not clearly different from {against}."


def commands(document: Document) -> list[tuple[str, str]]:
    """(what it does, the command) for what a user may want next."""
    run = shlex.quote(place(document))
    return [("Use it on inputs of your own", f"lamina predict {run} INPUT"),
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


# ---- curves ---------------------------------------------------------------------------------


def read_log(path: Path) -> list[dict]:
    """The lines of a log.jsonl; a line that a crash cut short is left out."""
    lines = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines


def curves(document: Document, log: Sequence[dict]) -> list[Document]:
    """One chart for each validation score and each loss, of each phase of training."""
    units = {score["name"]: unit_of(score) for score in document["scores"]}
    series: dict[tuple[str, str, str], dict[float, float]] = {}
    for kind in ("scores", "losses"):
        for line in log:
            for name, value in (line.get(kind) or {}).items():
                if value is not None and math.isfinite(value):
                    key = kind, name, line.get("phase", "")
                    series.setdefault(key, {})[line["step"]] = value  # a repeated step counts once
    phases = {phase for _, _, phase in series}
    found = []
    for (kind, name, phase), values in series.items():
        points = sorted(values.items())
        lowest, highest = min(values.values()), max(values.values())
        log_axis = kind == "losses" and lowest > 0 and highest > 20 * lowest
        title = name if kind == "losses" else f"{name}, validation"
        notes = ([phase] if len(phases) > 1 else []) + ["log axis"] * log_axis
        found.append({"name": title, "note": ", ".join(notes), "drawn": Markup(chart.curve(
            points, name=title, unit=units.get(name, "") if kind == "scores" else "",
            log=log_axis))})
    return found


# ---- numbers and tables ---------------------------------------------------------------------


def costs(cost: Document) -> list[tuple[str, str]]:
    """What the run cost, by name; what was not measured is left out."""
    known = {key: value for key, value in cost.items() if value is not None}
    texts = {
        "time": ("seconds", duration), "of it learning": ("learning_seconds", duration),
        "steps": ("steps", count), "epochs": ("epochs", lambda value: f"{value:,.3g}"),
        "examples per second": ("examples_per_second", count),
        "parameters": ("parameters", count), "peak memory": ("peak_memory_bytes", size),
        "device": ("device", str), "precision": ("precision", str), "threads": ("threads", count)}
    return [(name, text(known[key])) for name, (key, text) in texts.items() if key in known]


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


class _Verb(ModuleType):
    """This module, which answers calls as the verb of the same name: `lamina.report(run)`."""

    def __call__(self, run: str | Path) -> Document:
        from lamina import verbs

        return verbs.report(run)


sys.modules[__name__].__class__ = _Verb
