"""Attacks on a model: how little must an input change to change the answer?"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import UserError

if TYPE_CHECKING:
    from lamina.artifact import Model
    from lamina.scoring import Part


def attack(model: "Model", data: str | Path | None = None, *, offline: bool = False,
           strengths: Sequence[float] = (), examples: int = 500,
           fixed: Sequence[str] = ()) -> dict[str, Any]:
    """Scores of a model under attacks and corruptions of growing strength.

    strengths: of the gradient attacks on images and of the steps of a table's numbers.
    fixed: columns of a table that no attack may change.
    UserError: nothing is known that attacks such inputs.
    """
    from dataclasses import replace

    from lamina import tasks
    from lamina.attacks import robustness, rows, texts
    from lamina.attacks.subject import Subject, said, sample

    began = time.monotonic()
    if any(not 0 < strength <= 1 for strength in strengths):
        raise UserError(f"strengths: expected fractions above 0 and at most 1, got "
                        f"{', '.join(map(str, strengths))}")
    if examples < 1:
        raise UserError(f"examples: expected 1 or more, got {examples}")
    task, seed = model.task, model.task.settings.seed
    part, whole = attacked_part(model, data, offline=offline, most=examples)
    given = sample(part, examples, seed)
    kind = robustness.kind_of(task, model.net, given, model.machine)
    if kind is None:
        raise UserError(f"{tasks.name_of(type(task))} cannot be attacked: expected images with "
                        "labels, rows of a table, or texts")
    if fixed and kind != "row":
        raise UserError("fixed: only a table has columns; leave it out")
    subject = Subject(task, model.net, model.machine, given, seed)
    effort = robustness.FULL
    if strengths:
        effort = replace(effort, strengths=tuple(sorted(strengths)))
    found = robustness.measured(
        subject, kind, effort, shares=texts.SHARES, edits=texts.EDITS,
        steps=sorted(strengths) or rows.STEPS, changes=rows.CHANGES, fixed=fixed)
    return {**found, "sampled": said(len(given), whole),
            "seconds": round(time.monotonic() - began, 2)}


def attacked_part(model: "Model", data: str | Path | None, *, offline: bool,
                  most: int) -> "tuple[Part, int]":
    """A sample of the test part, encoded, and how many examples that has.

    Of data that declare no test part and are not those the model was trained on, all.
    """
    from lamina import keys, scoring
    from lamina.session import find_data

    task, own = model.task, model.document["data"]["source"]
    source = str(data) if data is not None else own
    read = task.read(find_data(type(task), source, offline=offline))
    chosen = [*read.train, *read.validation, *read.test] \
        if "test" in read.cut and source != own else read.test
    chosen = [example for example in chosen if example.target is not None]
    if not chosen:
        raise UserError(f"{source}: no test example has a target; expected some to attack")
    order = keys.numpy_generator(task.settings.seed, "attacked").permutation(len(chosen))
    damaged: list[str] = []
    part = scoring.encode(task, [chosen[index] for index in sorted(order[:most])], damaged,
                          name="test")
    scoring.check_damage(damaged, len(part) + len(damaged))
    return part, len(chosen)


def to_text(found: dict[str, Any]) -> str:
    """The curves as tables for a terminal."""
    fraction = found["metric"]["fraction"]

    def shown(value: float) -> str:
        return f"{100 * value:.1f} %" if fraction else f"{value:.4g}"

    clean = found["clean"]
    lines = [f"{found['metric']['name']} of {found['sampled']}: {shown(clean['value'])}  "
             f"({shown(clean['low'])} to {shown(clean['high'])})"]
    for curve in found["curves"]:
        lines += ["", f"{curve['name']}, by {curve['unit']}"
                  + (f" ({curve['how']})" if curve["how"] else "")]
        lines += [f"  {strength:>8g}  {shown(value):>9}  {shown(low):>9} to {shown(high)}"
                  for strength, value, low, high in zip(
                      curve["strengths"], curve["values"], curve["low"], curve["high"],
                      strict=True)]
    if found.get("columns"):
        lines += ["", "where one column is missing"]
        lines += [f"  {one['name'][:30]:30}  {shown(one['value']):>9}  {shown(one['low']):>9} to "
                  f"{shown(one['high'])}" for one in found["columns"][:20]]
    lines += [f"careful: the gradients look masked: {sign}" for sign in found["masked"]]
    return "\n".join(lines)


def save(found: dict[str, Any], path: Path) -> None:
    """Write a page (.html) that asks for nothing from elsewhere, or .json."""
    import json

    from lamina import report, storage

    if path.suffix == ".json":
        plain = report.without_html(found)
        storage.write(path, (json.dumps(plain, indent=2) + "\n").encode())
        return
    if path.suffix != ".html":
        raise UserError(f"{path.name}: attacks are saved as .html or .json")
    page = report.templates().get_template("page/attack.html.jinja")
    text = page.render(document={"robustness": found})
    storage.write(path, text.encode(errors="replace"))
