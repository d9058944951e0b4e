"""report.md: the page as text, fit to be the model card of a repository."""

from collections.abc import Iterable
from typing import Any

from lamina.numbers import count, duration, moment
from lamina.report.card import Card, data_card, model_card
from lamina.report.document import commands, costs, time_split, urgent_first
from lamina.report.markup import fenced, safe, table
from lamina.report.plain import to_plain
from lamina.report.scores import score_table, verdict

Document = dict[str, Any]

FINDINGS, CONFUSED, EXAMPLES = 30, 10, 5  # as many are listed


def to_markdown(document: Document, sections: Iterable[str] = ()) -> str:
    """The report as Markdown; nothing that a user named is taken as Markdown or HTML.

    sections: of the page, as HTML.
    """
    blocks = [f"# {safe(document['name'])}",
              f"A model for {safe(document['task'])}, trained with Lamina on "
              f"{safe(moment(document['date']))}.",
              f"**{safe(verdict(document)[1])}**",
              "## Scores on the test part", scores(document),
              "## What to do next", *findings(document), next_steps(document)]
    blocks += ["## Model card", card(model_card(document)),
               "## Data card", card(data_card(document)), damaged(document)]
    blocks += map(to_plain, sections)
    blocks += confused(document)
    blocks += ["## Cost", table(("what", "value"), costs(document["cost"])), cost_notes(document),
               "## How to repeat it", fenced(document["command"])]
    if document.get("repeat"):
        blocks += ["The same weights, step for step, on the same kind of machine:",
                   fenced(document["repeat"])]
    blocks.append("The test part was used once, after training; the best model was chosen on the "
                  "validation part.")
    return "\n\n".join(filter(None, blocks)) + "\n"


def scores(document: Document) -> str:
    """Every score with its interval, beside the baselines."""
    rows = score_table(document)
    if not rows:
        return "No score was measured."
    names = list(rows[0]["baselines"])
    return table(("score", "this model", "95 % interval", "n", *names, "meaning"), [
        (row["name"], row["value"], f"{row['low']} to {row['high']}" if row["sure"] else "–",
         row["n"], *row["baselines"].values(),
         f"{row['help']}{'; ' * bool(row['help'])}{row['better']} is better") for row in rows])


def findings(document: Document) -> list[str]:
    """What should be known, most urgent first, with the names of a few examples."""
    found = urgent_first(document.get("findings") or ())
    blocks = []
    for finding in found[:FINDINGS]:
        lines = [f"- **{safe(finding['level'])}: {safe(finding['what'])}.** "
                 f"{safe(finding.get('evidence') or '')} → {safe(finding.get('do') or '')}"]
        examples = finding.get("examples") or ()
        lines += [f"  - {safe(one['part'])}: {safe(one['name'], 120)}"
                  + (f", {safe(one['note'], 120)}" if one.get("note") else "")
                  for one in examples[:EXAMPLES]]
        if len(examples) > EXAMPLES:
            lines.append(f"  - and {count(len(examples) - EXAMPLES)} more")
        blocks.append("\n".join(lines))
    if len(found) > FINDINGS:
        blocks.append(f"- and {count(len(found) - FINDINGS)} more in report.json")
    return ["\n".join(blocks)] if blocks else ["No check found anything to worry about."]


def next_steps(document: Document) -> str:
    return "\n\n".join(f"{what}:\n\n{fenced(command)}" for what, command in commands(document))


def card(given: Card) -> str:
    """A title with its lines, one after the other."""
    blocks = []
    for title, lines in given:
        if len(lines) == 1:
            blocks.append(f"- **{safe(title)}**: {safe(lines[0], 2000)}")
        else:
            blocks.append("\n".join([f"- **{safe(title)}**:",
                                     *(f"  - {safe(line)}" for line in lines)]))
    return "\n".join(blocks)


def damaged(document: Document) -> str:
    lines = document["data"].get("damaged") or ()
    if not lines:
        return ""
    listed = [f"- {safe(line)}" for line in lines[:EXAMPLES]]
    if len(lines) > EXAMPLES:
        listed.append(f"- and {count(len(lines) - EXAMPLES)} more in report.json")
    return f"{count(len(lines))} damaged, left out:\n\n" + "\n".join(listed)


def confused(document: Document) -> list[str]:
    """The pairs of labels that were taken for one another most."""
    given = document.get("confusion")
    if not given:
        return []
    pairs = [(int(times), str(true), str(said))
             for true, row in zip(given["labels"], given["counts"], strict=True)
             for said, times in zip(given["labels"], row, strict=True)
             if true != said and times]
    pairs.sort(key=lambda pair: (-pair[0], *pair[1:]))
    if not pairs:
        return []
    return ["## What is taken for what",
            table(("true label", "answer", "times"),
                  [(true, said, count(times)) for times, true, said in pairs[:CONFUSED]])]


def cost_notes(document: Document) -> str:
    """Where the time went, and what the estimate of energy assumes."""
    found = []
    if split := time_split(document["cost"]):
        found.append("Time: " + ", ".join(f"{what} {duration(seconds)}"
                                          for what, seconds in split) + ".")
    if how := document["cost"].get("energy_how"):
        found.append(f"Energy, {safe(how)}.")
    return "\n\n".join(found)
