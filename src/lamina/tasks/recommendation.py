"""user -> items: what each user takes next, of all that they did not take yet.

Nets: `factorisation` with biases; `neural`, collaborative filtering by layers over both vectors;
`transformer`, attention over the history. All read the history, so that users may be new.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina import histories, keys
from lamina.answers.recommendations import Recommendations, Recommended
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import interactions
from lamina.metrics import ranking
from lamina.metrics.metric import Metric
from lamina.metrics.ranking import NDCG, RECALL, RMSE, TOP
from lamina.nets import recommend
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Batches
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts

LONGEST = 65_536  # interactions of a user
REASONS = 3  # items of the history that are named for each recommended one
BEFORE = 0.3  # of a history lie before the moment that is learnt from, at least
SHOWN = 10  # latest items of a history that a page shows
CLOSEST = 5000  # users that item-kNN is counted over, at most
LATER = 100  # items after a moment whose ratings are learnt


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    net: Literal["factorisation", "neural", "transformer"] = setting(
        "factorisation", "the kind of net")
    width: int = setting(64, "numbers in a user's and an item's vector: the size dial", low=4,
                         high=4096)
    layers: int = setting(1, "layers of transformer", low=1, high=64)
    heads: int = setting(2, "heads of the attention of transformer", low=1, high=128)
    context: int = setting(100, "latest items of a history that are read", low=1, high=4096)
    ahead: int = setting(10, "items after a moment that are learnt as what follows it", low=1,
                         high=1000)
    dropout: float = setting(0.5, "fraction of numbers dropped while learning", low=0, high=0.9)
    hidden: float = setting(0.2, "fraction of a history hidden while learning", low=0, high=0.9)
    learning_rate: float = setting(3e-3, "peak step size of AdamW", low=0, high=100)
    weight_decay: float = setting(0.1, "weight decay of AdamW", low=0, high=100)
    order: Literal["auto", "time", "rows", "random"] = setting(
        "auto", "what a user's interactions are ordered by; auto: time, else the rows")
    user_column: str = setting("", "the column of users; recognised when empty")
    item_column: str = setting("", "the column of items; recognised when empty")
    rating_column: str = setting("", "the column of ratings; recognised when empty")
    time_column: str = setting("", "the column of times; recognised when empty")


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    """items, titles, genres: of each item of the training part. ratings: the least and the most;
    none of implicit feedback. entries: of all users together. room: for the longest history.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    titles: tuple[str, ...]
    genres: tuple[str, ...]
    ratings: tuple[float, ...]
    entries: int = setting(1, "", low=0, high=2**31)
    room: int = setting(1, "", low=1, high=LONGEST)


