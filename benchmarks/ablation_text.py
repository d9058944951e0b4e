"""What each part of the text recipe is worth: tiny Shakespeare with and without it.

    python benchmarks/ablation_text.py [--steps 250] [--seeds 5] [--only GELU ...]

Every run takes the same number of steps with the default settings; the score is nats per character
on the validation part after the last one, so differences are what a part gains at equal data, and
the seconds say what it costs. Variants take turns. About 15 minutes on two cores. Writes
benchmarks/results/ablation_text.json.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from statistics import mean, stdev
from unittest.mock import patch

import torch
from common import spread, write
from torch import nn
from torch.nn.functional import gelu

from lamina.budget import Plan, trapezoid
from lamina.datasets.find import find
from lamina.device import machine
from lamina.nets import gpt
from lamina.parts import Parts, prepare
from lamina.run import Run
from lamina.tasks import text_generation
from lamina.tasks.text_generation import TextGeneration

RECIPE = "the recipe"
ADAMW_RATE = 0.004  # of all weights, in the place of Muon

Changed = Callable[[], AbstractContextManager]


def look_without_norm(block: gpt.Block, x: torch.Tensor, turns: tuple) -> tuple:
    """Queries, keys and values, as they come out of their layers."""
    query, key, value = (layer(x).unflatten(-1, (block.heads, -1)).transpose(1, 2)
                         for layer in (block.query, block.key, block.value))
    return gpt.rotate(query, turns), gpt.rotate(key, turns), value


def adamw(weights, rate: float) -> torch.optim.Optimizer:
    """In the place of Muon."""
    return torch.optim.AdamW(weights, ADAMW_RATE, betas=(0.9, 0.99), weight_decay=0.0)


def schedule(**changed: float) -> Changed:
    """Another shape of the learning rate."""
    return lambda: patch.object(text_generation, "trapezoid",
                                lambda **usual: trapezoid(**usual | changed))


VARIANTS: dict[str, Changed] = {
    RECIPE: nullcontext,
    "AdamW for all weights": lambda: patch.object(text_generation, "Muon", adamw),
    "no convolution": lambda: patch.object(gpt.GPT, "convolve", lambda net, x, before=None: (x, x)),
    "no rotary positions": lambda: patch.object(gpt, "rotate", lambda x, turns: x),
    "queries and keys not normed": lambda: patch.object(gpt.Block, "look", look_without_norm),
    "GELU": lambda: patch.object(gpt, "squared_relu", gelu),
    "no layer starts at zero": lambda: patch.object(nn.init, "zeros_", lambda weight: weight),
    "no warm-up": schedule(warmup=0.0),
    "no decay": schedule(decay=0.0),
}


def main() -> None:
    """Train each variant once per seed, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    given = parser.parse_args()
    reader = TextGeneration(TextGeneration.Settings())
    parts = prepare(reader, find("tiny-shakespeare"))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in given.only}
    for seed in range(given.seeds):
        for name, runs in found.items():
            with VARIANTS[name]():
                runs.append(learnt(reader.facts, parts, seed, given.steps))
            print(f"seed {seed}  {name:30}  {runs[-1][0]:.4f}  {runs[-1][1]:5.1f} s", flush=True)
    rows = [row(name, runs, found.get(RECIPE, runs)) for name, runs in found.items()]
    for one in rows:
        print(f"{one['variant']:30}  {one['nats']['mean']:.4f} ± {one['nats']['deviation']:.4f}  "
              f"{one['worse_by']:+.4f} ± {one['worse_by_deviation']:.4f}")
    write("ablation_text", claim=f"nats per character on the validation part of tiny Shakespeare "
          f"after {given.steps} steps, with and without each part of the recipe", variants=rows)


def learnt(facts: text_generation.Facts, parts: Parts, seed: int,
           steps: int) -> tuple[float, float]:
    """Validation's nats per character, and the seconds of learning."""
    task = TextGeneration(TextGeneration.Settings(seed=seed), facts)
    run = Run(task, task.start(), parts.train, parts.validation,
              machine=machine(precision="float32"), plan=Plan(steps), evaluations=1,
              say=lambda line: None)
    began = time.perf_counter()
    *_, last = run.train()
    return last.scores["nats per character"], time.perf_counter() - began


def row(name: str, runs: list[tuple[float, float]], recipe: list[tuple[float, float]]) -> dict:
    """The variant's scores, its seconds, and how much worse it is than the recipe, by seed."""
    worse = [a[0] - b[0] for a, b in zip(runs, recipe, strict=True)]
    return {"variant": name, "nats": spread([nats for nats, _ in runs]),
            "seconds": spread([seconds for _, seconds in runs]), "worse_by": mean(worse),
            "worse_by_deviation": stdev(worse) if len(worse) > 1 else 0.0}


if __name__ == "__main__":
    main()
