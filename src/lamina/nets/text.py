"""Nets that read the tokens of a text, in windows, and say which labels fit.

Encoders of a window: convolutions (Kim 2014), a bidirectional LSTM, blocks of attention.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, pad, rms_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lamina.nets.dropout import Dropout

PADDING, UNKNOWN, FIRST = 0, 1, 2  # tokens: none, a word with nothing known of it, the first one


class TextNet(nn.Module):
    """Logits of labels from the tokens of texts.

    A text of more than `window` tokens is cut into windows, which are encoded side by side. What
    stands at its places is pooled over the whole text: the maximum and the mean (Howard and Ruder
    2018).

    embedding: from tokens (batch, time) to vectors (batch, time, width).
    encoder: from vectors (windows, time, width), and which places are real (windows, time), to
        (windows, time, features).
    features: how many those are. dropout: fraction of the pooled ones dropped while learning.
    votes: how many of the last numbers of a vector speak for the labels directly: `labels`, or 0.
        Their sum, divided by the root of the text's length, is added to the logits: a linear model
        beside the net (Cheng et al. 2016).
    """

    def __init__(self, embedding: nn.Module, encoder: nn.Module, *, features: int, labels: int,
                 dropout: float, window: int, votes: int = 0):
        super().__init__()
        self.embedding, self.encoder, self.window = embedding, encoder, window
        self.votes = votes
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(2 * features, labels))

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:  # (batch, labels)
        """tokens: whole numbers (batch, time), of which the first `length` (batch,) are real."""
        return self.read(self.embedding(tokens), length)

    def read(self, vectors: Tensor, length: Tensor) -> Tensor:
        """As `forward`, of vectors (batch, time, width)."""
        vectors, votes = vectors.tensor_split([vectors.shape[2] - self.votes], 2)
        cut, real, text = windows(vectors, length, self.window)
        places = self.encoder(cut, real)
        real = real[:, :, None]
        highest = places.masked_fill(~real, float("-inf")).amax(1)  # (windows, features)
        total = places.masked_fill(~real, 0.0).sum(1)
        if len(text) > len(length):
            highest = places.new_full((len(length), places.shape[2]), float("-inf")).scatter_reduce(
                0, text[:, None].expand_as(highest), highest, "amax")
            total = total.new_zeros(highest.shape).index_add(0, text, total)
        logits = self.head(torch.cat((highest, total / length[:, None]), 1))
        if not self.votes:
            return logits
        real = torch.arange(vectors.shape[1], device=length.device) < length[:, None]
        return logits + votes.masked_fill(~real[:, :, None], 0.0).sum(1) * length[:, None] ** -0.5


def windows(vectors: Tensor, length: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The windows of `size` places that hold any of a text: (windows, time, width).

    And which of their places are real (windows, time), and the text that each is of (windows,).
    """
    time = vectors.shape[1]
    size = min(size, time)
    count = -(-time // size)  # of windows, rounded up
    places = torch.arange(count * size, device=length.device)
    real = (places < length[:, None]).view(-1, size)
    text = torch.arange(len(length), device=length.device).repeat_interleave(count)
    cut = pad(vectors, (0, 0, 0, count * size - time)).reshape(-1, size, vectors.shape[2])
    if count == 1:
        return cut, real, text
    held = real[:, 0].nonzero()[:, 0]
    return cut[held], real[held], text[held]


class Words(nn.Module):
    """Vectors of words, each with its votes for the labels; while learning, some words are hidden.

    A word's vector is the mean of its own and of those of its stems, so that what is learnt of
    "bores" is half known of "bored" (after Bojanowski et al. 2017, who take every piece of it).

    made_of: (vocabulary, depth) each token itself, then its stems, the longest first, then PADDING.
    hidden: the fraction of words of which only the stems are seen, or nothing (Iyyer et al. 2015,
        section 3.1): as of words that training did not have.
    dropout: the fraction of the vectors' numbers that are dropped.
    """

    def __init__(self, made_of: Tensor, *, width: int, labels: int, hidden: float, dropout: float):
        super().__init__()
        vocabulary = len(made_of)
        self.table = nn.Embedding(vocabulary, width, padding_idx=PADDING)
        self.votes = nn.Embedding(vocabulary, labels, padding_idx=PADDING)
        nn.init.normal_(self.table.weight[UNKNOWN:].detach(), std=0.2)
        nn.init.zeros_(self.table.weight[PADDING].detach())
        nn.init.zeros_(self.votes.weight)
        self.register_buffer("made_of", made_of, persistent=False)
        self.hidden, self.dropout = hidden, Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:  # (batch, time) -> (batch, time, width + labels)
        if self.training and self.hidden:
            gone = torch.rand(tokens.shape, device=tokens.device) < self.hidden
            left = self.made_of[tokens, 1]  # the longest stem
            left = left.masked_fill(left == PADDING, UNKNOWN)
            tokens = torch.where(gone & (tokens != PADDING), left, tokens)
        parts = self.made_of[tokens]  # (batch, time, depth)
        vectors, votes = (embedding_bag(parts.flatten(0, 1), table.weight, mode="mean",
                                        padding_idx=PADDING).unflatten(0, tokens.shape)
                          for table in (self.table, self.votes))
        return torch.cat((self.dropout(vectors), votes), 2)


class Convolutions(nn.Module):
    """Convolutions over each of several numbers of words, `width` of each, side by side."""

    def __init__(self, inputs: int, *, width: int, sizes: tuple[int, ...] = (3, 4, 5)):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(inputs, width, size) for size in sizes)
        self.features = width * len(sizes)

    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:  # (windows, time, features)
        vectors = vectors.masked_fill(~real[:, :, None], 0.0).transpose(1, 2)
        found = []
        for layer in self.layers:
            before, after = layer.kernel_size[0] // 2, (layer.kernel_size[0] - 1) // 2
            found.append(layer(pad(vectors, (before, after))))
        return torch.cat(found, 1).relu().transpose(1, 2)


