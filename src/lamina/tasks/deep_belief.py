"""image -> features, label: a net that first learns, without labels, what images look like.

Restricted Boltzmann machines are stacked and trained layer by layer without labels; then the whole
net is fine-tuned to name the class (Hinton, Osindero and Teh 2006; Hinton and Salakhutdinov 2006).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lamina import settings
from lamina.answers import Answer, Label
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.keys import generator, key, numpy_generator
from lamina.learning import Batch, Phase, Update
from lamina.media import image, labelled
from lamina.metrics.classification import MACRO_F1
from lamina.metrics.metric import ACCURACY
from lamina.nets.boltzmann import DeepBeliefNet
from lamina.probe import Probe
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import divide
from lamina.task import Data, Example, Facts, Task

LOOKED_AT = 100  # images of the training part that decide the size
DEEPEST = 8  # layers
PERSISTENT_RATE = 0.04  # times the step size: chains must move faster than the weights do


@dataclass(frozen=True, kw_only=True)
class BeliefSettings(settings.Settings):
    """What the user of deep belief may choose."""

    batch_size: int = setting(128, "images per optimizer step", low=1, high=65536)
    learning_rate: float = setting(1e-3, "peak step size of AdamW in fine-tuning", low=0, high=100)
    layers: tuple[int, ...] = setting((500, 500, 2000), "hidden units of each layer, from the "
                                      "image upwards", low=1, high=8192)
    pretraining: bool = setting(True, "train the layers as Boltzmann machines first")
    pretraining_share: float = setting(0.4, "share of the steps for that, the same for each layer",
                                       low=0.01, high=0.99)
    pretraining_rate: float = setting(0.1, "peak step size of contrastive divergence, with "
                                      "momentum 0.9", low=0, high=10)
    gibbs_steps: int = setting(1, "steps of Gibbs sampling in contrastive divergence (k of CD-k)",
                               low=1, high=1000)
    chains: int = setting(100, "persistent chains of the top machine, which make its dreams good; "
                          "0: contrastive divergence there too", low=0, high=65536)
    weight_decay: float = setting(2e-4, "of contrastive divergence", low=0, high=1)
    dropout: float = setting(0.3, "share of hidden units left out of a step of fine-tuning",
                             low=0, high=0.95)
    size: int = setting(28, "longest side of an image, pixels; larger images are scaled down",
                        low=2, high=128)

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= len(self.layers) <= DEEPEST:
            raise UserError(f"layers: expected 1 to {DEEPEST} sizes such as 500,500,2000; "
                            f"got {len(self.layers)}")


@dataclass(frozen=True, kw_only=True)
class BeliefFacts(Facts):
    """What the training part taught."""

    labels: list[str]
    height: int = setting(28, "pixels", low=1, high=128)
    width: int = setting(28, "pixels", low=1, high=128)


class DeepBelief(Task):
    """Images, in grey, to labels."""

    Settings = BeliefSettings
    Facts = BeliefFacts
    metrics = (ACCURACY, MACRO_F1)
    budget = Budget(minutes=5)
    precisions = ("float32", "bfloat16")

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            items = labelled.read(Path(source))
        except (ValueError, OSError) as reason:
            raise UserError(str(reason)) from None
        labels = {item.target for item in items}
        if self.facts is None and len(labels) < 2:
            raise UserError(f"{source} has the class {labels.pop()!r} only; expected two or more")
        return divide(items)

    def study(self, train: Sequence[Example]) -> BeliefFacts:
        shapes: Counter[tuple[int, int]] = Counter()
        for example in train[:: max(1, len(train) // LOOKED_AT)]:
            try:
                shapes[image.shape(example.input)[:2]] += 1
            except (ValueError, OSError):
                continue  # named when it is encoded
        if not shapes:
            raise UserError("none of the images that were looked at can be read")
        shape = shapes.most_common(1)[0][0]
        scale = min(1.0, self.settings.size / max(shape))
        height, width = (max(1, round(side * scale)) for side in shape)
        return BeliefFacts(labels=sorted({example.target for example in train}),
                           height=height, width=width)

    def encode(self, examples: Sequence[Example]) -> Batch:
        size = self.facts.height, self.facts.width
        grey = [example.input if isinstance(example.input, numpy.ndarray)
                and example.input.shape == size and example.input.dtype == numpy.uint8
                else image.decode(example.input, size=size, channels=1)[:, :, 0]
                for example in examples]
        batch = {"image": torch.from_numpy(numpy.stack(grey).reshape(len(grey), -1))}
        targets = [example.target for example in examples]
        if None not in targets:
            places = {label: place for place, label in enumerate(self.facts.labels)}
            for target in targets:
                if target not in places:
                    raise ValueError(f"the label {target!r} does not occur in the training part")
            batch["label"] = torch.tensor([places[target] for target in targets])
        return batch

    def examples(self, given: Sequence[str]) -> list[Example]:
        """Each is the path of an image, or of a folder or archive of images."""
        return [Example(file) for file in image.given(given)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        return DeepBeliefNet(self.facts.height * self.facts.width, self.settings.layers,
                             len(self.facts.labels), dropout=self.settings.dropout,
                             chains=self.settings.chains)

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        chosen = self.settings
        depths = len(chosen.layers) if chosen.pretraining else 0
        for depth in range(depths):
            machine = net.machines[depth]
            rate = chosen.pretraining_rate * (PERSISTENT_RATE if len(machine.chains) else 1)
            optimizer = torch.optim.SGD(machine.parameters(), rate, momentum=0.9,
                                        weight_decay=chosen.weight_decay)
            yield Phase(
                name=f"layer {depth + 1}",
                batches=Batches(train, chosen.batch_size, seed=key(chosen.seed, "layer", depth)),
                learn=lambda batch, depth=depth: pretrain(net, depth, batch,
                                                          gibbs_steps=chosen.gibbs_steps),
                optimizers={machine: (optimizer,)},
                schedule=trapezoid(warmup=0.05, decay=0.5),
                share=chosen.pretraining_share / depths,
            )
        yield Phase(
            name="fine-tuning",
            batches=Batches(train, chosen.batch_size, seed=key(chosen.seed, "fine-tuning")),
            learn=lambda batch: self.learn(net, batch),
            optimizers={net.classifier: (torch.optim.AdamW(net.classifier.parameters(),
                                                           chosen.learning_rate),)},
            schedule=trapezoid(warmup=0.05, decay=1.0),
            share=1 - chosen.pretraining_share if depths else 1.0,
        )

    def learn(self, net: DeepBeliefNet, batch: Batch) -> Iterator[Update]:
        """One step of fine-tuning."""
        loss = cross_entropy(net(visible(batch)).float(), batch["label"])
        yield Update(loss, net.classifier, name="cross_entropy")

    # ---- answering --------------------------------------------------------------------------

    def answer(self, net: nn.Module, batch: Batch) -> list[Answer]:
        return named(net(visible(batch)).double().softmax(1), self.facts.labels)

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The most frequent label, and the label whose mean training image is nearest."""
        known = self.encode(train[:: max(1, len(train) // 5000)])
        asked = self.encode(test)
        labels, pixels, places = self.facts.labels, visible(known), known["label"]
        means = torch.stack([pixels[places == place].mean(0) for place in range(len(labels))])
        shares = torch.bincount(places, minlength=len(labels)).double() / len(places)
        nearness = (-torch.cdist(visible(asked), means)).double().softmax(1)
        return {"most frequent label": self.rows(named(shares.expand(len(test), -1), labels), test),
                "nearest mean image": self.rows(named(nearness, labels), test)}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        pixels = batch["image"].float().view(-1, 1, self.facts.height, self.facts.width)
        return Probe("image", pixels, lambda given: net(given.flatten(1) / 255),
                     torch.zeros_like(pixels), tuple(self.facts.labels), batch.get("label"),
                     low=0.0, high=255.0, relative_to="a black image: all visible units off")

    @classmethod
    def sample(cls, folder: Path) -> Path:
        random = numpy_generator(0, "deep belief sample")
        for name in ("bar", "ring", "cross"):
            (folder / name).mkdir(parents=True)
            for number in range(60):
                image.save(drawing(name, random), folder / name / f"{number:02}.png")
        return folder


def pretrain(net: DeepBeliefNet, depth: int, batch: Batch, *,
             gibbs_steps: int) -> Iterator[Update]:
    """One step of contrastive divergence in the machine at that depth."""
    machine = net.machines[depth]
    rule = machine.persistent_divergence if len(machine.chains) else machine.contrastive_divergence
    yield Update(rule(net.below(visible(batch), depth), steps=gibbs_steps), machine,
                 name="free_energy_gap")
    net.unroll(depth)


def named(probabilities: torch.Tensor, labels: Sequence[str]) -> list[Answer]:
    """The likeliest label of each row; probabilities: (images, labels)."""
    return [Label(labels[best], dict(zip(labels, row, strict=True))) for best, row in
            zip(probabilities.argmax(1).tolist(), probabilities.tolist(), strict=True)]


def visible(batch: Batch) -> torch.Tensor:  # (batch, height * width)
    """The grey values as probabilities of ink: 0 is black, 1 is white."""
    return batch["image"].float() / 255


def dream(net: DeepBeliefNet, facts: BeliefFacts, count: int, *, steps: int = 1000,
          seed: int = 0) -> numpy.ndarray:  # uint8 (count, height, width, 1)
    """Images that the Boltzmann machines believe in: samples of what they learnt unlabelled."""
    device = net.machines[0].weight.device
    drawn = net.dream(count, steps=steps, generator=generator(seed, "dream", device=device))
    pixels = (drawn * 255).round().byte().cpu().numpy()
    return pixels.reshape(count, facts.height, facts.width, 1)


def drawing(name: str, random: numpy.random.Generator) -> numpy.ndarray:
    """A grey picture of 12 by 12 pixels with one shape, uint8 (12, 12, 1)."""
    y, x = numpy.mgrid[:12, :12] - 5.5 + random.uniform(-1, 1, (2, 1, 1))
    radius = random.uniform(3.0, 4.0)
    inside = numpy.maximum(abs(x), abs(y)) <= radius
    ink = {"bar": (abs(x) < 1.2) & inside,
           "ring": abs(numpy.hypot(x, y) - radius) < 1.2,
           "cross": (abs(abs(x) - abs(y)) < 1.2) & inside}[name]
    noise = random.integers(0, 40, (12, 12))
    return (ink * 200 + noise).astype(numpy.uint8)[:, :, None]
