"""Segmentation of nuclei and of photos, beside what needs no learning and a U-Net in plain PyTorch.

    python benchmarks/image_segmentation.py [--repeats 5] [--minutes 5] [--without-peer]

nuclei: unet and fcn with default settings, each as a process of its own; then peers/torch_unet.py on
the same three parts for the same minutes. coco-mini-masks: unet, one seed. Dice is of each picture
of the test part, the mean over them. Writes benchmarks/results/image_segmentation.json.
"""

import tempfile
from pathlib import Path

import numpy
from common import (
    claim,
    expect,
    in_turns,
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

NETS = ("unet", "fcn")
MEASURES = ("dice", "iou", "count_error", "object_f1")


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--minutes", type=float, default=5.0)
    asked.add_argument("--without-peer", action="store_true")
    given = asked.parse_args()
    sides = {net: lambda seed, net=net: whole_process(
        "image-segmentation", "nuclei", "--net", net, "--minutes", given.minutes, "--seed", seed)
        for net in NETS}
    expect(given.minutes * (given.repeats * (len(sides) + (not given.without_peer)) + 1))
    with tempfile.TemporaryDirectory() as folder:
        if not given.without_peer:
            data = as_arrays(Path(folder) / "nuclei.npz")
            sides["PyTorch"] = lambda seed: peer("torch_unet", data, "--minutes", given.minutes,
                                                 "--seed", seed)
        runs = in_turns(given.repeats, sides)
    photos = whole_process("image-segmentation", "coco-mini-masks", "--minutes", given.minutes)
    found = {net: {name: spread(scores(runs[net], name)) for name in MEASURES} for net in NETS}
    table = [{"net": net, **{name: plus_minus(scores(runs[net], name)) for name in MEASURES}}
             for net in NETS]
    if "PyTorch" in runs:
        table.append({"net": "U-Net in plain PyTorch", "dice": plus_minus(
            [run["dice"] for run in runs["PyTorch"]]), **dict.fromkeys(MEASURES[1:], "")})
    write("image_segmentation", runs=runs, photos=photos, nuclei=found, table=table,
          claims=[claim(f"nuclei: Dice of {net} at least 0.90 in {given.minutes:g} minutes, every "
                        "seed", found[net]["dice"]["lowest"], at_least=0.9) for net in NETS],
          peer_versions=peer_versions({name: some for name, some in runs.items()
                                       if name == "PyTorch"}))


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