class Recommendation(Task):
    """Learns to rank what users may take next."""

    Settings, Facts = Settings, Facts
    budget = Budget(epochs=60)
    examples_at_once = 64

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of rankings, and where there are ratings of these."""
        rated = (RMSE,) if self.facts.ratings else ()
        return (NDCG, RECALL, *rated, ranking.covered(len(self.facts.items)))

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        s, notes = self.settings, []
        found, things = histories.read(Path(source), columns_of(s))
        made, how = histories.histories(found, things, s.order, notes)
        made, _ = histories.feedback(made, notes)
        notes.insert(0, f"{len(found.items):,} interactions of {len(made):,} users with "
                     f"{len(set(found.items)):,} items")
        if found.damaged:
            notes.append(f"{len(found.damaged):,} rows are damaged and left out: "
                         + "; ".join(found.damaged[:5]))
        return histories.divide(made, how, things, notes)

    def study(self, train: Sequence[Example]) -> Facts:
        taken = [example.input for example in train]
        things = taken[0].things
        items = sorted({item for one in taken for item in one.items}, key=histories.natural)
        longest = max(len(one.items) for one in taken)
        room = min(LONGEST, longest + longest // 2 + 2)
        rated = [rating for one in taken for rating in one.ratings if not math.isnan(rating)]
        return Facts(users=tuple(one.user for one in taken), items=tuple(items),
                     titles=histories.titles(items, things),
                     genres=tuple(things[item].genres if item in things else ""
                                  for item in items),
                     ratings=(min(rated), max(rated)) if rated else (),
                     entries=sum(min(room, len(one.items)) for one in taken), room=room)

    def encode(self, examples: Sequence[Example]) -> Batch:
        return histories.encode(examples, places(self.facts.users), places(self.facts.items),
                                self.facts.room)

    def examples(self, given: Sequence[Any]) -> list[Example]:
        """Each is a user's name, a file of histories, or one as JSON: {"items": ["a", "b"]}."""
        return [Example(one) for item in given for one in histories.given(
            item, columns_of(self.settings), self.settings.order)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, facts = self.settings, self.facts
        try:
            users = recommend.Bag() if s.net != "transformer" else recommend.Sequence(
                s.width, layers=s.layers, heads=s.heads, dropout=s.dropout)
        except ValueError as reason:
            raise UserError(str(reason)) from None
        return recommend.Recommender(
            users, items=len(facts.items), known=len(facts.users), width=s.width,
            entries=facts.entries, hidden=s.hidden, dropout=s.dropout,
            layers=recommend.Layers(s.width) if s.net == "neural" else None,
            ratings=recommend.Ratings(len(facts.items), width=s.width // 4)
            if facts.ratings else None)

    def augment(self, batch: Batch) -> Batch:
        return histories.cut(batch, max(LATER, self.settings.ahead), BEFORE)

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        scores = net.scores(batch["items"].long(), batch["user"], self.settings.context)
        future = batch["future"][:, : self.settings.ahead].long()
        there = future > 0
        chances = scores.log_softmax(1).gather(1, (future - 1).clamp(min=0))
        yield Update((-chances * there).sum(1).div(there.sum(1).clamp(min=1)).mean(), net)
        if net.ratings is not None:
            count = int((batch["future"] > 0).sum())
            yield Update(squares(net.ratings, batch).sum() / max(1, count), net.ratings,
                         "squared error of ratings", count)

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        if not net.popularity.any():
            whole = {name: train[name][:] for name in ("user", "items", "ratings")}
            net.start(**whole)
        optimizers = {net: (adam(net, s, s.learning_rate),)}
        if net.ratings is not None:
            optimizers[net.ratings] = (adam(net.ratings, s, s.learning_rate / 6),)
        yield Phase("train", Batches(train, s.batch_size, seed=s.seed),
                    lambda batch: self.learn(net, batch), optimizers,
                    trapezoid(warmup=0.05, decay=0.7), clip=1.0)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Recommendations]:
        batch, facts, context = recalled(net, batch, self.facts.room), self.facts, \
            self.settings.context
        history = batch["items"].long()
        scores, top = net.best(history, batch["user"], context, count=TOP)
        ratings = [[None] * top.shape[1]] * len(top) if net.ratings is None else net.ratings(
            history, batch["ratings"], top).clamp(*facts.ratings).tolist()
        found = []
        for row, name in enumerate(names_of(batch)):
            chosen = top[row][top[row] > 0]
            reasons = net.because(history[row, -context:], batch["user"][row], chosen,
                                  most=REASONS)
            items = [Recommended(
                facts.items[item - 1], facts.titles[item - 1], facts.genres[item - 1], score,
                rating, tuple(facts.titles[one - 1] for one in reason))
                for item, score, rating, reason in zip(
                    chosen.tolist(), scores[row].tolist(), ratings[row], reasons, strict=False)]
            found.append(Recommendations(name, items, note_of(batch, row),
                                         *shown(batch, row, facts)))
        return found

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        if "future" not in batch:  # the training part is learnt from as a whole
            return {}
        top = net.best(batch["items"].long(), batch["user"], self.settings.context, count=TOP)[1]
        rated = {} if net.ratings is None else \
            {"rmse": errors(net.ratings, batch, self.facts.ratings)}
        return measured(top.cpu().numpy(), batch) | rated

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        batch = recalled(net, batch, self.facts.room)
        window = batch["items"][:, -self.settings.context :].long()
        there, user = window > 0, batch["user"]
        seen = recommend.seen(batch["items"].long(), len(self.facts.items))
        if not there.any(1).all():
            raise UserError("a user without a history gets what is popular; there is nothing to "
                            "explain")
        blank = window.shape[1] - int(there.sum(1).max())  # places before the longest history
        with torch.no_grad():
            inputs = net.embed(window[:, blank:]).float()
        neutral = net.taken.weight[1:].detach().float().mean(0)

        def outputs(vectors: Tensor) -> Tensor:
            times = len(vectors) // len(window)  # the batch may come several times
            whole = functional.pad(vectors, (0, 0, blank, 0))
            scores = net.read(whole, there.repeat(times, 1), user.repeat(times))
            return scores.masked_fill(seen.repeat(times, 1), recommend.FAR)

        names = [[f"{self.facts.titles[item - 1]}; " if item else "" for item in row]
                 for row in window[:, blank:].tolist()]
        nothing = torch.where(there[:, blank:, None], neutral, inputs)
        return Probe("tokens", inputs, outputs, nothing, self.facts.titles, names=names,
                     relative_to="a history of items that are none in particular: the mean of all "
                     "items' vectors")

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The most popular items, item-kNN without and with recency, and damped mean ratings."""
        size = len(self.facts.items)
        known, batch = self.encode(train), self.encode(test)
        popular = known["items"].flatten().bincount(minlength=size + 1)[1:].double().numpy()
        near = ranking.ItemNeighbours(numpy.concatenate([
            recommend.seen(piece.long(), size).float().numpy()
            for piece in known["items"][:CLOSEST].split(512)]))

        def best(history: numpy.ndarray, scores: numpy.ndarray) -> numpy.ndarray:
            seen = numpy.isin(numpy.arange(size), history)
            return ranking.best((scores + 1e-9 * popular)[None], seen[None])[0]

        pasts = [row[row > 0] - 1 for row in batch["items"].numpy()]
        tops = {"the most popular items": [best(one, popular) for one in pasts],
                "item-kNN": [best(one, near.scores(one)) for one in pasts],
                "item-kNN, recent items first": [
                    best(one, near.scores(one, ranking.HALF_LIFE)) for one in pasts]}
        found = {name: measured(numpy.stack(top), batch) for name, top in tops.items()}
        if self.facts.ratings:
            means, there = recommend.Ratings(size, width=1), known["items"] > 0
            means.start(known["items"][there].long(), known["ratings"][there])
            found["the users' and items' means"] = {
                "rmse": errors(means, batch, self.facts.ratings)}
        return found

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "recommendation sample")
        kinds = ("cooking", "sailing", "history", "poems")
        books = [f"{kind} {number}" for kind in kinds for number in range(1, 13)]
        with (folder / "ratings.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["user", "item", "rating", "time"])
            for user in range(60):
                at, taken = int(random.integers(len(books))), set()
                for step in range(int(random.integers(10, 19))):  # on to a book of the same shelf
                    while at in taken:
                        at = at // 12 * 12 + (at + 1) % 12 if random.random() < 0.8 else \
                            int(random.integers(len(books)))
                    taken.add(at)
                    rating = round(random.normal(4.0 if at // 12 == user % 4 else 3.0, 0.7))
                    out.writerow([f"user {user}", f"book {at}", min(5, max(1, rating)),
                                  86400 * user + step])
        with (folder / "items.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["item", "title", "genres"])
            out.writerows([f"book {place}", title, title.split()[0]]
                          for place, title in enumerate(books))
        return folder


# ---- tensors ------------------------------------------------------------------------------------


def columns_of(s: Settings) -> dict[str, str]:
    """The user's own names of columns, by what they hold."""
    return {role: getattr(s, f"{role}_column") for role in interactions.NAMES}


@lru_cache(maxsize=4)
def places(names: tuple[str, ...]) -> dict[str, int]:
    """The number of each name, from 1."""
    return {name: place for place, name in enumerate(names, 1)}


def measured(top: numpy.ndarray, batch: Batch) -> dict[str, numpy.ndarray]:
    """The rows of the rankings' metrics."""
    truth, count = batch["future"].cpu().numpy(), batch["count"].tolist()
    found = numpy.array([ranking.gains(*one) for one in zip(top, truth, count, strict=True)])
    return {"ndcg": found[:, :1], "recall": found[:, 1:], "coverage": top.astype(float)}


def adam(part: nn.Module, s: Settings, rate: float) -> torch.optim.Optimizer:
    """AdamW of a part, but for the parameters of its ratings; what is no table does not decay."""
    own = [p for name, p in part.named_parameters() if not name.startswith("ratings.")]
    return torch.optim.AdamW(
        [{"params": [p for p in own if p.ndim > 1], "weight_decay": s.weight_decay},
         {"params": [p for p in own if p.ndim < 2], "weight_decay": 0.0}], rate)


def squares(ratings: nn.Module, batch: Batch, span: Sequence[float] = ()) -> Tensor:
    """The squared errors of the ratings that are expected of `future`, (batch, future).

    span: the least and the most that an answer may be.
    """
    found = ratings(batch["items"].long(), batch["ratings"], batch["future"].long())
    found = found.clamp(*span) if span else found
    truth = batch["future_ratings"]
    return ((found - truth.nan_to_num()) ** 2).where(~truth.isnan(), 0.0)


@torch.no_grad()
def errors(ratings: nn.Module, batch: Batch, span: Sequence[float]) -> numpy.ndarray:
    """The rows of the ratings' metric: squared errors and how many there are, (batch, 2)."""
    count = (~batch["future_ratings"].isnan()).sum(1)
    return torch.stack([squares(ratings, batch, span).sum(1).double(), count.double()],
                       1).cpu().numpy()


def recalled(net: nn.Module, batch: Batch, room: int) -> Batch:
    """The batch with what the training part knows of known users who come without a history."""
    bare = ~(batch["items"] > 0).any(1) & (batch["unread"] == 0)
    items, ratings = net.memory.recall(batch["user"], room)
    return batch | {"items": torch.where(bare[:, None], items, batch["items"]),
                    "ratings": torch.where(bare[:, None], ratings, batch["ratings"]),
                    "recalled": bare & (batch["user"] > 0)}


# ---- what is said -------------------------------------------------------------------------------

def names_of(batch: Batch) -> list[str]:
    """The users' names."""
    return [bytes(name).rstrip(b"\0").decode(errors="replace") for name in batch["name"].tolist()]


def note_of(batch: Batch, row: int) -> str:
    """What should be known of the answer to a user."""
    held, unread = int((batch["items"][row] > 0).sum()), int(batch["unread"][row])
    known = bool(batch["user"][row] > 0)
    notes = []
    if batch["recalled"][row]:
        notes.append(f"from {held:,} interactions of the training part")
    elif not held:
        notes.append(("" if known else "a new user ") + "without a known history: what is popular")
    if unread:
        notes.append(f"{unread:,} items of the history are not read: the model does not know them, "
                     "or they are too long ago")
    return "; ".join(notes)


def shown(batch: Batch, row: int, facts: Facts) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The latest of a history, in titles, and what was taken then, where it is known."""
    latest = [facts.titles[item - 1] for item in batch["items"][row, -SHOWN:].tolist() if item]
    if "future" not in batch:
        return tuple(latest), None
    return tuple(latest), tuple(facts.items[item - 1] for item in batch["future"][row].tolist()
                                if item)
