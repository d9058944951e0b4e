"""Are wrong labels found? mnist with a share of its labels flipped at random, and without.

    python benchmarks/label_noise.py [--seeds 5] [--images 60000] [--steps 1000] [--share 0.02]

Flips labels of training and test part, trains, and compares the list of suspicious labels with
what was flipped. Then the same search on data as they are: the list should be empty or short.
Writes benchmarks/results/label_noise.json.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy
from common import spread, write

from lamina import datasets, verbs
from lamina.case import Case
from lamina.checks import labels
from lamina.keys import numpy_generator
from lamina.media import labelled
from lamina.options import Options
from lamina.session import Session
from lamina.splits import content

UNTOUCHED = {"mnist": ("image-classification", 1000), "digits": ("image-classification", 300),
             "flowers": ("image-classification", 500), "adult-income": ("table-prediction", 1500),
             "compas": ("table-prediction", 400)}  # (task, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=60_000, help="of mnist's training part")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.02, help="of the labels that are flipped")
    parser.add_argument("--seconds", type=float, default=60, help="for the search")
    parser.add_argument("--untouched", nargs="*", default=list(UNTOUCHED), choices=UNTOUCHED)
    given = parser.parse_args()
    runs = [flipped(seed, given) for seed in range(given.seeds)]
    found = {part: {kind: spread([run[part][kind] for run in runs])
                    for kind in ("recall", "precision")} for part in ("test", "train")}
    quiet = {name: untouched(name, given.seconds) for name in given.untouched}
    write("label_noise", claims=["at least 80 % of the flipped labels are listed, and at least "
                                 "60 % of the list are flipped", "untouched data: no error"],
          share=given.share, flipped=found, runs=runs, untouched=quiet)


def flipped(seed: int, given: argparse.Namespace) -> dict:
    """Recall and precision in each part of one noisy copy of mnist."""
    with tempfile.TemporaryDirectory() as folder:
        truth = noisy_mnist(Path(folder) / "mnist.npz", seed, given)
        case, seconds = searched("image-classification", f"{folder}/mnist.npz", given.steps,
                                 Path(folder) / "run", given.seconds, seed)
        listed = [line.split(",") for line in
                  (case.run.folder / labels.FILE).read_text().splitlines()[1:]] \
            if (case.run.folder / labels.FILE).exists() else []
        found = {"seed": seed, "seconds": round(seconds, 1)}
        for part in ("train", "validation", "test"):
            examples = getattr(case.data, part)
            wrong = {i for i, one in enumerate(examples)
                     if truth[content(one.input)] != one.target}
            named = {int(line[1]) for line in listed if line[0] == part}
            found[part] = {"wrong": len(wrong), "listed": len(named),
                           "recall": round(len(wrong & named) / max(1, len(wrong)), 4),
                           "precision": round(len(wrong & named) / max(1, len(named)), 4)}
    print(found, flush=True)
    return found


def noisy_mnist(path: Path, seed: int, given: argparse.Namespace) -> dict[str, str]:
    """Writes an npz file; gives the true label by the content of each image."""
    items = labelled.read(datasets.find("mnist"))
    random = numpy_generator(seed, "label noise")
    arrays, truth = {}, {}
    for part in ("train", "test"):
        chosen = [item for item in items if item.split == part]
        if part == "train":
            chosen = [chosen[i] for i in random.permutation(len(chosen))[: given.images]]
        label = numpy.array([int(item.target) for item in chosen])
        bad = random.random(len(label)) < given.share
        wrong = (label + random.integers(1, 10, len(label))) % 10
        arrays |= {f"{part}_images": numpy.stack([item.input for item in chosen]),
                   f"{part}_labels": numpy.where(bad, wrong, label)}
        truth |= {content(item.input): item.target for item in chosen}
    numpy.savez(path, **arrays)
    return truth


def untouched(name: str, seconds: float) -> dict:
    """What is reported of data as they are."""
    task, steps = UNTOUCHED[name]
    with tempfile.TemporaryDirectory() as folder:
        case, _ = searched(task, name, steps, Path(folder) / "run", seconds, 0)
        found = labels.find(case, seconds)
        path = case.run.folder / labels.FILE
        count = len(path.read_text().splitlines()) - 1 if path.exists() else 0
    result = {"listed": count, "level": found[0].level if found else None,
              "evidence": found[0].evidence if found else None,
              "examples": sum(len(getattr(case.data, part))
                              for part in ("train", "validation", "test"))}
    print(name, result, flush=True)
    return result


def searched(task: str, data: str, steps: int, run: Path, seconds: float, seed: int
             ) -> tuple[Case, float]:
    """A trained case whose labels were searched with so much time, and what the search took."""
    verbs.train(task, data, run=str(run), steps=steps, seed=seed, say=lambda line: None)
    session = Session.reopen(run, say=lambda line: None)
    try:
        for _ in session.train():
            pass
        case = Case(session.run, session.run.finish(), session.parts, Options())
        (run / labels.FILE).unlink(missing_ok=True)
        began = time.perf_counter()
        labels.find(case, seconds)
        return case, time.perf_counter() - began
    finally:
        session.close()


if __name__ == "__main__":
    main()
