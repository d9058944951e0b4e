"""speech -> text: what is said in a recording, and when.

Nets: `ctc`, convolutions and a bidirectional LSTM (Graves et al. 2006; Hannun et al. 2014);
`conformer`, the same with conformer blocks (Gulati et al. 2020); `attention`, an encoder and a
decoder that attends to it, with a CTC head beside it (Chorowski et al. 2015; Watanabe et al. 2017).
A language model counted in the training texts helps the search.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina import keys, language
from lamina.answers.transcript import Transcript, Word
from lamina.budget import Budget, cosine
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import recordings, sound
from lamina.media.speech import RATE, forms, listened, noted, placed, tidied
from lamina.metrics import transcription
from lamina.metrics.metric import Metric
from lamina.nets import ctc, speech
from lamina.nets.average import Averaged
from lamina.nets.spectrogram import HOP, LogMel, SpecAugment, mixed_speeds, normalized
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Buckets
from lamina.splits import divide
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts

SECONDS = 4 * HOP  # of a frame that the net answers for
SHARED = 0.25  # of a window of a long recording, which it shares with each of its neighbours
TEXTS = 100_000  # training texts that are kept for the language model, at most
ROOM = 1.25  # how much longer than in training a recording or its text may be


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    net: Literal["ctc", "conformer", "attention"] = setting("ctc", "the kind of net")
    width: int = setting(192, "numbers in each part of the net: the size dial", low=8, high=4096)
    layers: int = setting(3, "layers of LSTM, or conformer blocks", low=1, high=64)
    heads: int = setting(4, "heads of the attention of conformer", low=1, high=128)
    dropout: float = setting(0.3, "fraction of numbers dropped while learning", low=0, high=0.9)
    bands: int = setting(64, "bands of the log-mel spectrogram", low=8, high=256)
    masks: int = setting(2, "stretches of time and bands of frequency hidden while learning "
                         "(SpecAugment), of either kind", low=0, high=20)
    speed: float = setting(0.1, "how much slower or faster two thirds of the recordings are played "
                           "while learning; 0: none", low=0, high=0.5)
    batch_size: int = setting(8, "recordings of mean length per optimizer step", low=1, high=65536)
    learning_rate: float = setting(1e-3, "peak step size of AdamW", low=0, high=100)
    ctc_share: float = setting(0.3, "of attention, the share of the CTC head in the loss and in "
                               "the choice of the answer", low=0.01, high=0.99)
    longest: float = setting(30.0, "seconds of a recording to learn from, at most", low=0.1,
                             high=600)
    texts: Literal["words", "kept"] = setting("words", "words: lower case, letters, digits and "
                                              "apostrophes; kept: as they are")
    order: int = setting(3, "words of an n-gram of the language model; 0: none is made, and the "
                         "model file holds no training text", low=0, high=8)
    beam: int = setting(16, "prefixes that the search keeps; 1: the likeliest symbol of each frame,"
                        " without the language model", low=1, high=1000, at_predict=True)
    word_weight: float = setting(0.5, "weight of the language model of words", low=0, high=10,
                                 at_predict=True)
    character_weight: float = setting(0.3, "weight of the language model of characters", low=0,
                                      high=10, at_predict=True)
    word_bonus: float = setting(1.0, "score of each word, against the language model's preference "
                                "for few", low=-100, high=100, at_predict=True)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    """characters: of the training texts. longest, most: samples and characters of what is held.

    texts: the training texts, of which the language model is counted.
    """

    characters: tuple[str, ...]
    longest: int = setting(RATE, "samples", low=1, high=600 * RATE)
    most: int = setting(1, "characters", low=1, high=1_000_000)
    texts: tuple[str, ...]


class SpeechRecognition(Task):
    """Writes down what is said."""

    Settings, Facts = Settings, Facts
    metrics: tuple[Metric, ...] = (transcription.WER, transcription.CER)
    budget = Budget(minutes=5)
    examples_at_once = 32

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            found = recordings.read(Path(source), tidy=partial(tidied, kind=self.settings.texts))
        except (ValueError, OSError) as reason:
            raise UserError(str(reason)) from None
        data = divide(found.items, notes=[*found.notes, *forms(found.items)])
        data.damaged += found.damaged
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        texts = [example.target for example in train]
        longest = max((example.input.seconds for example in train
                       if example.input.seconds <= self.settings.longest), default=0.0)
        if not longest:
            raise UserError(f"no training recording lasts at most {self.settings.longest:g} "
                            f"seconds, for example {train[0].input}; cut them into utterances, "
                            "or raise --longest")
        return Facts(characters=tuple(sorted({letter for text in texts for letter in text})),
                     longest=int(ROOM * longest * RATE), most=int(ROOM * max(map(len, texts))),
                     texts=tuple(texts[:TEXTS]) if self.settings.order else ())

    def encode(self, examples: Sequence[Example]) -> Batch:
        """samples int16 (n, longest) of which length (n,) are real; form (n, 2), the file's rate
        and channels; place (n, 3), its first sample in the file, and between which of the file lies
        what it tells; symbols (n, most) of which spelled (n,) are real.
        """
        facts, count = self.facts, len(examples)
        samples = numpy.zeros((count, facts.longest), numpy.int16)
        symbols = numpy.zeros((count, facts.most), numpy.int32)
        length, spelled = numpy.zeros((2, count), numpy.int64)
        form, place = numpy.zeros((count, 2), numpy.int32), numpy.zeros((count, 3), numpy.int64)
        number = {letter: index for index, letter in enumerate(facts.characters, 1)}
        for row, example in enumerate(examples):
            heard = listened(example.input, facts.longest, spoken=example.target is not None)
            length[row], samples[row, : len(heard)] = len(heard), heard
            form[row] = example.input.rate, example.input.channels
            place[row] = placed(example.input)
            if example.target is not None:
                said = [number[letter] for letter in example.target if letter in number]
                sayable(said, len(heard))
                spelled[row] = min(len(said), facts.most)  # longer ones are not learnt from
                symbols[row, : spelled[row]] = said[: facts.most]
        batch = {"samples": samples, "length": length, "form": form, "place": place}
        if all(example.target is not None for example in examples):
            batch |= {"symbols": symbols, "spelled": spelled}
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    def examples(self, given: Sequence[str]) -> list[Example]:
        """Each is a sound file, or a folder, an archive or a list of them; long ones in windows."""
        longest = self.facts.longest / RATE
        return [Example(file) for item in given for file in recordings.given(
            item, longest=longest, shared=SHARED * longest)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, symbols = self.settings, 1 + len(self.facts.characters)
        try:
            encoder = speech.Conformer(s.width, layers=s.layers, heads=s.heads, dropout=s.dropout) \
                if s.net == "conformer" else \
                speech.BidirectionalLSTM(s.width, layers=s.layers, dropout=s.dropout)
        except ValueError as reason:
            raise UserError(str(reason)) from None
        decoder = speech.Decoder(symbols, features=encoder.features, width=s.width,
                                 dropout=s.dropout) if s.net == "attention" else None
        return Averaged(speech.Recognizer(
            LogMel(RATE, s.bands), SpecAugment(s.masks, bands=s.bands // 5),
            speech.Subsampling(s.bands, width=s.width), encoder, symbols=symbols,
            dropout=s.dropout, decoder=decoder))

    def augment(self, batch: Batch) -> Batch:
        if not self.settings.speed:
            return batch
        change = Fraction(self.settings.speed).limit_denominator(50)
        samples, length = mixed_speeds(batch["samples"], batch["length"],
                                       [1 / (1 - change), Fraction(1), 1 / (1 + change)])
        return batch | {"samples": samples, "length": length}

    def learn(self, net: Averaged, batch: Batch) -> Iterator[Update]:
        heard = net.net(batch["samples"], batch["length"])
        symbols, spelled = batch["symbols"].long(), batch["spelled"]
        loss = functional.ctc_loss(heard.log_chances.transpose(0, 1), symbols, heard.frames,
                                   spelled, zero_infinity=True)
        if net.net.decoder is not None:
            symbols = symbols[:, : int(spelled.max())]
            logits = net.net.decoder(heard.encoded, heard.frames, symbols)
            share = self.settings.ctc_share
            loss = share * loss + (1 - share) * speech.spelling_loss(logits, symbols, spelled)
        yield Update(loss, net)
        net.update()

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s, length = self.settings, train["length"]
        batches = Buckets(train, {"samples": length}, int(s.batch_size * length.double().mean()),
                          seed=s.seed)
        optimizer = torch.optim.AdamW(net.parameters(), s.learning_rate)
        yield Phase("train", batches, lambda batch: self.learn(net, batch), {net: (optimizer,)},
                    cosine(warmup=0.05), clip=1.0)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: Averaged, batch: Batch) -> list[Transcript]:
        body = net.averaged()
        samples = batch["samples"][:, : int(batch["length"].max())]
        energies, frames = body.features(samples), body.features.frames(batch["length"])
        heard = body.read(normalized(energies, frames), frames)
        chances = heard.log_chances.cpu().numpy()
        loud = batch["samples"].any(1).tolist()
        found = []
        for row, (length, real) in enumerate(zip(batch["length"].tolist(), heard.frames.tolist(),
                                                 strict=True)):
            one = chances[row, :real]
            symbols = search(body, heard.encoded[row : row + 1, :real], one, self.settings,
                             self.facts) if loud[row] else ()
            start, first, last = (place / RATE for place in batch["place"][row].tolist())
            words = [Word(word, start + SECONDS * begin, start + SECONDS * end)
                     for word, begin, end in ctc.timed(one, symbols, self.facts.characters)]
            words = [word for word in words if first <= (word.start + word.end) / 2 < last]
            found.append(Transcript(tuple(words), start, start + length / RATE,
                                    noted(loud[row], *batch["form"][row].tolist()),
                                    energies[row, : int(frames[row])].cpu().numpy()))
        return found

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The commonest transcript, and the commonest word by itself."""
        said = Counter(example.target for example in train)
        words = Counter(word for example in train for word in example.target.split())
        return {name: self.rows([Transcript(tuple(Word(word, 0, 0) for word in text.split()), 0, 0)
                                 ] * len(test), test)
                for name, [(text, _)] in (("the commonest transcript", said.most_common(1)),
                                          ("the commonest word", words.most_common(1)))}

    def probe(self, net: Averaged, batch: Batch) -> Probe:
        body, length = net.averaged().eval(), batch["length"][:1]
        frames = body.features.frames(length)
        with torch.no_grad():
            inputs = normalized(body.features(batch["samples"][:1, : int(length)]), frames)
            [answer] = self.answer(net, {name: values[:1] for name, values in batch.items()})
        number = {letter: index for index, letter in enumerate(self.facts.characters, 1)}
        symbols = [number[letter] for letter in answer.text]

        def outputs(given: Tensor) -> Tensor:
            with torch.backends.cudnn.flags(enabled=False):  # its LSTM has no gradient here
                heard = body.read(given, frames.expand(len(given)))
            return speech.log_chance(heard.log_chances, heard.frames, symbols)[:, None]

        return Probe("sound", inputs, outputs, torch.zeros_like(inputs),
                     (f"the log-probability of {answer.text!r}",),
                     names=[f"at {HOP * place:.2f} s" for place in range(inputs.shape[1])],
                     relative_to="a sound whose spectrum never changes: its own mean")

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "speech sample")
        for number in range(60):
            said = random.choice(list(TONES), random.integers(1, 4))
            sung = [tone(random, TONES[word]) for word in said]
            sound.save(numpy.concatenate(sung), RATE, folder / f"song-{number:02d}.wav")
            (folder / f"song-{number:02d}.txt").write_text(f"{' '.join(said).capitalize()}.\n")
        return folder


