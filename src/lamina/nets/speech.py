"""Nets that hear speech: from samples to what each frame says, and to what is said in all.

Encoders: convolutions with a bidirectional LSTM, or conformer blocks; heads: connectionist temporal
classification, and a decoder that attends. Symbol 0 is CTC's blank and the decoder's start and end.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import scaled_dot_product_attention

from lamina.nets.ctc import BLANK, Prefix
from lamina.nets.dropout import Dropout
from lamina.nets.gpt import rotate, rotations
from lamina.nets.spectrogram import LogMel, SpecAugment, normalized, within

END = BLANK


class Heard(NamedTuple):
    """What a recognizer makes of recordings.

    log_chances: of each symbol in each frame, (batch, frames, symbols). frames: (batch,), how many
    are real. encoded: what the decoder attends to, (batch, frames, width).
    """

    log_chances: Tensor
    frames: Tensor
    encoded: Tensor


class Recognizer(nn.Module):
    """Log-mel features, an encoder, a CTC head and perhaps a decoder.

    encoder: from (batch, frames, width) and the real frames (batch,) to (batch, frames, features).
    symbols: how many, the blank among them. decoder: learns beside the CTC head.
    """

    def __init__(self, features: LogMel, augment: SpecAugment, front: "Subsampling",
                 encoder: nn.Module, *, symbols: int, dropout: float,
                 decoder: "Decoder | None" = None):
        super().__init__()
        self.features, self.augment, self.front, self.encoder = features, augment, front, encoder
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(encoder.features, symbols))
        self.decoder = decoder

    def forward(self, samples: Tensor, length: Tensor) -> Heard:
        """Of int16 samples (batch, time), of which `length` (batch,) are real."""
        frames = self.features.frames(length)
        return self.read(normalized(self.features(samples), frames), frames)

    def read(self, mel: Tensor, frames: Tensor) -> Heard:
        """Of normalized log-mel energies (batch, time, bands), of which `frames` are real."""
        x, frames = self.front(self.augment(mel, frames), frames)
        encoded = self.encoder(x, frames)
        return Heard(self.head(encoded).float().log_softmax(2), frames, encoded)


class Subsampling(nn.Module):
    """Two convolutions that each halve time and frequency, then a layer at each frame.

    width: of what comes out. channels: of the convolutions.
    """

    def __init__(self, bands: int, *, width: int, channels: int = 32):
        super().__init__()
        self.convolutions = nn.ModuleList([nn.Conv2d(1, channels, 3, 2, 1),
                                           nn.Conv2d(channels, channels, 3, 2, 1)])
        self.output = nn.Linear(channels * -(-bands // 4), width)

    def forward(self, mel: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, time, bands) to (batch, ceil(time / 4), width), and the real frames."""
        x = mel[:, None]
        for layer in self.convolutions:
            x, frames = layer(x).relu(), halved(frames)
            x = x * within(frames, x.shape[2])[:, None, :, None]  # padding stays silent
        return self.output(x.transpose(1, 2).flatten(2)), frames


def halved(frames: Tensor) -> Tensor:
    """What a convolution with stride 2 leaves of so many."""
    return (frames + 1) // 2


class BidirectionalLSTM(nn.Module):
    """Layers that read forwards and backwards (Graves et al. 2013, "Speech recognition with deep
    recurrent neural networks"), with a norm (Ba et al. 2016) around each: without them CTC stays
    with the blank for long.

    Each direction is an LSTM of its own over padded recordings, turned round where it reads
    backwards: the gradient of packed ones takes twice the time on a CPU.
    width: of what comes in, and what each direction remembers.
    """

    def __init__(self, width: int, *, layers: int, dropout: float):
        super().__init__()
        widths = [width] + [2 * width] * layers
        self.norms, self.dropout = nn.ModuleList(map(nn.LayerNorm, widths)), Dropout(dropout)
        self.ahead, self.back = (nn.ModuleList(nn.LSTM(before, width, batch_first=True)
                                               for before in widths[:-1]) for _ in range(2))
        self.features = 2 * width

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:  # (batch, time, features)
        places = torch.arange(x.shape[1], device=x.device)
        turned = torch.where(places < frames[:, None], frames[:, None] - 1 - places, places)
        for norm, ahead, back in zip(self.norms, self.ahead, self.back, strict=False):
            x = self.dropout(norm(x))
            x = torch.cat([ahead(x)[0], reordered(back(reordered(x, turned))[0], turned)], 2)
        return self.norms[-1](x)


