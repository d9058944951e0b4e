"""Nets that read one sequence and write another: recurrent with attention, and the transformer.

Both share one embedding among the tokens read, the tokens written and the output (Press and Wolf
2017), and offer the same four functions:

    vectors = net.embed(source)                          what the encoder reads
    memory = net.encode(vectors, length)                 what the decoder looks at
    logits, state = net.decode(tokens, memory, state)    what follows each token
    net.attention(tokens, memory)                        where the decoder looked

A memory is a tuple of tensors whose first dimension is the source; a state is a tuple of tensors
whose first dimension is the row of tokens. A source may have several rows, side by side: the
hypotheses of a beam search share its memory. What lies behind `length` changes nothing.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lamina.nets.dropout import Dropout
from lamina.nets.gpt import rotate, rotations

Memory = tuple[Tensor, ...]
State = tuple[Tensor, ...]


class RNN(nn.Module):
    """A bidirectional GRU (Cho et al. 2014) reads; two GRUs write, with attention between them.

    The lower one's state asks the source what fits (Luong et al. 2015, "general"), and the upper
    one reads what was found, as in Wu et al. 2016, section 3: so a whole target is learnt from at
    once, and yet each step knows where the steps before it looked (as in Bahdanau et al. 2015).

    vocabulary: the number of different tokens. layers: of the encoder.
    width: numbers in a token's vector; states have twice as many.
    dropout: fraction dropped from embeddings and from what each part gives.
    """

    def __init__(self, vocabulary: int, *, layers: int, width: int, dropout: float):
        super().__init__()
        self.embedding = embedding(vocabulary, width)
        self.drop = Dropout(dropout)
        state = 2 * width
        self.encoder = nn.GRU(width, state, layers, batch_first=True, bidirectional=True,
                              dropout=dropout if layers > 1 else 0.0)
        self.first = nn.Linear(2 * state, 2 * state)  # states that writing begins with
        self.key = nn.Linear(2 * state, state, bias=False)
        self.lower = nn.GRU(width, state, batch_first=True)
        self.upper = nn.GRU(3 * state, state, batch_first=True)
        self.readout = nn.Linear(3 * state, width)

    def forward(self, source: Tensor, length: Tensor, target: Tensor) -> Tensor:
        """Logits (batch, time, vocabulary) of what follows each token of the target.

        source: whole numbers (batch, source), of which `length` (batch,) count. target: (batch,
        time).
        """
        return self.decode(target, self.encode(self.embed(source), length))[0]

    def embed(self, tokens: Tensor) -> Tensor:  # (batch, time) -> (batch, time, width)
        """The vectors that are read."""
        return self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim)

    def encode(self, vectors: Tensor, length: Tensor) -> Memory:
        """States of both directions, their keys, the first states, and what is padding."""
        packed = pack_padded_sequence(self.drop(vectors), length.cpu(), batch_first=True,
                                      enforce_sorted=False)
        states, _ = pad_packed_sequence(self.encoder(packed)[0], batch_first=True,
                                        total_length=vectors.shape[1])
        mean = states.sum(1) / length[:, None]  # padded states are zero
        states = self.drop(states)
        return states, self.key(states), self.first(mean).tanh(), padding(vectors, length)

    def decode(self, tokens: Tensor, memory: Memory, past: State | None = None
               ) -> tuple[Tensor, State]:
        """Logits of what follows each token, (rows, time, vocabulary), and the state."""
        states, _, first, _ = memory
        lower, upper = past or first.repeat_interleave(len(tokens) // len(first), 0).chunk(2, 1)
        asked, lower = self.lower(self.drop(self.embed(tokens)), lower[None].contiguous())
        found = (self.weights(asked, memory) @ states).view(*asked.shape[:2], -1)
        written, upper = self.upper(self.drop(torch.cat((asked, found), 2)),
                                    upper[None].contiguous())
        read = self.drop(self.readout(torch.cat((written, found), 2)).tanh())
        scale = math.sqrt(self.embedding.embedding_dim)
        return scale * read @ self.embedding.weight.T, (lower[0], upper[0])

    def attention(self, tokens: Tensor, memory: Memory) -> Tensor:  # (rows, time, source)
        """How much each token that is written takes from each that was read."""
        first = memory[2]
        lower = first.repeat_interleave(len(tokens) // len(first), 0).chunk(2, 1)[0]
        asked, _ = self.lower(self.embed(tokens), lower[None].contiguous())
        return self.weights(asked, memory).view(*tokens.shape, -1)

    def weights(self, asked: Tensor, memory: Memory) -> Tensor:  # (batch, rows * time, source)
        """softmax over the source of h W s (Luong et al. 2015, equations 7 and 8)."""
        _, key, _, hidden = memory
        scores = asked.reshape(len(key), -1, asked.shape[2]) @ key.transpose(1, 2)
        return scores.masked_fill(hidden[:, None], -math.inf).softmax(2)


class Transformer(nn.Module):
    """The transformer (Vaswani et al. 2017) with a norm before each part (Xiong et al. 2020) and
    rotary positions where it attends to its own sequence (Su et al. 2021).

    vocabulary: the number of different tokens. layers: of the encoder, and of the decoder.
    width: numbers in a token's vector; each head has width / heads of them, an even number.
    dropout: fraction dropped from embeddings and from what each part gives.
    """

    def __init__(self, vocabulary: int, *, layers: int, width: int, heads: int, dropout: float):
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"expected a width divisible by twice the heads, got width {width} "
                             f"and heads {heads}")
        self.depth = width // heads
        self.embedding = embedding(vocabulary, width)
        self.drop = Dropout(dropout)
        self.encoder = nn.ModuleList(Encoder(width, heads, dropout) for _ in range(layers))
        self.decoder = nn.ModuleList(Decoder(width, heads, dropout) for _ in range(layers))
        self.read, self.written = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, source: Tensor, length: Tensor, target: Tensor) -> Tensor:
        """As of `RNN`."""
        return self.decode(target, self.encode(self.embed(source), length))[0]

    def embed(self, tokens: Tensor) -> Tensor:  # (batch, time) -> (batch, time, width)
        """The vectors that are read."""
        return self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim)

    def encode(self, vectors: Tensor, length: Tensor) -> Memory:
        """What is padding, then the keys and values that each layer of the decoder looks at."""
        hidden = padding(vectors, length)
        seen = ~hidden[:, None, None]
        turns = rotations(0, vectors.shape[1], self.depth, vectors.device)
        x = self.drop(vectors)
        for layer in self.encoder:
            x = layer(x, turns, seen)
        x = self.read(x)
        return hidden, *(part for layer in self.decoder for part in layer.remember(x))

    def decode(self, tokens: Tensor, memory: Memory, past: State | None = None
               ) -> tuple[Tensor, State]:
        """Logits of what follows each token, (rows, time, vocabulary), and the state."""
        seen = ~memory[0][:, None, None]
        start = past[0].shape[2] if past else 0
        turns = rotations(start, tokens.shape[1], self.depth, tokens.device)
        x = self.drop(self.embed(tokens))
        state: list[Tensor] = []
        for index, layer in enumerate(self.decoder):
            own = slice(2 * index, 2 * index + 2)
            x, kept = layer.recall(x, turns, past[own] if past else ())
            x = layer.expand(layer.look_up(x, *memory[1:][own], seen))
            state += kept
        return self.written(x) @ self.embedding.weight.T, tuple(state)

    def attention(self, tokens: Tensor, memory: Memory) -> Tensor:  # (rows, time, source)
        """How much each token that is written takes from each that was read: the mean over the
        heads of the last layer but one, which aligns best (Garg et al. 2019, section 4.1).
        """
        seen = ~memory[0][:, None, None]
        turns = rotations(0, tokens.shape[1], self.depth, tokens.device)
        x = self.embed(tokens)
        for index, layer in enumerate(self.decoder):
            key, value = memory[1 + 2 * index : 3 + 2 * index]
            x, _ = layer.recall(x, turns, ())
            if index >= len(self.decoder) - 2:
                scores = layer.question(x, key) @ key.transpose(2, 3) / math.sqrt(self.depth)
                found = scores.masked_fill(~seen, -math.inf).softmax(3).mean(1)
                return found.view(*tokens.shape, -1)
            x = layer.expand(layer.look_up(x, key, value, seen))


class Encoder(nn.Module):
    """Attention to the whole sequence, then two layers at each position."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm, self.look, self.mix = attending(width, 3)
        self.feed_forward = FeedForward(width, dropout)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], seen: Tensor) -> Tensor:
        """The residual path (batch, time, width) after this layer; seen: (batch, 1, 1, time)."""
        query, key, value = split(self.look(self.norm(x)), 3, self.heads)
        found = scaled_dot_product_attention(rotate(query, turns), rotate(key, turns), value,
                                             attn_mask=seen)
        return self.feed_forward(x + self.drop(self.mix(joined(found))))


