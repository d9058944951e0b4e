"""What Lamina's loop adds to a hand-written one: same net, data, order, optimizer, one process.

    python benchmarks/loop_overhead.py [--repeats 20] [--epochs 2]

Both learn the tutorial's MNIST net for its two epochs, by blocks of steps in turns: first one, then
the other. A ratio is of two neighbouring blocks; what counts is the median ratio. Writes
benchmarks/results/loop_overhead.json.
"""

import time
from collections.abc import Iterator
from itertools import islice
from statistics import median

import torch
from common import claim, expect, parser, write
from torch.nn.functional import cross_entropy

from lamina import datasets
from lamina.budget import Plan
from lamina.device import Machine, machine
from lamina.learning import Batch
from lamina.parts import Parts, prepare
from lamina.run import Run
from lamina.tasks.image_classification import ImageClassification

LIMIT = 1.03


def main() -> None:
    asked = parser(__doc__, repeats=20)
    asked.add_argument("--epochs", type=float, default=2.0)
    asked.add_argument("--data", default="mnist")
    asked.add_argument("--batches", type=int, nargs="+", default=[32, 512])
    given = asked.parse_args()
    expect(0.3 + given.epochs * len(given.batches) / 2)
    task = ImageClassification(ImageClassification.Settings(net="cnn"))
    parts, place = prepare(task, datasets.find(given.data)), machine()
    images = given.epochs * len(parts.train["label"])
    found = {size: compared(parts, task.facts, place, size, given.repeats, int(images / size))
             for size in given.batches}
    write("loop_overhead", threads=place.threads, claims=[
        claim(f"batch {size}: the loop takes at most {LIMIT} times a hand-written one's time",
              one["ratio"], at_most=LIMIT) for size, one in found.items()],
        table=[{"batch": str(size), "lamina, ms per step": f"{1000 * one['lamina']:.3f}",
                "hand-written, ms per step": f"{1000 * one['by_hand']:.3f}",
                "ratio": f"{one['ratio']:.3f}"} for size, one in found.items()], results=found)


def compared(parts: Parts, facts, place: Machine, size: int, repeats: int, steps: int) -> dict:
    """Median seconds per step of both loops, and the median ratio, over so many steps of each."""
    task = ImageClassification(
        ImageClassification.Settings(net="cnn", batch_size=size), facts)
    run = Run(task, task.start(), parts.train, machine=place, plan=Plan(steps))
    block = max(1, steps // (repeats + 1))
    loops = {"lamina": run.train(), "by_hand": by_hand(task, parts.train, size)}
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(repeats + 1):
        for name, loop in loops.items():
            began = time.perf_counter()
            for _ in islice(loop, block):
                pass
            times[name].append((time.perf_counter() - began) / block)
    kept = {name: some[1:] for name, some in times.items()}  # the first block warms up
    ratios = [ours / other for ours, other in zip(kept["lamina"], kept["by_hand"], strict=True)]
    return {**{name: median(some) for name, some in kept.items()}, "ratio": median(ratios),
            "ratios": ratios}


def by_hand(task: ImageClassification, train: Batch, size: int) -> Iterator[None]:
    """The loop that a good hand writes; yields after each step."""
    net = task.start().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    images, labels = train["image"], train["label"]
    net.train()
    while True:
        for chosen in torch.randperm(len(labels)).split(size):
            loss = cross_entropy(net(images[chosen]), labels[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            yield


if __name__ == "__main__":
    main()
