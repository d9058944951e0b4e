"""image -> image: pictures of one kind into pictures of another, from pairs or without any.

CycleGAN learns from two folders of pictures that show different things (Zhu et al. 2017); pix2pix
from pairs that show the same thing twice (Isola et al. 2017).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.optim import Adam

from lamina.answers import Image
from lamina.budget import trapezoid
from lamina.errors import UserError
from lamina.keys import numpy_generator
from lamina.learning import Batch, Phase, Update
from lamina.media import image, pairs
from lamina.media.pairs import Found, Picture
from lamina.metrics.image import (
    CYCLE_ERROR,
    PIXEL_ERROR,
    PSNR,
    features,
    frechet_distance,
    mean_and_covariance,
)
from lamina.metrics.metric import Metric
from lamina.nets import translation as nets
from lamina.nets.translation import judged, squares
from lamina.pixels import pictures_last, pixels, scaled, shapes_of
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Batches, Beside
from lamina.splits import divide
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts

DIRECTIONS = ("AtoB", "BtoA")
STUDIED = 500  # training pictures of each domain that are looked at


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    method: Literal["auto", "cyclegan", "pix2pix"] = setting(
        "auto", "auto: pix2pix if both domains hold the same file names, else cyclegan")
    direction: Literal["AtoB", "BtoA"] = setting(
        "AtoB", "which domain is translated into which", at_predict=True)
    side_by_side: bool = setting(False, "each file holds A in its left half and B in its right")
    image_size: int = setting(0, "pixels of both sides, a multiple of 4; 0: as the data, at most "
                              "64", low=0, high=512)
    width: int = setting(32, "channels of the generators' first layer", low=4, high=256)
    blocks: int = setting(3, "residual blocks of a cyclegan generator", low=1, high=24)
    cycle_weight: float = setting(
        10.0, "cyclegan: weight of the error after there and back", low=0, high=1e4)
    identity_weight: float = setting(
        0.0, "cyclegan: weight of changing what is in its domain already (5 keeps colours)",
        low=0, high=1e4)
    pixel_weight: float = setting(
        100.0, "pix2pix: weight of the mean absolute error of the pixels", low=0, high=1e4)
    flip: bool = setting(False, "mirror training pictures left to right at random")
    batch_size: int = setting(8, "pictures of each domain per optimizer step", low=1, high=4096)
    learning_rate: float = setting(2e-4, "step size of Adam", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    method: Literal["cyclegan", "pix2pix"]
    direction: Literal["AtoB", "BtoA"]  # the one that pix2pix learns
    size: int = setting(28, "pixels of both sides", low=8, high=512)
    channels: int = setting(1, "1 for grey, 3 for colour", low=1, high=3)
    means: tuple[tuple[float, ...], ...] = ()  # of the features of A and of B
    covariances: tuple[tuple[float, ...], ...] = ()  # the same, row after row


class ImageTranslation(Task):
    """Two domains of pictures, A and B; the answer is the same picture in the other domain."""

    Settings, Facts = Settings, Facts
    examples_at_once = 64

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What chooses the best model comes first: without pairs, how much it looks like B."""
        distance = Metric(
            "frechet_distance", "lower", "distance to the domain's pictures in the features of a "
            "fixed random net; 0: alike, 1: one average picture",
            lambda made, true: tuple(features(made[None])[0]), self._distance)
        if self.facts is not None and self.facts.method == "pix2pix":
            return PIXEL_ERROR, PSNR, distance
        return distance, CYCLE_ERROR, PIXEL_ERROR, PSNR

    def _distance(self, rows: numpy.ndarray) -> float:
        """The Fréchet distance of feature rows to the domain that is translated into."""
        mean = numpy.array(self.facts.means[1 - self._domain])
        covariance = numpy.array(self.facts.covariances[1 - self._domain])
        return frechet_distance(rows, mean, covariance.reshape(len(mean), len(mean)))

    @property
    def _domain(self) -> int:
        """Which domain is translated: 0 for A, 1 for B."""
        facts, asked = self.facts, self.settings.direction
        if facts is not None and facts.method == "pix2pix" and facts.direction != asked:
            raise UserError(f"direction: this pix2pix model learned {facts.direction} only, got "
                            f"{asked}; train another with --direction {asked}")
        return DIRECTIONS.index(asked)

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            names, found = pairs.read(Path(source), side_by_side=self.settings.side_by_side)
        except ValueError as reason:
            raise UserError(str(reason)) from None
        asked = self.facts.method if self.facts is not None else self.settings.method
        method, why = decided(asked, [f for f in found if f.split in (None, "train")])
        notes = [f"A is {names[0]!r}, B is {names[1]!r}; {self.settings.direction} is answered",
                 f"{method}, {why}"]
        items, left = pairs.items(found, self._domain)
        notes += [f"{left} pictures without a counterpart are left out"] * (left > 0)
        data = divide(items, notes=notes)
        if method == "cyclegan":
            unpair(data, [f for f in found if f.picture.domain != self._domain])
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        paired = all(example.target is not None for example in train)
        domains = [domain_of(train, number) for number in (0, 1)]
        shapes = shapes_of([*domains[0], *domains[1]])
        shorter = int(numpy.median([min(height, width) for height, width, _ in shapes]))
        size = self.settings.image_size or min(64, shorter)
        facts = Facts(method="pix2pix" if paired else "cyclegan",
                      direction=self.settings.direction, size=max(8, size // 4 * 4),
                      channels=max(channels for _, _, channels in shapes))
        try:
            statistics = [mean_and_covariance(features(
                pairs.decoded(pictures, size=facts.size, channels=facts.channels)))
                for pictures in domains]
        except ValueError as reason:
            raise UserError(str(reason)) from None
        return replace(facts, means=[mean for mean, _ in statistics],
                       covariances=[covariance for _, covariance in statistics])

    def encode(self, examples: Sequence[Example]) -> Batch:
        batch = {"image": encoded([example.input for example in examples], self.facts),
                 "domain": torch.tensor([example.input.domain for example in examples],
                                        dtype=torch.uint8)}
        if all(example.target is not None for example in examples):
            try:
                batch["target"] = encoded([example.target for example in examples], self.facts)
            except (ValueError, OSError) as reason:
                raise ValueError(f"its counterpart cannot be read: {reason}") from None
        return batch

    def examples(self, given: Sequence[str]) -> list[Example]:
        return [Example(Picture(f.path, f.member, self._domain)) for f in image.given(given)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        facts, width = self.facts, self.settings.width
        layers = 1 if facts.size < 12 else 2 if facts.size <= 64 else 3  # the paper's has 3
        if facts.method == "pix2pix":
            generator = nets.UNetGenerator(facts.channels, width, nets.halvings(facts.size))
            judge = nets.PatchDiscriminator(2 * facts.channels, width, layers)  # sees the input too
            return nets.Adversaries(nets.Translators({facts.direction: generator}),
                                    {facts.direction: judge})
        return nets.Adversaries(
            nets.Translators({direction: nets.ResidualGenerator(facts.channels, width,
                                                                self.settings.blocks)
                         for direction in DIRECTIONS}),
            {direction: nets.PatchDiscriminator(facts.channels, width, layers)
             for direction in DIRECTIONS})

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        size, seed = self.settings.batch_size, self.settings.seed
        if self.facts.method == "pix2pix":
            batches, learn = Batches(train, size, seed=seed), self._learn_pairs
        else:
            domains = {name: (train["domain"] == number).nonzero().flatten()
                       for number, name in enumerate("ab")}
            batches, learn = Beside(train["image"], domains, size, seed=seed), self.learn
        optimizers = {part: (Adam(part.parameters(), self.settings.learning_rate, (0.5, 0.999)),)
                      for part in (net.generators, net.discriminators)}
        yield Phase("train", batches, lambda batch: learn(net, batch), optimizers,
                    trapezoid(warmup=0.0, decay=0.5))  # constant, then down to 0

    def augment(self, batch: Batch) -> Batch:
        if not self.settings.flip:
            return batch
        count, device = len(next(iter(batch.values()))), next(iter(batch.values())).device
        mirrored = (torch.rand(count, device=device) < 0.5)[:, None, None, None]
        return {name: torch.where(mirrored, values.flip(3), values) if values.ndim == 4 else values
                for name, values in batch.items()}

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        """CycleGAN: equations 1 to 3 of Zhu et al. 2017, with least squares (section 4)."""
        settings = self.settings
        real = {"AtoB": scaled(batch["a"]), "BtoA": scaled(batch["b"])}
        made, loss = {}, 0.0
        for direction, other in (DIRECTIONS, DIRECTIONS[::-1]):
            given, goal = real[direction], real[other]
            if settings.identity_weight:  # both at once: twice the batch is faster than two
                made[direction], same = net.generators.directions[direction](
                    torch.cat([given, goal])).chunk(2)
                loss = loss + settings.identity_weight * l1_loss(same, goal)
            else:
                made[direction] = net.generators.directions[direction](given)
            loss = loss + squares(net.discriminators[direction](made[direction]), 1.0)
        for direction, other in (DIRECTIONS, DIRECTIONS[::-1]):
            back = net.generators.directions[other](made[direction])
            loss = loss + settings.cycle_weight * l1_loss(back, real[direction])
        yield Update(loss, net.generators, "generators")
        loss = sum(judged(net.discriminators[direction], real[other], made[direction].detach())
                   for direction, other in (DIRECTIONS, DIRECTIONS[::-1]))
        yield Update(loss, net.discriminators, "discriminators")

    def _learn_pairs(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        """pix2pix: equation 4 of Isola et al. 2017, with least squares."""
        direction = self.facts.direction
        judge = net.discriminators[direction]
        given, true = scaled(batch["image"]), scaled(batch["target"])
        made = net.generators.directions[direction](given)
        pair = torch.cat([given, made], dim=1)
        yield Update(squares(judge(pair), 1.0) + self.settings.pixel_weight * l1_loss(made, true),
                     net.generators, "generators")
        yield Update(judged(judge, torch.cat([given, true], dim=1), pair.detach()),
                     net.discriminators, "discriminators")

    # ---- answering --------------------------------------------------------------------------

    def exported(self, net: nn.Module) -> nn.Module:
        return net.generators if isinstance(net, nets.Adversaries) else net

    def answer(self, net: nn.Module, batch: Batch) -> list[Image]:
        made = self.exported(net)(scaled(batch["image"]), batch["domain"])
        return [Image(picture) for picture in pixels(made)]

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        generator = self.exported(net).directions[DIRECTIONS[self._domain]]
        given = batch["image"].float()
        mean = given.mean((2, 3), keepdim=True).expand_as(given)
        return Probe("image", given, lambda images: (generator(scaled(images)).flatten(1) + 1)
                     * 127.5, mean, (), low=0.0, high=255.0, relative_to="its own mean colour")

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        generators = self.exported(net)
        made = generators(scaled(batch["image"]), batch["domain"])
        back = None
        if self.facts.method == "cyclegan":
            back = pixels(generators(made, 1 - batch["domain"]))
        return measured(pixels(made), batch, back)

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The picture left as it is, and the mean picture of the domain it should be in."""
        batch = self.encode(test)
        given = pictures_last(batch["image"])
        goal = pairs.decoded(domain_of(train, 1 - self._domain), size=self.facts.size,
                             channels=self.facts.channels)
        mean = numpy.broadcast_to(goal.mean(axis=0).round().astype(numpy.uint8), given.shape)
        back = given if self.facts.method == "cyclegan" else None
        return {"left as it is": measured(given, batch, back),
                "mean picture": measured(mean, batch, None)}

    @classmethod
    def sample(cls, folder: Path) -> Path:
        """White digits on black (A) and black on white (B); only the test part is paired."""
        random = numpy_generator(0, "sample")
        for part, count in (("train", 120), ("test", 20)):
            for domain in "AB":
                (folder / f"{part}{domain}").mkdir(parents=True)
            for number in range(count):
                digit = drawn_digit(random)
                for domain in "AB" if part == "test" else "AB"[number % 2]:
                    image.save(digit if domain == "A" else 255 - digit,
                               folder / f"{part}{domain}" / f"{number:03}.png")
        return folder


def decided(asked: str, training: Sequence[Found]) -> tuple[str, str]:
    """pix2pix or cyclegan, and why."""
    paired = pairs.same_names(training)
    if asked == "pix2pix" and not paired:
        raise UserError(
            "pix2pix needs pairs: expected the same file names in both folders, found "
            f"{len(pairs.matched(training))} pairs among {len(training)} files; use cyclegan")
    if asked != "auto":
        return asked, "as asked"
    if paired:
        return "pix2pix", "as both folders hold the same file names: they are taken as pairs"
    return "cyclegan", "as the file names of the two folders differ: nothing is paired"


def unpair(data: Data, others: Sequence[Found]) -> None:
    """Make the training part single pictures of both domains, without those that are held out."""
    held = {example.target for example in chain(data.validation, data.test)}
    own = [Example(example.input) for example in data.train]
    other = [Example(f.picture) for f in others
             if f.split in (None, "train") and f.picture not in held]
    if not other:
        raise UserError("expected training pictures of two domains, found those of one")
    data.train = [example for both in zip_longest(own, other) for example in both if example]
    data.cut = ()  # a training part of two domains is no part to score


def domain_of(train: Sequence[Example], number: int) -> list[Picture]:
    """Pictures of domain 0 (A) or 1 (B), at most STUDIED, evenly spread."""
    found = [picture for example in train for picture in (example.input, example.target)
             if picture is not None and picture.domain == number]
    return found[:: max(1, -(-len(found) // STUDIED))]


def encoded(pictures: Sequence[Picture], facts: Facts) -> Tensor:
    """uint8 (pictures, channels, size, size)."""
    found = numpy.stack([image.decode(picture, size=(facts.size, facts.size),
                                      channels=facts.channels) for picture in pictures])
    return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous()


def measured(made: numpy.ndarray, batch: Batch,
             back: numpy.ndarray | None) -> dict[str, numpy.ndarray]:
    """Rows of translated pictures; a metric whose truth is not known gets none."""
    beside = []
    if back is not None:
        beside.append((CYCLE_ERROR, back, pictures_last(batch["image"])))
    if "target" in batch:
        true = pictures_last(batch["target"])
        beside += [(PIXEL_ERROR, made, true), (PSNR, made, true)]
    return {"frechet_distance": features(made).astype(float)} | {
        metric.name: numpy.array([metric.row(*pair) for pair in zip(first, second, strict=True)])
        for metric, first, second in beside}


def drawn_digit(random: numpy.random.Generator) -> numpy.ndarray:
    """A white digit somewhere on black, uint8 (16, 16, 1)."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    picture = Pillow.new("L", (16, 16))
    font = ImageFont.load_default(size=int(random.integers(11, 15)))
    place = tuple(map(int, random.integers((2, -1), (7, 2))))
    ImageDraw.Draw(picture).text(place, str(random.integers(10)), fill=255, font=font,
                                 stroke_width=1)
    return numpy.asarray(picture)[:, :, None]
