"""Image translation measured on pictures whose true translation is known, but was never shown.

    python benchmarks/image_translation.py [--only inverted shifted flowers] [--seeds 1] [--minutes 3]

inverted, shifted: CycleGAN between mnist digits and other mnist digits with their grey levels
    inverted, or moved 4 pixels right and down. A and B are different digits, so nothing is paired;
    the test digits are, by name.
flowers: pix2pix from the edges of photos of flowers to the photos, in pairs.

The data sets come from the catalogue (`lamina data`). Each run is judged against the picture left
as it is and the mean picture. Writes benchmarks/results/image_translation.json.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
from common import write as write_results
from PIL import Image, ImageFilter

import lamina
from lamina import datasets
from lamina.media import image, labelled

TRAINING, TEST = 3000, 500  # pictures of each domain; pairs
DIGITS = {"width": 16, "blocks": 1}  # enough for 28 x 28 pixels
LARGEST_SHARE = 0.5  # of the better baseline's pixel error that a translation may have


def main() -> None:
    """Make the data sets, train, print a line per run, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=3.0)
    given = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for case in given.only:
            data = Path(folder) / case
            settings = CASES[case](data)
            runs += [measured(case, data, seed, given.minutes, settings)
                     for seed in range(given.seeds)]
    unpaired = [run for run in runs if run["case"] != "flowers"]
    write_results(
        "image_translation", runs=runs,
        claim=f"inverted and shifted digits: a pixel error of at most {LARGEST_SHARE:.0%} of the "
              "better baseline's, without a single pair to learn from, for every seed",
        holds=all(run["share_of_better_baseline"] <= LARGEST_SHARE for run in unpaired)
        if unpaired else None)


def measured(case: str, data: Path, seed: int, minutes: float, settings: dict) -> dict:
    """The test scores of one run, beside the pixel errors of the baselines."""
    began = time.perf_counter()
    trained = lamina.train("image-translation", data, seed=seed, minutes=minutes,
                           run=data.parent / f"run-{case}-{seed}", say=lambda line: None,
                           **settings)
    seconds = time.perf_counter() - began
    baselines = {baseline["name"]: score["value"] for baseline in trained.report["baselines"]
                 for score in baseline["scores"] if score["name"] == "pixel_error"}
    found = {"case": case, "seed": seed, "seconds": round(seconds, 1),
             "steps": trained.report["cost"]["steps"],
             "scores": {score["name"]: {key: round(score[key], 4) for key in
                                        ("value", "low", "high")}
                        for score in trained.report["scores"]},
             "baseline_pixel_errors": {name: round(value, 2) for name, value in baselines.items()},
             "share_of_better_baseline": round(trained.scores["pixel_error"]
                                               / min(baselines.values()), 4)}
    print(found, flush=True)
    return found


def inverted(folder: Path) -> dict:
    """Digits and other digits with their grey levels inverted."""
    return two_domains(folder, lambda digits: 255 - digits)


def shifted(folder: Path) -> dict:
    """Digits and other digits 4 pixels further right and down: mnist leaves a margin of 4."""
    return two_domains(folder, lambda digits: numpy.roll(digits, (4, 4), (1, 2)))


def two_domains(folder: Path, change: Callable[[numpy.ndarray], numpy.ndarray]) -> dict:
    """Unpaired training folders and a paired test, as the CycleGAN data sets are laid out."""
    items = labelled.read(datasets.find("mnist", offline=True))
    training = numpy.stack([item.input for item in items if item.split == "train"][: 2 * TRAINING])
    test = numpy.stack([item.input for item in items if item.split == "test"][:TEST])
    write(folder / "trainA", "a", training[:TRAINING])
    write(folder / "trainB", "b", change(training[TRAINING:]))
    write(folder / "testA", "", test)
    write(folder / "testB", "", change(test))
    return DIGITS


def flowers(folder: Path) -> dict:
    """Photos of flowers (B) and their edges (A), dark lines on white."""
    items = labelled.read(datasets.find("flowers", offline=True))
    random = numpy.random.default_rng(0)
    chosen = [items[index] for index in random.permutation(len(items))[: TRAINING // 2 + TEST]]
    photos = [image.decode(item.input, size=(64, 64), channels=3) for item in chosen]
    edges = [drawn_edges(photo) for photo in photos]
    for part, of in (("train", slice(TEST, None)), ("test", slice(TEST))):
        write(folder / part / "A", "", edges[of])
        write(folder / part / "B", "", photos[of])
    return {"flip": True}


def drawn_edges(photo: numpy.ndarray) -> numpy.ndarray:
    """The edges of a photo; its border, which Pillow's filter leaves as it was, is blank."""
    found = numpy.asarray(Image.fromarray(photo).convert("L").filter(ImageFilter.FIND_EDGES))
    return 255 - numpy.pad(found[1:-1, 1:-1], 1)


def write(folder: Path, prefix: str, pictures: Sequence[numpy.ndarray]) -> None:
    """Numbered PNG files."""
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        image.save(picture, folder / f"{prefix}{number:05}.png")


CASES = {"inverted": inverted, "shifted": shifted, "flowers": flowers}

if __name__ == "__main__":
    main()
