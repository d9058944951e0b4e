"""image -> label: photos, scans, drawings; from folders, archives, lists, idx and npz files.

Nets: `mlp`; `cnn`, the well-known tutorial's two-layer net (Conv 32 3x3, max-pool, Dense 128);
`resnet`, a small residual net with the recipe below; `tanh`, a small net for private learning.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina import keys
from lamina.answers import Label
from lamina.budget import Budget, constant, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import image, labelled
from lamina.metrics import neighbours
from lamina.metrics.metric import ACCURACY
from lamina.muon import Muon
from lamina.nets.average import Averaged
from lamina.nets.image import TanhCNN, TutorialCNN, image_mlp
from lamina.nets.resnet import ResNet
from lamina.pixels import shapes_of
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import divide, some
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts

STUDIED = 1000  # training images whose size and pixels are looked at
COMPARED, COMPARED_FILES = 2500, 500  # images of a baseline; files must be decoded for it
PIXELS = 2**17  # of a batch where nothing is learnt; twice as many are no faster


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    net: Literal["mlp", "cnn", "resnet", "tanh"] = setting("resnet", "the kind of net")
    width: int = setting(16, "channels of resnet's stem; each stage doubles them", low=4, high=512)
    blocks: int = setting(1, "residual convolutions per stage of resnet", low=1, high=16)
    norm: Literal["batch", "group"] = setting(
        "batch", "normalisation in resnet; with group no image depends on others of its batch")
    image_size: int = setting(0, "pixels of the shorter side; 0: as the data, at most 96",
                              low=0, high=1024)
    batch_size: int = setting(128, "images per optimizer step", low=1, high=65536)
    learning_rate: float = setting(
        0.0, "peak step size; 0: 0.001 for mlp and cnn (Adam), 0.24 for resnet (Muon), 1 for tanh "
        "(SGD)", low=0, high=100)
    label_smoothing: float = setting(0.1, "share of the truth spread over all labels by resnet",
                                     low=0, high=0.9)
    shift: int = setting(2, "random shift of training images, pixels; resnet only", low=0,
                         high=64)
    flip: Literal["auto", "yes", "no"] = setting(
        "auto", "mirror training images left to right; auto: colour images, resnet only")


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    labels: list[str]
    size: int  # pixels of both sides
    channels: int  # 1 grey, 3 colour
    mean: list[float]  # of each channel, on the scale 0 to 1
    deviation: list[float]


class ImageClassification(Task):
    """Assigns each image one label."""

    Settings, Facts = Settings, Facts
    metrics = (ACCURACY,)
    budget = Budget(minutes=5)
    precisions = ("float32", "bfloat16")
    private: ClassVar[dict[str, Any]] = {"net": "tanh", "norm": "group", "batch_size": 1024}

    @property
    def examples_at_once(self) -> int:
        """As many as have PIXELS: what a net makes of a batch is far larger than the batch."""
        return max(8, min(512, PIXELS // self.facts.size**2))

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            items = labelled.read(Path(source))
        except ValueError as reason:
            raise UserError(str(reason)) from None
        labels = {item.target for item in items}
        if len(labels) < 2:
            raise UserError(f"{source} has only the class {labels.pop()!r}; expected two or more")
        return divide(items)

    def study(self, train: Sequence[Example]) -> Facts:
        labels = Counter(example.target for example in train)
        chosen = keys.numpy_generator(0, "study").permutation(len(train))[:STUDIED]
        shapes = shapes_of([train[index].input for index in chosen])
        common = int(numpy.median([min(height, width) for height, width, _ in shapes]))
        size = self.settings.image_size or min(96, max(8, common))
        channels = max(channels for _, _, channels in shapes)
        pixels = []
        for index in chosen[:200]:
            try:
                pixels.append(decoded(train[index], size, channels))
            except (ValueError, OSError):
                continue
        values, levels = numpy.stack(pixels).reshape(-1, channels).T, numpy.arange(256) / 255
        shares = numpy.stack([numpy.bincount(one, minlength=256) for one in values]) / len(values.T)
        mean = shares @ levels  # of all pixels, which as numbers would take 20 times their memory
        deviation = (shares * (levels - mean[:, None]) ** 2).sum(1) ** 0.5
        return Facts(labels=sorted(labels, key=by_number), size=size, channels=channels,
                     mean=mean.tolist(), deviation=numpy.maximum(deviation, 0.05).tolist())

    def encode(self, examples: Sequence[Example]) -> Batch:
        size, channels = self.facts.size, self.facts.channels
        pixels = numpy.stack([decoded(example, size, channels) for example in examples])
        batch = {"image": torch.from_numpy(pixels).permute(0, 3, 1, 2)}  # (n, channels, h, w)
        if all(example.target is not None for example in examples):
            place = {label: index for index, label in enumerate(self.facts.labels)}
            for example in examples:
                if example.target not in place:
                    raise ValueError(f"its label {example.target!r} is not in the training part")
            batch["label"] = torch.tensor([place[example.target] for example in examples])
        return batch

    def examples(self, given: Sequence[str]) -> list[Example]:
        return [Example(file) for file in image.given(given)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, f = self.settings, self.facts
        if s.net == "mlp":
            body = image_mlp(f.channels, f.size, len(f.labels))
        elif s.net == "cnn":
            body = TutorialCNN(f.channels, f.size, len(f.labels))
        elif s.net == "tanh":
            body = TanhCNN(f.channels, f.size, len(f.labels))
        else:
            # pixels a side after the stem: what is grey, drawn or scanned, needs less detail
            detail, stages = (14, 2) if f.channels == 1 else (32, 3)
            body = ResNet(f.channels, len(f.labels), width=s.width, blocks=s.blocks, norm=s.norm,
                          halvings=max(0, round(math.log2(f.size / detail))), stages=stages)
        net = Normalized(body, f.mean, f.deviation)
        # private learning, which needs the norm "group", lowers losses of its own
        return Averaged(net) if s.net == "resnet" and s.norm == "batch" else net

    def augment(self, batch: Batch) -> Batch:
        s = self.settings
        if s.net != "resnet":
            return batch
        pixels = batch["image"]
        if s.shift:
            pixels = shifted(pixels, min(s.shift, self.facts.size // 8))
        if s.flip == "yes" or (s.flip == "auto" and self.facts.channels == 3):
            mirrored = torch.rand(len(pixels), device=pixels.device) < 0.5
            pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
        return {**batch, "image": pixels}

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        smoothing = self.settings.label_smoothing if self.settings.net == "resnet" else 0.0
        yield Update(functional.cross_entropy(net(batch["image"]).float(), batch["label"],
                                              label_smoothing=smoothing), net)
        if isinstance(net, Averaged):
            net.update()

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        optimizers: tuple[torch.optim.Optimizer, ...]
        if s.net == "resnet":
            # Muon for the filters, Adam for the rest, no warm-up (Jordan et al. 2024)
            rate = s.learning_rate or 0.24
            optimizers = (
                Muon([p for p in net.parameters() if p.ndim == 4], rate, momentum=0.6),
                torch.optim.Adam([p for p in net.parameters() if p.ndim < 4], 0.04 * rate,
                                 betas=(0.9, 0.99)))
            schedule = trapezoid(warmup=0.0, decay=1.0)
        elif s.net == "tanh":
            optimizers = (torch.optim.SGD(net.parameters(), s.learning_rate or 1.0, momentum=0.9,
                                          nesterov=True),)
            schedule = trapezoid(warmup=0.05, decay=0.5)
        else:
            optimizers = (torch.optim.Adam(net.parameters(), s.learning_rate or 1e-3),)
            schedule = constant
        yield Phase("train", Batches(train, s.batch_size, seed=s.seed),
                    lambda batch: self.learn(net, batch), {net: optimizers}, schedule,
                    clip=1.0 if s.net == "tanh" else None)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Label]:
        chances = net(batch["image"]).float().softmax(1).cpu()
        return [Label(self.facts.labels[best], dict(zip(self.facts.labels, row, strict=True)))
                for best, row in zip(chances.argmax(1).tolist(), chances.tolist(), strict=True)]

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The most frequent class, and the class of the training image whose pixels are nearest."""
        common = Counter(example.target for example in train).most_common(1)[0][0]
        most = COMPARED if isinstance(train[0].input, numpy.ndarray) else COMPARED_FILES
        asked = some(test, most)
        searched = some(train, neighbours.affordable(
            len(asked), self.facts.channels * self.facts.size**2, most))
        near = neighbours.nearest(self.encode(searched)["image"], self.encode(asked)["image"])
        copied = [Label(searched[place].target, {searched[place].target: 1.0}) for place in near]
        return {"majority class": self.rows([Label(common, {common: 1.0})] * len(test), test),
                f"nearest of {len(searched):,} training images": self.rows(copied, asked)}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        pixels = batch["image"].float()
        neutral = torch.tensor(self.facts.mean, device=pixels.device).view(1, -1, 1, 1) * 255
        return Probe("image", pixels, net, neutral.expand_as(pixels), tuple(self.facts.labels),
                     batch.get("label"), low=0.0, high=255.0,
                     relative_to="the mean colour of the training images")

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "sample")
        for label, draw in (("circle", disc), ("cross", cross), ("stripes", stripes)):
            (folder / label).mkdir(parents=True)
            for number in range(40):
                paper = random.integers(150, 256) - random.integers(0, 40, (28, 28))
                ink = draw(random) * random.integers(90, 140)
                pixels = numpy.clip(paper - ink, 0, 255).astype(numpy.uint8)
                image.save(pixels[:, :, None], folder / label / f"{label}-{number:02d}.png")
        return folder


