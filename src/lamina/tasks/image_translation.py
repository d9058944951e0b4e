"""Image translation: pictures of one kind into pictures of another, from pairs or without any.

CycleGAN learns from two folders of pictures that show different things (Zhu et al. 2017); pix2pix
from pairs that show the same thing twice (Isola et al. 2017).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.optim import Adam

from lamina import splits
from lamina.answers import Answer, Image
from lamina.budget import trapezoid
from lamina.errors import UserError, nearest
from lamina.keys import key, numpy_generator
from lamina.learning import Batch, Phase, Update
from lamina.media import files, image, pairs
from lamina.media.manifest import Item
from lamina.media.pairs import Found, Picture
from lamina.metrics.image import (
    absolute_error, features, frechet_distance, mean_and_covariance, signal_to_noise)
from lamina.metrics.metric import Metric
from lamina.nets.translation import (
    Adversaries, PatchDiscriminator, ResidualGenerator, Translators, UNetGenerator)
from lamina.settings import Settings, setting
from lamina.source import Batches, Source
from lamina.task import Data, Example, Facts, Task

DIRECTIONS = ("AtoB", "BtoA")
REFERENCE = 500  # pictures of each domain that its statistics are taken from
LARGEST_SIZE = 64  # pixels, where the user names no size


class ImageTranslation(Task):
    """Two domains of pictures, A and B; the answer is the same picture in the other domain."""

    @dataclass(frozen=True, kw_only=True)
    class Settings(Settings):
        method: Literal["auto", "cyclegan", "pix2pix"] = setting(
            "auto", "auto: pix2pix if both domains hold the same file names, else cyclegan")
        direction: Literal["AtoB", "BtoA"] = setting(
            "AtoB", "which domain is translated into which", at_predict=True)
        side_by_side: bool = setting(False, "each file holds A (left half) and B (right half)")
        size: int | None = setting(
            None, "side of the pictures in pixels, rounded to a multiple of 4; none: as the data, "
            f"at most {LARGEST_SIZE}", low=8, high=512)
        width: int = setting(32, "channels of the generators' first layer", low=4, high=256)
        blocks: int = setting(4, "residual blocks of a cyclegan generator", low=1, high=24)
        cycle_weight: float = setting(
            10.0, "cyclegan: of the error after going there and back", low=0, high=1e4)
        identity_weight: float = setting(
            5.0, "cyclegan: of changing a picture that is in its domain already", low=0, high=1e4)
        pixel_weight: float = setting(
            100.0, "pix2pix: of the mean absolute error of the pixels", low=0, high=1e4)
        mirror: bool = setting(False, "learn from mirrored pictures too (not for text)")
        batch_size: int = setting(8, "pictures (of each domain) per optimizer step",
                                  low=1, high=4096)
        learning_rate: float = setting(2e-4, "step size of Adam", low=0, high=1)

    @dataclass(frozen=True, kw_only=True)
    class Facts(Facts):
        method: Literal["cyclegan", "pix2pix"]
        direction: Literal["AtoB", "BtoA"]
        size: int = setting(28, "side of the pictures in pixels", low=8, high=512)
        channels: int = setting(1, "1 for grey, 3 for colour", low=1, high=3)
        means: tuple[tuple[float, ...], ...] = ()  # of the features of A and of B
        covariances: tuple[tuple[float, ...], ...] = ()  # the same, row after row

    examples_at_once = 64

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """pix2pix is chosen by its pixels; without pairs, by how much its pictures look like B."""
        error = Metric("pixel_error", "lower", "mean absolute difference to the true picture",
                       lambda made, true: (absolute_error(made, true),), unit="levels of 255")
        ratio = Metric("psnr", "higher", "peak signal-to-noise ratio to the true picture",
                       lambda made, true: (signal_to_noise(made, true),), unit="dB")
        cycle = Metric("cycle_error", "lower", "mean absolute difference after going there and "
                       "back", lambda back, given: (absolute_error(back, given),),
                       unit="levels of 255")
        distance = Metric("frechet_distance", "lower", "distance to the domain's pictures in the "
                          "features of a fixed random net; 0: alike, 1: one average picture",
                          lambda made, true: tuple(features(made[None])[0]), self.distance)
        if self.facts is not None and self.facts.method == "pix2pix":
            return error, ratio, distance
        return distance, cycle, error, ratio

    def distance(self, rows: numpy.ndarray) -> float:
        """The Fréchet distance of feature rows to the domain that is translated into."""
        mean = numpy.array(self.facts.means[1 - self.domain])
        covariance = numpy.array(self.facts.covariances[1 - self.domain])
        return frechet_distance(rows, mean, covariance.reshape(len(mean), len(mean)))

    @property
    def domain(self) -> int:
        """Which domain is translated: 0 for A, 1 for B."""
        facts, asked = self.facts, self.settings.direction
        if facts is not None and facts.method == "pix2pix" and facts.direction != asked:
            raise UserError(f"direction: this pix2pix model learned {facts.direction} only, got "
                            f"{asked}; train another with --direction {asked}")
        return DIRECTIONS.index(asked)

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        path = Path(source)
        if not path.exists():
            siblings = [f.name for f in path.parent.iterdir()] if path.parent.is_dir() else []
            raise UserError(f"{path} does not exist; {nearest(path.name, siblings)}")
        try:
            names, found = pairs.read(path, side_by_side=self.settings.side_by_side)
        except ValueError as reason:
            raise UserError(str(reason)) from None
        method, why = self.choose_method(found)
        notes = [f"A is {names[0]!r} and B is {names[1]!r}; {self.settings.direction} is answered",
                 f"{method}: {why}"]
        data = self.divide(found, notes)
        if method == "cyclegan":
            self.unpair(data, found)
        return data

    def choose_method(self, found: Sequence[Found]) -> tuple[str, str]:
        """pix2pix or cyclegan, and why."""
        training = [f for f in found if f.split in (None, "train")]
        paired = pairs.same_names(training)
        asked = self.facts.method if self.facts is not None else self.settings.method
        if asked == "pix2pix" and not paired:
            example = next((f.name for f in training), found[0].name)
            raise UserError("pix2pix needs pairs: expected the same file names in both folders, "
                            f"but {example!r} and others have no counterpart; use cyclegan")
        if asked != "auto":
            return asked, "as asked"
        if paired:
            return "pix2pix", "both domains hold the same file names, so they are taken as pairs"
        return "cyclegan", "the file names of the two domains differ, so nothing is paired"

    def divide(self, found: Sequence[Found], notes: list[str]) -> Data:
        """The pictures that are translated, each with its counterpart where its part is paired."""
        partners: dict[tuple[str | None, str], Picture] = {}
        for split in {f.split for f in found}:
            part = [f for f in found if f.split == split]
            if pairs.same_names(part):
                for pair in pairs.matched(part):
                    partners[split, pair[0].name] = pair[1 - self.domain].picture
        paired = {split for split, _ in partners}
        items = [Item(f.picture, partners.get((f.split, f.name)), split=f.split) for f in found
                 if f.picture.domain == self.domain
                 and (f.split not in paired or (f.split, f.name) in partners)]
        if not items or len(items) == len(found):
            raise UserError("expected pictures of both domains, found those of one")
        left = sum(f.picture.domain == self.domain for f in found) - len(items)
        notes += [f"{left} pictures without a counterpart are left out"] * (left > 0)
        return splits.divide(items, notes=notes)

    def unpair(self, data: Data, found: Sequence[Found]) -> None:
        """Make the training part single pictures of both domains, without any held-out one."""
        held = {example.target for example in chain(data.validation, data.test)}
        own = [Example(example.input) for example in data.train]
        other = [Example(f.picture) for f in found if f.picture.domain != self.domain
                 and f.split in (None, "train") and f.picture not in held]
        if not other:
            raise UserError("expected training pictures of both domains, found those of one")
        data.train = [example for both in zip_longest(own, other) for example in both
                      if example is not None]

    def study(self, train: Sequence[Example]) -> Facts:
        paired = all(example.target is not None for example in train)
        domains = [some(domain_of(train, number)) for number in (0, 1)]
        shapes = [shape for picture in chain(*domains)
                  if (shape := tried(image.shape, picture)) is not None]
        if not shapes:
            raise UserError(f"none of the pictures can be read, for example {train[0].input}")
        shorter = int(numpy.median([min(height, width) for height, width, _ in shapes]))
        size = self.settings.size or min(LARGEST_SIZE, shorter)
        facts = self.Facts(
            method="pix2pix" if paired else "cyclegan", direction=self.settings.direction,
            size=max(8, size // 4 * 4), channels=max(channels for _, _, channels in shapes))
        statistics = [mean_and_covariance(features(decoded(pictures, facts)))
                      for pictures in domains]
        return self.Facts(**{**facts.to_json(), "means": [mean for mean, _ in statistics],
                             "covariances": [covariance for _, covariance in statistics]})

    def encode(self, examples: Sequence[Example]) -> Batch:
        batch = {"image": self.tensor([example.input for example in examples]),
                 "domain": torch.tensor([example.input.domain for example in examples],
                                        dtype=torch.uint8)}
        if all(example.target is not None for example in examples):
            batch["target"] = self.tensor([example.target for example in examples])
        return batch

    def tensor(self, pictures: Sequence[Picture]) -> Tensor:
        """uint8 (pictures, channels, size, size)."""
        size, channels = self.facts.size, self.facts.channels
        pixels = numpy.stack([image.decode(picture, size=(size, size), channels=channels)
                              for picture in pictures])
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()

    def examples(self, given: Sequence[str]) -> list[Example]:
        return [Example(Picture(Path(path), None, self.domain)) for path in given]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        facts, width = self.facts, self.settings.width
        layers = 2 if facts.size <= 64 else 3  # patches of 34 or 70 pixels
        if facts.method == "pix2pix":
            depth = halvings(facts.size)
            generator = UNetGenerator(facts.channels, width, depth)
            judge = PatchDiscriminator(2 * facts.channels, width, layers)  # sees the input too
            return Adversaries(Translators({facts.direction: generator}), {facts.direction: judge})
        return Adversaries(
            Translators({direction: ResidualGenerator(facts.channels, width, self.settings.blocks)
                         for direction in DIRECTIONS}),
            {direction: PatchDiscriminator(facts.channels, width, layers)
             for direction in DIRECTIONS})

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        settings = self.settings
        if self.facts.method == "pix2pix":
            batches = Batches(train, settings.batch_size, seed=settings.seed)
            learn = self.learn_pairs
        else:
            a, b = (train["image"][train["domain"] == number] for number in (0, 1))
            batches, learn = TwoDomains(a, b, settings.batch_size, seed=settings.seed), self.learn
        yield Phase(
            name="train", batches=batches,
            learn=lambda batch: learn(net, self.augment(batch)),
            optimizers={part: (Adam(part.parameters(), settings.learning_rate, (0.5, 0.999)),)
                        for part in (net.generators, net.discriminators)},
            schedule=trapezoid(warmup=0.0, decay=0.5),  # both papers: constant, then down to 0
        )

    def augment(self, batch: Batch) -> Batch:
        if not self.settings.mirror:
            return batch
        mirrored = torch.rand(len(next(iter(batch.values())))) < 0.5
        return {name: torch.where(mirrored.to(values.device)[:, None, None, None],
                                  values.flip(3), values) if values.ndim == 4 else values
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
        yield Update(sum(self.judged(net.discriminators[direction], real[other],
                                     made[direction].detach())
                         for direction, other in (DIRECTIONS, DIRECTIONS[::-1])),
                     net.discriminators, "discriminators")

    def learn_pairs(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        """pix2pix: equation 4 of Isola et al. 2017, with least squares."""
        direction = self.facts.direction
        judge = net.discriminators[direction]
        given, true = scaled(batch["image"]), scaled(batch["target"])
        made = net.generators.directions[direction](given)
        pair = torch.cat([given, made], dim=1)
        yield Update(squares(judge(pair), 1.0) + self.settings.pixel_weight * l1_loss(made, true),
                     net.generators, "generators")
        yield Update(self.judged(judge, torch.cat([given, true], dim=1), pair.detach()),
                     net.discriminators, "discriminators")

    def judged(self, discriminator: nn.Module, real: Tensor, made: Tensor) -> Tensor:
        """What a discriminator should lower: real patches score 1, made ones 0."""
        on_real, on_made = discriminator(torch.cat([real, made])).chunk(2)
        return (squares(on_real, 1.0) + squares(on_made, 0.0)) / 2

    # ---- answering --------------------------------------------------------------------------

    def exported(self, net: nn.Module) -> nn.Module:
        return net.generators if isinstance(net, Adversaries) else net

    def answer(self, net: nn.Module, batch: Batch) -> list[Answer]:
        made = self.exported(net)(scaled(batch["image"]), batch["domain"])
        return [Image(picture) for picture in pixels(made)]

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        generators, given = self.exported(net), scaled(batch["image"])
        made = generators(given, batch["domain"])
        back = None
        if self.facts.method == "cyclegan":
            back = pixels(generators(made, 1 - batch["domain"]))
        return self.measured(pixels(made), batch, back)

    def measured(self, made: numpy.ndarray, batch: Batch,
                 back: numpy.ndarray | None) -> dict[str, numpy.ndarray]:
        """Rows of translated pictures; a metric whose truth is not known gets none."""
        given = batch["image"].permute(0, 2, 3, 1).cpu().numpy()
        rows = {"frechet_distance": features(made)}
        beside = {"cycle_error": (back, given)} if back is not None else {}
        if "target" in batch:
            true = batch["target"].permute(0, 2, 3, 1).cpu().numpy()
            beside |= {"pixel_error": (made, true), "psnr": (made, true)}
        by_name = {metric.name: metric for metric in self.metrics}
        for name, pictures in beside.items():
            rows[name] = numpy.array([by_name[name].row(*pair)
                                      for pair in zip(*pictures, strict=True)], dtype=float)
        return rows

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The picture left as it is, and the mean picture of the domain it should be in."""
        batch = self.encode(test)
        given = batch["image"].permute(0, 2, 3, 1).numpy()
        goal = decoded(some(domain_of(train, 1 - self.domain)), self.facts)
        mean = numpy.broadcast_to(goal.mean(axis=0).round().astype(numpy.uint8), given.shape)
        back = given if self.facts.method == "cyclegan" else None
        return {"left as it is": self.measured(given, batch, back),
                "mean picture": self.measured(mean, batch, None)}

    @classmethod
    def sample(cls, folder: Path) -> Path:
        """White digits on black (A) and black digits on white (B); only the test part is paired."""
        from PIL import Image as Pillow
        from PIL import ImageDraw, ImageFont

        random = numpy_generator(0, "image-translation sample")
        for part, count in (("train", 120), ("test", 24)):
            for domain in "AB":
                (folder / f"{part}{domain}").mkdir(parents=True, exist_ok=True)
            for index in range(count):
                picture = Pillow.new("L", (24, 24))
                place = random.integers((3, -2), (12, 5))
                ImageDraw.Draw(picture).text(
                    tuple(map(int, place)), str(random.integers(10)), fill=255,
                    font=ImageFont.load_default(size=int(random.integers(16, 22))))
                for domain in "AB" if part == "test" else "AB"[index % 2]:
                    shown = picture if domain == "A" else picture.point(lambda level: 255 - level)
                    shown.save(folder / f"{part}{domain}" / f"{index:03}.png")
        return folder


