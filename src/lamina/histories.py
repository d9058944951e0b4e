"""Histories of users: who took what in which order, cut in time, and as tensors."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from torch import Tensor

from lamina.errors import UserError
from lamina.learning import Batch
from lamina.media import interactions, manifest
from lamina.media.interactions import Interactions, Thing
from lamina.task import Data, Example

Order = Literal["auto", "time", "rows", "random"]

LATEST = 3  # items that a history is shown with
NAME_BYTES = 48  # of a user's name that an answer shows
FEWEST = 3  # interactions of a user from which on one is tested and one validates
HELD = 10  # the tenth part of a user's interactions is held out for each part


@dataclass(frozen=True, slots=True)
class History:
    """What a user took, oldest first. ratings: NaN where there is none.

    things: what items are called, the same for all users.
    """

    user: str
    items: tuple[str, ...]
    ratings: tuple[float, ...]
    things: Mapping[str, Thing] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        name = self.user or "a new user"
        latest = [title_of(item, self.things) for item in self.items[: -1 - LATEST : -1]]
        return f"{name}: {len(self.items):,} items, latest {'; '.join(latest)}" if latest else name

    def part(self, start: int, end: int) -> "History":
        """That stretch of it."""
        return replace(self, items=self.items[start:end], ratings=self.ratings[start:end])


# ---- read ---------------------------------------------------------------------------------------

def read(path: Path, columns: Mapping[str, str]) -> tuple[Interactions, dict[str, Thing]]:
    """The interactions at a path, and what items are called; UserError: there are none.

    columns: the user's own names of "user", "item", "rating", "time"; "" where recognised.
    """
    try:
        return interactions.read(path, columns)
    except (ValueError, OSError) as reason:
        raise UserError(str(reason)) from None


def given(one: Any, columns: Mapping[str, str], order: Order) -> list[History]:
    """Of what is handed to `predict`: a user's name, a file, or a history as JSON.

    UserError: it cannot be read.
    """
    text = one.strip() if isinstance(one, str) else json.dumps(one)
    if text.startswith("{"):
        try:
            row = json.loads(text)
            if "items" not in row:
                return [History(str(row["user"]), (), ())]
            items, ratings = interactions.history(row)
        except (ValueError, KeyError) as reason:
            raise UserError('expected a history such as {"items": ["a", "b"], "ratings": [4, 5]} '
                            f"or a user's name: {reason}") from None
        return [History(str(row.get("user", "")), tuple(items), tuple(ratings))]
    if Path(text).exists():
        found, things = read(Path(text), columns)
        return histories(found, things, order, [])[0]
    if text.lower().endswith(manifest.SUFFIXES):
        raise UserError(f"there is no file {text}; expected one of histories, a user's name, or "
                        '{"items": [...]}')
    return [History(text, (), ())]


def natural(item: str) -> tuple[int, int, str]:
    """Sorts numbers by value, before words."""
    return (0, int(item), item) if item.isdecimal() else (1, 0, item)


# ---- cut in time --------------------------------------------------------------------------------

def histories(found: Interactions, things: Mapping[str, Thing], order: Order,
              notes: list[str]) -> tuple[list[History], str]:
    """One of each user, and how they were put in order; of what was taken twice the latest counts.

    Equal times are ordered by a hash, so that the order of the file says nothing.
    """
    timed = not found.listed and not any(map(math.isnan, found.times))
    if order == "time" and not timed:
        raise UserError("order: there is no column of times; use --order rows or random")
    if order == "auto":
        order = "time" if timed else "random" if sorted_by_item(found) else "rows"
    how = {"time": "time", "rows": "the order of the rows, for there are no times" if not timed
           else "the order of the rows", "random": "chance, for there are no times"
           if not timed else "chance"}[order]
    by_user: dict[str, dict[str, tuple]] = {}
    twice: list[str] = []
    for place, (user, item, rating, time) in enumerate(zip(
            found.users, found.items, found.ratings, found.times, strict=True)):
        drawn = hashlib.blake2b(f"{user}\t{item}".encode(), digest_size=8).digest()
        rank = {"time": (time, drawn), "rows": (place,), "random": (drawn, place)}[order]
        taken = by_user.setdefault(user, {})
        if item in taken:
            twice.append(f"user {user}, item {item}")
        if item not in taken or (time, place) > taken[item][2]:
            taken[item] = (rank, rating, (time, place) if timed else (0.0, place))
    if twice:
        notes.append(f"{len(twice):,} interactions repeat a user and an item; the latest counts: "
                     + listing(twice))
    made = []
    for user, taken in by_user.items():
        items = sorted(taken, key=lambda item: taken[item][0])
        made.append(History(user, tuple(items), tuple(taken[item][1] for item in items), things))
    return made, how


def sorted_by_item(found: Interactions) -> bool:
    """Whether each user's rows are in the order of their items, and so say nothing of time."""
    pairs = rising = 0
    for (user, item), (other, following) in pairwise(zip(found.users, found.items, strict=True)):
        if user == other:
            pairs, rising = pairs + 1, rising + (natural(item) < natural(following))
    return not found.listed and pairs >= 20 and rising >= 0.99 * pairs


