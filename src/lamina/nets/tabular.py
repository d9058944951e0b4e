"""Nets for the rows of a table: a vector for each column, then layers that mix them.

A row comes as `numbers` in 0..1 (their rank among the training values) and `categories` (indices
into one table that all category columns share). `members` nets share all weights but their first
scale and their last layer, which gives most of an ensemble's gain at a part of its cost
(Gorishniy et al. 2025, "TabM", the variant called mini).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina.nets.dropout import Dropout, dropout


class RowNet(nn.Module):
    """Columns to vectors, a body that mixes them, and one linear head for each member.

    body: from (batch, columns, column width) to (batch, members, width).
    """

    def __init__(self, columns: "ColumnVectors", body: nn.Module, *, members: int, width: int,
                 outputs: int):
        super().__init__()
        self.columns = columns
        self.body = body
        bound = width ** -0.5
        self.weight = nn.Parameter(torch.empty(members, width, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:  # (batch, members, outputs)
        return self.mix(self.columns(numbers, categories))

    def mix(self, vectors: Tensor) -> Tensor:  # (batch, columns, width), as forward
        """The outputs for the columns' vectors."""
        mixed = self.body(vectors)
        return torch.einsum("bmw,mwo->bmo", mixed, self.weight) + self.bias


class ColumnVectors(nn.Module):
    """A vector for each column of a row.

    A number is encoded piecewise linearly (Gorishniy et al. 2022, equation 1): of `bins` equal
    parts of 0..1, those below it are 1, those above it 0, its own says how far in it lies.
    """

    def __init__(self, *, numbers: int, categories: int, bins: int, width: int):
        super().__init__()
        self.bins = bins
        bound = bins ** -0.5
        self.weight = nn.Parameter(torch.empty(numbers, bins, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(numbers, width).uniform_(-bound, bound))
        self.table = nn.Embedding(categories, width)

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:  # (batch, columns, width)
        steps = torch.arange(self.bins, device=numbers.device)
        filled = (numbers[:, :, None] * self.bins - steps).clamp(0, 1)  # (batch, numbers, bins)
        vectors = torch.einsum("bnk,nkw->bnw", filled, self.weight) + self.bias
        return torch.cat([vectors, self.table(categories)], dim=1)


class Members(nn.Module):
    """The row as each member sees it: every column's vector scaled by the member's own numbers."""

    def __init__(self, *, columns: int, column_width: int, members: int):
        super().__init__()
        scale = torch.ones(1, columns, 1) if members == 1 else torch.randn(members, columns, 1)
        self.scale = nn.Parameter(scale.repeat(1, 1, column_width).flatten(1))

    def forward(self, vectors: Tensor) -> Tensor:  # (batch, members, columns * column width)
        return vectors.flatten(1)[:, None] * self.scale


def multilayer(members: Members, *, width: int, depth: int, dropout: float) -> nn.Module:
    """Body of `depth` hidden layers."""
    layers: list[nn.Module] = [members]
    before = members.scale.shape[1]
    for _ in range(depth):
        layers += [nn.Linear(before, width), nn.ReLU(), Dropout(dropout)]
        before = width
    return nn.Sequential(*layers)


def residual(members: Members, *, width: int, depth: int, dropout: float) -> nn.Module:
    """Body of `depth` blocks that each add to what came before (Gorishniy et al. 2021, ResNet)."""
    blocks = [ResidualBlock(width, dropout=dropout) for _ in range(depth)]
    return nn.Sequential(members, nn.Linear(members.scale.shape[1], width), *blocks,
                         nn.LayerNorm(width), nn.ReLU())


class ResidualBlock(nn.Module):
    """x + two layers of the normalised x. Layer norm, so that rows do not depend on their batch."""

    def __init__(self, width: int, *, dropout: float):
        super().__init__()
        self.change = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(),
                                    Dropout(dropout), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:  # (batch, members, width), as x
        return x + self.change(x)


class ColumnAttention(nn.Module):
    """Body in which the columns attend to each other, and a last vector to all of them.

    (Gorishniy et al. 2021, FT-Transformer)
    """

    def __init__(self, *, width: int, depth: int, heads: int, dropout: float):
        super().__init__()
        self.start = nn.Parameter(torch.randn(width) * width ** -0.5)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads=heads, dropout=dropout)
                                    for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, vectors: Tensor) -> Tensor:  # (batch, 1, width)
        x = torch.cat([self.start.expand(len(vectors), 1, -1), vectors], dim=1)
        for block in self.blocks:
            x = block(x)
        return functional.relu(self.norm(x[:, :1]))


class AttentionBlock(nn.Module):
    """Pre-norm attention over the columns, then a gated layer (ReGLU) for each of them."""

    def __init__(self, width: int, *, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.gate_norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 4 * width)
        self.back = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:  # (batch, columns, width), as x
        heads = self.query_key_value(self.attention_norm(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # (batch, heads, columns, width / heads)
        seen = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout if self.training else 0.0)
        x = x + self.mix(seen.transpose(1, 2).flatten(2))
        value, gate = self.gate(self.gate_norm(x)).chunk(2, dim=2)
        hidden = dropout(value * functional.relu(gate), self.dropout, self.training)
        return x + self.back(hidden)
