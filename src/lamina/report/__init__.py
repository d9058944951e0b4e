"""The report of a run: report.json for programs, report.html for people, report.md for both, lines
for a terminal.

The page is one file that asks nothing of anyone: no script, no font, no request. It answers, in
this order: how good, how sure, compared to what, and what to do next.
"""

import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
from markupsafe import Markup

from lamina import storage
from lamina.gallery import Shown, show
from lamina.numbers import count, duration, energy, moment, number, operations, size
from lamina.report import chart
from lamina.report.card import data_card, model_card
from lamina.report.document import (
    code,
    commands,
    costs,
    fields,
    place,
    summed_up,
    time_split,
    urgent_first,
    without_html,
    without_nan,
)
from lamina.report.log import curves, read_log
from lamina.report.markdown import to_markdown
from lamina.report.scores import (
    comparison,
    main_score,
    readable,
    score_line,
    score_lines,
    score_table,
    verdict,
)

__all__ = ["Shown", "known", "readable", "render", "score_lines", "show", "to_markdown", "to_text",
           "verdict", "without_html", "write"]

HOUSE = Path(__file__).parents[1]
OPEN_FINDINGS = 5  # shown at once; more are folded

Document = dict[str, Any]

# The parts of the page with a file of their own, in the order in which they are read, and what
# the list of contents calls them.
TOPICS = {
    "seeds": "Other seeds", "codes": "Codes", "samples": "Samples", "calibration": "Certainty",
    "explanations": "Explanations", "health": "Training", "learning_curve": "More data",
    "data_check": "Data checks", "fairness": "Groups", "robustness": "Robustness",
    "membership": "Membership", "privacy": "Privacy", "profile": "Where the time went"}


def write(folder: Path, document: Document, gallery: Sequence[Shown]) -> Document:
    """Write report.json, report.html and report.md into the folder of a run; gives the first."""
    document = without_nan(document)
    whole = known(folder, document)
    page = render(whole, read_log(folder / "log.jsonl"), gallery)
    plain = without_html(document)
    storage.write(folder / "report.json", (json.dumps(plain, indent=2) + "\n").encode())
    storage.write(folder / "report.html", page.encode(errors="replace"))
    storage.write(folder / "report.md", to_markdown(
        whole, sections(whole).values()).encode(errors="replace"))
    return plain


def known(folder: Path, document: Document) -> Document:
    """The document with its folder, and with the facts that its settings.json tells."""
    path = folder / "settings.json"
    facts = json.loads(path.read_text()).get("facts") if path.is_file() else None
    return {"folder": str(folder), "facts": without_nan(facts or {}), **document}


def render(document: Document, log: Sequence[dict], gallery: Sequence[Shown]) -> str:
    """The page of a run."""
    findings = urgent_first(document.get("findings") or ())
    shown = {
        "main": main_score(document), "scores": score_table(document),
        "comparison": comparison(document), "verdict": verdict(document),
        "findings": findings, "open_findings": OPEN_FINDINGS, "summed_up": summed_up(findings),
        "commands": commands(document), "curves": curves(document, log),
        "confusion": chart.confusion(document.get("confusion")),
        "gallery": sorted_by_why(gallery), "tall": any(map(is_tall, gallery)),
        "costs": costs(document["cost"]),
        "time_split": time_split(document["cost"]),
        "topics": sections(document)}
    template = templates().get_template("report.html.jinja")
    return template.render(
        **shown, document=document, data=document["data"], fields=fields, contents=contents(shown),
        data_card=data_card(document), model_card=model_card(document))


def sections(document: Document) -> dict[str, Markup]:
    """What the topics of the document say, as HTML, in the order of the page."""
    return {name: Markup(templates().get_template(f"page/{name}.html.jinja").render(
                document=document, data=document["data"], fields=fields))
            for name in TOPICS if document.get(name) is not None
            and (HOUSE / "page" / f"{name}.html.jinja").is_file()}


@cache
def templates() -> jinja2.Environment:
    """What draws the page, each template compiled once; what is not marked as HTML is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HOUSE), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(count=count, size=size, code=code, moment=moment, number=number,
                               duration=duration, energy=energy, operations=operations)
    environment.globals.update(chart=chart)
    return environment


def contents(shown: Document) -> list[tuple[str, str]]:
    """(anchor, title) of every section of the page, in its order."""
    wanted = [("result", "Result", True), ("next", "What to do next", True),
              ("scores", "Scores", shown["scores"]), ("curves", "Curves", shown["curves"]),
              ("confusion", "Confusions", shown["confusion"]),
              ("answers", "Answers", shown["gallery"]),
              *((name, TOPICS[name], True) for name in shown["topics"]),
              ("cost", "Cost", True), ("data", "Data card", True), ("model", "Model card", True),
              ("repeat", "How to repeat it", True)]
    return [(anchor, title) for anchor, title, there in wanted if there]


def sorted_by_why(gallery: Sequence[Shown]) -> list[tuple[str, list[Shown]]]:
    """(what they are examples of, the answers, wrong ones first), in the order given."""
    order = {False: 0, None: 1, True: 2}
    sorts = dict.fromkeys(shown.why for shown in gallery)
    return [(why, sorted((shown for shown in gallery if shown.why == why),
                         key=lambda shown: order[shown.right])) for why in sorts]


def is_tall(shown: Shown) -> bool:
    """Whether an example takes much room: a row of a table, a text."""
    return any(tag in shown.example_html + shown.answer_html for tag in ("<table", "<pre"))


def to_text(document: Document) -> str:
    """The summary that ends a training on a terminal."""
    lines = [f"{document['task']}: {document['name']}", ""]
    for row in score_table(document):
        lines.append(score_line(row))
        lines += [f"    {name:<22} {value:>14}" for name, value in row["baselines"].items()
                  if value != number(None)]
    lines += ["", f"  {verdict(document)[1]}"]
    for finding in urgent_first(document.get("findings") or ()):
        lines.append(f"  {finding['level']}: {finding['what']}; {finding['do']}")
    if document.get("profile"):
        lines += ["", *profile_lines(document["profile"], document["cost"])]
    told = dict(costs(document["cost"]))
    took = [told.get("time", ""), *(f"{told[name]} {name}" for name in ("steps", "parameters")
                                    if name in told), told.get("device", "")]
    lines += ["", f"  took    {', '.join(filter(None, took))}",
              f"  report  {place(document)}/report.html"]
    lines += [f"  next    {command}" for _, command in commands(document)[:1]]
    return "\n".join(lines)


def profile_lines(profile: Document, cost: Document) -> list[str]:
    """Where the time went, and how near a step came to the machine's limit."""
    step, steps = profile["step"], profile["steps"]
    lines = [f"  {name:12}{number(seconds, 2):>9} s "
             f"{number(1000 * seconds / steps, 3):>11} ms a step"
             for name, seconds in profile["seconds"].items()]
    lines += [f"  {name:12}{number(cost.get(f'{name}_seconds'), 2):>9} s"
              for name in ("reading", "report")]
    if step["fraction_of_limit"]:
        lines += [f"  {number(step['fraction_of_limit'], 3, 'fraction')} of what this machine can "
                  f"do at most: {operations(step['flops_per_second'])} per second; its matrix",
                  f"  product does {operations(profile['limits']['float32'])} in float32"]
    return lines


class _Verb(ModuleType):
    """This module, which answers calls as the verb of the same name: `lamina.report(run)`."""

    def __call__(self, run: str | Path) -> Document:
        from lamina import verbs

        return verbs.report(run)


sys.modules[__name__].__class__ = _Verb
