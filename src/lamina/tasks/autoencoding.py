"""anything -> code -> itself: pictures, rows of a table or windows of series, without labels.

Nets: `plain`; `denoising`, which mends inputs that were damaged on purpose; `variational`, whose
codes are distributions; `sparse`, of whose codes few numbers are not zero.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import Tensor, nn

from lamina import keys
from lamina.answers.code import Reconstruction
from lamina.budget import Budget, cosine
from lamina.learning import Batch, Phase, Update
from lamina.media import image, jpeg
from lamina.medium import Pictures, Rows, SeriesWindows
from lamina.metrics import codes as metrics
from lamina.nets import autoencoder as nets
from lamina.nets.quantizer import Compressor, Quantizer
from lamina.probe import Probe
from lamina.projections import principal
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import some
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts
from lamina.unlabelled import UnlabelledSettings, read, study

LARGEST_CODE = 32  # numbers, where none are asked for
DEPTH = 2  # hidden layers over the rows of a table
COMPARED_FILES, COMPARED = 2000, 30_000_000  # files, and values in all, of the baselines
TRIED = 50  # pictures on which the quality of JPEG is chosen


@dataclass(frozen=True, kw_only=True)
class Settings(UnlabelledSettings):
    net: Literal["plain", "denoising", "variational", "sparse"] = setting(
        "plain", "the kind of autoencoder")
    code: int = setting(0, "numbers of a code; 0: 32, at most a quarter of the values, at least 2",
                        low=0, high=8192)
    width: int = setting(16, "filters of the first convolution; a 16th of the numbers of the "
                             "first hidden layer over rows", low=1, high=1024)
    noise: float = setting(0.3, "denoising: share of the values that are damaged", low=0, high=0.95)
    active: int = setting(0, "sparse: numbers of a code that are not zero; 0: a quarter", low=0,
                          high=8192)
    kl_weight: float = setting(1.0, "variational: weight of the divergence from the normal "
                                    "distribution", low=0, high=1000)
    fineness: float = setting(0.5, "distance of the levels to which codes are rounded for bits, in "
                                   "deviations", low=0.01, high=10)
    batch_size: int = setting(128, "examples per optimizer step; at most a 16th of them", low=1,
                              high=65536)
    learning_rate: float = setting(2e-3, "peak step size of AdamW", low=0, high=100)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    medium: Pictures | Rows | SeriesWindows
    code: int = setting(2, "numbers of a code", low=1, high=8192)


class Autoencoding(Task):
    """Gives each example a code, and the example back from it."""

    Settings, Facts = Settings, Facts
    metrics = metrics.ALL
    budget = Budget(minutes=5)

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        return read(source, self.settings, self.facts.medium if self.facts else None)[0]

    def study(self, train: Sequence[Example]) -> Facts:
        medium = study(train, self.settings)
        size = int(numpy.prod(medium.shape))
        return Facts(medium=medium, code=self.settings.code
                     or min(LARGEST_CODE, max(2, size // 4)))

    def encode(self, examples: Sequence[Example]) -> Batch:
        return self.facts.medium.encode(examples)

    def examples(self, given: Sequence[str]) -> list[Example]:
        return self.facts.medium.examples(given)

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, code, medium = self.settings, self.facts.code, self.facts.medium
        outputs = 2 * code if s.net == "variational" else code
        if medium.kind == "images":
            two = nets.image_encoder(*medium.shape, outputs, filters=s.width), \
                nets.image_decoder(*medium.shape, code, filters=s.width)
        elif medium.kind == "series":
            two = nets.series_encoder(medium.steps, outputs, filters=s.width), \
                nets.series_decoder(medium.steps, code, filters=s.width)
        else:
            two = nets.vector_encoder(*medium.shape, outputs, width=16 * s.width, depth=DEPTH), \
                nets.vector_decoder(*medium.shape, code, width=16 * s.width, depth=DEPTH)
        if s.net == "variational":
            return Compressor(nets.VariationalAutoencoder(*two), code)
        active = min(code, s.active or -(-code // 4)) if s.net == "sparse" else 0
        return Compressor(nets.Autoencoder(*two, active=active), code)

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        s, body = self.settings, net.autoencoder
        values, known = self.facts.medium.values(batch), self.facts.medium.known(batch)
        there = values.numel() if known is None else max(1, int(known.sum()))
        if s.net == "variational":
            mean, log_variance = body.posterior(values)
            made = body.decode(mean + torch.randn_like(mean) * (log_variance / 2).exp())
            error = squared(made, values, known).sum() / there
            kl = (mean ** 2 + log_variance.exp() - 1 - log_variance).sum() / 2
            # the deviation of the pixels is the one that fits best (Rybkin et al. 2021, eq. 5)
            loss = error.clamp(min=1e-8).log() / 2 + s.kl_weight * kl / there
        else:
            shown = damaged(values, s.noise) if s.net == "denoising" else values
            loss = squared(body(shown), values, known).sum() / there
        yield Update(loss, net, count=there)

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s, count = self.settings, len(next(iter(train.values())))
        batches = Batches(train, min(s.batch_size, max(16, count // 16)), seed=s.seed)
        optimizer = torch.optim.AdamW(net.parameters(), s.learning_rate, weight_decay=0.0)
        yield Phase("train", batches, lambda batch: self.learn(net, batch), {net: (optimizer,)},
                    cosine(warmup=0.02), clip=1.0)

    def adjust(self, net: nn.Module, validation: Iterator[Batch]) -> None:
        """The levels to which codes are rounded, and how many bits each takes."""
        net.quantizer.fit(torch.cat([net.autoencoder.encode(self.facts.medium.values(batch)).float()
                                     for batch in validation]), self.settings.fineness)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Reconstruction]:
        medium = self.facts.medium
        values, known = medium.values(batch), medium.known(batch)
        codes = net.autoencoder.encode(values).float()
        made = within(net.autoencoder.decode(codes).float(), medium)
        rows = error_rows(made, values, known)
        return [Reconstruction([round(number, 4) for number in code],
                               round(float(error / max(1, count)), 6), given, back)
                for code, (error, count), given, back in
                zip(codes.tolist(), rows, medium.shown(values, batch), medium.shown(made, batch),
                    strict=True)]

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        medium = self.facts.medium
        values, known = medium.values(batch), medium.known(batch)
        codes = net.autoencoder.encode(values).float()
        exact, rounded = (error_rows(within(net.autoencoder.decode(code).float(), medium), values,
                                     known) for code in (codes, net.quantizer(codes)))
        return {metrics.MSE.name: exact, metrics.COMPRESSED.name: rounded,
                metrics.BITS.name: net.quantizer.bits(codes)[:, None].double().cpu().numpy()}

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The mean training example, principal components as many as a code has numbers, and JPEG
        of pictures in about as many bits as these take.
        """
        medium = self.facts.medium
        most = COMPARED // int(numpy.prod(medium.shape))
        if medium.kind == "images" and not isinstance(train[0].input, numpy.ndarray):
            most = min(most, COMPARED_FILES)
        seen = self.encode(some(train, most))
        asked = self.encode(test)
        known = medium.known(asked)
        truth = medium.values(asked)
        values = medium.values(seen).flatten(1).numpy()
        found = principal(values, self.facts.code)
        codes = torch.from_numpy(found.encode(truth.flatten(1).numpy()))
        quantizer = Quantizer(codes.shape[1])
        quantizer.fit(torch.from_numpy(found.encode(values)), self.settings.fineness)

        def rows(made: numpy.ndarray) -> numpy.ndarray:
            back = torch.from_numpy(made.astype(numpy.float32)).view(truth.shape)
            return error_rows(within(back, medium), truth, known)

        bits = quantizer.bits(codes)[:, None].double().numpy()
        return {"the mean": {metrics.MSE.name: rows(numpy.tile(found.mean, (len(test), 1)))},
                f"PCA with {codes.shape[1]} numbers": {
                    metrics.MSE.name: rows(found.decode(codes.numpy())),
                    metrics.COMPRESSED.name: rows(found.decode(quantizer(codes).numpy())),
                    metrics.BITS.name: bits}} \
            | (by_jpeg(medium.shown(truth, asked), bits.mean()) if medium.kind == "images" else {})

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        """What makes an example hard to give back: its mean squared error as a function of it."""
        medium = self.facts.medium
        values = medium.values(batch)
        labels = ("the mean squared error of what is given back",)
        if medium.kind == "images":
            grey = (255 * values).mean(0, keepdim=True).expand_as(values).contiguous()
            return Probe("image", 255 * values, lambda given: error_of(net, given / 255),
                         torch.full_like(grey, 0.0), labels, low=0.0, high=255.0,
                         relative_to="a black picture")
        names = medium.names if medium.kind == "rows" else [
            f"step {place}" for place in range(1, medium.steps + 1)]
        kind = "columns" if medium.kind == "rows" else "series"
        inputs = values.flatten(1)[:, :, None]
        shape = medium.shape
        return Probe(kind, inputs, lambda given: error_of(net, given.view(len(given), *shape)),
                     torch.zeros_like(inputs), labels, names=names,
                     relative_to="the mean of the training part")

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "autoencoding sample")
        for label in ("bar", "ring"):
            (folder / label).mkdir(parents=True)
            for number in range(60):
                image.save(drawing(label, random), folder / label / f"{label}-{number:02d}.png")
        return folder


