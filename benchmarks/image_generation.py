"""Made digits: does a classifier read the one that was asked for, and how far are they from real?

    python benchmarks/image_generation.py [--seeds 1] [--minutes 5] [--nets diffusion cgan …]

Trains each net on mnist as a process of its own. The judge is an image-classification model that was
trained apart, in a minute: it reads 1,000 made digits, 100 of each, and the 10,000 real test digits.
Fréchet distances are the runs' own, beside those of real pictures. Writes
benchmarks/results/image_generation_NET.json for each net.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy
from common import claim, expect, process, spread, write

import lamina
from lamina.task import Example

NETS = ("diffusion", "cgan", "dcgan", "vae")
DIGITS = [str(digit) for digit in range(10)]
EACH, LEAST = 100, 0.97


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    given = parser.parse_args()
    expect(1 + given.seeds * len(given.nets) * (given.minutes + 1))
    with tempfile.TemporaryDirectory() as folder:
        judge = Path(folder) / "judge"
        train("image-classification", judge, 1, "--seed", 1000)
        reader = lamina.load(judge)
        accuracy = report(judge)["accuracy"]
        for net in given.nets:
            runs = [one(reader, Path(folder), net, given.minutes, seed)
                    for seed in range(given.seeds)]
            found = summary(runs)
            write(f"image_generation_{net}", judge_accuracy_on_real_digits=accuracy, results=found,
                  runs=runs, table=[row(net, found)], claims=[
                      claim("the judge reads the digit that was asked for, share",
                            found["read"]["mean"], at_least=LEAST)] if "read" in found else [])


def train(task: str, run: Path, minutes: float, *words: object) -> float:
    """Seconds of the whole process."""
    return process("lamina", "train", task, "mnist", "--minutes", minutes, "--run", run, *words)[0]


def report(run: Path) -> dict[str, float]:
    """The scores of a run by name."""
    document = json.loads((run / "report.json").read_text())
    return {score["name"]: score["value"] for score in document["scores"]}


def one(reader, folder: Path, net: str, minutes: float, seed: int) -> dict:
    """A training, its scores, and how often the judge reads what was asked for."""
    run = folder / f"{net}-{seed}"
    seconds = train("image-generation", run, minutes, "--net", net, "--seed", seed)
    found = {"net": net, "seed": seed, "wall_seconds": seconds, **report(run)}
    if net != "dcgan":
        asked = [digit for digit in DIGITS for _ in range(EACH)]
        made = [Example(numpy.asarray(answer.pixels)) for answer in
                lamina.predict(run, [f"{digit}:{10**6 + n}" for n, digit in enumerate(asked)])]
        read = [answer.label for answer in reader.predict(made)]
        found["read"] = float(numpy.mean([a == b for a, b in zip(asked, read, strict=True)]))
    print(found, flush=True)
    return found


def summary(runs: list[dict]) -> dict:
    """Mean and spread of every number of some runs of a net."""
    return {name: spread([run[name] for run in runs]) for name, value in runs[0].items()
            if isinstance(value, float)}


def row(net: str, found: dict) -> dict[str, str]:
    """A line of the table."""
    def cell(name: str) -> str:
        return f"{found[name]['mean']:.3f}" if name in found else "–"

    return {"net": net, "read as asked, by the judge": cell("read"),
            "Fréchet distance": cell("trained_frechet_distance"),
            "of real pictures": cell("trained_frechet_distance_of_real_pictures"),
            "precision": cell("precision"), "recall": cell("recall"),
            "seconds": f"{found['wall_seconds']['mean']:.0f}"}


if __name__ == "__main__":
    main()
