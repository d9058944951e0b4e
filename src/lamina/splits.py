"""How a data set is divided: as its maker declared, else by hash of content, never straddling.

Equal contents always fall into the same part, and so do all examples of one group (a speaker, a
patient, a source). What a hash decides does not change when the files are listed in another order.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from lamina.errors import UserError
from lamina.keys import numpy_generator
from lamina.media.files import File
from lamina.media.manifest import Item
from lamina.task import Data, Example

PARTS = ("train", "validation", "test")
LARGEST_PART = 5000  # examples held out for validation where no part is declared


def divide(items: Sequence[Item], *, seed: int = 0, notes: Iterable[str] = ()) -> Data:
    """The three parts: declared ones are kept, missing ones are cut from the training part.

    A tenth is held out for each missing part (validation: at most 5,000 examples), the same share
    of every label where targets are labels: texts that recur.
    """
    parts: dict[str, list[Item]] = {part: [] for part in PARTS}
    for item in items:
        parts[item.split or "train"].append(item)
    declared = [part for part in PARTS if parts[part]]
    if not parts["train"]:
        raise UserError(f"the data declare {' and '.join(declared)} but no training part")
    cut = [part for part in ("test", "validation") if not parts[part]]
    for part in cut:
        parts[part], parts["train"] = hold_out(parts["train"], part, seed)
    for part in PARTS:
        if not parts[part]:
            raise UserError(f"{len(items)} examples are too few: the {part} part would be empty; "
                            "expected at least 3 different ones")
    return Data(*([example(item) for item in parts[part]] for part in PARTS),
                how=describe(cut, any(item.group for item in items)), cut=tuple(cut),
                notes=list(notes))


def example(item: Item) -> Example:
    """The example without the part it was declared for."""
    return Example(item.input, item.target, item.group)


def describe(cut: Sequence[str], grouped: bool) -> str:
    """One sentence on how the parts came about."""
    if not cut:
        return "all three parts as declared in the data"
    by = "group" if grouped else "hash of content"
    kept = "train and test as declared, " if cut == ["validation"] else ""
    kept = "train and validation as declared, " if cut == ["test"] else kept
    return f"{kept}{' and '.join(reversed(cut))} cut from the training part by {by}"


def hold_out(items: Sequence[Item], part: str, seed: int) -> tuple[list[Item], list[Item]]:
    """A tenth of the items, and the rest; groups and equal contents stay together."""
    bundles: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        bundles[f"group {item.group}" if item.group is not None else content(item.input)
                ].append(index)
    wanted = len(items) / 10 if part == "test" else min(len(items) / 10, LARGEST_PART)
    texts = {item.target for item in items if isinstance(item.target, str)}
    labelled = 2 * len(texts) <= len(items)  # else they are texts of their own, as translations are
    strata: dict[Any, list[list[int]]] = defaultdict(list)
    for name in sorted(bundles, key=lambda name: digest(f"{seed} {part} {name}".encode())):
        target = items[bundles[name][0]].target
        strata[target if labelled and isinstance(target, str) else None].append(bundles[name])
    held: set[int] = set()
    for _, inside in sorted(strata.items(), key=lambda pair: str(pair[0])):
        quota = wanted * sum(map(len, inside)) / len(items)
        taken = 0
        for bundle in inside[:-1] if len(inside) > 1 else ():  # never all of a label
            if taken >= max(quota, 0.5):
                break
            held.update(bundle)
            taken += len(bundle)
    return ([item for i, item in enumerate(items) if i in held],
            [item for i, item in enumerate(items) if i not in held])


def share(examples: Sequence[Example], fraction: float) -> list[Example]:
    """So large a share of the examples, in their order; a smaller share is part of a larger one.

    Chosen by hash of content, group by group where there are groups and otherwise the same share
    of every label, so that neither the order of the files nor a seed decides.
    """
    bundles: dict[Any, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    labels = {one.target for one in examples if isinstance(one.target, str)}
    for index, one in enumerate(examples):
        few = isinstance(one.target, str) and 2 * len(labels) <= len(examples)
        name = content(one.input) if one.group is None else f"group {one.group}"
        bundles[one.target if few and one.group is None else None][name].append(index)
    chosen: list[int] = []
    for inside in bundles.values():
        wanted = max(1, round(fraction * sum(map(len, inside.values()))))
        taken: list[int] = []
        for name in sorted(inside, key=lambda name: digest(f"share {name}".encode())):
            if len(taken) >= wanted:
                break
            taken += inside[name]
        chosen += taken
    return [examples[index] for index in sorted(chosen)]


def content(given: Any) -> str:
    """A name that equal contents share: of a file's bytes, an array's, a row's or a text's."""
    if isinstance(given, File):
        try:
            return digest(given.read())
        except (OSError, ValueError):
            return given.name  # unreadable: named when it is encoded
    if isinstance(given, numpy.ndarray):
        return digest(given.tobytes())
    return digest(repr(given).encode())


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def some(examples: Sequence[Example], most: int) -> Sequence[Example]:
    """At most so many examples, drawn at random."""
    if len(examples) <= most:
        return examples
    order = numpy_generator(0, "some examples").permutation(len(examples))
    return [examples[place] for place in order[:most]]
