"""What each part of the image recipe is worth: MNIST and CIFAR-10 with and without it.

    python benchmarks/ablation_images.py [--seeds 5] [--only ReLU ...] [--data mnist]

Every run takes the same number of steps with the default settings, but for CIFAR-10's width; the
score is the accuracy on the validation part after the last one, so differences are what a part
gains at equal data, and the seconds say what it costs. Variants take turns. About 11 minutes on
two cores. Writes benchmarks/results/ablation_images.json.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import mean, stdev
from typing import Any
from unittest.mock import patch

import torch
from common import spread, write
from torch import nn

from lamina.budget import Plan, trapezoid
from lamina.datasets.find import find
from lamina.device import machine
from lamina.nets import resnet
from lamina.nets.average import Averaged
from lamina.parts import Parts, prepare
from lamina.run import Run
from lamina.tasks import image_classification
from lamina.tasks.image_classification import ImageClassification

RECIPE = "the recipe"
DATA = {  # steps, fraction of the training part, settings
    "mnist": (200, 1.0, {}),  # half an epoch
    "cifar10-jpeg": (180, 0.1, {"width": 8}),  # about five epochs
}
SGD_RATE = 0.1  # of Nesterov's momentum in the place of Muon or Adam
ADAM_RATE = 0.003  # in the place of Muon

Changed = Callable[[], AbstractContextManager]


def sgd(weights, rate: float, **_) -> torch.optim.Optimizer:
    """In the place of Muon or Adam."""
    return torch.optim.SGD(weights, SGD_RATE, momentum=0.9, nesterov=True)


def adam(weights, rate: float, *, momentum: float) -> torch.optim.Optimizer:
    """In the place of Muon."""
    return torch.optim.AdamW(weights, ADAM_RATE, betas=(0.9, 0.99), weight_decay=0.0)


def schedule(**changed: float) -> Changed:
    """Another shape of the learning rate."""
    return lambda: patch.object(image_classification, "trapezoid",
                                lambda **usual: trapezoid(**usual | changed))


def without_mean() -> AbstractContextManager:
    """The weights themselves answer, not their mean."""
    return patch.object(Averaged, "forward", lambda averaged, given: averaged.net(given))


@contextmanager
def without_both() -> Iterator[None]:
    """As the recipe stands early in a long run, but for the mean of the weights."""
    with schedule(decay=0.0)(), without_mean():
        yield


VARIANTS: dict[str, tuple[Changed, dict[str, Any]]] = {  # what is patched, what is set
    RECIPE: (nullcontext, {}),
    "SGD in the place of Muon": (lambda: patch.object(image_classification, "Muon", sgd), {}),
    "Adam in the place of Muon": (lambda: patch.object(image_classification, "Muon", adam), {}),
    "SGD in the place of Adam": (lambda: patch.object(torch.optim, "Adam", sgd), {}),
    "ReLU": (lambda: patch.object(nn, "GELU", nn.ReLU), {}),
    "no residual path": (lambda: patch.object(resnet, "Residual", nn.Sequential), {}),
    "mean over the last map": (
        lambda: patch.object(nn, "AdaptiveMaxPool2d", nn.AdaptiveAvgPool2d), {}),
    "warm-up": (schedule(warmup=0.2), {}),
    "no decay": (schedule(decay=0.0), {}),
    "no mean of the weights": (without_mean, {}),
    "no decay and no mean": (without_both, {}),
    "no label smoothing": (nullcontext, {"label_smoothing": 0.0}),
    "no shift": (nullcontext, {"shift": 0}),
    "no flip": (nullcontext, {"flip": "no"}),
}


def main() -> None:
    """Train each variant once per seed, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--data", nargs="*", default=list(DATA), choices=list(DATA))
    given = parser.parse_args()
    found = {name: ablation(name, given.only, given.seeds) for name in given.data}
    write("ablation_images", claim="accuracy on the validation part with and without each part of "
          "the recipe, at equal steps", results=found)


def ablation(name: str, variants: list[str], seeds: int) -> dict[str, Any]:
    """The table of one data set."""
    steps, fraction, settings = DATA[name]
    reader = ImageClassification(ImageClassification.Settings(**settings))
    parts = prepare(reader, find(name), fraction=fraction)
    wanted = [one for one in variants if one != "no flip" or reader.facts.channels == 3]
    found: dict[str, list[tuple[float, float]]] = {one: [] for one in wanted}
    for seed in range(seeds):
        for variant, runs in found.items():
            changed, chosen = VARIANTS[variant]
            with changed():
                task = ImageClassification(ImageClassification.Settings(
                    seed=seed, **settings | chosen), reader.facts)
                runs.append(learnt(task, parts, steps))
            print(f"{name}  seed {seed}  {variant:26}  {runs[-1][0]:.4f}  {runs[-1][1]:5.1f} s",
                  flush=True)
    rows = [row(variant, runs, found.get(RECIPE, runs)) for variant, runs in found.items()]
    for one in rows:
        print(f"{name}  {one['variant']:26}  {one['accuracy']['mean']:.4f} ± "
              f"{one['accuracy']['deviation']:.4f}  {one['better_by']:+.4f} ± "
              f"{one['better_by_deviation']:.4f}")
    return {"steps": steps, "fraction": fraction, "settings": settings, "rows": rows}


def learnt(task: ImageClassification, parts: Parts, steps: int) -> tuple[float, float]:
    """(accuracy on the validation part after the last step, seconds of learning)."""
    run = Run(task, task.start(), parts.train, parts.validation, machine=machine(device="cpu"),
              plan=Plan(steps), evaluations=1, say=lambda line: None)
    began = time.perf_counter()
    for point in run.train():
        if point.scores:
            score = point.scores["accuracy"]
    return score, time.perf_counter() - began


def row(variant: str, runs: list[tuple[float, float]], usual: list[tuple[float, float]]
        ) -> dict[str, Any]:
    """A line of the table. better_by: accuracy over that of the recipe with the same seed."""
    scores, seconds = zip(*runs, strict=True)
    gains = [score - recipe for score, (recipe, _) in zip(scores, usual, strict=True)]
    return {"variant": variant, "accuracy": spread(scores), "better_by": mean(gains),
            "better_by_deviation": stdev(gains) if len(gains) > 1 else 0.0,
            "seconds": spread(seconds)}


if __name__ == "__main__":
    main()