# ---- values -------------------------------------------------------------------------------------

def squared(made: Tensor, values: Tensor, known: Tensor | None) -> Tensor:
    """The squared error of each value, 0 where it is not known."""
    error = (made - values) ** 2
    return error if known is None else error * known


def error_rows(made: Tensor, values: Tensor, known: Tensor | None) -> numpy.ndarray:
    """(sum of the squared errors, values that are known) of each example."""
    error = squared(made, values, known).flatten(1).double().sum(1)
    count = torch.full_like(error, values[0].numel()) if known is None else \
        known.flatten(1).double().sum(1)
    return torch.stack([error, count], 1).cpu().numpy()


def error_of(net: nn.Module, values: Tensor) -> Tensor:  # (batch, ...) -> (batch, 1)
    """The mean squared error of what each example's code gives back."""
    return (net(values) - values).square().flatten(1).mean(1, keepdim=True)


def within(made: Tensor, medium: Pictures | Rows | SeriesWindows) -> Tensor:
    """What was given back, pixels no darker than black and no lighter than white."""
    return made.clamp(0, 1) if medium.kind == "images" else made


def damaged(values: Tensor, share: float) -> Tensor:
    """The values with so many of them set to 0 (Vincent et al. 2008, masking noise)."""
    return values * (torch.rand_like(values) >= share)


