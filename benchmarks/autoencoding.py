"""Codes of digits, of patients and of a transformer's loads beside principal components and JPEG.

    python benchmarks/autoencoding.py [--seeds 5] [--data mnist pima-diabetes …] [--nets plain …]
                                      [--minutes 5]

Trains as processes of their own, through the command line: MNIST for --minutes, every kind of net;
the others for EPOCHS. Then the first net on MNIST is rounded to coarser and finer levels
and set beside components, rounded likewise, and JPEG. The test part is scored once by each run.
Writes benchmarks/results/autoencoding_DATA.json for each.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from common import claim, spread, whole_process, write

import lamina
from lamina import datasets
from lamina.media import jpeg
from lamina.nets.quantizer import Quantizer
from lamina.projections import principal

NETS = ("plain", "denoising", "variational", "sparse")
PATIENTS = ("pima-diabetes", "breast-cancer", "haberman", "horse-colic")
EPOCHS = {"etth1": 5, **dict.fromkeys(PATIENTS, 60)}
FINENESS, QUALITIES = (0.25, 0.5, 1.0, 2.0), (1, 5, 10, 20, 40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", nargs="+", default=["mnist", "etth1", *PATIENTS])
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS)
    parser.add_argument("--minutes", type=float, default=5, help="of mnist")
    chosen = parser.parse_args()
    for name in chosen.data:
        found = {net: trained(name, net, chosen.seeds, chosen.minutes) for net in chosen.nets}
        document = {"results": found, "table": [row(net, one) for net, one in found.items()]}
        if name == "mnist":
            first = found[chosen.nets[0]]
            ratio = first["mse"]["highest"] / first["baselines"]["PCA with 32 numbers"]["mse"]
            document["claims"] = [claim("the error of 32 numbers is at most half of that of 32 "
                                        "principal components, for the worst seed", ratio,
                                        at_most=0.5)]
            document["rates"] = rates(chosen.nets[0], chosen.minutes)
        write(f"autoencoding_{name}", **document)


def trained(name: str, net: str, seeds: int, minutes: float) -> dict:
    """Every test score over the seeds, beside the baselines."""
    budget = ("--epochs", EPOCHS[name]) if name in EPOCHS else ("--minutes", minutes)
    runs = [whole_process("autoencoding", name, "--net", net, "--seed", seed, *budget)
            for seed in range(seeds)]
    with tempfile.TemporaryDirectory() as folder:
        report = lamina.train("autoencoding", name, steps="1", run=str(Path(folder) / "run"),
                              say=lambda line: None).report
    found = {"baselines": {one["name"]: {score["name"]: score["value"] for score in one["scores"]}
                           for one in report["baselines"]},
             "wall_seconds": spread([run["wall_seconds"] for run in runs]),
             **{score: spread([run["scores"][score]["value"] for run in runs])
                for score in ("mse", "compressed_mse", "bits")}, "runs": runs}
    print(f"{name} {net}: mse {found['mse']['mean']:.5f} in {found['bits']['mean']:.1f} bits, "
          f"{found['baselines']}", flush=True)
    return found


def row(net: str, found: dict) -> dict[str, str]:
    """A line of the table: means over the seeds, beside the linear code of as many numbers."""
    [linear] = (one for name, one in found["baselines"].items() if name.startswith("PCA with "))
    shown = {name: f"{found[name]['mean']:.5g} ± {found[name]['deviation']:.2g}"
             for name in ("mse", "compressed_mse", "bits")}
    return {"net": net, **shown, "mse of PCA": f"{linear['mse']:.5g}",
            "seeds": str(len(found["runs"])), "seconds": f"{found['wall_seconds']['mean']:.0f}"}


def rates(net: str, minutes: float) -> dict[str, list[dict]]:
    """Bits and error on MNIST's test part of codes, components and JPEG, coarser and finer."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        lamina.train("autoencoding", "mnist", net=net, minutes=minutes, run=str(run),
                     say=lambda line: None)
        model = lamina.load(run)
    data = model.task.read(datasets.find("mnist"))
    medium = model.task.facts.medium
    train, validation, test = (medium.values(medium.encode(part)) for part in
                               (data.train[:20_000], data.validation, data.test))
    body = model.net.autoencoder
    with torch.inference_mode():
        known, asked = (torch.cat([body.encode(some) for some in part.split(512)])
                        for part in (validation, test))
        found = {"net": [rate(known, asked, body.decode, test, fine) for fine in FINENESS]}
    flat = principal(train.flatten(1).numpy(), asked.shape[1])
    known, asked = (torch.from_numpy(flat.encode(part.flatten(1).numpy())).float()
                    for part in (validation, test))
    found["components"] = [rate(known, asked, lambda codes: torch.from_numpy(flat.decode(
        codes.numpy())).float().view(len(codes), *test.shape[1:]), test, fine)
        for fine in FINENESS]
    found["jpeg"] = [{"quality": quality, **by_jpeg(medium.shown(test, {}), quality)}
                     for quality in QUALITIES]
    return found


def rate(known: torch.Tensor, asked: torch.Tensor, decode, test: torch.Tensor,
         fineness: float) -> dict[str, float]:
    """The bits of codes rounded so, and the error of what is decoded from them."""
    quantizer = Quantizer(asked.shape[1])
    quantizer.fit(known, fineness)
    error = sum(float((decode(quantizer(codes)).clamp(0, 1) - values).square().sum())
                for codes, values in zip(asked.split(512), test.split(512), strict=True))
    return {"fineness": fineness, "bits": float(quantizer.bits(asked).mean()),
            "mse": error / test.numel()}


def by_jpeg(pictures: list, quality: int) -> dict[str, float]:
    """The same of JPEG at that quality; the bits are those of the image data alone."""
    found = [(pixels, *jpeg.through(pixels, quality)) for pixels in pictures]
    return {"bits": sum(bits for *_, bits in found) / len(found),
            "mse": sum(((pixels / 255.0 - back / 255.0) ** 2).mean()
                       for pixels, back, _ in found) / len(found)}


if __name__ == "__main__":
    main()
