"""text -> text in another language: from files of lines side by side, TSV, CSV, JSON lines.

Nets: `transformer` (Vaswani et al. 2017); `rnn`, recurrent with attention (Bahdanau et al. 2015,
Luong et al. 2015). Tokens are pieces of words that both languages share; a beam search writes.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lamina import keys
from lamina.answers import Text
from lamina.answers.translation import Translation
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import parallel, text
from lamina.media.words import words
from lamina.metrics import overlap
from lamina.metrics.metric import Metric, ratio
from lamina.metrics.translation import BLEU, CHRF
from lamina.nets.encoder_decoder import RNN, Transformer
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Buckets
from lamina.splits import divide
from lamina.store import pieces
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts
from lamina.text_to_text import (
    Search,
    by_word,
    byte_pairs,
    foretold,
    in_words,
    looked,
    padded,
    probe,
    remembered,
    spelled,
    surprise,
)

LONGEST = 4096  # tokens
ROOM = 1.5  # times the longest training text, in tokens, that another text may take


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    net: Literal["transformer", "rnn"] = setting("transformer", "the kind of net; rnn: recurrent, "
                                                 "with attention")
    source_language: str = setting("", "what is translated, as files or columns are called: de")
    target_language: str = setting("", "what it is translated into: en")
    lowercase: bool = setting(False, "read, write and score in lower case alone")
    vocabulary_size: int = setting(4000, "pieces of words, which both languages share", low=300,
                                   high=65536)
    longest: int = setting(100, "words of a text; longer ones are left out", low=1, high=1024)
    layers: int = setting(0, "layers that read, and of transformer as many that write; 0: 4 for "
                          "transformer, 1 for rnn", low=0, high=64)
    width: int = setting(128, "numbers in a token's vector; states of rnn have twice as many: the "
                         "size dial", low=8, high=4096)
    heads: int = setting(4, "heads of the attention of transformer", low=1, high=128)
    dropout: float = setting(0.3, "fraction of numbers dropped while learning", low=0, high=0.9)
    label_smoothing: float = setting(0.1, "probability that learning gives to all other tokens "
                                     "than the right one", low=0, high=0.9)
    batch_size: int = setting(4096, "tokens per optimizer step, of both languages, padding "
                              "included", low=1, high=1 << 24)
    learning_rate: float = setting(0.0, "peak step size of Adam; 0: 0.003 for transformer, 0.002 "
                                   "for rnn", low=0, high=100)
    beam: int = setting(5, "hypotheses that the search keeps; 1: always the likeliest token",
                        low=1, high=64, at_predict=True)
    length_penalty: float = setting(1.0, "above 1 longer translations, below 1 shorter ones",
                                    low=0, high=10, at_predict=True)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    """merges: of the byte pairs. characters: of the training sources. room: tokens of a text."""

    merges: list[str]
    characters: str
    room: int = setting(2, "tokens", low=2, high=LONGEST)


class Translator(Task):
    """Learns to translate from pairs of texts."""

    Settings, Facts = Settings, Facts
    metrics: tuple[Metric, ...] = (
        BLEU, CHRF,
        Metric("nats per character", "lower", "surprise at each character of the reference; e to "
               "this power is the number of characters it hesitates between", score=ratio))
    budget = Budget(minutes=5)
    examples_at_once = 256

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        s = self.settings
        try:
            found = parallel.read(Path(source), source=s.source_language,
                                  target=s.target_language)
        except (ValueError, OSError) as reason:
            raise UserError(str(reason)) from None
        items = [item._replace(input=cased(item.input, s), target=cased(item.target, s))
                 for item in found.items]
        short = [item for item in items
                 if max(len(side.split()) for side in (item.input, item.target)) <= s.longest]
        if not short:
            raise UserError(f"{source}: all {len(items):,} pairs have more than {s.longest} words;"
                            " --longest changes that")
        if len(short) < len(items):
            found.notes.append(f"left out: {len(items) - len(short):,} pairs with more than "
                               f"{s.longest} words; --longest changes that")
        data = divide(short, notes=found.notes)
        data.damaged += found.damaged
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        merges, most = byte_pairs([side for one in train for side in (one.input, one.target)],
                                  self.settings.vocabulary_size)
        characters = {letter for one in train for letter in one.input}
        return Facts(merges=merges, characters="".join(sorted(characters)),
                     room=min(LONGEST, 2 + int(ROOM * most)))

    def encode(self, examples: Sequence[Example]) -> Batch:
        """source (n, room), source_length (n,); target and target_length where they are known."""
        sides = ["source"] + ["target"] * all(one.target is not None for one in examples)
        return {name: values for side in sides for name, values in padded(
            [one.input if side == "source" else one.target for one in examples], side,
            vocabulary_of(self.facts), self.facts.room).items()}

    def examples(self, given: Sequence[str]) -> list[Example]:
        """Each is a text, the path of a file with one in each line, of a list, or of a folder."""
        s = self.settings
        texts = [one for item in given for one in (
            parallel.given(item, source=s.source_language) if item != "-" else
            [parallel.tidy(line, "the text") for line in sys.stdin.read().splitlines()])]
        for one in texts:
            if len(one.split()) > s.longest:
                raise UserError(f"the text {one[:40]!r} … has {len(one.split())} words; expected "
                                f"at most {s.longest}: give it sentence by sentence")
        return [Example(cased(one, s)) for one in texts]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, size = self.settings, vocabulary_of(self.facts).size
        if s.net == "rnn":
            return RNN(size, layers=s.layers or 1, width=s.width, dropout=s.dropout)
        try:
            return Transformer(size, layers=s.layers or 4, width=s.width, heads=s.heads,
                               dropout=s.dropout)
        except ValueError as reason:
            raise UserError(str(reason)) from None

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        logits, truth = foretold(net, batch, vocabulary_of(self.facts).end)
        loss = cross_entropy(logits, truth, label_smoothing=self.settings.label_smoothing)
        yield Update(loss, net, count=len(truth))

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        lengths = {side: torch.cat([*pieces(train[f"{side}_length"])])
                   for side in ("source", "target")}
        optimizer = torch.optim.Adam(
            net.parameters(), s.learning_rate or (0.002 if s.net == "rnn" else 0.003),
            betas=(0.9, 0.98), eps=1e-9)
        yield Phase("train", Buckets(train, lengths, s.batch_size, seed=s.seed),
                    lambda batch: self.learn(net, batch), {net: (optimizer,)},
                    trapezoid(warmup=0.1, decay=0.6), clip=1.0)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Translation]:
        vocabulary, memory = vocabulary_of(self.facts), remembered(net, batch)
        written = search_of(self.settings)(net, memory, batch["source_length"], vocabulary.end)
        weights = looked(net, memory, written, vocabulary.end)
        known = {*self.facts.characters, " "}
        answers = []
        for row, (one, size) in enumerate(zip(written, batch["source_length"].tolist(),
                                              strict=True)):
            source = batch["source"][row, :size].tolist()
            (read, columns), (made, rows) = (in_words(tokens, vocabulary)
                                             for tokens in (source, one.tokens))
            shares = by_word(weights[row, : len(one.tokens), :size], rows, columns)
            unknown = {*spelled(source, vocabulary)} - known
            answers.append(Translation(
                spelled(one.tokens, vocabulary), one.score, read, made, shares.tolist(),
                "".join(sorted(unknown)), cut=source[-1] != vocabulary.end))
        return answers

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        vocabulary = vocabulary_of(self.facts)
        written = search_of(self.settings)(net, remembered(net, batch), batch["source_length"],
                                           vocabulary.end)
        nats = surprise(net, batch, vocabulary.end)
        return scored([spelled(one.tokens, vocabulary) for one in written], examples) | {
            "nats per character": numpy.column_stack((nats, [len(one.target) for one in examples]))}

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The source as it is, and the translation of the most similar training source."""
        places = overlap.nearest(*([words(one.input) for one in part] for part in (train, test)))
        return {"copying the source": scored([one.input for one in test], test),
                "the most similar training text":
                    scored([train[place].target for place in places], test)}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        return probe(net, batch, vocabulary_of(self.facts), search_of(self.settings))

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random, said = keys.numpy_generator(0, "translation sample"), set()
        while len(said) < 240:
            who, does, many, colour, what = (part[random.integers(len(part))] for part in WORDS)
            said.add((f"{who[0]} {does[0]} {many[0]} {what[0]} {colour[0]}.",
                      f"{who[1]} {does[1]} {many[1]} {colour[1]} {what[1]}."))
        path = folder / "pairs.jsonl"
        path.write_text("".join(json.dumps(dict(zip(("source", "target"), pair, strict=True)),
                                           ensure_ascii=False) + "\n" for pair in sorted(said)))
        return path


