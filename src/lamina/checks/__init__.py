"""What may be wrong with the data: findings with their evidence, before and after training."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

from lamina.case import Case
from lamina.checks import columns, drift, duplicates, faults, labels, leaks, targets
from lamina.checks.checked import Checked
from lamina.checks.material import PARTS, Material
from lamina.errors import UserError
from lamina.findings import Finding, ordered
from lamina.parts import Parts
from lamina.task import Task

NAMED = 8  # examples of a finding on a terminal
SHOWN = 100  # examples of a finding where a person asked for them; the report shows fewer

# name, its share of the time that is left, what checks
CHECKS: tuple[tuple[str, float, Callable[[Material], Checked]], ...] = (
    ("groups across the parts", 1.0, leaks.groups),
    ("rare and missing targets", 1.0, targets.find),
    ("size of the test part", 1.0, targets.size),
    ("useless columns", 0.5, columns.find),
    ("columns that give the target away", 0.5, leaks.find),
    ("drift between the parts", 0.6, drift.find),
    ("duplicates within and across the parts", 0.8, duplicates.find),
    ("damaged and suspicious examples", 1.0, faults.find),
)


def findings(task: Task, parts: Parts, seconds: float) -> list[Finding]:
    """All that can be found without a model, the most urgent first."""
    return examine(Material(task, parts, seconds, shown=SHOWN))[1]


def document(task: Task, parts: Parts, source: str, seconds: float) -> dict[str, Any]:
    """What was looked at and what was found, as JSON types but for pieces of pages ("html")."""
    section, found = examine(Material(task, parts, seconds, shown=SHOWN))
    data = {"source": source, "split": parts.data.how, "notes": parts.data.notes}
    data |= {name: len(getattr(parts.data, name)) for name in PARTS}
    return {"data": data, "data_check": section,
            "findings": [finding.to_json(parts.data) for finding in found]}


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The same for a report, with the labels that the model doubts: what was checked, and what
    was found.
    """
    material = Material(case.task, case.parts, 0.6 * seconds)
    if not material.kind:
        return None, []
    began = time.monotonic()
    section, found = examine(material)
    wrong = labels.find(case, seconds - (time.monotonic() - began))
    looked = "labels beside the model's answers and beside their neighbours" if case.labels \
        else None
    section["checks"].append({
        "name": "labels that are probably wrong", "looked": looked, "findings": len(wrong),
        "left_out": None if looked else "the targets are no labels"})
    return section, ordered([*found, *wrong])


def examine(material: Material) -> tuple[dict[str, Any], list[Finding]]:
    """What each check looked at, and all findings, within the material's seconds."""
    began = time.monotonic()
    material.reading_end = began + 0.5 * material.seconds
    checks, found = [], []
    for name, share, check in CHECKS:
        now = time.monotonic()
        material.end = now + share * (began + material.seconds - now)
        with numpy.errstate(all="ignore"):  # numbers near the largest there are
            checked = check(material) if now <= material.end or check is faults.find else \
                Checked([], left_out="there was no time left")
        found += checked.findings
        cut = ", cut short for want of time" if material.late() else ""
        checks.append({"name": name, "looked": checked.looked + cut if checked.looked else None,
                       "left_out": checked.left_out or None, "findings": len(checked.findings)})
    looked = sum(len(material.chosen(name)) for name in PARTS) if material.kind else 0
    known = sum(len(material.part(name)) for name in PARTS)
    sampled = f"{looked:,} of {known:,} examples" if 0 < looked < known else None
    return {"checks": checks, "sampled": sampled,
            "seconds": round(time.monotonic() - began, 2)}, ordered(found)


def to_text(document: dict[str, Any]) -> str:
    """What `document` gives, for a terminal."""
    lines = []
    for one in document["findings"]:
        lines += [f"{one['level']}: {one['what']}", f"  evidence: {one['evidence']}",
                  f"  do: {one['do']}"]
        examples = one.get("examples", ())
        lines += [f"    {seen['part']} {seen['index']}  {' '.join(seen['name'].split())[:80]}"
                  + (f": {seen['note']}" if seen["note"] else "") for seen in examples[:NAMED]]
        more = len(examples) - NAMED
        lines += [f"    and {more} more with --json or --save"] if more > 0 else []
        lines.append("")
    if not document["findings"]:
        lines += ["nothing found", ""]
    data, section = document["data"], document["data_check"]
    lines.append(f"{data['train']:,} training, {data['validation']:,} validation and "
                 f"{data['test']:,} test examples; {data['split']}")
    lines += [f"  {check['name']:<40}" + (check["looked"] or f"not checked: {check['left_out']}")
              for check in section["checks"]]
    return "\n".join(lines)


def save(document: dict[str, Any], path: Path) -> None:
    """Write the findings as a page, with their examples, or as .json."""
    import json

    from lamina import report, storage

    if path.suffix.lower() == ".json":
        written = json.dumps(report.without_html(document), indent=2) + "\n"
    elif path.suffix.lower() == ".html":
        written = page(document)
    else:
        raise UserError(f"expected a file such as {path.with_suffix('.html')}, got {path}")
    storage.write(path, written.encode(errors="replace"))


def page(document: dict[str, Any]) -> str:
    """One file that asks nothing of anyone: no script, no font, no request."""
    from lamina import report

    return report.templates().get_template("page/check.html.jinja").render(document=document)
