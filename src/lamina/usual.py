"""Labels that say what is usual: which they are, and what they do to the parts of a data set."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from lamina.errors import UserError
from lamina.splits import PARTS
from lamina.task import Data, Example

WORDS = ("normal", "usual", "good", "ok", "inlier", "benign", "healthy", "no", "false")
NAMED = 12  # labels in a message
Use = Literal["leave-out", "repel", "measure", "ignore"]


def labels_of(examples: Iterable[Example], all_kinds: Iterable[str], wanted: Sequence[str]
              ) -> tuple[str, ...]:
    """The labels of what is usual: those wanted; else those called so; else 0 of 0 and 1; else the
    more frequent of two. Nothing where there are no labels; UserError: they do not say.

    examples: of the training part. all_kinds: the labels of all parts.
    """
    kinds = sorted(all_kinds)
    found = [kind for kind in kinds if kind in wanted] if wanted else \
        [kind for kind in kinds if kind.lower() in WORDS]
    if kinds and not found and not wanted and len(kinds) <= 2:
        counts = Counter(one.target for one in examples)
        found = ["0"] if kinds == ["0", "1"] else [max(kinds, key=lambda kind: counts[kind])]
    if kinds and not found:
        raise UserError(f"the labels {listed(kinds)} do not say which are usual"
                        + (f": none of them is {' or '.join(wanted)}" if wanted else "")
                        + f"; give --normal {kinds[0]}, say, or --labels ignore")
    return tuple(found)


def kinds_of(*parts: Sequence[Example]) -> set[str]:
    """The labels that occur."""
    return {one.target for some in parts for one in some} - {None}


def listed(kinds: Sequence[str]) -> str:
    """The first of them, for a message."""
    return ", ".join(kinds[:NAMED]) + " …" * (len(kinds) > NAMED)


def settled(data: Data, use: Use, wanted: Sequence[str], normal: Sequence[str] | None) -> Data:
    """The data as labels leave them: known anomalies left out of the training part where that is
    asked for, and what cannot be judged left out of the others; notes say what was done.

    normal: the labels of what is usual, where a model knows them; None: to be found.
    """
    kinds = kinds_of(*(getattr(data, part) for part in PARTS))
    if normal is None and use != "ignore" and len(kinds) == 1:
        data.notes.append(f"every label is {kinds.pop()!r}: taken as if there were none")
    if normal is None:
        normal = labels_of(data.train, kinds if use != "ignore" else (), wanted)
        if normal:
            others = sorted(kinds.difference(normal))
            data.notes.append(f"usual: {listed(normal)}; anomalies: {listed(others)} (--normal "
                              "names the usual ones)")
    if not normal:
        return replace(data, **{part: [labelled(one, None) for one in getattr(data, part)]
                                for part in PARTS})
    kept = [one for one in data.train
            if use != "leave-out" or one.target is None or one.target in normal]
    left_out = len(data.train) - len(kept)
    if not kept:
        raise UserError(f"all {left_out:,} training examples are labelled as anomalies; expected "
                        "usual ones to learn from: name the labels of what is usual with --normal, "
                        "or give --labels ignore")
    if left_out:
        data.notes.append(f"{left_out:,} known anomalies are left out of the training part "
                          "(--labels repel learns from them, --labels measure keeps them)")
    kept = [one if one.target is not None else labelled(one, normal[0]) for one in kept]
    return replace(data, train=kept, **{
        part: judged(getattr(data, part), normal, part, data.notes) for part in PARTS[1:]})


def judged(some: Sequence[Example], normal: Sequence[str], part: str,
           notes: list[str]) -> Sequence[Example]:
    """The examples that labels can judge; notes say what is left out, and what is not there."""
    known = [one for one in some if one.target is not None]
    if not known:
        notes.append(f"the {part} part has no labels: its examples are taken for usual ones")
        known = [labelled(one, normal[0]) for one in some]
    if len(known) < len(some):
        notes.append(f"{len(some) - len(known):,} examples of the {part} part have no label and "
                     "are left out of it")
    anomalous = sum(one.target not in normal for one in known)
    if anomalous in (0, len(known)):
        notes.append(f"the {part} part has {'only' if anomalous else 'no'} anomalies: AUROC and "
                     "what else labels measure cannot be told there")
    return known


def labelled(example: Example, label: str | None) -> Example:
    """The example with another label."""
    return replace(example, target=label)