def reordered(x: Tensor, places: Tensor) -> Tensor:  # (batch, time, width) both ways
    """What stands at those places (batch, time) of each recording."""
    return x.gather(1, places[:, :, None].expand_as(x))


class Conformer(nn.Module):
    """Blocks of attention and convolution (Gulati et al. 2020, figure 1).

    Positions are rotary (Su et al. 2021) instead of relative encodings, and the convolution is
    normed at each frame, so that no recording depends on the others of its batch.
    ValueError: the width is not divisible by twice the heads.
    """

    def __init__(self, width: int, *, layers: int, heads: int, dropout: float, kernel: int = 15):
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"expected a width divisible by twice the heads, got width {width} "
                             f"and heads {heads}")
        self.depth, self.features = width // heads, width
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(ConformerBlock(width, heads, dropout, kernel)
                                    for _ in range(layers))

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:  # (batch, time, width) both ways
        real = within(frames, x.shape[1])
        turns = rotations(0, x.shape[1], self.depth, x.device)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, real, turns)
        return x


class ConformerBlock(nn.Module):
    """Half a feed-forward part, attention, convolution, the other half, and a norm."""

    def __init__(self, width: int, heads: int, dropout: float, kernel: int):
        super().__init__()
        self.heads, self.dropout = heads, Dropout(dropout)
        self.before, self.after = (nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.SiLU(), Dropout(dropout),
            nn.Linear(4 * width, width), Dropout(dropout)) for _ in range(2))
        self.attended, self.convolved, self.norm = (nn.LayerNorm(width) for _ in range(3))
        self.look, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.point = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width),
                                   Dropout(dropout))

    def forward(self, x: Tensor, real: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """The residual path (batch, time, width) after this block; real: (batch, time)."""
        x = x + self.before(x) / 2
        x = x + self.dropout(self.attend(self.attended(x), real, turns))
        x = x + self.convolve(self.convolved(x), real)
        return self.norm(x + self.after(x) / 2)

    def attend(self, x: Tensor, real: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
        """What each frame takes from all that are real."""
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                             for part in self.look(x).chunk(3, -1))
        mixed = scaled_dot_product_attention(rotate(query, turns), rotate(key, turns), value,
                                             attn_mask=real[:, None, None])
        return self.output(mixed.transpose(1, 2).flatten(2))

    def convolve(self, x: Tensor, real: Tensor) -> Tensor:
        """What each frame takes from its neighbours."""
        x = functional.glu(self.gate(x), 2) * real[:, :, None]
        return self.point(self.depthwise(x.transpose(1, 2)).transpose(1, 2))


# ---- attention ------------------------------------------------------------------------------


class State(NamedTuple):
    """What a decoder remembers: its memory's (batch, width), what it attended to last (batch,
    features), and how much each frame was attended to in all (batch, frames)."""

    hidden: Tensor
    cell: Tensor
    context: Tensor
    covered: Tensor


class Decoder(nn.Module):
    """Spells what is said, one symbol after another, attending to the encoded frames.

    "Attention-based models for speech recognition" (Chorowski et al. 2015, equations 5 to 9): what
    was attended to before helps to find what comes next.
    features: of the encoded frames. kernel: frames on which that memory is looked at.
    """

    def __init__(self, symbols: int, *, features: int, width: int, dropout: float,
                 kernel: int = 31):
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.memory = nn.LSTMCell(width + features, width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(features, width)
        self.place = nn.Conv1d(1, width, kernel, padding=kernel // 2, bias=False)
        self.energy = nn.Linear(width, 1, bias=False)
        self.head = nn.Sequential(Dropout(dropout), nn.Linear(width + features, width),
                                  nn.Tanh(), nn.Linear(width, symbols))
        self.dropout = Dropout(dropout)

    def forward(self, encoded: Tensor, frames: Tensor, symbols: Tensor) -> Tensor:
        """Logits (batch, time + 1, symbols) of each of the symbols (batch, time) and of the end."""
        state, keys = self.start(encoded), self.key(encoded)
        real = within(frames, encoded.shape[1])
        given = functional.pad(symbols, (1, 0), value=END)
        found = []
        for place in range(given.shape[1]):
            logits, state = self.step(given[:, place], state, encoded, keys, real)
            found.append(logits)
        return torch.stack(found, 1)

    def start(self, encoded: Tensor) -> State:
        """The state before the first symbol."""
        nothing = encoded.new_zeros(len(encoded), self.memory.hidden_size)
        return State(nothing, nothing, torch.zeros_like(encoded[:, 0]),
                     torch.zeros_like(encoded[:, :, 0]))

    def step(self, symbol: Tensor, state: State, encoded: Tensor, keys: Tensor,
             real: Tensor) -> tuple[Tensor, State]:
        """Logits (batch, symbols) of what follows a symbol (batch,), and the state after it."""
        given = torch.cat([self.dropout(self.embedding(symbol)), state.context], 1)
        hidden, cell = self.memory(given, (state.hidden, state.cell))
        place = self.place(state.covered[:, None]).transpose(1, 2)
        energy = self.energy((self.query(hidden)[:, None] + keys + place).tanh())[:, :, 0]
        weights = energy.masked_fill(~real, -math.inf).softmax(1)
        context = (weights[:, :, None] * encoded).sum(1)
        return self.head(torch.cat([hidden, context], 1)), \
            State(hidden, cell, context, state.covered + weights)


def spell(decoder: Decoder, encoded: Tensor, *, beam: int, most: int,
          extension: Callable[[Prefix, int], float],
          ending: Callable[[Prefix], float]) -> list[tuple[Prefix, float]]:
    """What the decoder spells, with its log-probability and language score, likeliest first.

    encoded: of one recording, (1, frames, features). beam: prefixes that are kept. most: symbols,
    at which a search ends. extension, ending: as `ctc.beam_search` takes them.
    """
    keys, real = decoder.key(encoded), torch.ones_like(encoded[:, :, 0], dtype=torch.bool)
    state, beams = decoder.start(encoded), [((), 0.0)]
    done: list[tuple[Prefix, float]] = []
    for _ in range(most):
        count = len(beams)
        last = torch.tensor([prefix[-1] if prefix else END for prefix, _ in beams],
                            device=encoded.device)
        logits, state = decoder.step(last, state, encoded.expand(count, -1, -1),
                                     keys.expand(count, -1, -1), real.expand(count, -1))
        chances = logits.float().log_softmax(1)
        values, symbols = (found.tolist() for found in chances.topk(min(beam + 1,
                                                                        chances.shape[1])))
        longer = []
        for row, (prefix, score) in enumerate(beams):
            for chance, symbol in zip(values[row], symbols[row], strict=True):
                if symbol == END:
                    done.append((prefix, score + chance + ending(prefix)))
                else:
                    longer.append(((*prefix, symbol),
                                   score + chance + extension(prefix, symbol), row))
        longer.sort(key=lambda one: -one[1])
        del longer[beam:]
        done = sorted(done, key=lambda one: -one[1])[:beam]
        if len(done) == beam and done[-1][1] > longer[0][1] or done and \
                done[0][1] > longer[0][1] + 10:
            break
        chosen = torch.tensor([row for _, _, row in longer], device=encoded.device)
        state = State(*(values[chosen] for values in state))
        beams = [(prefix, score) for prefix, score, _ in longer]
    return done or [(prefix, score) for prefix, score in beams]


def log_chance(log_chances: Tensor, frames: Tensor, symbols: Sequence[int]) -> Tensor:
    """The log-probability that CTC gives to the same symbols in each recording, (batch,).

    log_chances: (batch, frames, symbols), of which `frames` are real.
    """
    count = len(log_chances)
    goal = torch.tensor(symbols, dtype=torch.long, device=log_chances.device).expand(count, -1)
    return -functional.ctc_loss(log_chances.transpose(0, 1), goal, frames,
                                torch.full((count,), len(symbols), device=goal.device),
                                reduction="none")


def spelling_loss(logits: Tensor, symbols: Tensor, spelled: Tensor) -> Tensor:
    """The mean cross-entropy of each symbol and of the end; logits (batch, time + 1, symbols)."""
    goal = functional.pad(symbols, (0, 1), value=END)  # padding is END already
    real = torch.arange(goal.shape[1], device=goal.device) <= spelled[:, None]
    losses = functional.cross_entropy(logits.transpose(1, 2).float(), goal, reduction="none")
    return (losses * real).sum() / real.sum()
