"""A net as a function of real numbers: what attributions and attacks look into."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lamina import columns
from lamina.columns import Column
from lamina.learning import Batch


@dataclass(frozen=True)
class Probe:
    """A net as a differentiable function of the numbers that an example is made of.

    kind: what the inputs are: pixels, vectors of columns, vectors of tokens that are continued, of
        the words of a text that is labelled, the observations of an episode (then the first
        dimension is time), the window of a series, or the spectrogram of a sound.
    inputs: float32 (batch, ...): pixels on their own scale 0 to 255 (batch, channels, height,
        width); vectors (batch, columns or tokens, width); observations (time, ...);
        windows and spectrograms (batch, time, channels).
    outputs: from tensors shaped as `inputs` to (batch, outputs): logits of labels, the values of
        an episode's actions, one predicted number, or pixels.
    neutral: shaped as `inputs`: an input that says nothing (mean picture, typical values).
    labels: what the outputs are called; one where a number is predicted, none for pixels.
    targets: (batch,) indices of the true labels, or true values; None where they are not known.
        Of an episode: the discounted return that followed.
    names: of the features in dimension 1 (columns: one list for all, where a column of several
        vectors comes several times; tokens and words: one list per example, without the padding).
    low, high: the range in which inputs mean something; None where they are vectors.
    relative_to: what the neutral input is, in words.
    several: whether each label holds or not by itself, its output being its log-odds.
    attention: from inputs to how much each token takes from each in every layer, (layers, batch,
        heads, time, time); None where the net has no attention.
    """

    kind: Literal["image", "columns", "tokens", "words", "episode", "series", "sound"]
    inputs: Tensor
    outputs: Callable[[Tensor], Tensor]
    neutral: Tensor
    labels: tuple[str, ...]
    targets: Tensor | None = None
    names: Sequence[str] | Sequence[Sequence[str]] = ()
    low: float | None = None
    high: float | None = None
    relative_to: str = "a neutral input"
    several: bool = False
    attention: Callable[[Tensor], Tensor] | None = None


def of_row(net: nn.Module, known: Sequence[Column], batch: Batch,
           outputs: Callable[[Tensor], Tensor], labels: Sequence[str],
           targets: Tensor | None) -> Probe:
    """Of a net that makes a vector of each column with `net.columns`, (batch, columns, width).

    outputs: from such vectors to what the answers are made of.
    """
    typical = {name: values.to(batch["numbers"].device)
               for name, values in columns.typical(known).items()}
    with torch.no_grad():
        inputs = net.columns(batch["numbers"], batch["categories"])
        neutral = net.columns(**typical).mean(0)
    names = [column.name for column in known for _ in range(column.numbers)]
    names += [column.name for column in known if column.kind == "category"]
    return Probe("columns", inputs, outputs, neutral.expand_as(inputs), tuple(labels), targets,
                 names, relative_to="a row that is the mean of the training rows in each column")


def of_prompt(net: nn.Module, batch: Batch, pieces: Sequence[bytes], context: int) -> Probe:
    """Of a net that reads tokens' vectors, `net.embed` and `net.read`: the next token's logits.

    batch: tokens (batch, time), length (batch,), and prompt (batch,): how many are the input.
    pieces: the bytes of each token that can be written.
    """
    ends = batch["prompt"].long()
    width = min(context, int(ends.max()))
    starts = (ends - width).clamp(min=0)  # the net is shown the last tokens of the prompt
    places = starts[:, None] + torch.arange(width, device=ends.device)
    shown = batch["tokens"].long().gather(1, places)
    last = (ends - starts - 1)[:, None, None]
    spelled = tuple(piece.decode(errors="backslashreplace") for piece in pieces)
    with torch.no_grad():
        inputs = net.embed(shown).float()
        every = net.embed(torch.arange(len(pieces), device=ends.device)[None]).float()

    def outputs(vectors: Tensor) -> Tensor:
        logits = net.read(vectors)[0]
        row = last.repeat(len(vectors) // len(last), 1, 1)  # the batch may come several times
        return logits.gather(1, row.expand(-1, -1, logits.shape[2]))[:, 0, : len(pieces)]

    count = (ends - starts).tolist()
    names = [[spelled[token] if token < len(spelled) else "?" for token in row[:size]]
             for row, size in zip(shown.tolist(), count, strict=True)]
    real = torch.arange(width, device=ends.device) < (ends - starts)[:, None]
    neutral = torch.where(real[:, :, None], every.mean(1, keepdim=True), inputs)
    goal = None
    if bool((batch["length"] > ends).all()):
        goal = batch["tokens"].long().gather(1, ends[:, None])[:, 0]
    return Probe("tokens", inputs, outputs, neutral, spelled, goal, names,
                 relative_to="tokens that are none in particular: the mean of all tokens' vectors",
                 attention=getattr(net, "attention", None))


def of_episode(net: nn.Module, shown: Tensor, names: Sequence[str], actions: Sequence[str],
               returns: Sequence[float]) -> Probe:
    """Of a net that values actions, over what it was shown in an episode, (time, ...).

    Numbers are (time, numbers), and `net.features.centre` is their mean in training; pictures are
    (time, height, width, channels). returns: the discounted one that followed each.
    """
    pictures = shown.ndim == 4
    given = shown.float()
    neutral = given.mean(0) if pictures else net.features.centre.float()
    low, high = (0.0, 255.0) if pictures else (None, None)
    return Probe("episode", given, net, neutral.expand_as(given), tuple(actions),
                 torch.tensor(returns, device=given.device), () if pictures else names, low, high,
                 "the episode's mean picture" if pictures else "the mean observation of training")
