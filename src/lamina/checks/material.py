"""The examples of a data set as checks look at them: which kind, which sample, which numbers."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy
import torch

from lamina.keys import numpy_generator
from lamina.media import image, packed, sound, table
from lamina.media.files import File
from lamina.parts import Parts
from lamina.scoring import Part
from lamina.task import Example, Task

PARTS = ("train", "validation", "test")
SIDE = 32  # pixels at most, of the pictures that checks compare
# Examples that a second allows to look at, so that a machine's load changes no finding.
PER_SECOND = {"decoded": 45_000, "image": 100, "sound": 100, "text": 1_000, "row": 8_000}
BYTES_PER_SECOND = 40_000_000  # of decoded pictures
CHUNK = 1_000_000  # numbers of pixels that are worked on together


@dataclass
class Material:
    """A data set to be checked, and how long that may take.

    shown: most examples of a finding. reading_end, end: on the monotonic clock, when examples are
    no more decoded, and when the check that is under way must stop.
    """

    task: Task
    parts: Parts
    seconds: float
    shown: int = 12
    reading_end: float = math.inf
    end: float = math.inf
    kept: dict[Any, Any] = field(default_factory=dict)  # what was worked out once

    def part(self, name: str) -> Part:
        """The part of that name."""
        return self.parts.training if name == "train" else getattr(self.parts, name)

    @property
    def kind(self) -> Literal["image", "sound", "text", "row", ""]:
        """What the inputs are; "" for what there is nothing to check of."""
        examples = self.part("train").examples
        return kind_of(examples[0].input) if len(examples) else ""

    @property
    def labels(self) -> bool:
        """Whether the targets are labels: some texts that recur."""
        return self.once("labels", lambda: targets_are_labels(
            [example.target for example in self.part("train").examples], self.kind))

    @property
    def numbers(self) -> bool:
        """Whether the targets are finite numbers."""
        targets = [example.target for example in self.part("train").examples]
        return bool(targets) and all(isinstance(t, (int, float)) and not isinstance(t, bool)
                                     and math.isfinite(t) for t in targets)

    def late(self) -> bool:
        """Whether the time of the check that is under way is over."""
        return time.monotonic() > self.end

    def once(self, name: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, worked out at the first call."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    def chosen(self, name: str) -> numpy.ndarray:
        """The places of the part's examples that there is time to look at, rising.

        All where there is time for all; else of the test and the validation part up to a quarter
        each of what there is time for, and the training part takes the rest.
        """
        rate: float = PER_SECOND.get(self.kind, 0)
        if self.kind == "image" and (encoded := self.encoded("train")) is not None:
            rate = min(PER_SECOND["decoded"], BYTES_PER_SECOND / encoded.shape[1:].numel())
        left, counts = max(30, int(rate * self.seconds)), {}
        for part, share in (("test", 0.25), ("validation", 1 / 3), ("train", 1.0)):
            free = left if sum(len(self.part(p)) for p in PARTS) <= rate * self.seconds else \
                int(share * left)
            counts[part] = min(len(self.part(part)), free)
            left -= counts[part]
        count = len(self.part(name))
        order = numpy_generator(self.task.settings.seed, "check", name).permutation(count)
        return numpy.sort(order[: counts[name]])

    def examples(self, name: str) -> Iterator[tuple[int, Example]]:
        """The chosen examples of a part with their places, until the time is over."""
        part = self.part(name).examples
        for number, place in enumerate(self.chosen(name).tolist()):
            if number % 32 == 0 and time.monotonic() > self.reading_end:
                return
            yield place, part[place]

    def looked(self, names: Sequence[str] = PARTS) -> str:
        """How many of the parts' examples are looked at, in words."""
        seen, count = (sum(map(len, found)) for found in
                       (map(self.chosen, names), map(self.part, names)))
        return f"all {count:,}" if seen == count else f"{seen:,} of {count:,}"

    # ---- pictures ---------------------------------------------------------------------------

    def encoded(self, name: str) -> torch.Tensor | None:
        """uint8 (examples, channels, height, width) where the pictures are decoded already."""
        part = self.part(name)
        pixels = part.batch.get("image")
        if pixels is not None and pixels.dtype == torch.uint8 and pixels.ndim == 4 \
                and len(pixels) == len(part):
            return pixels
        return self.once(("stacked", name), lambda: stacked(part.examples))

    def pixels(self, name: str) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Places, and their pictures at most SIDE pixels high and wide, uint8 (n, channels, h, w).
        """
        return self.once(("pixels", name), lambda: self._pixels(name))

    def _pixels(self, name: str) -> tuple[numpy.ndarray, numpy.ndarray]:
        encoded = self.encoded(name)
        if encoded is not None:
            places = self.chosen(name)
            if len(places) == len(encoded) and max(encoded.shape[2:]) <= SIDE:
                return places, encoded[:].numpy()
            size = max(1, CHUNK // encoded.shape[1:].numel())
            found = torch.empty(len(places), encoded.shape[1],
                                *(min(SIDE, side) for side in encoded.shape[2:]), dtype=torch.uint8)
            for start in range(0, len(places), size):
                some = slice(start, start + size)
                found[some] = smaller(encoded[torch.from_numpy(places[some])])
            return places, found.numpy()
        places, found = [], []
        for place, example in self.examples(name):
            try:
                pixels = image.decode(example.input, size=(SIDE, SIDE), channels=3)
            except (OSError, ValueError):
                continue  # it is named as damaged where it matters
            places.append(place)
            found.append(pixels.transpose(2, 0, 1))
        shape = (0, 3, SIDE, SIDE)
        return numpy.array(places, int), numpy.stack(found) if found else numpy.zeros(shape, "u1")

    # ---- sound ------------------------------------------------------------------------------

    def sounds(self, name: str) -> list[tuple[int, numpy.ndarray, int]]:
        """Place, samples and rate of the chosen sounds that can be decoded."""
        return self.once(("sounds", name), lambda: list(self._sounds(name)))

    def _sounds(self, name: str) -> Iterator[tuple[int, numpy.ndarray, int]]:
        for place, example in self.examples(name):
            try:
                yield place, *sound.decode(example.input)
            except (OSError, ValueError):
                continue

    # ---- texts and rows ---------------------------------------------------------------------

    def texts(self, name: str) -> list[tuple[int, str]]:
        """Place and text of the chosen examples, with a target that continues or mirrors it."""
        return self.once(("texts", name), lambda: [
            (place, whole(example)) for place, example in self.examples(name)])

    def rows(self, name: str) -> tuple[numpy.ndarray, dict[str, numpy.ndarray]]:
        """Places, and each column's cells as texts, None where missing: objects (n,)."""
        return self.once(("rows", name), lambda: self._rows(name))

    def _rows(self, name: str) -> tuple[numpy.ndarray, dict[str, numpy.ndarray]]:
        found = list(self.examples(name))
        given = packed.Columns([example.input for _, example in found])
        cells = {name: numpy.array(table.texts(given[name]), dtype=object) for name in given.names}
        return numpy.array([place for place, _ in found], int), cells


