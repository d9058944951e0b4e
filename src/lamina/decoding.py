"""Beam search: the likeliest sequences that an encoder-decoder writes, for many sources at once.

A net gives `logits, state = net.decode(tokens, memory, state)`; memory and state are tuples of
tensors whose first dimension is the source, and the row of tokens (see nets/encoder_decoder.py).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Written(NamedTuple):
    """tokens: without the one that ends. score: log-probability, the end's included, divided by
    the number of tokens to the power of the length penalty.
    """

    tokens: list[int]
    score: float


@torch.no_grad()
def beam_search(net: nn.Module, memory: tuple[Tensor, ...], *, start: int, end: int, limits: Tensor,
                beam: int, penalty: float) -> list[Written]:
    """The best sequence found for each source of the memory.

    start, end: the tokens before the first one and after the last one. limits: (sources,) the most
    tokens of each, the end included. beam: hypotheses kept for each source; 1 is greedy. penalty:
    0 prefers short sequences, 1 compares the mean log-probability of a token.

    A source is done when `beam` hypotheses have ended among the best `beam` (as in Bahdanau et al.
    2015); the best of these by `score` is taken. No source sees another one, nor its padding.
    """
    best = [Written([], -math.inf) for _ in range(len(limits))]
    open_ = torch.arange(len(limits), device=limits.device)  # the sources still written for
    ended = torch.zeros_like(open_)
    sums = torch.full((len(open_), beam), -math.inf, dtype=torch.double, device=limits.device)
    sums[:, 0] = 0.0  # at first the hypotheses of a source are all the same
    rows = torch.full((len(open_) * beam, 1), start, device=limits.device)
    state: tuple[Tensor, ...] | None = None
    while len(open_):
        length = rows.shape[1]  # of the hypotheses with the token that is chosen now
        logits, state = net.decode(rows[:, -1:], memory, state)
        chances = logits[:, 0].float().log_softmax(1)
        full = (limits[open_] <= length).repeat_interleave(beam)
        if full.any():
            chances[full, :end] = chances[full, end + 1 :] = -math.inf
        found, origin, token = candidates(sums, chances, 2 * beam)
        ends = (token == end) & found.isfinite()
        note(best, open_, rows, origin, found / length**penalty, ends[:, :beam])
        ended += ends[:, :beam].sum(1)
        kept = ((ended < beam) & ~full[::beam]).nonzero()[:, 0]
        on = ends[kept].long().argsort(dim=1, stable=True)[:, :beam]  # the best that do not end
        sums, token = found[kept].gather(1, on), token[kept].gather(1, on)
        place = (kept[:, None] * beam + origin[kept].gather(1, on)).flatten()
        rows = torch.cat((rows[place], token.flatten()[:, None]), 1)
        state = tuple(part[place] for part in state)
        if len(kept) < len(open_):
            memory = tuple(part[kept] for part in memory)
            open_, ended = open_[kept], ended[kept]
    return best


def candidates(sums: Tensor, chances: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best continuations of each source's hypotheses, best first: their log-probability, which
    hypothesis they continue and with which token, each (sources, count).

    sums: (sources, beam). chances: (sources * beam, vocabulary).
    """
    each, tokens = chances.topk(min(count, chances.shape[1]), 1)
    total = (sums.view(-1, 1) + each.double()).view(len(sums), -1)
    found, place = total.topk(count, 1)
    return found, place // each.shape[1], tokens.view(len(sums), -1).gather(1, place)


def note(best: list[Written], open_: Tensor, rows: Tensor, origin: Tensor, scores: Tensor,
         ends: Tensor) -> None:
    """Keep of each source the hypothesis that has just ended, where it is the best so far."""
    beam = ends.shape[1]
    top, which = scores[:, :beam].masked_fill(~ends, -math.inf).max(1)
    for index, score in enumerate(top.tolist()):
        source = int(open_[index])
        if score > best[source].score:
            row = index * beam + int(origin[index, which[index]])
            best[source] = Written(rows[row, 1:].tolist(), score)
