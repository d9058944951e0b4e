"""Nets that recommend: factorisation, neural collaborative filtering, a transformer over histories.

Each makes of what a user took, oldest first, a vector, and of that a score for every item. Item 0
is padding, user 0 one that is not known; their vectors stay 0.
"""

import math

import torch
from torch import Tensor, nn

from lamina.nets.dropout import Dropout
from lamina.nets.gpt import Block, rotations

AGES = 24  # stretches of a history, each half as long again as the one after it
FADES = 0.3  # how much less an item counts for each stretch at the start, in logarithms
LENGTH = 1.0  # of the items' vectors at the start, in the mean
DAMPING = 10.0  # average ratings that every user's and every item's mean starts with
SMALL = 0.03  # deviation of the vectors of ratings at the start
FAR = -1e9  # the score of what was taken already


class Bag(nn.Module):
    """A user as the weighted mean of what they took.

    Asymmetric factorisation (Koren 2008, section 4), in which how much an item counts is learnt by
    how many were taken after it.
    """

    def __init__(self):
        super().__init__()
        self.ages = nn.Parameter(-FADES * torch.arange(float(AGES)))  # logarithms

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:
        """(batch, width) of vectors (batch, time, width); there: where an item is."""
        return (self.shares(there)[:, None] @ vectors)[:, 0]

    def shares(self, there: Tensor) -> Tensor:  # (batch, time)
        """How much each place counts; together 1, or 0 where there is nothing."""
        later = torch.arange(there.shape[1] - 1, -1, -1, device=there.device)
        stretch = ((later + 1.0).log() / math.log(1.5)).long().clamp(max=AGES - 1)
        weights = self.ages[stretch].expand_as(there).masked_fill(~there, -1e9)
        return weights.softmax(1) * there


class Sequence(nn.Module):
    """A user as what causal attention makes of their history, pooled as `Bag` does.

    The blocks of SASRec (Kang and McAuley 2018) with rotary places; they start as the identity, so
    that the net starts as a bag.
    """

    def __init__(self, width: int, *, layers: int, heads: int, dropout: float):
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"expected a width divisible by twice the heads, got width {width} "
                             f"and heads {heads}")
        self.depth = width // heads
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.pool = Bag()

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:  # (batch, width)
        turns = rotations(0, vectors.shape[1], self.depth, vectors.device)
        x = vectors
        for block in self.blocks:
            x, _ = block(x * there[:, :, None], turns, None)
        return self.pool(x, there)


class Layers(nn.Module):
    """What layers over a user's and an item's vector add to their product.

    Neural matrix factorisation (He et al. 2017, section 3.4); the first layer is a sum of what it
    makes of the user and of the item, so that a whole catalogue is scored at once.
    """

    def __init__(self, width: int):
        super().__init__()
        hidden = max(1, width // 4)  # each of them is a number for every user and item of a batch
        self.user, self.item = nn.Linear(width, hidden), nn.Linear(width, hidden, bias=False)
        self.output = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.output.weight)  # it starts as factorisation

    def forward(self, user: Tensor, items: Tensor) -> Tensor:  # (batch, items)
        return self.output((self.user(user)[:, None] + self.item(items)).relu())[:, :, 0]