class TwoDomains(Source):
    """Batches {"a", "b"} of unpaired pictures, each domain in an order of its own."""

    def __init__(self, a: Tensor, b: Tensor, batch_size: int, *, seed: int):
        if not len(a) or not len(b):
            raise UserError("expected training pictures of both domains, found those of one")
        size = min(batch_size, len(a), len(b))
        self.a = Batches({"a": a}, size, seed=key(seed, "A"), drop_last=True)
        self.b = Batches({"b": b}, size, seed=key(seed, "B"), drop_last=True)
        self.length = max(self.a.length, self.b.length)

    def __next__(self) -> Batch:
        return next(self.a) | next(self.b)

    def state_dict(self) -> dict[str, Any]:
        return {"a": self.a.state_dict(), "b": self.b.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.a.load_state_dict(state["a"])
        self.b.load_state_dict(state["b"])


def scaled(pictures: Tensor) -> Tensor:
    """uint8 pixels as numbers from -1 to 1."""
    return pictures.float() / 127.5 - 1


def pixels(made: Tensor) -> numpy.ndarray:
    """Numbers from -1 to 1 as uint8 (pictures, height, width, channels)."""
    levels = ((made.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()


def squares(scores: Tensor, wanted: float) -> Tensor:
    """The least-squares loss of a discriminator's scores (Mao et al. 2017)."""
    return (scores - wanted).square().mean()


def halvings(size: int) -> int:
    """How often a side can be halved and stay even or reach 2."""
    depth = 0
    while size % 2 == 0 and size > 2:
        size, depth = size // 2, depth + 1
    return depth


def domain_of(train: Sequence[Example], number: int) -> list[Picture]:
    """The pictures of domain 0 (A) or 1 (B)."""
    return [picture for example in train for picture in (example.input, example.target)
            if picture is not None and picture.domain == number]


def some(pictures: Sequence[Picture]) -> list[Picture]:
    """At most REFERENCE of them, evenly spread."""
    return list(pictures[:: max(1, -(-len(pictures) // REFERENCE))])


def tried(read: Any, picture: Picture) -> Any:
    """What `read` gives for the picture; None where it is damaged."""
    try:
        return read(picture)
    except (OSError, ValueError):
        return None


def decoded(pictures: Sequence[Picture], facts: Facts) -> numpy.ndarray:
    """uint8 (pictures, size, size, channels) of those that can be read."""
    def read(picture: Picture) -> numpy.ndarray:
        return image.decode(picture, size=(facts.size, facts.size), channels=facts.channels)

    found = [pixels for picture in pictures if (pixels := tried(read, picture)) is not None]
    if not found:
        raise UserError("none of the pictures of a domain can be read, for example "
                        f"{pictures[0] if pictures else 'there is none'}")
    return numpy.stack(found)
