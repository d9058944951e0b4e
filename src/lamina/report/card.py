"""The data card and the model card: titles, each with a few lines of plain text.

Page and report.md draw the same lines; whoever draws them escapes them.
"""

from typing import Any

from lamina import tasks
from lamina.datasets import CATALOGUE
from lamina.numbers import count, duration, rounded
from lamina.report.document import code, urgent_first
from lamina.report.scores import score_table, verdict

Document = dict[str, Any]
Card = list[tuple[str, list[str]]]

NAMED = 30  # labels or columns that are listed by name
LONGEST = 60  # characters of such a name

# What a report may lack, and what is then not known.
UNTESTED = {
    "robustness": "Attacks on purpose, and noise, blur or gaps in the input: lamina attack RUN",
    "fairness": "Whether it treats groups of people alike: name their columns with --groups",
    "membership": "Whether its answers give away which examples it learnt from",
    "seeds": "How much another random seed would change the scores: --repeat 5",
    "calibration": "Whether the certainty that it states can be believed",
    "explanations": "What in the inputs its answers rest on: lamina explain RUN INPUT",
}


def data_card(document: Document) -> Card:
    """What the data are, whose they are, and how they were divided."""
    data, facts = document["data"], document.get("facts") or {}
    known = CATALOGUE.get(str(data.get("source")))
    card: Card = []
    if known:
        card += [("What they are", [known.what]), ("Licence", [known.licence]),
                 ("From", [f"{known.name}, {known.page}"])]
    else:
        card.append(("From", [str(data.get("source") or "not told")]))
        card.append(("Licence", ["not known to Lamina: look at where the data came from before "
                                 "you pass the model on"]))
    card.append(("Parts", [f"{count(data['train'])} to learn from, {count(data['validation'])} to "
                           f"choose the best model, {count(data['test'])} for the scores"]))
    card.append(("How they were divided", [str(data["split"])]))
    if facts.get("labels"):
        card.append(("Labels", [listed(facts["labels"])]))
    if columns := facts.get("columns"):
        card.append((f"Columns that it reads ({count(len(columns))})",
                     [listed([column_name(column) for column in columns])]))
    if facts.get("useless"):
        card.append(("Columns left out", [listed(facts["useless"])]))
    if data.get("notes"):
        card.append(("Noted while reading", list(map(str, data["notes"]))))
    if "data_check" in document:
        card.append(("Duplicates, leaks, label errors, drift",
                     ["see what to do next, and what was checked in the data"]))
    return card


def model_card(document: Document) -> Card:
    """What the model is for, how good it is, and what is known and not known to be wrong."""
    return [(title, lines) for title, lines in (
        ("What it does", [does(document)]),
        ("What goes in", [goes_in(document)]),
        ("What comes out", [comes_out(document)]),
        ("Meant for", meant_for(document)),
        ("How good it is", goodness(document)),
        ("Limits that were found", limits(document)),
        ("What was not tested", untested(document)),
        ("Licence of the data", [licence(document)]),
        ("How it was trained", [training(document)])) if lines and lines[0]]


def does(document: Document) -> str:
    """The task in a sentence."""
    known = document["task"] in tasks.names()
    summary = tasks.summary(document["task"]) if known else document["task"]
    words = summary.replace(" -> ", " to ")
    return words[:1].upper() + words[1:]


def goes_in(document: Document) -> str:
    """What one input is."""
    facts = document.get("facts") or {}
    found = [ends_of(document)[0]]
    if facts.get("columns"):
        found = [f"a row with {count(len(facts['columns']))} columns"]
    if sides := facts.get("size") or facts.get("height"):
        other = facts.get("width") or sides
        found.append(f"scaled to {sides} by {other} pixels")
    if facts.get("channels"):
        found.append({1: "in grey", 3: "in colour"}.get(facts["channels"], ""))
    if facts.get("environment"):
        found.append(f"from {facts['environment']}")
    if facts.get("shape"):
        found.append("an array of " + " by ".join(map(str, facts["shape"])) + " numbers")
    return ", ".join(filter(None, found))