class Decoder(nn.Module):
    """Attention to what was written, then to what was read, then two layers at each position."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm, self.look, self.mix = attending(width, 3)
        self.cross_norm, self.ask, self.cross_mix = attending(width, 1)
        self.memory = linear(width, 2 * width)
        self.expand = FeedForward(width, dropout)
        self.drop = Dropout(dropout)

    def remember(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of what was read, each (batch, heads, source, depth)."""
        return split(self.memory(x), 2, self.heads)

    def recall(self, x: Tensor, turns: tuple[Tensor, Tensor], past: State
               ) -> tuple[Tensor, State]:
        """x (rows, time, width) with what each position takes from itself and those before it,
        and all keys and values so far.
        """
        query, key, value = split(self.look(self.norm(x)), 3, self.heads)
        query, key = rotate(query, turns), rotate(key, turns)
        if past:  # then there is one new position, and it sees all
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
        found = scaled_dot_product_attention(query, key, value, is_causal=not past)
        return x + self.drop(self.mix(joined(found))), (key, value)

    def question(self, x: Tensor, key: Tensor) -> Tensor:
        """Queries to the source (batch, heads, rows * time, depth): rows of a source lie side by
        side.
        """
        asked = self.ask(self.cross_norm(x))
        return split(asked.view(len(key), -1, asked.shape[2]), 1, self.heads)[0]

    def look_up(self, x: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
        """x with what each position takes from the source; seen: (batch, 1, 1, source)."""
        found = scaled_dot_product_attention(self.question(x, key), key, value, attn_mask=seen)
        return x + self.drop(self.cross_mix(joined(found)).view(x.shape))


class FeedForward(nn.Module):
    """Two layers at each position, added to the residual path. Twice as wide inside, as in the
    transformer that Wu et al. 2021 found best for small data ("Good for misconceived reasons").
    """

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.expand, self.contract = linear(width, 2 * width), linear(2 * width, width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:  # (batch, time, width) both ways
        return x + self.drop(self.contract(self.expand(self.norm(x)).relu()))


# ---- parts --------------------------------------------------------------------------------------

def embedding(vocabulary: int, width: int) -> nn.Embedding:
    """Vectors of length about 1, so that as output weights they give logits of about 1."""
    made = nn.Embedding(vocabulary, width)
    nn.init.normal_(made.weight, std=width**-0.5)
    return made


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Without a bias; first weights by Glorot and Bengio 2010, as Vaswani et al. 2017 had them."""
    made = nn.Linear(inputs, outputs, bias=False)
    nn.init.xavier_uniform_(made.weight)
    return made


def attending(width: int, parts: int) -> tuple[nn.LayerNorm, nn.Linear, nn.Linear]:
    """The norm before an attention, its queries (keys and values) and what mixes its heads."""
    return nn.LayerNorm(width), linear(width, parts * width), linear(width, width)


def split(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Each part of (batch, time, parts * width) as (batch, heads, time, depth)."""
    return x.view(*x.shape[:2], parts, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


def joined(x: Tensor) -> Tensor:
    """(batch, heads, time, depth) as (batch, time, width)."""
    return x.transpose(1, 2).flatten(2)


def padding(vectors: Tensor, length: Tensor) -> Tensor:  # bool (batch, time)
    """Which places lie behind the sequence's length (batch,)."""
    return torch.arange(vectors.shape[1], device=length.device) >= length[:, None]
