"""picture -> boxes with labels: things, cells, faults; from JSON lines, COCO, Pascal VOC and YOLO.

Nets: `single-stage`, labels and boxes from every place at once; `two-stage`, regions first and then
a closer look at each. Both learn from scratch on a small residual net.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import Tensor, nn

from lamina import keys
from lamina.answers.boxes import Detections
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import annotated, image, letterbox
from lamina.media.boxes import Boxes
from lamina.metrics import detection as metrics
from lamina.metrics import neighbours
from lamina.metrics.metric import Metric, mean, ratio
from lamina.nets import boxes as geometry
from lamina.nets import detection, mosaic
from lamina.nets.average import Averaged
from lamina.pixels import shapes_of
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import divide
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts

STUDIED, STUDIED_PIXELS = 1000, 200  # training pictures whose size and pixels are looked at
JUDGED = 0.01  # the least score of a box that counts in the average precision
LABELS_SCORED = 20  # labels that have a score of their own, the frequent ones
COMPARED = 500  # pictures of a baseline
ZOOM = 0.7, 1.3  # by what a picture is enlarged while learning
GAINS = 1.0, 5.0, 1.0, 1.0  # of the losses: labels and boxes, of the second stage too
WEIGHT_DECAY = 0.02


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    net: Literal["single-stage", "two-stage"] = setting("single-stage", "the kind of net")
    size: int = setting(320, "pixels of the longer side of the pictures that the net sees; smaller "
                        "ones are not enlarged", low=32, high=2048)
    width: int = setting(32, "channels of the first layer; the others have multiples: the size "
                         "dial", low=4, high=512)
    blocks: int = setting(1, "residual convolutions per stage", low=1, high=16)
    batch_size: int = setting(8, "pictures per optimizer step", low=1, high=4096)
    learning_rate: float = setting(2e-3, "peak step size of AdamW", low=1e-9, high=100)
    mosaic: float = setting(0.5, "share of the batches whose pictures are made of four", low=0,
                            high=1)
    flip: Literal["no", "sideways", "both"] = setting(
        "sideways", "mirror training pictures left to right, or upside down as well")
    light: float = setting(0.2, "by what share brightness, contrast and colour may change while "
                           "learning", low=0, high=1)
    confidence: float = setting(0.45, "boxes that score less are not given", low=0, high=1,
                                at_predict=True)
    overlap: float = setting(0.6, "of two boxes of a label that overlap more only the surer one is "
                             "given", low=0, high=1, at_predict=True)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    """frequent: the labels that are scored each. mean, deviation: of each channel, 0 to 1."""

    labels: tuple[str, ...]
    frequent: tuple[str, ...]
    height: int = setting(32, "of the pictures that the net sees, pixels", low=32, high=2048)
    width: int = setting(32, "pixels", low=32, high=2048)
    channels: int = setting(3, "1 grey, 3 colour", low=1, high=3)
    most: int = setting(1, "boxes in a training picture", low=1, high=100_000)
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def frame(self) -> letterbox.Size:
        """(height, width) of the pictures that the net sees."""
        return self.height, self.width


class ObjectDetection(Task):
    """Finds things in pictures: a box around each, with its label."""

    Settings, Facts = Settings, Facts
    budget = Budget(minutes=10)
    precisions = ("float32", "bfloat16")
    examples_at_once = 16

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Average precision, of all and of frequent labels, and what a person gets to see."""
        sure = f"boxes that score {self.settings.confidence:g} or more, at an overlap of 0.5"
        return (Metric("map50", "higher", "mean over labels of the average precision, where a box "
                       "is right that overlaps a true one by half", score=metrics.map50),
                Metric("map50_95", "higher", "the same, averaged over overlaps of 0.5 to 0.95",
                       score=metrics.map50_95),
                Metric("f1", "higher", f"harmonic mean of precision and recall of {sure}",
                       score=ratio),
                Metric("mistakes", "lower", f"missed and wrong boxes per picture; {sure}",
                       score=mean),
                *(Metric(f"ap50 {label}", "higher", f"average precision of {label}",
                         score=metrics.map50) for label in self.facts.frequent))

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            found = annotated.read(Path(source))
        except (ValueError, OSError) as reason:
            raise UserError(str(reason)) from None
        data = divide(found.items, notes=found.notes)
        data.damaged += found.damaged
        known = set(self.facts.labels if self.facts else labels_of(data.train))
        if not known:
            raise UserError(f"{source}: no training picture has a box; there is nothing to learn")
        for name in ("validation", "test"):
            strange = {label: count for label, count in labels_of(getattr(data, name)).items()
                       if label not in known}
            if strange:
                data.notes.append(
                    f"{name}: {sum(strange.values()):,} boxes have labels that the training part "
                    f"does not have ({', '.join(sorted(strange)[:8])}); they are not scored")
        empty = sum(not example.target.boxes for example in data.train)
        if empty:
            data.notes.append(f"{empty:,} training pictures have no box: all that is found in them "
                              "is wrong")
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        order = keys.numpy_generator(0, "study").permutation(len(train))[:STUDIED]
        shapes = shapes_of([train[place].input for place in order])
        channels = max(channels for _, _, channels in shapes)
        height, width = letterbox.frame(shapes, self.settings.size)
        pixels = []
        for place in order[:STUDIED_PIXELS]:
            try:
                pixels.append(image.decode(train[place].input, size=(height, width),
                                           channels=channels))
            except (ValueError, OSError):
                continue
        values = numpy.stack(pixels).reshape(-1, channels) / 255
        labels = labels_of(train)
        return Facts(labels=tuple(sorted(labels)), height=height, width=width, channels=channels,
                     frequent=tuple(label for label, _ in labels.most_common(LABELS_SCORED)),
                     most=max(1, *(len(example.target.boxes) for example in train)),
                     mean=tuple(values.mean(0).tolist()),
                     deviation=tuple(values.std(0).clip(min=0.05).tolist()))

    def encode(self, examples: Sequence[Example]) -> Batch:
        """image (n, channels, height, width), frame (n, 2): the picture's own height and width;
        boxes (n, most, 4) in pixels of `image`, label (n, most), -1 where there is no box.
        """
        f = self.facts
        colour = 255 * numpy.array(f.mean)
        seen = [letterbox.framed(example.input, f.frame, colour) for example in examples]
        batch = {"image": torch.from_numpy(numpy.stack([pixels for pixels, _ in seen])
                                           ).permute(0, 3, 1, 2),
                 "frame": torch.tensor([size for _, size in seen])}
        if all(example.target is not None for example in examples):
            boxes = torch.zeros(len(examples), f.most, 4)
            label = torch.full((len(examples), f.most), -1)
            for row, (example, (_, size)) in enumerate(zip(examples, seen, strict=True)):
                known, kind, crowd = example.target.arrays(f.labels)
                known, kind = known[~crowd][: f.most], kind[~crowd][: f.most]
                boxes[row, : len(known)] = torch.from_numpy(known) * letterbox.scale(size, f.frame)
                label[row, : len(kind)] = torch.from_numpy(kind)
            batch |= {"boxes": boxes, "label": label}
        return batch

    def examples(self, given: Sequence[str]) -> list[Example]:
        return [Example(file) for file in image.given(given)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, f = self.settings, self.facts
        body = detection.Pyramid(f.channels, width=s.width, blocks=s.blocks, out=2 * s.width)
        kind = detection.OneStage if s.net == "single-stage" else detection.TwoStage
        return Averaged(kind(body, out=2 * s.width, labels=len(f.labels), mean=f.mean,
                             deviation=f.deviation))

    def augment(self, batch: Batch) -> Batch:
        s, f = self.settings, self.facts
        pixels, boxes, label = batch["image"], batch["boxes"], batch["label"]
        if torch.rand(()) < s.mosaic:
            pixels, boxes, label = mosaic.mosaic(pixels, boxes, label)
        pixels, boxes, label = mosaic.window(
            pixels, boxes, label, f.frame, low=ZOOM[0], high=ZOOM[1],
            flips=(s.flip != "no", s.flip == "both"), empty=background(f, pixels.device))
        return {**batch, "image": mosaic.light(pixels, s.light), "boxes": boxes, "label": label}

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        found = net(batch["image"])
        losses = net.net.losses(found, batch["boxes"], batch["label"])
        yield Update(sum(gain * loss for gain, loss in zip(GAINS, losses, strict=False)), net)
        net.update()

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s = self.settings
        net.average.copy_(net.weights())  # --start-from takes the weights over, not their mean
        net.updates.zero_()
        optimizer = torch.optim.AdamW(net.parameters(), s.learning_rate, weight_decay=WEIGHT_DECAY)
        yield Phase("train", Batches(train, s.batch_size, seed=s.seed),
                    lambda batch: self.learn(net, batch), {net: (optimizer,)},
                    trapezoid(warmup=0.05, decay=0.6), clip=10.0)

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Detections]:
        return detected(net, batch, self.settings.confidence, self.settings.overlap, self.facts)

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        return self.rows(detected(net, batch, JUDGED, self.settings.overlap, self.facts), examples)

    def rows(self, answers: Sequence[Detections],
             examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        f = self.facts
        whole = numpy.array([row_of(answer, example.target, f.labels) for answer, example in
                             zip(answers, examples, strict=True)])
        right, given, there = metrics.right_and_wrong(whole, self.settings.confidence)
        return {"map50": whole, "map50_95": whole, "f1": numpy.stack([2 * right, given + there], 1),
                "mistakes": (given + there - 2 * right)[:, None],
                **{f"ap50 {label}": metrics.of_label(whole, f.labels.index(label))
                   for label in f.frequent}}

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The boxes of one typical training picture, and those of the nearest one."""
        counts = numpy.array([len(example.target.boxes) for example in train])
        usual = train[int(numpy.argsort(counts, kind="stable")[len(train) // 2])]
        searched = train[:neighbours.affordable(
            len(test), self.facts.channels * self.facts.height * self.facts.width, COMPARED)]
        near = neighbours.nearest(self.encode(searched)["image"], self.encode(test)["image"])
        copies = {"the boxes of a typical training picture": [usual] * len(test),
                  f"the boxes of the nearest of {len(searched):,} training pictures":
                  [searched[place] for place in near]}
        scored = ("map50", "f1", "mistakes")
        return {name: {metric: rows for metric, rows in self.rows(
            [copied(example, self.facts) for example in examples], test).items()
            if metric in scored} for name, examples in copies.items()}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        pixels = batch["image"].float()

        def outputs(given: Tensor) -> Tensor:
            _, chances = net(given)
            return chances.logit(eps=1e-6).logsumexp(1)

        return Probe("image", pixels, outputs, background(self.facts, pixels.device).expand_as(
            pixels), self.facts.labels, low=0.0, high=255.0, several=True,
            relative_to="the mean colour of the training pictures")

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = keys.numpy_generator(0, "sample")
        (folder / "pictures").mkdir(parents=True)
        lines = []
        for number in range(60):
            pixels, boxes = shapes_on_paper(random)
            name = f"pictures/{number:02d}.png"
            image.save(pixels, folder / name)
            lines.append(json.dumps({"image": name, "boxes": boxes}))
        (folder / "boxes.jsonl").write_text("\n".join(lines) + "\n")
        return folder


def labels_of(examples: Sequence[Example]) -> Counter[str]:
    """How many boxes there are of each label."""
    return Counter(label for example in examples for label in example.target.labels)


# ---- answers --------------------------------------------------------------------------------

def background(facts: Facts, device: torch.device) -> Tensor:
    """The mean colour, (1, channels, 1, 1)."""
    return 255 * torch.tensor(facts.mean, device=device).view(1, -1, 1, 1)


def detected(net: nn.Module, batch: Batch, least: float, overlap: float, facts: Facts
             ) -> list[Detections]:
    """The boxes of each picture that score at least so, in pixels of the picture itself."""
    boxes, scores, label = (values.float().cpu().numpy() for values in geometry.best(
        *net(batch["image"]), count=metrics.MOST, overlap=overlap))
    pixels = batch["image"].permute(0, 2, 3, 1).cpu().numpy()
    found = []
    for row, size in enumerate(map(tuple, batch["frame"].tolist())):
        enlarged = letterbox.scale(size, facts.frame)
        ends = numpy.array([size[1], size[0]] * 2, numpy.float32)
        own = (boxes[row] / enlarged).clip(0, ends)
        kept = (scores[row] >= max(least, 1e-9)) & ((own[:, 2:] - own[:, :2]).min(1) > 0)
        truth = None
        if "boxes" in batch:
            there = batch["label"][row].cpu() >= 0
            truth = Boxes(tuple(map(tuple, (batch["boxes"][row].cpu()[there] / enlarged).tolist())),
                          tuple(facts.labels[at] for at in batch["label"][row].cpu()[there]),
                          (False,) * int(there.sum()))
        height, width = letterbox.scaled(size, facts.frame)
        found.append(Detections(
            boxes=list(map(tuple, own[kept].tolist())), scores=scores[row][kept].tolist(),
            labels=[facts.labels[int(at)] for at in label[row][kept]], size=size,
            names=facts.labels, pixels=pixels[row, :height, :width], truth=truth))
    return found


def copied(example: Example, facts: Facts) -> Detections:
    """The boxes of an example as an answer."""
    target = example.target
    return Detections(list(target.boxes), list(target.labels), [1.0] * len(target.boxes), (1, 1),
                      facts.labels, numpy.zeros((1, 1, 3), numpy.uint8))


def row_of(answer: Detections, target: Boxes, labels: Sequence[str]) -> numpy.ndarray:
    """The row of one picture."""
    found, label, _ = Boxes(tuple(answer.boxes), tuple(answer.labels),
                            (False,) * len(answer.boxes)).arrays(labels)
    return metrics.row(found, numpy.array(answer.scores), label, *target.arrays(labels),
                       len(labels))


def shapes_on_paper(random: numpy.random.Generator) -> tuple[numpy.ndarray, list[dict]]:
    """A picture of 64 by 64 with up to three coloured shapes, and the box of each."""
    paper = 225 + random.integers(-15, 16, (64, 64, 3))
    y, x = numpy.mgrid[:64, :64] + 0.5
    boxes = []
    for corner in random.permutation(4)[: random.integers(0, 4)]:
        radius = random.integers(8, 14)
        down, across = 32 * numpy.array(divmod(corner, 2)) + 16 + random.integers(-2, 3, 2)
        label = ("disc", "square", "ring")[random.integers(3)]
        far = numpy.maximum(abs(y - down), abs(x - across)) if label == "square" else \
            numpy.hypot(y - down, x - across)
        ink = (far <= radius) & ((far > radius / 2) | (label != "ring"))
        paper = numpy.where(ink[:, :, None], random.integers(20, 150, 3), paper)
        boxes.append({"label": label, "box": [int(across - radius), int(down - radius),
                                              int(across + radius), int(down + radius)]})
    return paper.clip(0, 255).astype(numpy.uint8), boxes
