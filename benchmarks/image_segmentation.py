"""Segmentation of nuclei and of photos, beside what needs no learning and a U-Net in plain PyTorch.

    python benchmarks/image_segmentation.py [--repeats 5] [--minutes 5]
                                            [--sides unet fcn torch photos]

unet, fcn: nuclei with default settings, each training as a process of its own; torch:
peers/torch_unet.py on the same three parts for the same minutes; photos: unet on coco-mini-masks,
one seed. Dice is of each picture of the test part, the mean over them. Writes
benchmarks/results/image_segmentation_SIDE.json for each.
"""

import tempfile
from pathlib import Path

import numpy
from common import (
    claim,
    expect,
    parser,
    peer,
    peer_versions,
    plus_minus,
    scores,
    spread,
    whole_process,
    write,
)

from lamina import datasets
from lamina.tasks.image_segmentation import ImageSegmentation, Settings

SIDES = ("unet", "fcn", "torch", "photos")
MEASURES = ("dice", "iou", "count_error", "object_f1")


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--minutes", type=float, default=5.0)
    asked.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    given = asked.parse_args()
    expect(given.minutes * sum(1 if side == "photos" else given.repeats for side in given.sides))
    for side in given.sides:
        if side == "photos":
            run = whole_process("image-segmentation", "coco-mini-masks", "--minutes", given.minutes)
            write("image_segmentation_photos", runs=[run], table=[{
                name: f"{run['scores'][name]['value']:.3f}" for name in MEASURES[:2]}])
        elif side == "torch":
            beside(given.repeats, given.minutes)
        else:
            measured(side, given.repeats, given.minutes)


def measured(net: str, repeats: int, minutes: float) -> None:
    """Train the net on nuclei, write what the test part says."""
    runs = []
    for seed in range(repeats):
        runs.append({"seed": seed, **whole_process("image-segmentation", "nuclei", "--net", net,
                                                   "--minutes", minutes, "--seed", seed)})
        print(net, runs[-1], flush=True)
    found = {name: spread(scores(runs, name)) for name in MEASURES}
    write(f"image_segmentation_{net}", runs=runs, nuclei=found,
          table=[{"net": net, **{name: plus_minus(scores(runs, name)) for name in MEASURES}}],
          claims=[claim(f"nuclei: Dice of {net} at least 0.90 in {minutes:g} minutes, every seed",
                        found["dice"]["lowest"], at_least=0.9)])


def beside(repeats: int, minutes: float) -> None:
    """The same of the U-Net in plain PyTorch."""
    with tempfile.TemporaryDirectory() as folder:
        data = as_arrays(Path(folder) / "nuclei.npz")
        runs = [peer("torch_unet", data, "--minutes", minutes, "--seed", seed)
                for seed in range(repeats)]
    write("image_segmentation_torch", runs=runs, peer_versions=peer_versions({"PyTorch": runs}),
          table=[{"net": "U-Net in plain PyTorch",
                  "dice": plus_minus([run["dice"] for run in runs])}])


def as_arrays(path: Path) -> Path:
    """The three parts of nuclei for a peer: NAME_images and NAME_masks, uint8 (n, 256, 256)."""
    task = ImageSegmentation(Settings())
    data = task.read(datasets.find("nuclei"))
    task.facts = task.study(data.train)
    arrays = {}
    for name in ("train", "validation", "test"):
        batch = task.encode(getattr(data, name))
        arrays |= {f"{name}_images": batch["image"][:, 0], f"{name}_masks": batch["mask"][:, 0]}
    numpy.savez(path, **{name: values.numpy() for name, values in arrays.items()})
    return path


if __name__ == "__main__":
    main()
