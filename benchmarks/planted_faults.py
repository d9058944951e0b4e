"""Planted faults and clean data: what `lamina check` finds, and where it raises a false alarm.

    python benchmarks/planted_faults.py [--seeds 5] [--seconds 60]

Each fault is planted into real data several times, with other examples each time; a hit is a
finding of the expected level that names the fault. The untouched data sets are checked too; a
false alarm is a finding at the level "error". Writes benchmarks/results/planted_faults.json.
"""

import argparse
import copy
import io
import time
from dataclasses import replace

import numpy
import torch
from common import write
from PIL import Image

from lamina import checks, datasets, tasks
from lamina.checks import Material
from lamina.keys import numpy_generator
from lamina.parts import Parts, prepare
from lamina.scoring import Part
from lamina.task import Example, Task

CLEAN = {"mnist": "image-classification", "digits": "image-classification",
         "flowers": "image-classification", "adult-income": "table-prediction",
         "california-housing": "table-prediction", "compas": "table-prediction",
         "tiny-shakespeare": "text-generation"}
COPIES = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--data", nargs="+", default=list(CLEAN))
    chosen = parser.parse_args()
    clean, planted = {}, {}
    for name in chosen.data:
        task, parts = read(name)
        clean[name] = checked(task, parts, chosen.seconds)
        print(name, {level: clean[name][level] for level in ("error", "warning", "hint")},
              f"{clean[name]['seconds']} s", flush=True)
        for fault, plant, words, levels in FAULTS.get(name, ()):
            hits, shares = [], []
            for seed in range(chosen.seeds):
                changed = plant(task, shallow(parts), numpy_generator(seed, "planted", fault))
                hit, part = seen(task, changed, words, levels, chosen.seconds)
                hits.append(hit)
                shares.append(part)
            planted[f"{name}: {fault}"] = {"hits": sum(hits), "of": len(hits), "found": shares}
            print(f"  {fault}: {sum(hits)} of {len(hits)}, found {shares}", flush=True)
    false = [name for name, counts in clean.items() if counts["error"]]
    write("planted_faults", seeds=chosen.seeds, seconds=chosen.seconds, clean=clean,
          planted=planted, false_alarms=false, hit_rate=round(
              sum(row["hits"] for row in planted.values())
              / max(1, sum(row["of"] for row in planted.values())), 4))


def read(name: str) -> tuple[Task, Parts]:
    """The data set of that name, encoded."""
    kind = tasks.find(CLEAN[name])
    task = kind(kind.Settings())
    return task, prepare(task, datasets.find(name))


def checked(task: Task, parts: Parts, seconds: float) -> dict:
    """How many findings of each level, what they are, and how long it took."""
    began = time.monotonic()
    found = checks.examine(Material(task, parts, seconds))[1]
    counts = {level: sum(one.level == level for one in found)
              for level in ("error", "warning", "hint")}
    return counts | {"seconds": round(time.monotonic() - began, 1),
                     "findings": [f"{one.level}: {one.what}" for one in found]}


def seen(task: Task, parts: Parts, words: str, levels: tuple[str, ...],
         seconds: float) -> tuple[bool, str]:
    """Whether a finding with these words has one of the levels, and how its evidence begins."""
    found = [one for one in checks.examine(Material(task, parts, seconds))[1] if words in one.what]
    evidence = found[0].evidence.split(";")[0][:90] if found else ""
    return any(one.level in levels for one in found), evidence


def shallow(parts: Parts) -> Parts:
    """A copy whose lists and tensors may be replaced one by one."""
    data = copy.copy(parts.data)
    data.train, data.test = list(data.train), list(data.test)
    return Parts(data, dict(parts.train), parts.validation, Part(data.test, dict(parts.test.batch)))


def reencoded(task: Task, parts: Parts, names: tuple[str, ...] = ("train", "test")) -> Parts:
    """The parts with these encoded again from their examples."""
    if "train" in names:
        parts.train = task.encode(parts.data.train)
    if "test" in names:
        parts.test = Part(parts.data.test, task.encode(parts.data.test))
    return parts


# ---- pictures -------------------------------------------------------------------------------

def copies(change):
    """A function that puts changed copies of test pictures in the place of training pictures."""
    def plant(task: Task, parts: Parts, random: numpy.random.Generator) -> Parts:
        image = parts.train["image"].clone()
        held = random.permutation(len(parts.data.test))[:COPIES]
        places = random.permutation(len(parts.data.train))[:COPIES]
        for place, source in zip(places.tolist(), held.tolist(), strict=True):
            pixels = change(parts.test.batch["image"][source].permute(1, 2, 0).numpy())
            image[place] = torch.from_numpy(pixels.copy()).permute(2, 0, 1)
            parts.data.train[place] = replace(parts.data.train[place], input=pixels.squeeze())
        parts.train = parts.train | {"image": image}
        return parts
    return plant