def divide(made: Sequence[History], how: str, things: Mapping[str, Thing], notes: list[str]
           ) -> Data:
    """Of each user the last tenth of the interactions for the test, the tenth before for
    validation, at least one each.

    An example of these parts is a user: the history before, and as the target what they took then.
    """
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for one in made:
        count = len(one.items)
        held = max(1, count // HELD) if count >= FEWEST else 0
        parts["train"].append(Example(one.part(0, count - 2 * held)))
        if held:
            parts["validation"].append(Example(one.part(0, count - 2 * held),
                                               one.part(count - 2 * held, count - held)))
            parts["test"].append(Example(one.part(0, count - held),
                                         one.part(count - held, count)))
    few = len(made) - len(parts["test"])
    if not parts["test"]:
        raise UserError(f"none of {len(made):,} users has {FEWEST} interactions or more, so that "
                        "one could be held out for the test and one for validation")
    if few:
        notes.append(f"{few:,} users have fewer than {FEWEST} interactions: they are learnt from, "
                     "and not in the validation and test parts")
    known = {item for one in parts["train"] for item in one.input.items}
    notes += odd_items(known, {item for one in made for item in one.items} - known, things)
    return Data(**parts, how=f"by {how}, user by user: the last tenth of each user's interactions "
                "is the test part, the tenth before it the validation part",
                notes=notes)  # nothing was cut from the training examples: these are users


def odd_items(known: Set[str], cold: Set[str], things: Mapping[str, Thing]) -> list[str]:
    """What should be known of items that are cold, that nobody took, or that have no title.

    known: those of the training part. cold: those of the other parts only.
    """
    notes = []
    if cold:
        notes.append(f"cold items: {len(cold):,} items occur in the validation and test parts "
                     "only; they cannot be recommended, and count as missed: "
                     + listing([title_of(item, things) for item in sorted(cold)]))
    silent = things.keys() - known - cold
    if silent:
        notes.append(f"{len(silent):,} items of the list of items were never taken; they cannot be "
                     "recommended: "
                     + listing([title_of(item, things) for item in sorted(silent)]))
    unnamed = (known | cold) - things.keys()
    if things and unnamed:
        notes.append(f"{len(unnamed):,} items are not in the list of items and go by their own "
                     f"names: {listing(sorted(unnamed))}")
    return notes


def feedback(made: list[History], notes: list[str]) -> tuple[list[History], bool]:
    """The histories, without ratings where these say nothing, and whether there are ratings."""
    counted = Counter(rating for one in made for rating in one.ratings)
    none = sum(count for rating, count in counted.items() if math.isnan(rating))
    kinds = [rating for rating in counted if not math.isnan(rating)]
    if not kinds:
        notes.append("implicit feedback: there is no column of ratings")
    elif len(kinds) == 1:
        notes.append(f"implicit feedback: all ratings are {kinds[0]:g} and say nothing")
    elif none:
        raise UserError(f"{none:,} interactions have no rating while others have; give one to all "
                        "of them, or leave the column out")
    else:
        notes.append(f"explicit feedback: ratings from {min(kinds):g} to {max(kinds):g}")
        return made, True
    return [replace(one, ratings=(math.nan,) * len(one.items)) for one in made], False


def title_of(item: str, things: Mapping[str, Thing]) -> str:
    """What the item is called."""
    return things[item].title if item in things else item


def titles(items: Sequence[str], things: Mapping[str, Thing]) -> tuple[str, ...]:
    """What the items are called; those that share a title are told apart by their own names."""
    found = [title_of(item, things) for item in items]
    counts = Counter(found)
    return tuple(title if counts[title] == 1 else f"{title} [{item}]"
                 for title, item in zip(found, items, strict=True))


def listing(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


# ---- tensors ------------------------------------------------------------------------------------

def encode(examples: Sequence[Example], users: Mapping[str, int], items: Mapping[str, int],
           room: int) -> Batch:
    """user (n,); items, ratings (n, room), the latest last, padded in front with 0 and NaN.

    unread (n,): entries of a history that are unknown, or older than there is room for.
    name (n, NAME_BYTES). Of targets future, future_ratings (n, room), from the first place on, and
    count (n,), those of unknown items included: these are 0.
    """
    size = len(examples)
    taken, wanted = (numpy.zeros((size, room), numpy.int32) for _ in range(2))
    ratings, wished = (numpy.full((size, room), numpy.nan, numpy.float32) for _ in range(2))
    unread, count = (numpy.zeros(size, numpy.int64) for _ in range(2))
    name = numpy.zeros((size, NAME_BYTES), numpy.uint8)
    for row, (one, target) in enumerate((example.input, example.target) for example in examples):
        places = [(items[item], rating) for item, rating in zip(one.items, one.ratings, strict=True)
                  if item in items][-room:]
        unread[row] = len(one.items) - len(places)
        if places:
            taken[row, -len(places):], ratings[row, -len(places):] = zip(*places, strict=True)
        spelled = numpy.frombuffer(one.user.encode()[:NAME_BYTES], numpy.uint8)
        name[row, : len(spelled)] = spelled
        if target is not None:
            count[row] = min(room, len(target.items))
            wanted[row, : count[row]] = [items.get(item, 0) for item in target.items[:room]]
            wished[row, : count[row]] = target.ratings[:room]
    known = numpy.array([users.get(example.input.user, 0) for example in examples])
    batch = {"user": known, "items": taken, "ratings": ratings, "unread": unread, "name": name}
    if all(example.target is not None for example in examples):
        batch |= {"future": wanted, "future_ratings": wished, "count": count}
    return {key: torch.from_numpy(values) for key, values in batch.items()}


def cut(batch: Batch, ahead: int, least: float) -> Batch:
    """Whole histories cut at a random moment each: what was before, and the `ahead` items after.

    least: share of a history that is before, at least. What the validation part asks, too.
    """
    items, ratings = batch["items"], batch["ratings"]
    size, room = items.shape
    length = (items > 0).sum(1)
    first = (least * length).floor()
    at = first + (torch.rand(size, device=items.device) * (length - first)).floor()
    at = at.long().minimum((length - 1).clamp(min=0))  # interactions before the cut
    after = (length - at)[:, None]
    places = torch.arange(room, device=items.device)
    before = places - after
    future = room - after + torch.arange(ahead, device=items.device)

    def moved(values: Tensor, to: Tensor, nothing: float) -> Tensor:
        found = values.gather(1, to.clamp(0, room - 1))
        return found.where((to >= 0) & (to < room), nothing)

    return batch | {"items": moved(items, before, 0), "ratings": moved(ratings, before, math.nan),
                    "future": moved(items, future, 0),
                    "future_ratings": moved(ratings, future, math.nan)}
