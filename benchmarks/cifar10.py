"""CIFAR-10: test accuracy after 5, 15 and 30 minutes, beside a plain ResNet-18 loop.

    python benchmarks/cifar10.py [--repeats 5] [--minutes 5 15 30]

Lamina's minutes cover the whole process. The peer's cover learning alone: starting, decoding (the
images are decoded for it beforehand, once) and its final test come on top, which favours it. Writes
benchmarks/results/cifar10.json.
"""

import io
import tarfile
import tempfile
from pathlib import Path
from statistics import mean

import numpy
from common import (
    claim,
    expect,
    in_turns,
    medians,
    parser,
    peer,
    peer_versions,
    plus_minus,
    whole_process,
    write,
)
from PIL import Image

from lamina import datasets


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--minutes", type=float, nargs="+", default=[5, 15, 30])
    given = asked.parse_args()
    expect(given.repeats * sum(2 * minutes + 1.5 for minutes in given.minutes))
    sides = {}
    with tempfile.TemporaryDirectory() as folder:
        file = decoded(datasets.find("cifar10-jpeg"), Path(folder) / "cifar10.npz")
        for minutes in given.minutes:
            sides[f"lamina, {minutes:g} minutes"] = lambda seed, minutes=minutes: lamina(
                minutes, seed)
            sides[f"ResNet-18, {minutes:g} minutes"] = lambda seed, minutes=minutes: peer(
                "torch_resnet18", file, "--minutes", minutes, "--seed", seed)
        runs = in_turns(given.repeats, sides)
    accuracy = {side: mean(run["accuracy"] for run in some) for side, some in runs.items()}
    seconds = medians(runs, "wall_seconds")
    write("cifar10", claims=[
        claim(f"{minutes:g} minutes: more accurate than ResNet-18 by",
              accuracy[f"lamina, {minutes:g} minutes"]
              - accuracy[f"ResNet-18, {minutes:g} minutes"], at_least=0)
        for minutes in given.minutes],
        table=[{"": side, "test accuracy": plus_minus([run["accuracy"] for run in some]),
                "epochs": f"{mean(run['epochs'] for run in some):.1f}",
                "whole process, seconds": f"{seconds[side]:.0f}"} for side, some in runs.items()],
        peer_versions=peer_versions(runs), runs=runs)


def lamina(minutes: float, seed: int) -> dict:
    found = whole_process("image-classification", "cifar10-jpeg", "--minutes", minutes,
                          "--seed", seed)
    return {**found, "accuracy": found["scores"]["accuracy"]["value"]}


def decoded(archive: Path, file: Path) -> Path:
    """An npz of all images (count, 32, 32, 3) and labels of an archive of PART/CLASS/IMAGE."""
    images: dict[str, list] = {"train": [], "test": []}
    names: dict[str, list[str]] = {"train": [], "test": []}
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.isfile() and member.name.endswith(".jpg"):
                part, label = Path(member.name).parts[-3:-1]
                picture = Image.open(io.BytesIO(packed.extractfile(member).read()))
                images[part].append(numpy.asarray(picture.convert("RGB")))
                names[part].append(label)
    known = {label: index for index, label in enumerate(sorted(set(names["train"])))}
    labels = {part: numpy.array([known[name] for name in some], numpy.uint8)
              for part, some in names.items()}
    numpy.savez(file, train=numpy.stack(images["train"]), train_labels=labels["train"],
                test=numpy.stack(images["test"]), test_labels=labels["test"])
    return file


if __name__ == "__main__":
    main()