class BidirectionalLSTM(nn.Module):
    """A memory that reads forwards and one that reads backwards (Graves and Schmidhuber 2005).

    width: numbers that each of them remembers.
    """

    def __init__(self, inputs: int, *, width: int, layers: int, dropout: float):
        super().__init__()
        self.memory = nn.LSTM(inputs, width, layers, batch_first=True, bidirectional=True,
                              dropout=dropout if layers > 1 else 0.0)
        self.features = 2 * width

    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:  # (windows, time, features)
        packed = pack_padded_sequence(vectors, real.sum(1).cpu(), batch_first=True,
                                      enforce_sorted=False)
        return pad_packed_sequence(self.memory(packed)[0], batch_first=True,
                                   total_length=vectors.shape[1])[0]


class Attention(nn.Module):
    """Blocks of attention in both directions (Vaswani et al. 2017), normed before each part.

    width: of the vectors; each head has width / heads of their numbers. longest: places at most.
    ValueError: the width is not divisible by the heads.
    """

    def __init__(self, width: int, *, layers: int, heads: int, dropout: float, longest: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"expected a width divisible by the heads, got width {width} and "
                             f"heads {heads}")
        self.places = nn.Parameter(torch.empty(longest, width))
        nn.init.normal_(self.places, std=0.02)
        self.blocks = nn.ModuleList(AttentionBlock(width, heads, dropout) for _ in range(layers))
        self.features = width

    def forward(self, vectors: Tensor, real: Tensor) -> Tensor:  # (windows, time, features)
        x = vectors + self.places[: vectors.shape[1]]
        for block in self.blocks:
            x, _ = block(x, real)
        return norm(x)

    def weights(self, vectors: Tensor, real: Tensor) -> Tensor:
        """How much each place takes from each: (layers, windows, heads, time, time)."""
        x, found = vectors + self.places[: vectors.shape[1]], []
        for block in self.blocks:
            x, seen = block(x, real)
            found.append(seen)
        return torch.stack(found)


class AttentionBlock(nn.Module):
    """Attention, then two layers at each place, each added to the residual path."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, Dropout(dropout)
        self.look = nn.Linear(width, 3 * width, bias=False)  # queries, keys and values
        self.output = nn.Linear(width, width, bias=False)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """The path (windows, time, width), and the attention (windows, heads, time, time)."""
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                             for part in self.look(norm(x)).chunk(3, -1))
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
        weights = scores.masked_fill(~real[:, None, None], float("-inf")).softmax(-1)
        x = x + self.dropout(self.output((weights @ value).transpose(1, 2).flatten(2)))
        return x + self.dropout(self.contract(self.expand(norm(x)).relu())), weights


def norm(x: Tensor) -> Tensor:
    """The channels scaled to a root mean square of 1."""
    return rms_norm(x, x.shape[-1:])
