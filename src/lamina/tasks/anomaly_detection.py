"""row, window of a series or picture -> how strange it is, and what deviates.

Nets: `autoencoder` (strange is what does not come back from a narrow code) and `deep-svdd` (strange
is what lies far from where usual examples are drawn together). Neither needs labels.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn

from lamina import keys, unlabelled, usual
from lamina.answers import anomaly
from lamina.answers.anomaly import Anomaly
from lamina.budget import Budget, cosine
from lamina.learning import Batch, Phase, Update
from lamina.medium import Medium, Pictures, Rows, SeriesWindows
from lamina.metrics import anomaly as metrics
from lamina.metrics import outliers
from lamina.metrics.metric import Metric, ratio
from lamina.nets import autoencoder as coders
from lamina.nets.anomaly import Alone, AnomalyNet, DeepSVDD, Reconstruction, linears
from lamina.probe import Probe
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import PARTS
from lamina.task import Data, Example, Facts, Task, tensors

FLOOR = 1e-2  # added to scores before a logarithm or an inverse is taken
CODES = {"autoencoder": (1, 8, 32), "deep-svdd": (8, 8, 32)}  # of rows, series, pictures
CENTRED = 4096  # training examples that the centres of deep-svdd are the mean of
SLIGHT = 1e-6  # weight of a labelled anomaly in what chooses the weights
MOST_KNOWN = 5000  # training examples that baselines look at
LOG_SCORE = Metric("log_score", "lower", "mean logarithm of the score of held-out examples that no "
                   "label calls anomalous: how well the net knows what is usual", score=ratio)


@dataclass(frozen=True, kw_only=True)
class AnomalySettings(unlabelled.UnlabelledSettings):
    """What the user of anomaly detection may choose."""

    net: Literal["autoencoder", "deep-svdd"] = setting(
        "autoencoder", "strange is what does not come back from a narrow code, or what lies far "
        "from the centre of the usual")
    alarm_rate: float = setting(0.05, "share of the held-out examples that would raise an alarm",
                                low=0, high=1, at_predict=True)
    labels: usual.Use = setting(
        "leave-out", "known anomalies of the training part: left out; learnt from, to be strange; "
        "kept as if nobody knew; or no label is read at all")
    normal: tuple[str, ...] = setting((), "labels of what is usual; recognised when not given")
    members: int = setting(100, "nets of the ensemble of rows, each of some of the columns", low=1,
                           high=256)
    shown: float = setting(0.5, "largest share of a row's values that a member sees; each sees two "
                           "to so many; 1: all see all", low=0, high=1)
    code: int = setting(0, "numbers in a code; 0: 1 for rows (deep-svdd 8), 8 for series, 32 for "
                        "pictures", low=0, high=4096)
    width: int = setting(32, "numbers in the widest hidden layer of rows; filters of the first "
                         "convolution of series and pictures", low=1, high=4096)
    batch_size: int = setting(256, "examples per optimizer step", low=1, high=65536)
    learning_rate: float = setting(3e-3, "peak step size of AdamW", low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class AnomalyFacts(Facts):
    """medium: what examples are made of. normal: the labels of what is usual; none: no labels."""

    medium: Pictures | Rows | SeriesWindows
    normal: tuple[str, ...] = ()


class AnomalyDetection(Task):
    """An example to how strange it is."""

    Settings, Facts = AnomalySettings, AnomalyFacts
    budget = Budget(steps="400")
    examples_at_once = 1024

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What needs no label, and first, as it chooses the weights; then what labels measure."""
        return (LOG_SCORE, *metrics.LABELLED) if self.facts.normal else (LOG_SCORE,)

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        """Pictures, a table of rows, or series, with labels or without; see `unlabelled`."""
        data, medium = unlabelled.read(source, self.settings, self.facts and self.facts.medium)
        if medium.kind == "series":  # the name of a series is no label of it
            data = replace(data, **{part: [
                usual.labelled(one, None) if one.target == one.input.series.name else one
                for one in getattr(data, part)] for part in PARTS})
        return usual.settled(data, self.settings.labels, self.settings.normal,
                             self.facts and self.facts.normal)

    def study(self, train: Sequence[Example]) -> AnomalyFacts:
        return AnomalyFacts(
            medium=unlabelled.study(train, self.settings),
            normal=usual.labels_of(train, usual.kinds_of(train), self.settings.normal))

    def encode(self, examples: Sequence[Example]) -> Batch:
        """The medium's tensors; anomalous, bool (n,): labelled as no usual one; of windows origin,
        (n, 2): the place of the first step, and a time of the series.
        """
        normal = (None, *self.facts.normal)
        known = [example.target not in normal for example in examples]
        batch = self.facts.medium.encode(examples) | {"anomalous": torch.tensor(known)}
        if self.facts.medium.kind == "series":
            batch["origin"] = torch.tensor(
                [(one.series.first + one.start, one.series.start) for one in
                 (example.input for example in examples)], dtype=torch.float64)
        return batch

    def examples(self, given: Sequence[Any]) -> list[Example]:
        """Paths of pictures, tables or folders, rows as JSON, or lists of numbers."""
        return self.facts.medium.examples(given)

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> AnomalyNet:
        chosen, shape = self.settings, self.facts.medium.shape
        rows = len(shape) == 1
        code = chosen.code or CODES[chosen.net][len(shape) - 1]
        members = chosen.members if rows else 1
        encoder, decoder = coders_of(shape, code, chosen.width, members)
        whole = dict(members=members, shown=chosen.shown if rows else 1.0)
        if chosen.net == "deep-svdd":
            return DeepSVDD(encoder, shape, code=code, **whole)
        return Reconstruction(coders.Autoencoder(encoder, decoder), shape, **whole)

    def learn(self, net: AnomalyNet, batch: Batch) -> Iterator[Update]:
        """The mean logarithm of autoencoders' scores, so that the few strange examples among the
        usual ones pull little; of deep-svdd their mean. Known anomalies (--labels repel) are
        pushed away by the inverse of their scores (Ruff et al. 2020, equation 7).
        """
        scores = net.scores(*inputs(self.facts.medium, batch))  # (batch, members)
        loss = scores if self.settings.net == "deep-svdd" else (scores + FLOOR).log()
        if self.settings.labels == "repel":
            loss = torch.where(batch["anomalous"][:, None], 1 / (scores + FLOOR), loss)
        yield Update(loss.mean(), net)

    def phases(self, net: AnomalyNet, train: Batch) -> Iterator[Phase]:
        some = {name: values.to(net.seen.device)
                for name, values in tensors(train, slice(CENTRED)).items()}
        net.centre_on(inputs(self.facts.medium, some)[0])
        optimizer = torch.optim.AdamW(net.parameters(), self.settings.learning_rate,
                                      weight_decay=0.0)
        yield Phase("train", Batches(train, self.settings.batch_size, seed=self.settings.seed),
                    lambda batch: self.learn(net, batch), {net: (optimizer,)}, cosine(warmup=0.1),
                    clip=10.0)

    def adjust(self, net: AnomalyNet, validation: Iterator[Batch]) -> None:
        """The scores of the validation part tell how often a score alarms."""
        net.remember(torch.cat([net.scores(*inputs(self.facts.medium, batch))
                                for batch in validation]))

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: AnomalyNet, batch: Batch) -> list[Anomaly]:
        values, known = inputs(self.facts.medium, batch)
        found = net.judge(values, known)
        parts = anomaly.parts(self.facts.medium, batch, values, found)
        threshold = float(net.threshold(self.settings.alarm_rate))
        return [Anomaly(score, threshold, rarity, **part) for score, rarity, part in
                zip(found.score.tolist(), net.rarity(found.score).tolist(), parts, strict=True)]

    def evaluate(self, net: AnomalyNet, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        each = net.scores(*inputs(self.facts.medium, batch)).double()  # (batch, members)
        scores = net.together(each)
        alarms = (scores > net.threshold(self.settings.alarm_rate)).cpu().numpy()
        rows = labelled_rows(scores.cpu().numpy(), alarms, examples, self.facts.normal)
        return rows | {LOG_SCORE.name: log_rows(each.mean(1).cpu().numpy(), examples,
                                                self.facts.normal)}

    def probe(self, net: AnomalyNet, batch: Batch) -> Probe:
        """The score as a function of pixels, columns or steps; beside it a usual example."""
        medium = self.facts.medium
        values, known = inputs(self.facts.medium, batch)
        usual = net.usual if isinstance(net, DeepSVDD) else torch.zeros_like(values[0])
        if medium.kind == "images":
            if not isinstance(net, DeepSVDD):
                usual = values.mean(0)
            return Probe("image", 255 * values, lambda given: scored(net, given / 255, known),
                         255 * usual.expand_as(values), ("the score",), low=0.0, high=255.0,
                         relative_to="the mean picture")
        if medium.kind == "rows":
            return Probe("columns", values[:, :, None],
                         lambda given: scored(net, given[:, :, 0], known),
                         usual.expand_as(values)[:, :, None], ("the score",), names=medium.names,
                         relative_to="a row that is the mean of the training rows in each column")
        steps = values.shape[2]
        return Probe("series", values.transpose(1, 2),
                     lambda given: scored(net, given.transpose(1, 2), known),
                     usual.expand_as(values).transpose(1, 2), ("the score",),
                     names=[f"step {place + 1} of {steps}" for place in range(steps)],
                     relative_to="a flat window at the series' mean")

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The distance from the mean, what principal components leave, and an isolation forest."""
        order = keys.numpy_generator(0, "known").permutation(len(train))[:MOST_KNOWN]
        known, asked = (inputs(self.facts.medium, self.encode(some))[0].flatten(1).double().numpy()
                        for some in ([train[place] for place in order], test))
        found = {"distance from the mean": outliers.distance(known, asked),
                 "principal components": outliers.principal_residual(known, asked),
                 "isolation forest": outliers.isolation_forest(
                     known, asked, keys.numpy_generator(0, "isolation forest"))}
        rows = {name: labelled_rows(scores, None, test, self.facts.normal)
                for name, scores in found.items()}
        if self.settings.net == "autoencoder":  # what a net would score that gives back the mean
            spread = ((asked - known.mean(0)) ** 2).mean(1)
            rows["distance from the mean"][LOG_SCORE.name] = log_rows(spread, test,
                                                                      self.facts.normal)
        return rows

    @classmethod
    def sample(cls, folder: Path) -> Path:
        """Machines whose temperature follows their load and speed, but for a few."""
        random = keys.numpy_generator(0, "anomaly sample")
        path = folder / "machines.csv"
        with path.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["load", "speed", "temperature", "vibration", "site", "label"])
            for _ in range(300):
                load, strange = random.uniform(0, 100), random.random() < 0.1
                speed = 800 + 10 * load + random.normal(0, 40)
                heat = 20 + 0.4 * load + 0.01 * speed + random.normal(0, 1.5)
                shake = random.gamma(4.0, 0.2) + 0.002 * speed
                if strange:
                    heat, shake = heat + random.choice([-25, 25]), shake * random.uniform(1, 4)
                out.writerow([f"{load:.1f}", f"{speed:.0f}", f"{heat:.2f}",
                              "" if random.random() < 0.03 else f"{shake:.3f}",
                              random.choice(["north", "south"]),
                              "anomaly" if strange else "normal"])
        return path


# ---- nets and scores ----------------------------------------------------------------------------

def coders_of(shape: tuple[int, ...], code: int, width: int, members: int
              ) -> tuple[nn.Module, nn.Module]:
    """An encoder and a decoder; shape: (numbers,), (1, steps) or (channels, height, width)."""
    if len(shape) == 1:
        return linears(members, *shape, width, code), linears(members, code, width, *shape)
    if len(shape) == 2:
        return Alone(coders.series_encoder(shape[1], code, filters=width)), \
            Alone(coders.series_decoder(shape[1], code, filters=width))
    return Alone(coders.image_encoder(*shape, code, filters=width)), \
        Alone(coders.image_decoder(*shape, code, filters=width))


def inputs(medium: Medium, batch: Batch) -> tuple[Tensor, Tensor]:
    """The values that nets read, and which of them there are, both (batch, ...)."""
    values, known = medium.values(batch), medium.known(batch)
    return values, torch.ones_like(values, dtype=torch.bool) if known is None else known


def scored(net: AnomalyNet, values: Tensor, known: Tensor) -> Tensor:  # (batch, 1)
    """The scores, for a probe, which may ask for the batch several times over."""
    times = len(values) // len(known)
    return net(values, known.repeat(times, *[1] * (known.ndim - 1)))[:, None]


def anomalous(examples: Sequence[Example], normal: Sequence[str]) -> numpy.ndarray:
    """Which are labelled as no usual ones, (examples,)."""
    return numpy.array([one.target not in (None, *normal) for one in examples])


def log_rows(scores: numpy.ndarray, examples: Sequence[Example],
             normal: Sequence[str]) -> numpy.ndarray:
    """(weight * log score, weight): labelled anomalies hardly weigh."""
    weight = numpy.where(anomalous(examples, normal), SLIGHT, 1.0)
    return numpy.stack([weight * numpy.log(scores + 1e-12), weight], 1)


def labelled_rows(scores: numpy.ndarray, alarms: numpy.ndarray | None, examples: Sequence[Example],
                  normal: Sequence[str]) -> dict[str, numpy.ndarray]:
    """Rows of what labels measure; none where one is missing, of alarms only where they are given.
    """
    if not normal or any(one.target is None for one in examples):
        return {}
    strange = anomalous(examples, normal)
    found = metrics.ranked(scores, strange)
    return found if alarms is None else found | metrics.alarmed(alarms, strange)