class Ratings(nn.Module):
    """The rating that a user would give an item.

    Mean + user's bias + item's bias + a product of vectors; the user's bias and vector come from
    what they rated (Koren 2008, equation 13), the bias as a damped mean (Koren 2010, section 2.1).
    """

    def __init__(self, items: int, *, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.bias = nn.Embedding(items + 1, 1, padding_idx=0)
        self.given, self.asked = (nn.Embedding(items + 1, width, padding_idx=0) for _ in range(2))
        self.damping = nn.Parameter(torch.tensor(math.log(DAMPING)))
        nn.init.zeros_(self.bias.weight)
        nn.init.zeros_(self.given.weight)
        with torch.no_grad():
            self.asked.weight *= SMALL

    @torch.no_grad()
    def start(self, items: Tensor, ratings: Tensor) -> None:
        """Begin with the mean and each item's damped mean; one entry a rating, (entries,)."""
        self.mean.copy_(ratings.mean())
        count = items.bincount(minlength=self.bias.num_embeddings)
        total = torch.zeros_like(self.bias.weight[:, 0]).index_add(0, items, ratings - self.mean)
        self.bias.weight[:, 0] = total / (count + DAMPING)

    def forward(self, history: Tensor, ratings: Tensor, asked: Tensor) -> Tensor:
        """(batch, asked) of items (batch, asked); history, ratings: (batch, time), NaN for none."""
        rated = ~ratings.isnan() & (history > 0)
        beyond = (ratings.nan_to_num() - self.mean - self.bias(history)[:, :, 0]) * rated
        count = rated.sum(1, keepdim=True)
        user = beyond.sum(1, keepdim=True) / (count + self.damping.exp())
        rest = (beyond - user) * rated / (count + 1.0).sqrt()
        taste = (rest[:, None] @ self.given(history))[:, 0]
        product = (self.asked(asked) @ taste[:, :, None])[:, :, 0]
        return self.mean + user + self.bias(asked)[:, :, 0] + product


class Memory(nn.Module):
    """What each user had taken in the training part, for those who are named when answers are made.

    entries: interactions of all users together.
    """

    def __init__(self, users: int, entries: int):
        super().__init__()
        self.register_buffer("ends", torch.zeros(users + 2, dtype=torch.long))
        self.register_buffer("items", torch.zeros(entries, dtype=torch.int32))
        self.register_buffer("ratings", torch.zeros(entries))

    def keep(self, user: Tensor, items: Tensor, ratings: Tensor) -> None:
        """Take the histories (users, time), padded with item 0."""
        order = user.argsort()
        items, ratings = items[order], ratings[order]
        counts = torch.zeros(len(self.ends) - 1, dtype=torch.long, device=items.device)
        counts[user[order]] = (items > 0).sum(1)
        self.ends[1:] = counts.cumsum(0)
        self.items[: self.ends[-1]] = items[items > 0].int()
        self.ratings[: self.ends[-1]] = ratings[items > 0].nan_to_num()

    def recall(self, user: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Items and ratings (users, size), the latest last, padded in front with 0 and NaN."""
        start, end = self.ends[user], self.ends[user + 1]
        places = end[:, None] - torch.arange(size, 0, -1, device=user.device)
        there = places >= start[:, None]
        places = places.clamp(min=0)
        return (self.items[places].where(there, 0),
                self.ratings[places].where(there, float("nan")))


class Recommender(nn.Module):
    """Scores of items from a history.

    users: makes a vector of a history: Bag or Sequence. layers: adds to the products of vectors.
    hidden: fraction of a history that is hidden while learning.
    """

    def __init__(self, users: nn.Module, *, items: int, known: int, width: int, entries: int,
                 layers: nn.Module | None = None, ratings: nn.Module | None = None,
                 hidden: float = 0.0, dropout: float = 0.0):
        super().__init__()
        self.users, self.layers, self.ratings, self.hidden = users, layers, ratings, hidden
        self.taken = nn.Embedding(items + 1, width, padding_idx=0)
        self.wanted = nn.Embedding(items + 1, width, padding_idx=0)
        self.own = nn.Embedding(known + 1, width, padding_idx=0)  # of each known user
        self.bias = nn.Embedding(items + 1, 1, padding_idx=0)
        self.scale = nn.Parameter(torch.zeros(()))  # a logarithm
        self.dropout = Dropout(dropout)
        self.memory = Memory(known, entries)
        self.register_buffer("popularity", torch.zeros(items))  # how many users took each
        nn.init.zeros_(self.own.weight)

    def forward(self, history: Tensor, user: Tensor) -> Tensor:
        """(batch, items) of items (batch, time), the latest last, and users (batch,)."""
        there = history > 0
        if self.training and self.hidden:
            there = there & (torch.rand(there.shape, device=there.device) >= self.hidden)
        return self.read(self.embed(history), there, user)

    def embed(self, history: Tensor) -> Tensor:  # (batch, time) -> (batch, time, width)
        """The vectors of a history."""
        return self.taken(history)

    def read(self, vectors: Tensor, there: Tensor, user: Tensor,
             among: Tensor | None = None) -> Tensor:
        """As `forward`, of the vectors of a history; there: where an item is.

        among: the items to score, by default all.
        """
        found = self.dropout(self.users(vectors * there[:, :, None], there) + self.own(user))
        items, bias = (table.weight[1:] if among is None else table(among)
                       for table in (self.wanted, self.bias))
        scores = found * self.scale.exp() @ items.T + bias[:, 0]
        return scores if self.layers is None else scores + self.layers(found, items)

    def scores(self, history: Tensor, user: Tensor, context: int) -> Tensor:  # (batch, items)
        """As `forward`, of the latest `context` items; FAR for each that the history holds.

        In evaluation a user without history gets the popularity.
        """
        found = self(history[:, -context:], user).float()
        if not self.training:
            empty = ~(history > 0).any(1, keepdim=True)
            found = torch.where(empty, self.popularity, found)
        return found.masked_fill(seen(history, found.shape[1]), FAR)

    def best(self, history: Tensor, user: Tensor, context: int, *, count: int
             ) -> tuple[Tensor, Tensor]:
        """Scores and items (batch, count), best first; item 0 where none is left."""
        found = self.scores(history, user, context)
        best = found.topk(min(count, found.shape[1]), 1)
        return best.values, torch.where(best.values > FAR / 2, best.indices + 1, 0)

    def because(self, history: Tensor, user: Tensor, chosen: Tensor, *, most: int
                ) -> list[list[int]]:
        """For each item chosen for a user, those of the history (time,) without which its score
        would fall most, the strongest first.
        """
        held = history.nonzero()[:, 0]
        if not len(held):
            return [[] for _ in chosen]
        there = (history > 0).repeat(1 + len(held), 1)
        there[torch.arange(1, 1 + len(held)), held] = False  # the first row is the whole history
        vectors = self.embed(history[None]).expand(len(there), -1, -1)
        scores = self.read(vectors, there, user.expand(len(there)), chosen)
        best = (scores[:1] - scores[1:]).topk(min(most, len(held)), 0)
        return [[int(history[held[place]]) for place, fall in zip(*pair, strict=True) if fall > 0]
                for pair in zip(best.indices.T.tolist(), best.values.T.tolist(), strict=True)]

    @torch.no_grad()
    def start(self, user: Tensor, items: Tensor, ratings: Tensor) -> None:
        """Begin at what the histories of the training part, (users, time), say without learning.

        Vectors from a truncated singular value decomposition of who took what, in which users with
        many items and items with many users count less (PureSVD, Cremonesi et al. 2010).
        """
        self.memory.keep(user, items, ratings)
        row, place = (items > 0).nonzero(as_tuple=True)
        item = items[row, place].long()
        counts = item.bincount(minlength=len(self.popularity) + 1)[1:].float()
        self.popularity.copy_(counts)
        lengths = row.bincount(minlength=len(items)).float()
        weights = (lengths[row] * (counts[item - 1] + DAMPING)).rsqrt()
        taken = torch.sparse_coo_tensor(torch.stack([row, item - 1]), weights,
                                        (len(items), len(counts)), check_invariants=False)
        rank = min(self.taken.embedding_dim, *taken.shape)
        _, values, vectors = torch.svd_lowrank(taken, rank, niter=4)
        vectors = vectors * values.sqrt()
        vectors *= LENGTH / vectors.norm(dim=1).mean().clamp(min=1e-9)
        for table in (self.taken, self.wanted):
            table.weight.zero_()
            table.weight[1:, :rank] = vectors
        self.bias.weight[1:, 0] = 0.5 * counts.log1p()
        if self.ratings is not None:
            self.ratings.start(item, ratings[row, place])


def seen(history: Tensor, size: int) -> Tensor:
    """Which of `size` items a history (batch, time) holds, bool (batch, items)."""
    found = torch.zeros(len(history), size + 1, dtype=torch.bool, device=history.device)
    return found.scatter_(1, history, True)[:, 1:]
