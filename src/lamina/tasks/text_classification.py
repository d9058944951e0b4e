"""text -> label or labels: reviews, messages, documents; from folders, CSV, TSV, JSON lines.

Nets: `cnn`, convolutions over words (Kim 2014); `lstm`, bidirectional; `transformer`, attention
blocks; `pretrained`, an encoder that has learnt its language already.
"""

import csv
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina import keys
from lamina.answers import Answer, Label, Labels
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import labelled_texts
from lamina.media.words import middle_out, words
from lamina.metrics import bayes
from lamina.metrics.classification import AUROC, EXACT, MACRO_F1, MICRO_F1
from lamina.metrics.metric import ACCURACY, Metric
from lamina.nets import pretrained, text
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import divide
from lamina.stems import Vocabulary, shared_stems
from lamina.store import pieces
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts

LONGEST = 16384  # tokens


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    net: Literal["cnn", "lstm", "transformer", "pretrained"] = setting("cnn", "the kind of net")
    checkpoint: str = setting("", "the pretrained encoder: a local folder, or its name on the hub")
    width: int = setting(64, "numbers in a word's vector and in each part of the net, but for "
                         "pretrained: the size dial", low=8, high=4096)
    layers: int = setting(1, "layers of lstm and transformer", low=1, high=64)
    heads: int = setting(4, "heads of the attention of transformer", low=1, high=128)
    dropout: float = setting(0.5, "fraction of numbers dropped while learning", low=0, high=0.9)
    word_dropout: float = setting(0.3, "fraction of words of which only the stem is seen "
                                  "while learning; not of pretrained", low=0, high=0.9)
    vocabulary_size: int = setting(50_000, "different words at most, the frequent ones", low=1,
                                   high=1_000_000)
    longest: int = setting(2048, "tokens of a text that are read; of longer ones the first and "
                           "the last half of so many", low=2, high=LONGEST)
    window: int = setting(256, "tokens that are encoded together; longer texts are read in "
                          "several windows", low=2, high=LONGEST)
    batch_size: int = setting(64, "texts per optimizer step", low=1, high=65536)
    learning_rate: float = setting(0.0, "peak step size of AdamW; 0: 0.002, for pretrained 3e-5",
                                   low=0, high=100)
    text_column: str = setting("", "of lists, the column of the texts; the usual names when empty")
    label_column: str = setting("", "of lists, the column of the labels; the usual names when "
                                "empty")


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    """several: a text may have any number of labels. words: the vocabulary, frequent ones first.

    stems: what two or more of them begin with. longest: tokens of the longest training text.
    config, tokenizer: of a pretrained encoder, JSON.
    """

    labels: tuple[str, ...]
    several: bool
    words: tuple[str, ...]
    stems: tuple[str, ...] = ()
    longest: int = setting(2, "tokens", low=2, high=LONGEST)
    config: str = ""
    tokenizer: str = ""

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Tokens of the words and stems."""
        return Vocabulary(self.words, self.stems)


class TextClassification(Task):
    """Assigns each text one label, or all labels that fit."""

    Settings, Facts = Settings, Facts
    budget = Budget(epochs=6)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of single labels accuracy and macro F1 (of two also the area under the ROC)."""
        if self.facts.several:
            return MICRO_F1, EXACT
        return (ACCURACY, MACRO_F1, AUROC) if len(self.facts.labels) == 2 else (ACCURACY, MACRO_F1)

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        s = self.settings
        try:
            found = labelled_texts.read(Path(source), text_column=s.text_column,
                                        label_column=s.label_column)
        except (ValueError, OSError) as reason:
            raise UserError(str(reason)) from None
        labels = {label for item in found.items for label in all_of(item.target)}
        several = isinstance(found.items[0].target, tuple)
        if len(labels) < (1 if several else 2):
            raise UserError(f"{source} has only the label {', '.join(map(repr, labels)) or 'none'};"
                            " expected two or more")
        data = divide(found.items)
        data.damaged += found.damaged
        long = sum(len(item.input.split()) > s.longest for item in found.items)
        if long:
            data.notes.append(f"{long:,} texts have more than {s.longest:,} words: their middle is "
                              "not read; --longest changes that")
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        s = self.settings
        known = {"labels": tuple(sorted({label for one in train
                                         for label in all_of(one.target)})),
                 "several": isinstance(train[0].target, tuple)}
        if s.net == "pretrained":
            try:
                config, tokenizer = pretrained.parts(s.checkpoint, offline=offline())
            except ValueError as reason:
                raise UserError(str(reason)) from None
            reader = pretrained.tokenizer(tokenizer)
            longest = max(len(reader.encode(one.input).ids) for one in train)
            return Facts(**known, words=(), longest=min(LONGEST, max(2, longest)), config=config,
                         tokenizer=tokenizer)
        texts = [words(example.input) for example in train]
        counted = Counter(word for each in texts for word in each)
        frequent = sorted(counted, key=lambda word: (-counted[word], word))[: s.vocabulary_size]
        return Facts(**known, words=tuple(frequent), stems=shared_stems(frequent),
                     longest=min(LONGEST, max(2, *map(len, texts))))

    def encode(self, examples: Sequence[Example]) -> Batch:
        """tokens (n, longest), length (n,); label (n,), or (n, labels) of 0 and 1."""
        longest = min(self.settings.longest, self.facts.longest)
        tokens = numpy.zeros((len(examples), longest), numpy.int32)
        length = numpy.zeros(len(examples), numpy.int64)
        for row, example in enumerate(examples):
            known = middle_out(tokens_of(example.input, self.facts), longest)
            tokens[row, : len(known)], length[row] = known, len(known)
        batch = {"tokens": torch.from_numpy(tokens), "length": torch.from_numpy(length)}
        if all(example.target is not None for example in examples):
            truth = torch.from_numpy(truth_of(examples, self.facts.labels))
            batch["label"] = truth if self.facts.several else truth.argmax(1)
        return batch

    def examples(self, given: Sequence[str]) -> list[Example]:
        """Each is a text, the path of one, or of a list or a folder of texts."""
        texts = [sys.stdin.read() if item == "-" else item for item in given]
        return [Example(found) for item in texts for found in labelled_texts.given(item)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        return net_of(self.settings, self.facts, pretrained.build)

    def start(self) -> nn.Module:
        if self.settings.net != "pretrained":
            return super().start()
        keys.seed_all(self.settings.seed, "build")
        return net_of(self.settings, self.facts, lambda config: pretrained.load(
            self.settings.checkpoint, offline=offline()))

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        logits = logits_of(net, batch)
        if self.facts.several:
            loss = functional.binary_cross_entropy_with_logits(logits, batch["label"].float())
        else:
            loss = functional.cross_entropy(logits, batch["label"])
        yield Update(loss, net)

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        if s.net != "pretrained" and not net.embedding.votes.weight.any():
            vote(net.embedding, train, several=self.facts.several)
        optimizer = torch.optim.AdamW(net.parameters(), s.learning_rate or (
            3e-5 if s.net == "pretrained" else 2e-3))
        yield Phase("train", Batches(train, s.batch_size, seed=s.seed),
                    lambda batch: self.learn(net, batch), {net: (optimizer,)},
                    trapezoid(warmup=0.05, decay=0.95), clip=1.0)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Answer]:
        logits = logits_of(net, batch)
        chances = logits.sigmoid() if self.facts.several else logits.softmax(1)
        return answers(chances.tolist(), self.facts)

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The most frequent target, and naive Bayes over words."""
        facts = self.facts
        common = Counter(example.target for example in train).most_common(1)[0][0]
        constant = [[float(label in all_of(common)) for label in facts.labels]] * len(test)
        counted = bayes.chances(
            [words(one.input) for one in train], truth_of(train, facts.labels),
            [words(one.input) for one in test], several=facts.several)
        return {"the most frequent answer": self.rows(answers(constant, facts), test),
                "naive Bayes over words": self.rows(answers(counted.tolist(), facts), test)}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        length = batch["length"]
        tokens = batch["tokens"][:, : int(length.max())].long()
        with torch.no_grad():
            inputs = net.embedding(tokens).float()
            if self.settings.net == "pretrained":
                neutral = net.embedding.weight.float().mean(0)
            else:
                unknown = torch.tensor([[text.UNKNOWN]], device=length.device)
                neutral = net.embedding(unknown)[0, 0].float()
        real = torch.arange(tokens.shape[1], device=length.device) < length[:, None]

        def attention(vectors: Tensor) -> Tensor:
            return net.encoder.weights(vectors[:, :, : self.settings.width], real)

        return Probe(
            "words", inputs, lambda vectors: net.read(
                vectors, length.repeat(len(vectors) // len(length))),
            torch.where(real[:, :, None], neutral, inputs), self.facts.labels,
            None if self.facts.several else batch.get("label"),
            [spelled(row[:size], self.facts)
             for row, size in zip(tokens.tolist(), length.tolist(), strict=True)],
            relative_to="a text of words that are none in particular",
            attention=attention if isinstance(net.encoder, text.Attention)
            and tokens.shape[1] <= net.window else None, several=self.facts.several)

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "sample")
        path = folder / "messages.csv"
        with path.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["text", "label"])
            for number in range(180):
                label, said = list(SAID.items())[number % len(SAID)]
                line = " ".join(random.choice(part) for part in (OPENING, said, ENDING))
                out.writerow([line[0].upper() + line[1:], label])
        return path


OPENING = ("hello,", "good morning,", "dear team,", "hi there,", "excuse me,", "sorry, but")
SAID = {"order": ("i would like two of the blue lamps", "please send me the large desk",
                  "can i buy the same chair again", "we need five more shelves by friday"),
        "complaint": ("the lamp arrived broken", "my desk has a deep scratch",
                      "the chair is late again and nobody answers", "two screws were missing"),
        "question": ("when do you open on sunday", "is the shelf made of oak",
                     "how long does the delivery take", "which colours does the lamp have")}
ENDING = ("thank you!", "kind regards", "please answer soon.", "see you.", "that is all.")


def all_of(target: str | tuple[str, ...]) -> tuple[str, ...]:
    """The labels of a target."""
    return target if isinstance(target, tuple) else (target,)


def truth_of(examples: Sequence[Example], labels: Sequence[str]) -> numpy.ndarray:
    """Which labels hold, uint8 (examples, labels); ValueError: one that training did not have."""
    place = {label: index for index, label in enumerate(labels)}
    truth = numpy.zeros((len(examples), len(labels)), numpy.uint8)
    for row, example in enumerate(examples):
        for label in all_of(example.target):
            if label not in place:
                raise ValueError(f"its label {label!r} is not in the training part")
            truth[row, place[label]] = 1
    return truth


def answers(chances: Sequence[Sequence[float]], facts: Facts) -> list[Answer]:
    """The answers that give the labels these chances, (texts, labels)."""
    known = [dict(zip(facts.labels, row, strict=True)) for row in chances]
    if facts.several:
        return [Labels(row) for row in known]
    return [Label(max(row, key=row.get), row) for row in known]


# ---- tokens ---------------------------------------------------------------------------------


def tokens_of(given: str, facts: Facts) -> numpy.ndarray:
    """The tokens of a text, (time,); ValueError: it has none."""
    if facts.tokenizer:
        found = pretrained.tokenizer(facts.tokenizer).encode(given).ids
    else:
        found = facts.vocabulary.tokens(words(given))
    if not found:
        raise ValueError("the text is empty; expected some words")
    return numpy.array(found, numpy.int32)


def spelled(tokens: Sequence[int], facts: Facts) -> list[str]:
    """What each token stands for, with the space before a word."""
    if facts.tokenizer:
        reader = pretrained.tokenizer(facts.tokenizer)
        return [f" {reader.id_to_token(token)}" for token in tokens]
    return [f" {facts.vocabulary.spelled(token)}" for token in tokens]


# ---- nets -----------------------------------------------------------------------------------


def net_of(s: Settings, facts: Facts, encoder: Callable[[str], nn.Module]) -> text.TextNet:
    """The net that the settings ask for; `encoder` makes a pretrained one from its config."""
    labels = len(facts.labels)
    try:
        if s.net == "pretrained":
            made = encoder(facts.config)
            embedding, body = made.get_input_embeddings(), pretrained.PretrainedEncoder(made)
            window = min(s.window, body.longest)
        else:
            body, window = encoder_of(s), s.window
            embedding = text.Words(facts.vocabulary.made_of(), width=s.width, labels=labels,
                                   hidden=s.word_dropout, dropout=s.dropout)
        return text.TextNet(embedding, body, features=body.features, labels=labels,
                            dropout=s.dropout, window=window,
                            votes=0 if s.net == "pretrained" else labels)
    except ValueError as reason:
        raise UserError(str(reason)) from None


def encoder_of(s: Settings) -> nn.Module:
    """What reads the words' vectors."""
    if s.net == "cnn":
        return text.Convolutions(s.width, width=s.width // 2)
    if s.net == "lstm":
        return text.BidirectionalLSTM(s.width, width=s.width // 2, layers=s.layers,
                                      dropout=s.dropout)
    return text.Attention(s.width, layers=s.layers, heads=s.heads, dropout=s.dropout / 2,
                          longest=s.window)


@torch.no_grad()
def vote(embedding: text.Words, train: Batch, *, several: bool) -> None:
    """Let the votes of words and stems start as naive Bayes counts them (Wang and Manning 2012),
    of a single label relative to the mean over the labels.
    """
    made_of, votes = embedding.made_of.cpu().numpy(), embedding.votes.weight
    texts = [numpy.setdiff1d(made_of[numpy.unique(row)], (text.PADDING, text.UNKNOWN))
             for piece in pieces(train["tokens"]) for row in piece.cpu().numpy()]
    truth = torch.cat([piece.cpu() for piece in pieces(train["label"])])
    truth = (truth if several else functional.one_hot(truth, votes.shape[1])).numpy()
    odds, _ = bayes.log_odds(texts, truth, len(votes), several=several)
    odds[: text.FIRST] = 0
    votes.copy_(torch.from_numpy(odds if several else odds - odds.mean(1, keepdims=True)))


def logits_of(net: text.TextNet, batch: Batch) -> Tensor:
    """Logits (batch, labels) of an encoded batch, without the padding that none of it needs."""
    length = batch["length"]
    return net(batch["tokens"][:, : int(length.max())].long(), length).float()


def offline() -> bool:
    """Whether LAMINA_OFFLINE forbids the network."""
    return os.environ.get("LAMINA_OFFLINE", "").lower() not in ("", "0", "no", "false")