def kind_of(given: Any) -> Literal["image", "sound", "text", "row", ""]:
    """What an input is."""
    if isinstance(given, File):
        name = given.name.lower()
        return "sound" if name.endswith(sound.SUFFIXES) else \
            "image" if name.endswith(image.SUFFIXES) else ""
    if isinstance(given, numpy.ndarray):
        return "image" if given.dtype == numpy.uint8 and given.ndim in (2, 3) else ""
    return "text" if isinstance(given, str) else "row" if isinstance(given, Mapping) else ""


def targets_are_labels(targets: Sequence[Any], kind: str) -> bool:
    """Whether they are texts; of texts and sounds at most half as many different ones."""
    if not targets or not all(isinstance(target, str) for target in targets):
        return False
    return kind not in ("text", "sound") or len(set(targets)) <= len(targets) / 2


def whole(example: Example) -> str:
    """The text, with its target where that is a text too and no label."""
    longer = isinstance(example.target, str) and len(example.target) > 40
    return example.input + example.target if longer else example.input


def stacked(examples: Sequence[Example]) -> torch.Tensor | None:
    """Arrays of pixels of one shape as uint8 (examples, channels, height, width)."""
    if not len(examples) or not isinstance(examples[0].input, numpy.ndarray):
        return None
    shape = examples[0].input.shape
    if any(not isinstance(example.input, numpy.ndarray) or example.input.shape != shape
           for example in examples):
        return None
    pixels = torch.from_numpy(numpy.stack([example.input for example in examples]))
    return pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)


def smaller(pixels: torch.Tensor) -> torch.Tensor:
    """The pictures scaled down to at most SIDE pixels, uint8 (n, channels, height, width)."""
    height, width = (min(SIDE, side) for side in pixels.shape[2:])
    if (height, width) == pixels.shape[2:]:
        return pixels
    mean = torch.nn.functional.interpolate(pixels.float(), (height, width), mode="area")
    return mean.round().to(torch.uint8)
