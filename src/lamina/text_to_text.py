"""Texts that become other texts: their tokens, what learning foretells, what a search writes.

A batch holds `source` (n, room), `source_length` (n,), and `target`, `target_length` where targets
are known. Tokens are byte pairs; the one that ends a text also stands before the first of a target.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lamina.decoding import Written, beam_search
from lamina.learning import Batch
from lamina.media import text
from lamina.media.text import Vocabulary
from lamina.probe import Probe

END = "(end)"  # how the token that ends a text is called for people


# ---- tokens -------------------------------------------------------------------------------------

def tokens_of(given: str, vocabulary: Vocabulary) -> numpy.ndarray:
    """The tokens of a text, (tokens,): its first word begins with a space as the others do."""
    return vocabulary.encode(f" {given}")


def padded(texts: Sequence[str], side: str, vocabulary: Vocabulary, room: int) -> Batch:
    """side (n, room) and its length (n,): the tokens and the one that ends a text; a longer text
    is cut, and then has no end. ValueError: a text is empty.
    """
    tokens = numpy.zeros((len(texts), room), numpy.int16 if vocabulary.size < 1 << 15 else
                         numpy.int32)
    length = numpy.zeros(len(texts), numpy.int64)
    for row, one in enumerate(texts):
        if not one.strip():
            raise ValueError(f"the {side} is empty; expected some words")
        known = numpy.append(tokens_of(one, vocabulary), vocabulary.end)[:room]
        tokens[row, : len(known)], length[row] = known, len(known)
    return {side: torch.from_numpy(tokens), f"{side}_length": torch.from_numpy(length)}


def spelled(tokens: Sequence[int], vocabulary: Vocabulary) -> str:
    """The text of some tokens, without the one that ends it."""
    return b"".join(vocabulary.pieces[token] for token in tokens
                    if token != vocabulary.end).decode(errors="replace").strip()


def in_words(tokens: Sequence[int], vocabulary: Vocabulary) -> tuple[list[str], numpy.ndarray]:
    """The words that tokens make, and to which word each of them belongs, (tokens,)."""
    starts = [token == vocabulary.end or vocabulary.pieces[token].startswith(b" ")
              for token in tokens]
    word = numpy.maximum(numpy.cumsum(starts, dtype=int) - 1, 0)
    ends = numpy.searchsorted(word, numpy.arange(word[-1] + 1 if len(word) else 0), "right")
    cuts = numpy.split(numpy.array(tokens, int), ends[:-1])
    return [END if some[0] == vocabulary.end else spelled(some, vocabulary) or " "
            for some in cuts if len(some)], word


# ---- learning -----------------------------------------------------------------------------------

def trimmed(batch: Batch, side: str) -> Tensor:  # (batch, longest)
    """The tokens of one side without the padding that all of them have."""
    return batch[side][:, : int(batch[f"{side}_length"].max())].long()


def shifted(target: Tensor, end: int) -> Tensor:  # (batch, time) both ways
    """What the net is shown of the target: at each place the token before."""
    return torch.cat((torch.full_like(target[:, :1], end), target[:, :-1]), 1)


def there(batch: Batch, side: str, target: Tensor) -> Tensor:  # bool, shaped as `target`
    """Which tokens of one side are none of the padding."""
    return torch.arange(target.shape[1], device=target.device) < batch[f"{side}_length"][:, None]


def foretold(net: nn.Module, batch: Batch, end: int) -> tuple[Tensor, Tensor]:
    """Logits (tokens, vocabulary) of all tokens of the targets, and these tokens (tokens,)."""
    target = trimmed(batch, "target")
    real = there(batch, "target", target)
    logits = net(trimmed(batch, "source"), batch["source_length"], shifted(target, end))
    return logits[real].float(), target[real]


def surprise(net: nn.Module, batch: Batch, end: int) -> numpy.ndarray:  # (batch,)
    """Nats that each target costs."""
    logits, truth = foretold(net, batch, end)
    costs = cross_entropy(logits, truth, reduction="none").double().cpu().numpy()
    return numpy.add.reduceat(costs, numpy.append(0, numpy.cumsum(
        batch["target_length"].cpu().numpy())[:-1]))


# ---- answering ----------------------------------------------------------------------------------

class Search(NamedTuple):
    """How texts are written. penalty: of length, see `beam_search`. ratio, more: the most tokens
    written are `ratio` times those that are read, and so many more.
    """

    beam: int
    penalty: float
    ratio: float = 2.0
    more: int = 10

    def __call__(self, net: nn.Module, memory: tuple[Tensor, ...], length: Tensor, end: int
                 ) -> list[Written]:
        """What is written for each source of the memory; length: of the sources, (batch,)."""
        limits = (self.ratio * length).long() + self.more
        return beam_search(net, memory, start=end, end=end, limits=limits, beam=self.beam,
                           penalty=self.penalty)


def remembered(net: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
    """What the encoder makes of the sources."""
    return net.encode(net.embed(trimmed(batch, "source")), batch["source_length"])


def looked(net: nn.Module, memory: tuple[Tensor, ...], written: Sequence[Written], end: int
           ) -> numpy.ndarray:
    """How much each token that was written takes from each that was read, (batch, longest,
    source).
    """
    rows = nn.utils.rnn.pad_sequence([torch.tensor([end, *one.tokens]) for one in written],
                                     batch_first=True)
    return net.attention(rows.to(memory[0].device), memory).float().cpu().numpy()


def by_word(weights: numpy.ndarray, rows: numpy.ndarray, columns: numpy.ndarray) -> numpy.ndarray:
    """Weights of tokens (written, read) as those of words: the mean over the tokens of a word that
    was written, the sum over those of one that was read.
    """
    if not len(rows):
        return numpy.zeros((0, columns[-1] + 1))
    shares = numpy.zeros((rows[-1] + 1, columns[-1] + 1))
    numpy.add.at(shares, numpy.ix_(rows, columns), weights)
    return shares / numpy.bincount(rows)[:, None]


def probe(net: nn.Module, batch: Batch, vocabulary: Vocabulary, search: Search) -> Probe:
    """How probable the net's own answer is, by the vectors of the source's tokens."""
    length, end = batch["source_length"], vocabulary.end
    source = trimmed(batch, "source")
    with torch.no_grad():
        inputs = net.embed(source).float()
        every = net.embed(torch.arange(vocabulary.size, device=source.device)[None]).float()
        written = search(net, net.encode(inputs, length), length, end)
    rows = [torch.tensor([*one.tokens, end], device=source.device) for one in written]
    target = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    sizes = torch.tensor([len(row) for row in rows], device=source.device)
    counted = torch.arange(target.shape[1], device=source.device) < sizes[:, None]

    def outputs(vectors: Tensor) -> Tensor:
        times = len(vectors) // len(source)  # the batch may come several times
        wanted = target.repeat(times, 1)
        logits, _ = net.decode(shifted(wanted, end), net.encode(vectors, length.repeat(times)))
        costs = cross_entropy(logits.float().transpose(1, 2), wanted, reduction="none")
        return -(costs * counted.repeat(times, 1)).sum(1, keepdim=True)

    words = there(batch, "source", source) & (source != end)
    said = f"“{spelled(written[0].tokens, vocabulary)}”" if len(written) == 1 else "the answer"
    return Probe(
        "words", inputs, outputs, torch.where(words[:, :, None], every.mean(1, True), inputs),
        (f"the log-probability of {said}",),
        names=[[name_of(token, vocabulary) for token in row[:size]]
               for row, size in zip(source.tolist(), length.tolist(), strict=True)],
        relative_to="tokens that are none in particular: the mean of all tokens' vectors")


def name_of(token: int, vocabulary: Vocabulary) -> str:
    """How a token is shown: with the space before it, if there is one."""
    return END if token == vocabulary.end else \
        vocabulary.pieces[token].decode(errors="backslashreplace")


def byte_pairs(texts: Sequence[str], size: int) -> tuple[list[str], int]:
    """The merges of a vocabulary of these texts, and the tokens of the longest of them."""
    merges = text.byte_pairs((f" {one}" for one in texts), size)
    vocabulary = text.vocabulary("bpe", merges=tuple(merges))
    return merges, max(len(tokens_of(one, vocabulary)) for one in texts)