class Normalized(nn.Module):
    """A net whose uint8 images are first brought to mean 0 and deviation 1 per channel."""

    def __init__(self, body: nn.Module, mean: Sequence[float], deviation: Sequence[float]):
        super().__init__()
        self.body = body
        for name, values in (("mean", [255 * value for value in mean]),
                             ("scale", [1 / (255 * value) for value in deviation])):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:  # (batch, channels, height, width), uint8
        values = (pixels.to(self.mean.dtype) - self.mean) * self.scale
        if len(values) > 1:  # a lone image has no use for it, and torch.func.vmap no way to do it
            values = values.contiguous(memory_format=torch.channels_last)
        return self.body(values)


def decoded(example: Example, size: int, channels: int) -> numpy.ndarray:
    """The example's pixels, uint8 (size, size, channels)."""
    given = example.input
    if isinstance(given, numpy.ndarray) and given.shape[:2] == (size, size):
        if given.ndim == 2 and channels == 1:
            return given[:, :, None]
        if given.ndim == 3 and given.shape[2] == channels:
            return given
    return image.decode(given, size=(size, size), channels=channels)


def shifted(pixels: Tensor, most: int) -> Tensor:
    """Each image (batch, channels, height, width) moved by up to `most` pixels, edges repeated."""
    count, _, height, width = pixels.shape
    move = torch.randint(-most, most + 1, (2, count, 1), device=pixels.device)
    down = (torch.arange(height, device=pixels.device) + move[0]).clamp(0, height - 1)
    right = (torch.arange(width, device=pixels.device) + move[1]).clamp(0, width - 1)
    each = torch.arange(count, device=pixels.device)
    return pixels.permute(0, 2, 3, 1)[each[:, None, None], down[:, :, None], right[:, None, :]
                                      ].permute(0, 3, 1, 2)


def by_number(label: str) -> tuple[float, str]:
    """Sorts labels that are numbers by value, before the others."""
    return (float(label), label) if label.isdecimal() else (float("inf"), label)


def disc(random: numpy.random.Generator) -> numpy.ndarray:
    """A filled circle somewhere, 1 where the ink is: (28, 28)."""
    y, x = numpy.mgrid[:28, :28]
    centre, radius = random.integers(10, 18, 2), random.integers(5, 9)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def cross(random: numpy.random.Generator) -> numpy.ndarray:
    """A diagonal cross somewhere, (28, 28)."""
    y, x = numpy.mgrid[:28, :28]
    y, x = y - random.integers(10, 18), x - random.integers(10, 18)
    thin = random.integers(1, 3)
    return ((abs(y - x) <= thin) | (abs(y + x) <= thin)) & (abs(x) <= 9)


def stripes(random: numpy.random.Generator) -> numpy.ndarray:
    """Parallel stripes, (28, 28)."""
    y, x = numpy.mgrid[:28, :28]
    return ((x if random.random() < 0.5 else y) + random.integers(0, 6)) % 6 < random.integers(2, 4)
