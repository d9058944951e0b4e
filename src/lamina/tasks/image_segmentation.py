"""image -> mask: a class for every pixel of a picture, and if asked every object by itself.

`unet` (Ronneberger et al. 2015) and `fcn` (Long et al. 2015), both learnt from scratch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina import keys
from lamina.answers.mask import Mask
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import image, masked, masks
from lamina.media.masked import Picture
from lamina.media.masks import VOID
from lamina.metrics import objects as counting
from lamina.metrics import segmentation
from lamina.metrics.metric import Metric
from lamina.metrics.objects import COUNT_ERROR, OBJECT_F1, separated
from lamina.muon import Muon
from lamina.nets.augment import crops, jittered
from lamina.nets.average import Averaged
from lamina.nets.segmentation import FCN, Normalized, UNet, borders, in_tiles, mean_of, soft_dice
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import divide, some
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts

STUDIED, LOOKED = 200, 50  # training pictures whose pixels, and masks whose numbers are looked at
NUMBERED = 8  # masks that hold 0 to n each, for more different n than that, number objects
SCORED = 20  # classes that have scores of their own
SMALLEST = 8  # pixels of an object
AT_ONCE = 1 << 21  # pixels that are answered side by side

Found = tuple[numpy.ndarray, numpy.ndarray | None]  # the classes and objects of a picture


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    net: Literal["unet", "fcn"] = setting("unet", "the kind of net")
    width: int = setting(8, "channels at full resolution; each halving doubles them", low=2,
                         high=256)
    depth: int = setting(4, "how often the picture is halved", low=1, high=7)
    classes: tuple[str, ...] = setting(
        (), "names of the classes by their number in the masks, from 0 on; default: the lines of "
        "classes.txt, or all numbers found")
    void: int = setting(VOID, "number in the masks that is neither learnt nor scored; -1: none",
                        low=-1, high=65535)
    instances: Literal["auto", "yes", "no"] = setting(
        "auto", "whether masks number objects, 1 to n, instead of classes; auto: if all hold 0 to "
        "some n")
    longest: int = setting(1024, "pixels of the longer side that larger pictures are scaled to",
                           low=16, high=16384)
    crop: int = setting(128, "pixels of the side of the crops that are learnt from", low=16,
                        high=4096)
    tile: int = setting(512, "pixels of the side of the tiles that large pictures are answered in",
                        low=128, high=16384, at_predict=True)
    zoom: float = setting(0.25, "crops are enlarged or reduced by up to this share", low=0,
                          high=0.9)
    flip: Literal["none", "horizontal", "both"] = setting(
        "horizontal", "mirror crops left to right, or upside down as well")
    jitter: float = setting(0.2, "change of brightness and contrast, a share of them", low=0,
                            high=1)
    batch_size: int = setting(16, "crops per optimizer step", low=1, high=4096)
    learning_rate: float = setting(0.24, "peak step size of Muon; Adam gets 0.04 of it", low=0,
                                   high=100)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    labels: list[str]
    values: list[int]  # the number of each class in masks
    instances: bool
    channels: int = setting(1, "1 for grey, 3 for colour", low=1, high=3)
    mean: list[float]  # of each channel, grey levels
    deviation: list[float]


class ImageSegmentation(Task):
    """Gives each pixel of a picture a class."""

    Settings, Facts = Settings, Facts
    budget = Budget(minutes=5)
    precisions = ("float32", "bfloat16")
    examples_at_once = 16

    @property
    def metrics(self) -> tuple[Metric, ...]:
        found = [segmentation.DICE, segmentation.IOU, segmentation.MEAN_IOU, segmentation.PIXELS]
        if self.facts is None or self.facts.instances:
            return *found, COUNT_ERROR, OBJECT_F1
        labels = self.facts.labels if len(self.facts.labels) <= SCORED else []
        return *found, *(metric for label in labels for metric in segmentation.of_class(label))

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            items, notes = masked.read(Path(source), longest=self.settings.longest)
        except (ValueError, OSError) as reason:
            raise UserError(str(reason)) from None
        data = divide(items, notes=notes)
        if self._instances(data.train):
            data.notes.append("masks number objects, which are told apart and counted; with "
                              "--instances no each number is a class")
        return data

    def _instances(self, train: Sequence[Example]) -> bool:
        """Whether masks number objects; some are looked at where that is not known."""
        if self.facts is not None:
            return self.facts.instances
        if self.settings.instances != "auto":
            return self.settings.instances == "yes"
        looked = [example.target for example in some(train, LOOKED)]
        layers = [number for mask in looked for number, _ in mask.layers]
        if layers or self.settings.classes or looked[0].names:
            return len(set(layers)) == len(layers) > 0  # no file's name comes twice
        found = [{0, *masks.values(mask)} for mask in looked]
        return all(max(values) < len(values) for values in found) and \
            len({max(values) for values in found}) > NUMBERED

    def study(self, train: Sequence[Example]) -> Facts:
        instances = self._instances(train)
        found = {value for example in train for value in masks.values(example.target)}
        names = self.settings.classes or train[0].target.names
        if instances:
            found, names = {min(value, 1) for value in found}, ("background", "object")
        try:
            labels, values = masks.named(sorted(found), names, self.settings.void)
        except ValueError as reason:
            raise UserError(str(reason)) from None
        read = []
        for example in some(train, STUDIED):
            try:
                read.append(image.decode(example.input))
            except (ValueError, OSError):
                continue  # named when it is encoded
        if not read:
            raise UserError(f"no training picture can be read; the first is {train[0].input}")
        channels = max(picture.shape[2] for picture in read)
        levels = numpy.concatenate([picture[::4, ::4].reshape(-1, picture.shape[2])
                                    * numpy.ones((1, channels)) for picture in read])
        return Facts(labels=labels, values=values, instances=instances, channels=channels,
                     mean=levels.mean(0).round(3).tolist(),
                     deviation=numpy.maximum(levels.std(0), 5).round(3).tolist())

    def encode(self, examples: Sequence[Example]) -> Batch:
        """image, size (height, width in it), whole (of the file); mask and objects of targets."""
        known = all(example.target is not None for example in examples)
        found = [self._encoded(example, known) for example in examples]
        room = [max(max(example.input.room[axis], one["image"].shape[axis])
                    for example, one in zip(examples, found, strict=True)) for axis in (0, 1)]
        batch = {name: torch.tensor([one[name] for one in found]) for name in ("size", "whole")}
        for name, outside in (("image", None), ("mask", VOID), ("objects", 0)):
            if name in found[0]:
                batch[name] = torch.from_numpy(numpy.stack([
                    masks.filled(one[name], room, outside) for one in found])).permute(0, 3, 1, 2)
        return batch

    def _encoded(self, example: Example, known: bool) -> dict[str, Any]:
        """One example's arrays, (height, width, channels)."""
        picture = image.decode(example.input, channels=self.facts.channels)
        whole = picture.shape[:2]
        size = masked.fitting(whole, self.settings.longest)
        encoded = {"image": image.decode(picture, size=size), "size": size, "whole": whole}
        if not known:
            return encoded
        try:
            numbers = masks.numbers(example.target)
        except (ValueError, OSError) as reason:
            raise ValueError(f"its mask {example.target.name} cannot be read: {reason}") from None
        if numbers.shape != whole:
            raise ValueError(f"its mask has {masks.sides(numbers)} pixels, expected "
                             f"{masks.sides(picture)} as the picture has")
        numbers = masks.scaled(numbers, *size)
        if self.facts.instances:
            encoded["objects"] = masks.renumbered(numbers)[:, :, None].astype(numpy.int16)
            encoded["mask"] = (numbers > 0)[:, :, None].astype(numpy.uint8)
            return encoded
        encoded["mask"] = masks.placed(numbers, self.facts.values, self.settings.void)[:, :, None]
        return encoded

    def examples(self, given: Sequence[str]) -> list[Example]:
        files = image.given(given)
        files = [file for file in files if not masked.is_mask(file)] or files
        return [Example(Picture(file.path, file.member)) for file in files]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, f = self.settings, self.facts
        kind = UNet if s.net == "unet" else FCN
        return Averaged(Normalized(kind(f.channels, len(f.labels) + f.instances, width=s.width,
                                        depth=s.depth), f.mean, f.deviation))

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        # Muon for the filters, Adam for the rest, no warm-up (Jordan et al. 2024)
        optimizers = (
            Muon([p for p in net.parameters() if p.ndim == 4], s.learning_rate, momentum=0.6),
            torch.optim.Adam([p for p in net.parameters() if p.ndim < 4], 0.04 * s.learning_rate,
                             betas=(0.9, 0.99)))
        yield Phase("train", Batches(train, s.batch_size, seed=s.seed),
                    lambda batch: self.learn(net, batch), {net: optimizers},
                    trapezoid(warmup=0.0, decay=1.0))

    def augment(self, batch: Batch) -> Batch:
        s = self.settings
        maps = torch.cat([batch[name].int() for name in ("mask", "objects") if name in batch], 1)
        pictures, maps = crops(batch["image"], maps, batch["size"], side=s.crop, zoom=s.zoom,
                               mirrored=(s.flip == "both", s.flip != "none"), outside=VOID)
        found = {"image": jittered(pictures, s.jitter), "mask": maps[:, :1]}
        return found | ({"objects": maps[:, 1:]} if "objects" in batch else {})

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        """Cross-entropy and soft Dice of the classes; of the objects' borders as well."""
        logits, mask = net(batch["image"]).float(), batch["mask"][:, 0].long()
        counted = (mask != VOID)[:, None].float()
        count = len(self.facts.labels)
        known = torch.where(mask == VOID, 0, mask)
        own, truth = logits[:, :count], functional.one_hot(known, count).movedim(3, 1).float()
        each = functional.cross_entropy(own, known, reduction="none")[:, None]
        loss = mean_of(each, counted) + soft_dice(own.softmax(1), truth, counted)
        if self.facts.instances:
            edge, wanted = logits[:, count:], borders(batch["objects"] * counted)
            each = functional.binary_cross_entropy_with_logits(edge, wanted, reduction="none")
            loss = loss + mean_of(each, counted) + soft_dice(edge.sigmoid(), wanted, counted)
        yield Update(loss, net)
        net.update()

    # ---- answering --------------------------------------------------------------------------

    def _found(self, net: nn.Module, batch: Batch) -> list[Found]:
        """The classes of each picture, and its objects where they are told, at its own size."""
        count, multiple = len(self.facts.labels), 2**self.settings.depth
        tile = max(1, self.settings.tile // (4 * multiple)) * 4 * multiple
        found: dict[int, Found] = {}
        for chosen, (height, width) in alike(batch["size"]):
            logits = in_tiles(net, batch["image"][chosen, :, :height, :width], tile=tile,
                              overlap=tile // 4, multiple=multiple).float()
            classes = logits[:, :count].argmax(1).cpu().numpy()
            edges = (logits[:, count:] > 0).cpu().numpy()
            for place, one, edge in zip(chosen.tolist(), classes, edges, strict=True):
                found[place] = one, self._objects(one > 0, *edge)
        return [found[place] for place in range(len(found))]

    def _objects(self, mask: numpy.ndarray, *edge: numpy.ndarray) -> numpy.ndarray | None:
        """The objects of a mask, parted at their edge where it is known; None if none are told."""
        if not self.facts.instances:
            return None
        return separated(mask, edge[0] if edge else numpy.zeros_like(mask), smallest=SMALLEST)

    def answer(self, net: nn.Module, batch: Batch) -> list[Mask]:
        shown = [own(batch, "image", place) for place in range(len(batch["size"]))]
        return [Mask(picture, classes, self.facts.labels, self.facts.values, tuple(whole), objects)
                for picture, (classes, objects), whole in zip(
                    shown, self._found(net, batch), batch["whole"].tolist(), strict=True)]

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        return self._measured(self._found(net, batch), batch)

    def _measured(self, found: Sequence[Found], batch: Batch) -> dict[str, numpy.ndarray]:
        """The metrics' rows of what was found in the pictures of an encoded batch."""
        rows: dict[str, list[tuple[float, ...]]] = {metric.name: [] for metric in self.metrics}
        for place, (classes, objects) in enumerate(found):
            truth = own(batch, "mask", place)[:, :, 0]
            one = segmentation.measured(classes, truth, truth != VOID, self.facts.labels)
            if objects is not None:
                one |= counting.measured(objects, own(batch, "objects", place)[:, :, 0])
            for name in rows:
                rows[name].append(one[name])
        return {name: numpy.array(values, dtype=float) for name, values in rows.items()}

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The commonest class everywhere; and the rarer side of an Otsu threshold as the commonest
        class but that one.
        """
        counts = numpy.zeros(VOID + 1, int)
        for example in some(train, STUDIED):
            try:
                counts += numpy.bincount(self.encode([example])["mask"].flatten(), minlength=256)
            except (ValueError, OSError):
                continue
        first, second = numpy.argsort(-counts[: len(self.facts.labels)], kind="stable")[:2]
        batch = self.encode(test)
        found: dict[str, list[Found]] = {f"all {self.facts.labels[first]}": [],
                                         "Otsu threshold": []}
        for place in range(len(test)):
            levels = own(batch, "image", place).mean(2).astype(numpy.uint8)
            bright = levels > masks.otsu(levels)
            rare = bright if bright.mean() < 0.5 else ~bright
            for answers, where in zip(found.values(), (numpy.zeros_like(rare), rare), strict=True):
                classes = numpy.where(where, second, first)
                answers.append((classes, self._objects(classes > 0)))
        return {name: self._measured(answers, batch) for name, answers in found.items()}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        height, width = batch["size"].amax(0).tolist()
        given = batch["image"][:, :, :height, :width].float()
        count = len(self.facts.labels)
        with torch.no_grad():
            answered = net(given)[:, :count].argmax(1, keepdim=True)
        region = torch.zeros(len(given), count, height, width, device=given.device)
        region.scatter_(1, answered, 1.0)

        def outputs(images: Tensor) -> Tensor:
            """The mean log-odds of each class where the net found it."""
            logits = net(images)[:, :count].float()
            odds = torch.stack([logits[:, label] - logits[:, torch.arange(count) != label]
                                .logsumexp(1) for label in range(count)], dim=1)
            where = region.repeat(len(images) // len(region), 1, 1, 1)
            return (odds * where).sum((2, 3)) / where.sum((2, 3)).clamp(min=1)

        neutral = torch.tensor(self.facts.mean, device=given.device).view(1, -1, 1, 1)
        return Probe("image", given, outputs, neutral.expand_as(given), tuple(self.facts.labels),
                     low=0.0, high=255.0, several=True,
                     relative_to="the mean colour of the training pictures")

    @classmethod
    def sample(cls, folder: Path) -> Path:
        """Discs and squares on noise: images/, masks/ as indexed PNG, and classes.txt."""
        random = keys.numpy_generator(0, "sample")
        for name in ("images", "masks"):
            (folder / name).mkdir(parents=True)
        y, x = numpy.mgrid[:32, :32]
        for number in range(40):
            levels, mask = random.integers(0, 60, (32, 32)), numpy.zeros((32, 32), int)
            for kind in (1, 2):
                down, right = abs(y - random.integers(6, 26)), abs(x - random.integers(6, 26))
                side = random.integers(4, 7)
                inside = down**2 + right**2 <= side**2 if kind == 1 else \
                    numpy.maximum(down, right) < side
                levels, mask = numpy.where(inside, levels + 90 * kind, levels), \
                    numpy.where(inside, kind, mask)
            name = f"{number:02}.png"
            image.save(levels.clip(0, 255).astype(numpy.uint8), folder / "images" / name)
            (folder / "masks" / name).write_bytes(masks.png(mask))
        (folder / "classes.txt").write_text("background\ndisc\nsquare\n")
        return folder


def alike(sizes: Tensor) -> Iterator[tuple[Tensor, list[int]]]:
    """Places of pictures of one size, few enough for the memory, and that size."""
    for size in sizes.unique(dim=0):
        places = (sizes == size).all(1).nonzero()[:, 0]
        for chosen in places.split(max(1, AT_ONCE // int(size.prod()))):
            yield chosen, size.tolist()


def own(batch: Batch, name: str, place: int) -> numpy.ndarray:
    """That map of one picture of the batch without what lies beyond it: (height, width, maps)."""
    height, width = batch["size"][place].tolist()
    return batch[name][place, :, :height, :width].permute(1, 2, 0).cpu().numpy()
