"""GPT: a decoder of causal attention blocks, with rotary positions and a cache for sampling.

Radford et al. 2019 with what later work kept: a norm without weights before each part (Groeneveld
et al. 2024), rotary positions (Su et al. 2021), normed queries and keys (Dehghani et al. 2023),
squared ReLU (So et al. 2021), no biases, and output layers that start at zero. A short causal
convolution, as in So et al. 2021 and in Allen-Zhu 2025, "Physics of language models: part 4.1",
shows the blocks each token with the three before it; here once, and over all channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pad, scaled_dot_product_attention

from lamina.nets.dropout import dropout

REACH = 3  # tokens before each one that the convolution sees


class Cache(NamedTuple):
    """What is kept of the tokens that were read, to read on."""

    vectors: Tensor  # of the last REACH: (batch, REACH, width)
    layers: list[tuple[Tensor, Tensor]]  # keys and values, (batch, heads, past, depth)


class GPT(nn.Module):
    """Next-token logits from tokens.

    vocabulary: the number of different tokens.
    width: channels of the residual path; each head has width / heads of them, an even number.
    dropout: fraction of channels dropped from the embedding and from each part's output.
    """

    def __init__(self, vocabulary: int, *, layers: int, width: int, heads: int,
                 dropout: float = 0.0):
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"expected a width divisible by twice the heads, got width {width} "
                             f"and heads {heads}")
        self.depth, self.dropout = width // heads, dropout
        self.embedding = nn.Embedding(vocabulary, width)
        self.convolution = nn.Linear((REACH + 1) * width, width, bias=False)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.zeros_(self.head.weight)  # the first answer is the uniform one

    def forward(self, tokens: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache]:
        """Logits (batch, time, vocabulary) of what follows each token, and the cache.

        tokens: whole numbers (batch, time).
        past: the cache that came with the tokens before these; None where there are none.
        """
        return self.read(dropout(self.embed(tokens), self.dropout, self.training), past)

    def embed(self, tokens: Tensor) -> Tensor:  # (batch, time) -> (batch, time, width)
        """The vector of each token."""
        return norm(self.embedding(tokens))

    def read(self, x: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache]:
        """As `forward`, of vectors (batch, time, width)."""
        seen = past.layers[0][0].shape[2] if past else 0
        turns = rotations(seen, x.shape[1], self.depth, x.device)
        x, vectors = self.convolve(x, past.vectors if past else None)
        layers = []
        for index, block in enumerate(self.blocks):
            x, entry = block(x, turns, past.layers[index] if past else None)
            layers.append(entry)
        return self.head(norm(x)), Cache(vectors, layers)

    def convolve(self, x: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Each vector with what the convolution makes of it and the REACH before it, nothing where
        there are none; and the last REACH vectors."""
        known = pad(x, (0, 0, REACH, 0)) if before is None else torch.cat((before, x), 1)
        # (batch, time, width, REACH + 1); as `unfold`, whose backward pass takes far longer
        windows = torch.stack([known[:, i : i + x.shape[1]] for i in range(REACH + 1)], -1)
        return x + self.convolution(windows.flatten(2)), known[:, -REACH:]

    def attention(self, x: Tensor) -> Tensor:  # (layers, batch, heads, time, time)
        """How much each position, in the last dimension but one, takes from each, of vectors."""
        turns = rotations(0, x.shape[1], self.depth, x.device)
        x, _ = self.convolve(x)
        seen = []
        for block in self.blocks:
            query, key, _ = block.look(norm(x), turns)
            seen.append(weights(query, key))
            x, _ = block(x, turns, None)
        return torch.stack(seen)


class Block(nn.Module):
    """Causal attention, then two layers at each position, each added to the residual path."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.output.weight)  # each block starts as the identity
        nn.init.zeros_(self.contract.weight)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor],
                past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The residual path (batch, time, width) after this block, and its keys and values."""
        attended, cache = self.attend(norm(x), turns, past)
        x = x + dropout(attended, self.dropout, self.training)
        inner = squared_relu(self.expand(norm(x)))
        return x + dropout(self.contract(inner), self.dropout, self.training), cache

    def attend(self, x: Tensor, turns: tuple[Tensor, Tensor],
               past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """What each position takes from itself and from those before it."""
        query, key, value = self.look(x, turns)
        if past is not None:
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
        mixed = attention(query, key, value)  # (batch, heads, time, depth)
        return self.output(mixed.transpose(1, 2).flatten(2)), (key, value)

    def look(self, x: Tensor, turns: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (batch, heads, time, depth)."""
        query, key, value = (layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                             for layer in (self.query, self.key, self.value))
        return rotate(norm(query), turns), rotate(norm(key), turns), value


def norm(x: Tensor) -> Tensor:
    """The channels with a mean of 0 and a variance of 1 (Ba et al. 2016), without weights.

    It learns as well as RMS norm and is one kernel on a CPU, where that is a row of them.
    """
    return layer_norm(x, x.shape[-1:])


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)²; as a product, because a power takes three times as long on a CPU."""
    x = x.relu()
    return x * x


def rotations(start: int, time: int, depth: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines (time, depth) of the turns at positions from `start` on."""
    frequencies = 10000 ** -(torch.arange(0, depth, 2, device=device) / depth)
    angles = torch.arange(start, start + time, device=device)[:, None] * frequencies
    return angles.cos().repeat(1, 2), torch.cat((-angles.sin(), angles.sin()), 1)


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Channels i and i + depth/2 turned by their position's angle (Su et al. 2021, eq. 34)."""
    cosine, sine = (turn.to(x.dtype) for turn in turns)
    return x * cosine + x.roll(x.shape[-1] // 2, -1) * sine


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √depth) V over no later position (Vaswani et al. 2017, equation 1).

    The queries are those of the last positions. PyTorch's fused kernel is the faster one, but for
    bfloat16 on a CPU, where its backward pass takes up to 4 times as long as the equation's.
    """
    fused = value.is_cuda or value.dtype == torch.float32
    if fused and query.shape[2] == key.shape[2]:
        return scaled_dot_product_attention(query, key, value, is_causal=True)
    return weights(query, key) @ value


def weights(query: Tensor, key: Tensor) -> Tensor:  # (batch, heads, time, seen)
    """softmax(Q Kᵀ / √depth) over no later position."""
    time, seen = query.shape[2], key.shape[2]
    later = torch.full((time, seen), float("-inf"), dtype=query.dtype, device=query.device)
    scores = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
    return (scores + later.triu(1 + seen - time)).softmax(-1)