WORDS = (  # Spanish, where colours follow things, and English
    (("El niño", "The boy"), ("Mi hermana", "My sister"), ("La vecina", "The neighbour"),
     ("Un pescador", "A fisherman"), ("Su abuelo", "Her grandfather"), ("Nadie", "Nobody")),
    (("compra", "buys"), ("pinta", "paints"), ("busca", "looks for"), ("vende", "sells"),
     ("encuentra", "finds")),
    (("dos", "two"), ("tres", "three"), ("cinco", "five"), ("muchos", "many")),
    (("rojos", "red"), ("verdes", "green"), ("grises", "grey"), ("azules", "blue")),
    (("barcos", "boats"), ("coches", "cars"), ("zapatos", "shoes"), ("libros", "books"),
     ("sombreros", "hats"), ("peces", "fish")))


def cased(given: str, settings: Settings) -> str:
    """The text as the net reads it."""
    return given.lower() if settings.lowercase else given


def vocabulary_of(facts: Facts) -> text.Vocabulary:
    """The tokens of the model."""
    try:
        return text.vocabulary("bpe", merges=tuple(facts.merges))
    except ValueError as reason:
        raise UserError(str(reason)) from None


def search_of(settings: Settings) -> Search:
    """The beam search that the settings ask for."""
    return Search(settings.beam, settings.length_penalty)


def scored(texts: Sequence[str], examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
    """The rows of translations beside the examples' references."""
    return {metric.name: numpy.array([metric.row(Text(one), example.target) for one, example
                                      in zip(texts, examples, strict=True)], float)
            for metric in (BLEU, CHRF)}
