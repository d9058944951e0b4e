"""(label) -> image: learns to make pictures like those it was shown, of a label where one is asked.

Nets: `diffusion`, which takes noise off step by step; `dcgan` and `cgan`, a generator in contest
with a judge, without and with labels; `vae`, a variational autoencoder. Beside it learns a small
classifier, the reader, in whose features sets of pictures are compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu
from torch.optim import Adam

from lamina import keys, wishes
from lamina.answers.sample import Sample
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.media import image, labelled
from lamina.metrics.generation import within
from lamina.metrics.image import features, frechet
from lamina.metrics.metric import Metric
from lamina.nets import generation as nets
from lamina.nets.average import Averaged
from lamina.nets.diffusion import Denoiser, denoising_loss, guided, sampled
from lamina.pixels import pixels, scaled, shapes_of
from lamina.probe import Probe
from lamina.settings import Settings as BaseSettings
from lamina.settings import setting
from lamina.source import Batches
from lamina.splits import divide, some
from lamina.task import Data, Example, Task
from lamina.task import Facts as BaseFacts
from lamina.wishes import Wish

STUDIED = 500  # training pictures whose size is looked at
TURNS = 4  # quarters of a turn: what a reader tells apart where there are no labels
ERROR = 0.1  # variance of the pixels of a vae
READER_RATE = 2e-3
RATES = {"diffusion": 2e-3, "dcgan": 1e-3, "cgan": 1e-3, "vae": 1e-3}


@dataclass(frozen=True, kw_only=True)
class Settings(BaseSettings):
    seed: int = setting(0, "seed of every random choice; another one makes other pictures", low=0,
                        high=2**62, at_predict=True)
    net: Literal["diffusion", "dcgan", "cgan", "vae"] = setting("diffusion", "the kind of net")
    use_labels: bool = setting(True, "tell the net the labels, where there are some")
    image_size: int = setting(0, "pixels of both sides, a multiple of 4; 0: as the data, at most "
                              "64", low=0, high=256)
    width: int = setting(32, "channels at the highest resolution", low=8, high=1024)
    blocks: int = setting(1, "diffusion: residual blocks per resolution", low=1, high=8)
    code: int = setting(64, "dcgan, cgan, vae: numbers that a picture is made of", low=2, high=1024)
    batch_size: int = setting(64, "pictures per optimizer step", low=1, high=4096)
    learning_rate: float = setting(0.0, "peak step size of Adam; 0: 0.002 for diffusion, 0.001 "
                                   "for the others", low=0, high=1)
    unlabelled: float = setting(0.1, "diffusion: share of pictures whose label is not told, so "
                                "that guidance is possible", low=0, high=1)
    samples: int = setting(500, "most pictures made for the test scores; an eighth of them for "
                           "those of validation", low=8, high=100_000)
    guidance: float = setting(2.0, "diffusion: how much more like its label than not a picture "
                              "shall be; 1: as learnt", low=0, high=100, at_predict=True)
    denoising_steps: int = setting(16, "diffusion: steps from noise to a picture", low=1, high=1000,
                                   at_predict=True)
    between: int = setting(0, "pictures on the way from each that is asked for to the next", low=0,
                           high=1000, at_predict=True)


@dataclass(frozen=True, kw_only=True)
class Facts(BaseFacts):
    labels: list[str]  # none where the net is not told any
    size: int = setting(28, "pixels of both sides", low=8, high=256)
    channels: int = setting(1, "1 for grey, 3 for colour", low=1, high=3)


class ImageGeneration(Task):
    """Makes pictures like those of the training part."""

    Settings, Facts = Settings, Facts
    metrics = (
        Metric("frechet_distance", "lower", "distance to the test pictures in the features of a "
               "fixed random net; 0: alike, 1: one average picture", score=frechet),
        Metric("trained_frechet_distance", "lower", "the same in the features of the reader, a "
               "classifier trained beside", score=frechet),
        Metric("trained_frechet_distance_of_real_pictures", "lower", "the same of training "
               "pictures: the least to hope for", score=frechet),
        Metric("precision", "higher", "share of made pictures that lie where real ones do"),
        Metric("recall", "higher", "share of test pictures that lie where made ones do"),
        Metric("read_as_asked", "higher", "share of made pictures in which the reader sees the "
               "label that was asked for"),
        Metric("read_as_asked_of_real_pictures", "higher", "the same of the test pictures: the "
               "reader's accuracy"))
    budget = Budget(minutes=5)
    examples_at_once = 128

    # ---- data -------------------------------------------------------------------------------

    def read(self, source: Path | str) -> Data:
        try:
            items = labelled.pictures(Path(source))
        except ValueError as reason:
            raise UserError(str(reason)) from None
        if not items:
            raise UserError(f"{source} holds no pictures; expected a folder or an archive of "
                            f"{', '.join(image.SUFFIXES[:3])} …, a folder per class if there are "
                            "classes, idx files or an npz")
        data = divide(items)
        most = self.settings.samples
        for part, count in (("validation", max(8, most // 8)), ("test", most)):
            found = getattr(data, part)
            if len(found) > count:
                data.notes.append(f"the {part} scores are of {count:,} of {len(found):,} pictures "
                                  "(--samples)")
                setattr(data, part, some(found, count))
        for part in ("train", "validation", "test"):
            setattr(data, part, [Example(Wish(example.target, number), example.input, example.group)
                                 for number, example in enumerate(getattr(data, part))])
        return data

    def study(self, train: Sequence[Example]) -> Facts:
        labels = {example.input.label for example in train}
        if None in labels or len(labels) < 2:
            labels = set()
        if self.settings.net == "cgan" and not (labels and self.settings.use_labels):
            raise UserError("cgan makes pictures of labels: expected two or more labels, found "
                            f"{'none that are told' if labels else 'none'}; use --net dcgan")
        told = labels if self.settings.use_labels and self.settings.net != "dcgan" else ()
        shapes = shapes_of([example.target for example in some(train, STUDIED)])
        shorter = int(numpy.median([min(height, width) for height, width, _ in shapes]))
        size = self.settings.image_size or min(64, shorter)
        return Facts(labels=sorted(told), size=max(8, size // 4 * 4),
                     channels=max(channels for _, _, channels in shapes))

    def encode(self, examples: Sequence[Example]) -> Batch:
        batch = wishes.encoded([example.input for example in examples], self.facts.labels)
        if all(example.target is not None for example in examples):
            size = (self.facts.size, self.facts.size)
            pixels = numpy.stack([image.decode(example.target, size=size,
                                               channels=self.facts.channels)
                                  for example in examples])
            batch["image"] = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
        return batch

    def examples(self, given: Sequence[str]) -> list[Example]:
        """LABEL, LABEL:NUMBER or, where no labels are told, NUMBER; by default some of each."""
        return [Example(wish) for wish in
                wishes.asked(given, self.facts.labels, self.settings.between)]

    # ---- learning ---------------------------------------------------------------------------

    def build(self) -> nn.Module:
        s, f = self.settings, self.facts
        shape = (f.channels, f.size, len(f.labels))
        if s.net == "diffusion":
            maker = Denoiser(*shape, width=s.width, blocks=s.blocks)
        else:
            kind = nets.VAE if s.net == "vae" else nets.Generator
            maker = kind(*shape, width=s.width, code=s.code)
        reader = nets.Reader(f.channels, f.size, len(f.labels) or TURNS)
        studio = nets.Studio(Averaged(maker), reader)
        return nets.Contest(studio, nets.Judge(*shape, width=s.width)) \
            if s.net.endswith("gan") else studio

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        s, studio = self.settings, self.exported(net)
        adversarial = isinstance(net, nets.Contest)
        betas = (0.5, 0.999) if adversarial else (0.9, 0.99)
        parts = (net.judge, studio.maker) if adversarial else (studio.maker,)
        optimizers = {part: (Adam(part.parameters(), s.learning_rate or RATES[s.net], betas),)
                      for part in parts}
        optimizers[studio.reader] = (Adam(studio.reader.parameters(), READER_RATE),)
        yield Phase("train", Batches(train, s.batch_size, seed=s.seed),
                    lambda batch: self.learn(net, batch), optimizers,
                    trapezoid(warmup=0.02, decay=0.5), clip=None if adversarial else 1.0)

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        studio, pictures = self.exported(net), scaled(batch["image"])
        label = wishes.told(batch, len(self.facts.labels))
        if self.settings.net == "diffusion":
            kept = torch.rand(len(label), 1, device=label.device) >= self.settings.unlabelled
            yield Update(denoising_loss(studio.maker, pictures, label * kept), studio.maker,
                         "denoising")
        elif self.settings.net == "vae":
            evidence = studio.maker.net.evidence(pictures, label, ERROR)
            yield Update(evidence, studio.maker, "evidence")
        else:
            # the hinge loss of Lim and Ye 2017 and Miyato et al. 2018
            code = torch.randn(len(label), self.settings.code, device=label.device)
            made = studio.maker(code, label)
            real, false = (net.judge(some, label) for some in (pictures, made.detach()))
            yield Update(relu(1 - real).mean() + relu(1 + false).mean(), net.judge, "judge")
            yield Update(-net.judge(made, label).mean(), studio.maker, "generator")
        studio.maker.update()
        yield reading(studio, pictures, batch["label"][:, 0].long(), told=bool(self.facts.labels))
        studio.remember(pictures)

    # ---- answering --------------------------------------------------------------------------

    def exported(self, net: nn.Module) -> nn.Module:
        return net.studio if isinstance(net, nets.Contest) else net

    def adjust(self, net: nn.Module, validation: Iterator[Batch]) -> None:
        """Some made pictures, among which real ones are looked for."""
        made = []
        for batch in validation:
            made.append(self._made(net, {name: values[:nets.MADE_POOL]
                                         for name, values in batch.items()}))
            if sum(map(len, made)) >= nets.MADE_POOL:
                break
        self.exported(net).show(torch.cat(made))

    def _made(self, net: nn.Module, batch: Batch) -> Tensor:
        """The pictures that are wished for, (batch, channels, size, size), -1 to 1."""
        f, s, maker = self.facts, self.settings, self.exported(net).maker
        shape = (f.channels, f.size, f.size) if s.net == "diffusion" else (s.code,)
        noise, label = wishes.noise(batch, shape, s.seed), wishes.told(batch, len(f.labels))
        if s.net != "diffusion":
            return maker(noise, label).float().clamp(-1, 1)
        return sampled(guided(maker, label, s.guidance), noise, s.denoising_steps).clamp(-1, 1)

    def answer(self, net: nn.Module, batch: Batch) -> list[Sample]:
        labels, made = self.facts.labels, self._made(net, batch)
        asked = batch["label"][:, 0].tolist()
        chances = self.exported(net).reader(made).float().softmax(1)
        return [Sample(picture, labels[place] if place >= 0 else "", *(
                    (labels[best], chance) if labels else ("", 0.0)))
                for picture, place, chance, best in zip(pixels(made), asked, *(
                    found.tolist() for found in chances.max(1)), strict=True)]

    def evaluate(self, net: nn.Module, batch: Batch,
                 examples: Sequence[Example]) -> dict[str, numpy.ndarray]:
        studio, made, real = self.exported(net), self._made(net, batch), scaled(batch["image"])
        seen, true = studio.reader.features(made).float(), studio.reader.features(real).float()
        pool = studio.remembered()
        rows = {"frechet_distance": beside(pixels(made), pixels(real)),
                "trained_frechet_distance": torch.cat([seen, true], 1),
                "precision": within(seen, pool)[:, None],
                "recall": within(true, studio.made[: int(studio.made_count)])[:, None]}
        if len(pool):
            others = pool[batch["number"][:, 0] % len(pool)]
            rows["trained_frechet_distance_of_real_pictures"] = torch.cat([others, true], 1)
        if self.facts.labels:
            for name, pictures in (("read_as_asked", made),
                                   ("read_as_asked_of_real_pictures", real)):
                right = studio.reader(pictures).argmax(1) == batch["label"][:, 0]
                rows[name] = right[:, None]
        return {name: numpy.asarray(values.cpu() if isinstance(values, Tensor) else values, float)
                for name, values in rows.items()}

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        """The mean picture, and pictures whose pixels have the mean and the covariance of some
        training pictures."""
        real = pixels(scaled(self.encode(test)["image"]))
        known = scaled(self.encode(some(train, STUDIED))["image"])
        mean, random = known.mean(0), keys.generator(0, "baseline")
        mixed = torch.randn(len(real), len(known), generator=random) / len(known) ** 0.5
        drawn = mean + torch.einsum("ik,kchw->ichw", mixed, known - mean)
        return {name: {"frechet_distance": beside(pixels(made.clamp(-1, 1)), real)}
                for name, made in (("mean picture", mean.expand(len(real), *mean.shape)),
                                   ("pixels drawn from a normal distribution", drawn))}

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        """Of the reader, on the pictures that are made: why it sees in them what it sees."""
        if not self.facts.labels:
            raise NotImplementedError("image-generation has no labels that could be looked for")
        made = (self._made(net, batch) + 1) * 127.5
        grey = made.mean((2, 3), keepdim=True).expand_as(made)
        reader = self.exported(net).reader
        return Probe("image", made, lambda given: reader(given / 127.5 - 1), grey,
                     tuple(self.facts.labels), batch["label"][:, 0].long(), low=0.0, high=255.0,
                     relative_to="its own mean colour")

    @classmethod
    def sample(cls, folder: Path) -> Path:
        """Small grey pictures of discs and of bars."""
        random = keys.numpy_generator(0, "sample")
        y, x = numpy.mgrid[:8, :8]
        for label in ("bar", "disc"):
            (folder / label).mkdir(parents=True)
            for number in range(40):
                across, down = random.integers(2, 6, 2)
                ink = (y - down) ** 2 + (x - across) ** 2 < random.integers(3, 8) \
                    if label == "disc" else abs(x - across) < random.integers(1, 3)
                picture = (ink * random.integers(150, 256)).astype(numpy.uint8)
                image.save(picture[:, :, None], folder / label / f"{number:02}.png")
        return folder


def reading(studio: nets.Studio, pictures: Tensor, label: Tensor, *, told: bool) -> Update:
    """The reader learns the labels, or where none are told how far a picture was turned (Gidaris
    et al. 2018).
    """
    if not told:
        label = torch.randint(TURNS, (len(pictures),), device=pictures.device)
        turned = torch.stack([pictures.rot90(turns, (2, 3)) for turns in range(TURNS)])
        pictures = turned[label, torch.arange(len(pictures), device=pictures.device)]
    loss = cross_entropy(studio.reader(pictures).float(), label)
    return Update(loss, studio.reader, "reader")


def beside(made: numpy.ndarray, real: numpy.ndarray) -> numpy.ndarray:
    """The features of pictures next to those of others, by a fixed random net."""
    return numpy.concatenate([features(made), features(real)], 1).astype(float)