def coded(pixels: numpy.ndarray, quality: int = 75) -> numpy.ndarray:
    """The picture after JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, "JPEG", quality=quality)
    decoded = numpy.asarray(Image.open(buffer))
    return decoded if decoded.ndim == 3 else decoded[:, :, None]


def one_level_up(pixels: numpy.ndarray) -> numpy.ndarray:
    """One grey level brighter."""
    return numpy.minimum(pixels, 254) + numpy.uint8(1)


def brighter(task: Task, parts: Parts, random: numpy.random.Generator) -> Parts:
    """The test part a fifth brighter."""
    bright = (parts.test.batch["image"].float() * 1.2).clamp(0, 255).byte()
    parts.test.batch["image"] = bright
    return parts


# ---- rows -----------------------------------------------------------------------------------

def leaking(task: Task, parts: Parts, random: numpy.random.Generator) -> Parts:
    """One column tells the label, but for one row in 100."""
    name = str(random.choice(["hours-per-week", "capital-gain", "age"]))
    highest = parts.data.train[0].target

    def told(example: Example) -> Example:
        wrong = random.random() < 0.01
        value = random.normal(60 if (example.target == highest) != wrong else 20, 5)
        return replace(example, input=example.input | {name: f"{value:.2f}"})

    parts.data.train = [told(example) for example in parts.data.train]
    parts.data.test = [told(example) for example in parts.data.test]
    return reencoded(task, parts)


def straddling(task: Task, parts: Parts, random: numpy.random.Generator) -> Parts:
    """Groups of 20 in each part, five of which stand on both sides."""
    for name, first in (("train", 0), ("test", len(parts.data.train) // 20 - 5)):
        examples = getattr(parts.data, name)
        order = random.permutation(len(examples)).tolist()
        setattr(parts.data, name, [replace(example, group=f"person {first + order[i] // 20}")
                                   for i, example in enumerate(examples)])
    parts.test = Part(parts.data.test, parts.test.batch)
    return parts


def shifted(column: str):
    """A function that moves a column of the test part by half a deviation."""
    def plant(task: Task, parts: Parts, random: numpy.random.Generator) -> Parts:
        values = [float(example.input[column]) for example in parts.data.train]
        by = 0.5 * float(numpy.std(values)) * (1 if random.random() < 0.5 else -1)
        parts.data.test = [
            replace(example, input=example.input | {column: str(float(example.input[column]) + by)})
            for example in parts.data.test]
        return reencoded(task, parts, ("test",))
    return plant


def copied_rows(task: Task, parts: Parts, random: numpy.random.Generator) -> Parts:
    """Copies of test rows among the training rows."""
    chosen = random.permutation(len(parts.data.test))[:COPIES]
    parts.data.train = parts.data.train + [parts.data.test[place] for place in chosen.tolist()]
    return reencoded(task, parts, ("train",))


# ---- texts ----------------------------------------------------------------------------------

def edited(task: Task, parts: Parts, random: numpy.random.Generator) -> Parts:
    """A quarter of the test passages among the training passages, with a typo in 100 letters."""
    chosen = random.permutation(len(parts.data.test))[: len(parts.data.test) // 4]
    letters = numpy.array(list("abcdefghijklmnopqrstuvwxyz"))

    def typed(text: str) -> str:
        return "".join(str(random.choice(letters)) if character.isalpha() and random.random() < 0.01
                       else character for character in text)

    parts.data.train = parts.data.train + [
        replace(parts.data.test[place], input=typed(parts.data.test[place].input),
                target=typed(parts.data.test[place].target)) for place in chosen.tolist()]
    return reencoded(task, parts, ("train",))


TWINS = "images also occur in the train"
FAULTS = {
    "mnist": (
        ("60 test images copied into train", copies(lambda pixels: pixels), TWINS, ("error",)),
        ("60 copies, one grey level up", copies(one_level_up), TWINS, ("error",)),
        ("60 copies as JPEG of quality 75", copies(coded), TWINS, ("error",)),
        ("test part a fifth brighter", brighter, "distributed otherwise", ("error", "warning"))),
    "flowers": (
        ("60 copies as JPEG of quality 75", copies(coded), TWINS, ("error",)),
        ("test part a fifth brighter", brighter, "distributed otherwise", ("error", "warning"))),
    "adult-income": (
        ("a column that tells the label", leaking, "gives the target away", ("error",)),
        ("groups on both sides", straddling, "groups stand on both sides", ("error",)),
        ("age of the test part half a deviation off", shifted("age"), "distributed otherwise",
         ("error", "warning")),
        ("60 test rows copied into train", copied_rows, "rows also occur in the train",
         ("error",))),
    "california-housing": (
        ("income of the test part half a deviation off", shifted("median_income"),
         "distributed otherwise", ("error", "warning")),
        ("60 test rows copied into train", copied_rows, "rows also occur in the train",
         ("error",))),
    "tiny-shakespeare": (
        ("a quarter of the test passages, with typos", edited, "texts also occur in the train",
         ("error",)),),
}


if __name__ == "__main__":
    main()