TONES = {"do": 262, "re": 330, "mi": 440, "fa": 587, "sol": 784, "la": 1046}  # hertz


def tone(random: numpy.random.Generator, hertz: float) -> numpy.ndarray:
    """A hummed word of the sample, and a pause."""
    time = numpy.arange(round(RATE * random.uniform(0.09, 0.13))) / RATE
    voice = sum(numpy.sin(2 * numpy.pi * hertz * times * time) / times for times in (1, 2, 3))
    sung = 0.2 * random.uniform(0.5, 1.5) * voice * numpy.hanning(len(time))
    sung = numpy.concatenate([sung, numpy.zeros(round(0.04 * RATE))])
    return sung + random.normal(0, 0.002, len(sung))


def sayable(symbols: Sequence[int], samples: int) -> None:
    """ValueError where so many samples give too few frames for CTC to say the symbols."""
    frames = int(samples / RATE / SECONDS)
    if ctc.least_frames(symbols) > frames:
        raise ValueError(f"its text has {len(symbols)} characters, but its {samples / RATE:.2f} "
                         f"seconds are {frames} frames, of which each says one at most")


def search(net: speech.Recognizer, encoded: Tensor, chances: numpy.ndarray, s: Settings,
           facts: Facts) -> tuple[int, ...]:
    """The symbols that are most likely said in one recording.

    encoded: (1, frames, features). chances: of CTC, logarithms (frames, symbols).
    """
    fusion = None
    if facts.texts and s.beam > 1:
        fusion = language.Fusion(language.counted(facts.texts, s.order), ("", *facts.characters),
                                 s.word_weight, s.character_weight, s.word_bonus)
    extension, ending = (fusion.extension, fusion.ending) if fusion else [language.nothing] * 2
    if net.decoder is None:
        return ctc.best_path(chances) if s.beam == 1 else \
            ctc.beam_search(chances, s.beam, extension, ending)
    found = speech.spell(net.decoder, encoded, beam=s.beam, most=facts.most, extension=extension,
                         ending=ending)
    judged = [(1 - s.ctc_share) * score + s.ctc_share * float(speech.log_chance(
        torch.from_numpy(chances)[None], torch.tensor([len(chances)]), symbols))
        for symbols, score in found]
    return found[int(numpy.argmax(judged))][0]