def by_jpeg(pictures: list[numpy.ndarray], bits: float) -> dict[str, dict[str, numpy.ndarray]]:
    """Rows of JPEG at the lowest quality that takes at least so many bits."""
    quality = jpeg.quality_for(pictures[:TRIED], bits)
    found = [(pixels, *jpeg.through(pixels, quality)) for pixels in pictures]
    errors = [((pixels.astype(float) - back) ** 2).sum() / 255**2 for pixels, back, _ in found]
    return {f"JPEG at quality {quality}": {
        metrics.COMPRESSED.name: numpy.stack([errors, [p.size for p in pictures]], 1),
        metrics.BITS.name: numpy.array([[float(count)] for _, _, count in found])}}


def drawing(name: str, random: numpy.random.Generator) -> numpy.ndarray:
    """A grey picture with a bar or a ring somewhere, uint8 (16, 16, 1)."""
    y, x = numpy.mgrid[:16, :16] - 7.5 + random.uniform(-4, 4, (2, 1, 1))
    turn = random.uniform(0, numpy.pi)
    ink = abs(x * numpy.cos(turn) + y * numpy.sin(turn)) < random.uniform(0.8, 2.5) \
        if name == "bar" else abs(numpy.hypot(x, y) - random.uniform(2.5, 6)) < 1.2
    noise = random.integers(0, 40, (16, 16))
    return (ink * random.integers(120, 210) + noise).astype(numpy.uint8)[:, :, None]
