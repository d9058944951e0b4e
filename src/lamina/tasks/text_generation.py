"""text -> text: learns to continue a text, a character, a byte or a word piece at a time.

Nets: `gpt`, a decoder of causal attention blocks with the recipe below; `lstm`.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lamina import keys
from lamina.answers import Text
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import text
from lamina.media.manifest import Item
from lamina.metrics import frequencies
from lamina.metrics.metric import Metric, ratio
from lamina.muon import Muon
from lamina.nets.gpt import GPT
from lamina.nets.recurrent import LSTM
from lamina.probe import Probe, of_prompt
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.splits import PARTS, divide
from lamina.store import Joined
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts
from lamina.tokens import Windows, continuation, drawn, surprise

SHARES = {"validation": 0.05, "test": 0.1}  # cut from the end of each of a few long texts
MANY = 20  # documents, from which on whole documents are held out


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    seed: int = setting(0, "seed of every random choice; another one writes another text", low=0,
                        high=2**62, at_predict=True)
    net: Literal["gpt", "lstm"] = setting("gpt", "the kind of net")
    vocabulary: Literal["character", "byte", "bpe"] = setting(
        "character", "what a token is; bpe: pieces of words, learnt from the training part")
    vocabulary_size: int = setting(4096, "tokens of bpe", low=300, high=65536)
    documents: Literal["auto", "file", "line"] = setting(
        "auto", "what a text file holds: one document, or one in each line, as a list of names")
    layers: int = setting(2, "layers of the net", low=1, high=64)
    width: int = setting(128, "channels of the net", low=8, high=8192)
    heads: int = setting(4, "heads of the attention of gpt", low=1, high=128)
    context: int = setting(128, "tokens that the net is shown", low=2, high=16384)
    dropout: float = setting(0.0, "fraction of channels dropped while learning", low=0, high=0.9)
    batch_size: int = setting(8, "windows of `context` tokens per optimizer step", low=1,
                              high=65536)
    learning_rate: float = setting(
        0.0, "peak step size; 0: 0.02 for gpt (Muon), 0.003 for lstm (AdamW)", low=0, high=100)
    temperature: float = setting(0.8, "below 1 likely continuations become likelier; 0: always "
                                 "the likeliest", low=0, high=100, at_predict=True)
    top_k: int = setting(0, "choose among so many of the likeliest tokens; 0: all", low=0,
                         high=65536, at_predict=True)
    top_p: float = setting(1.0, "choose among the likeliest tokens of this probability in all",
                           low=0, high=1, at_predict=True)
    length: int = setting(300, "most tokens to write", low=1, high=1_000_000, at_predict=True)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    characters: str  # the vocabulary of characters
    merges: list[str]  # the vocabulary of bpe
    ends: bool  # whether the training part holds ends of documents


class TextGeneration(Task):
    """Learns to continue a text, and writes some."""

    Settings, Facts = Settings, Facts
    metrics = (
        Metric("nats per character", "lower", "surprise at each character of the text; e to "
               "this power is the number of characters it hesitates between", score=ratio),
        Metric("bits per byte", "lower", "the same per byte of UTF-8: what a compressor that "
               "used the model would need", score=ratio))
    budget = Budget(minutes=5)
    precisions = ("float32", "bfloat16")

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            found = text.read(Path(source), unit=self.settings.documents)
        except (ValueError, OSError) as reason:
            raise UserError(str(reason)) from None
        data = divided(found.documents)
        several = len(found.documents) > 1
        for part in PARTS:
            setattr(data, part, passages([example.input for example in getattr(data, part)],
                                         longest(self.settings), joined=several))
            if not getattr(data, part):
                raise UserError(f"{source} is too short: the {part} part would be empty; expected "
                                "some thousand characters")
        data.damaged = found.damaged
        if found.lines:
            data.notes.append(f"each of the {len(found.documents):,} lines is a document of its "
                              "own; --documents file reads files as whole texts")
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        texts = [whole(example) for example in train]
        known = set().union(*texts)
        kind = self.settings.vocabulary
        return Facts(
            characters="".join(sorted(known)) if kind == "character" else "",
            merges=text.byte_pairs(texts, self.settings.vocabulary_size) if kind == "bpe" else [],
            ends=text.END in known)

    def encode(self, examples: Sequence[Example]) -> Batch:
        """tokens (n, longest), length (n,), prompt (n,): how many of the tokens are the input."""
        vocabulary = vocabulary_of(self.settings, self.facts)
        tokens = numpy.zeros((len(examples), longest(self.settings)), numpy.int32)
        length, prompt = (numpy.zeros(len(examples), numpy.int64) for _ in range(2))
        for row, example in enumerate(examples):
            if example.target is None:  # a user's prompt stands where a document begins
                start = text.END if self.facts.ends else "\n"
                known = vocabulary.encode(start + example.input)[-tokens.shape[1] :]
                prompt[row] = len(known)
            else:
                first = vocabulary.encode(example.input[:1])[-1:]  # only context, never scored
                rest = vocabulary.encode(example.input[1:])
                known = numpy.concatenate((first, rest, vocabulary.encode(example.target)))
                prompt[row] = 1 + len(rest)
            tokens[row, : len(known)] = known
            length[row] = len(known)
        return {"tokens": torch.from_numpy(tokens), "length": torch.from_numpy(length),
                "prompt": torch.from_numpy(prompt)}

    def examples(self, given: Sequence[str]) -> list[Example]:
        vocabulary = vocabulary_of(self.settings, self.facts)
        prompts = [text.clean(sys.stdin.read() if item == "-" else item) for item in given]
        for prompt in prompts:
            if unknown := vocabulary.unknown(prompt):
                raise UserError(f"the model knows no {', '.join(map(repr, unknown))}, which the "
                                f"prompt {prompt[:40]!r} has: its training text has none; leave "
                                "them out, or train with --vocabulary byte")
        return [Example(prompt) for prompt in prompts]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, size = self.settings, vocabulary_of(self.settings, self.facts).size
        if s.net == "lstm":
            return LSTM(size, layers=s.layers, width=s.width, dropout=s.dropout)
        try:
            return GPT(size, layers=s.layers, width=s.width, heads=s.heads, dropout=s.dropout)
        except ValueError as reason:
            raise UserError(str(reason)) from None

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        window = batch["window"]  # (batch, context + 1)
        logits, _ = net(window[:, :-1])
        loss = cross_entropy(logits.float().flatten(0, 1), window[:, 1:].flatten().long())
        yield Update(loss, net, count=window.shape[0] * (window.shape[1] - 1))

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        batches = Windows(stream(train), s.context, s.batch_size, seed=s.seed)
        if s.net == "lstm":
            optimizers: tuple[torch.optim.Optimizer, ...] = (
                torch.optim.AdamW(net.parameters(), s.learning_rate or 0.003),)
        else:
            # Muon for the matrices inside, AdamW for the rest (Jordan et al. 2024). Its step size,
            # the batch and the context: by the table of docs/tasks/text-generation.md
            rate = s.learning_rate or 0.02
            optimizers = (
                Muon([*net.blocks.parameters(), net.convolution.weight], rate),
                torch.optim.AdamW([*net.embedding.parameters(), *net.head.parameters()],
                                  0.15 * rate, betas=(0.9, 0.99), weight_decay=0.0))
        yield Phase("train", batches, lambda batch: self.learn(net, batch), {net: optimizers},
                    trapezoid(warmup=0.02, decay=0.5),  # linear decay: Hägele et al. 2024
                    clip=1.0 if s.net == "lstm" else None)  # Pascanu et al. 2013

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Text]:
        return [Text(text.spelled(written(net, tokens[:prompt], self.settings, self.facts)))
                for tokens, prompt in zip(batch["tokens"], batch["prompt"].tolist(), strict=True)]

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        nats = surprise(net, batch["tokens"], batch["length"], self.settings.context)
        return scored(nats.double().cpu().numpy(), examples)

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        counted = frequencies.costs([whole(one) for one in train], [whole(one) for one in test])
        return {name: scored(nats, test) for name, nats in counted.items()}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        pieces = vocabulary_of(self.settings, self.facts).pieces
        return of_prompt(net, batch, pieces, self.settings.context)

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "sample")
        for number in range(120):
            lines = [" ".join(random.choice(words) for words in WORDS) + "."
                     for _ in range(random.integers(6, 12))]
            (folder / f"walk-{number:03d}.txt").write_text("\n".join(lines) + "\n")
        return folder


WORDS = (("The old", "A small", "My", "The grey", "One"),
         ("dog", "heron", "neighbour", "fisherman", "child", "cat"),
         ("walks", "looks", "runs slowly", "waits", "sings"),
         ("along", "behind", "beside", "near", "under"),
         ("the river", "the bridge", "our garden", "the harbour wall", "a wet field"),
         ("at dawn", "in the rain", "every Sunday", "until evening", "without a word"))


def longest(settings: Settings) -> int:
    """The most bytes of a passage, so the most tokens: room for some windows."""
    return max(1024, 4 * settings.context)


def vocabulary_of(settings: Settings, facts: Facts) -> text.Vocabulary:
    """The tokens of the model."""
    try:
        return text.vocabulary(settings.vocabulary, facts.characters, tuple(facts.merges))
    except ValueError as reason:
        raise UserError(str(reason)) from None


def passages(documents: Sequence[str], size: int, *, joined: bool) -> list[Example]:
    """The documents cut into passages, where the second half continues the first.

    joined: the data set holds several documents, so each is followed by END.
    """
    one = text.END + "".join(each + text.END for each in documents) if joined else documents[0]
    cuts = text.passages(one, size)
    halves = [text.boundary(cut[: len(cut) // 2], len(cut) // 4) for cut in cuts]
    return [Example(cut[:half], cut[half:]) for cut, half in zip(cuts, halves, strict=True)]


def whole(example: Example) -> str:
    """The passage; its first character is only context."""
    return example.input + (example.target or "")


def divided(documents: Sequence[Item]) -> Data:
    """The parts: declared, else of many documents some, else of each document its end."""
    declared = {item.split or "train" for item in documents}
    missing = [part for part in SHARES if part not in declared]
    training = [item for item in documents if item.split in (None, "train")]
    if not missing or len(training) >= MANY:
        return divide(documents)
    parts: dict[str, list[Example]] = {
        part: [Example(item.input) for item in documents if item.split == part] for part in SHARES}
    parts["train"] = []
    for item in training:
        rest = item.input
        for part in reversed(missing):
            kept = len(rest) - round(len(item.input) * SHARES[part])
            parts[part].append(Example(rest[kept:]))
            rest = rest[:kept]
        parts["train"].append(Example(rest))
    shares = " and ".join(f"{SHARES[part]:.0%} for {part}" for part in missing)
    kept = "as declared, but " if len(declared) > 1 else ""
    return Data(*(parts[part] for part in PARTS), cut=tuple(missing),
                how=f"{kept}in order, from the end of each text: {shares}")


def stream(batch: Batch) -> Joined:
    """The tokens of all passages in one row, without those that are only context."""
    first = torch.ones_like(batch["length"])
    first[0] = 0
    return Joined(batch["tokens"], first, batch["length"])


def scored(nats: numpy.ndarray, examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
    """The metrics' rows of passages that cost so many nats; an end of a text is one byte."""
    texts = [whole(example)[1:] for example in examples]
    sizes = [len(one.encode()) - 2 * one.count(text.END) for one in texts]
    return {"nats per character": numpy.column_stack((nats, [len(one) for one in texts])),
            "bits per byte": numpy.column_stack((nats / numpy.log(2), sizes))}


def written(net: nn.Module, prompt: Tensor, settings: Settings, facts: Facts) -> Iterator[bytes]:
    """The pieces that follow the prompt's tokens (time,), until a document ends."""
    s, vocabulary = settings, vocabulary_of(settings, facts)
    random = keys.generator(s.seed, "text", prompt.tolist())

    def choose(logits: Tensor) -> int:
        return drawn(logits[: len(vocabulary.pieces)], random, temperature=s.temperature,
                     top_k=s.top_k, top_p=s.top_p)

    for token in islice(continuation(net, prompt, context=s.context, choose=choose), s.length):
        if token == vocabulary.end:
            return
        yield vocabulary.pieces[token]