def comes_out(document: Document) -> str:
    """What one answer is."""
    facts = document.get("facts") or {}
    made = ends_of(document)[1]
    if facts.get("labels") and made and "label" not in made.split():
        return f"{made}: {listed(facts['labels'])}"
    if facts.get("labels"):
        return (f"one of {count(len(facts['labels']))} labels, with the probability of each: "
                + listed(facts["labels"]))
    if facts.get("columns"):
        return "a number"
    if facts.get("actions"):
        return f"one of {count(facts['actions'])} actions at each step"
    return made


def ends_of(document: Document) -> tuple[str, str]:
    """The words before and behind the arrow of the task's summary: "image", "label"."""
    if document["task"] not in tasks.names():
        return "", ""
    first, _, second = tasks.summary(document["task"]).partition(":")[0].partition(" -> ")
    return first, second


def meant_for(document: Document) -> list[str]:
    """Which uses the scores speak about."""
    source = document["data"].get("source") or document["name"]
    return [f"New inputs that come about as those of {source} did: the scores hold for these.",
            "Not for inputs of another kind or origin, nor for deciding about people, before it "
            "was measured on examples of that use: lamina evaluate RUN DATA."]


def goodness(document: Document) -> list[str]:
    """Each score with its interval, and whether learning was worth it."""
    found = []
    for row in score_table(document):
        sure = f"95 % interval {row['low']} to {row['high']}" if row["sure"] else "no interval"
        found.append(f"{row['name']} {row['value']} ({sure}, {row['n']} test examples)")
    return [*found, verdict(document)[1]] if found else []


def limits(document: Document) -> list[str]:
    """The errors and warnings among the findings."""
    found = [f"{finding['what']} ({finding['evidence']})" if finding.get("evidence")
             else str(finding["what"]) for finding in urgent_first(document.get("findings") or ())
             if finding["level"] in ("error", "warning")]
    return found or ["None of the checks gave an error or a warning; that proves no absence."]


def untested(document: Document) -> list[str]:
    """What nobody looked at, so that nobody takes silence for a good sign."""
    found = ["Data from other sources, places and times than these"]
    found += [what for topic, what in UNTESTED.items() if document.get(topic) is None]
    return found


def licence(document: Document) -> str:
    """Of the data that the model learnt from."""
    return dict(data_card(document))["Licence"][0]


def training(document: Document) -> str:
    """How long, where and from which seed it learnt."""
    cost, settings = document["cost"], document.get("settings") or {}
    found = [f"{name} {code(settings[name])[:LONGEST]}" for name in ("net", "method", "seed")
             if settings.get(name) is not None]
    if cost.get("parameters"):
        found.append(f"{count(cost['parameters'])} parameters")
    if cost.get("steps") is not None:
        found.append(f"{count(cost['steps'])} steps")
    if cost.get("epochs") is not None:
        found.append(f"{rounded(cost['epochs'])} epochs")
    if promise := document.get("privacy"):
        found.append(f"differential privacy with ε = {promise['epsilon']:.2f} at "
                     f"δ = {promise['delta']:g}")
    if cost.get("seconds") is not None:
        found.append(f"{duration(cost['seconds'])} on {cost.get('device', 'this machine')}")
    return ", ".join(found)


def listed(names: Any) -> str:
    """The first names, and how many more there are."""
    names = list(map(str, names))
    short = [name if len(name) <= LONGEST else name[:LONGEST - 1] + "…" for name in names[:NAMED]]
    more = len(names) - NAMED
    return ", ".join(short) + (f" and {count(more)} more" if more > 0 else "")


def column_name(column: Any) -> str:
    """A column with its kind."""
    if not isinstance(column, dict):
        return str(column)
    return f"{column.get('name')} ({column.get('kind')})" if column.get("kind") else \
        str(column.get("name"))
