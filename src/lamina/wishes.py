"""What is asked of a task that makes things from noise: of which label, and which of many."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lamina import keys
from lamina.errors import UserError, nearest
from lamina.learning import Batch

SOME = 10  # things made where none in particular is asked for


@dataclass(frozen=True, slots=True)
class Wish:
    """Something to be made: of a label, from the noise of that number; perhaps on the way to
    another.

    part: how much of the way is done, 0 to 1.
    """

    label: str | None
    number: int
    toward_label: str | None = None
    toward: int = 0
    part: float = 0.0

    def __str__(self) -> str:
        one = f"{self.label}:{self.number}" if self.label is not None else str(self.number)
        if not self.part:
            return one
        other = Wish(self.toward_label, self.toward)
        return f"{1 - self.part:.0%} {one}, {self.part:.0%} {other}"


def asked(given: Sequence[str], labels: Sequence[str], between: int) -> list[Wish]:
    """What a user's words ask for, with so many on the way from each to the next.

    given: LABEL, LABEL:NUMBER or, where there are no labels, NUMBER; if empty, one of each label.
    """
    words = given or labels or [str(number) for number in range(SOME)]
    found = [wish(text, labels, number) for number, text in enumerate(words)]
    made = found[:1]
    for one, other in pairwise(found):
        made += [*way(one, other, between), other]
    return made


def way(one: Wish, other: Wish, steps: int) -> list[Wish]:
    """So many between two, in equal steps."""
    return [Wish(one.label, one.number, other.label, other.number, step / (steps + 1))
            for step in range(1, steps + 1)]


def wish(text: str, labels: Sequence[str], number: int) -> Wish:
    """What LABEL, LABEL:NUMBER or NUMBER asks for; `number` where none is given."""
    label, _, given = text.rpartition(":") if labels and text not in labels else (text, "", "")
    if not labels:
        label, given = None, text
    elif label not in labels:
        raise UserError(f"expected a label, or LABEL:NUMBER for another picture of it, got "
                        f"{text!r}: {nearest(label or text, labels)}")
    if given and not (given.isdecimal() and int(given) < 2**62):
        raise UserError(f"expected the number of a picture, 0 or more, got {given!r}")
    return Wish(label, int(given) if given else number)


def encoded(wishes: Sequence[Wish], labels: Sequence[str]) -> Batch:
    """number and label, each (wishes, 2) of this and of what it is on the way to, and part.

    ValueError: a label that is none of those known, where there are some.
    """
    place = {label: number for number, label in enumerate(labels)} | {None: -1}
    for wish in wishes:
        if labels and wish.label not in place:
            raise ValueError(f"its label {wish.label!r} is not in the training part")
    return {"number": torch.tensor([(wish.number, wish.toward) for wish in wishes]),
            "label": torch.tensor([(place.get(wish.label, -1), place.get(wish.toward_label, -1))
                                   for wish in wishes], dtype=torch.int32),
            "part": torch.tensor([wish.part for wish in wishes])}


def told(batch: Batch, labels: int) -> Tensor:
    """(batch, labels) the weights of the labels that are told; between two, some of both."""
    if not labels:
        return batch["part"].new_zeros(len(batch["part"]), 0)
    place = batch["label"].long()
    one, other = (one_hot(side.clamp(min=0), labels) * (side >= 0)[:, None] for side in place.T)
    part = batch["part"][:, None]
    return one * (1 - part) + other * part


def noise(batch: Batch, shape: Sequence[int], seed: int) -> Tensor:
    """(batch, *shape) standard normal numbers that each wish's number names.

    Between two they lie on the arc from one to the other, which keeps them standard normal.
    """
    def drawn(number: int) -> Tensor:
        return torch.randn(*shape, generator=keys.generator(seed, "noise", number))

    found = []
    for (one, other), part in zip(batch["number"].tolist(), batch["part"].tolist(), strict=True):
        angle = torch.tensor(part * torch.pi / 2)
        found.append(angle.cos() * drawn(one) + angle.sin() * drawn(other) if part else drawn(one))
    return torch.stack(found).to(batch["part"].device)
