"""Time and memory when the data grow ten times, and when they are 20 times the memory limit.

    python benchmarks/scaling.py                    # about half an hour on two quiet cores
    python benchmarks/scaling.py --share 0.02       # a look whether it works; writes nothing

Each training is a whole process. An epoch's time is the difference between a longer run and a
shorter one, so that start, reading and report do not count. Data larger than the limit, and the
same in memory, are learnt in turns.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy
from common import claim, spread, write
from PIL import Image

SIDE = 64  # pixels of the pictures, 12,288 bytes decoded
LIMIT = 15_000_000  # bytes of encoded data in memory, of the data that are 20 times larger
SMALL = {"image-classification": ["--net", "cnn", "--image-size", "16", "--batch-size", "256"],
         "text-generation": ["--layers", "1", "--width", "32", "--context", "64"],
         "table-prediction": ["--net", "mlp", "--members", "1", "--width", "32"]}


def pictures(folder: Path, count: int, side: int = 32) -> Path:
    """JPEG files of four classes, told apart by their colour, in declared parts."""
    random = numpy.random.default_rng(0)
    for part, share in (("train", 1.0), ("val", 0.02), ("test", 0.02)):
        for number in range(max(40, round(share * count))):
            label = number % 4
            pixels = random.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
            pixels[:, :, label % 3] //= 2 + label // 3
            path = folder / part / f"class-{label}" / f"{number:07d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).resize((side, side)).save(path)
    return folder


def text(folder: Path, count: int) -> Path:
    """So many lines of random words."""
    random = numpy.random.default_rng(0)
    words = ["".join(random.choice([*"abcdefghij"], random.integers(2, 9))) for _ in range(500)]
    for part, share in (("train", 1.0), ("val", 0.02), ("test", 0.02)):
        lines = [" ".join(random.choice(words, 9)) for _ in range(max(400, round(share * count)))]
        folder.mkdir(exist_ok=True)
        (folder / f"{part}.txt").write_text("\n".join(lines))
    return folder


def table(folder: Path, count: int) -> Path:
    """So many rows of eight numbers, two categories and a label."""
    random = numpy.random.default_rng(0)
    folder.mkdir()
    for part, share in (("train", 1.0), ("val", 0.02), ("test", 0.02)):
        numbers = random.normal(size=(max(400, round(share * count)), 8)).round(4)
        kinds = random.choice(["red", "green", "blue"], (len(numbers), 2))
        labels = numpy.where(numbers[:, 0] + (kinds[:, 0] == "red") > 0.3, "yes", "no")
        with (folder / f"{part}.csv").open("w") as file:
            file.write(",".join([*"abcdefgh", "kind", "colour", "label"]) + "\n")
            for row, kind, label in zip(numbers.tolist(), kinds.tolist(), labels, strict=True):
                file.write(",".join([*map(str, row), *kind, label]) + "\n")
    return folder


def measured(task: str, data: Path, *words: object) -> dict[str, float]:
    """What one training took: the report's seconds and the peak of its memory."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "lamina.cli", "train", task, str(data),
                        *map(str, words), "--evaluations", "1", "--run", f"{folder}/run"],
                       capture_output=True, text=True, check=True)
        report = json.loads(Path(folder, "run", "report.json").read_text())
    cost = report["cost"]
    return {name: cost[name] for name in ("seconds", "learning_seconds", "evaluating_seconds",
                                          "reading_seconds", "peak_memory_bytes")} \
        | {"notes": report["data"]["notes"], "examples": report["data"]["train"]}


def learning(runs: dict[float, dict[str, float]]) -> float:
    """Seconds of an epoch, from a run of few epochs and one of many."""
    few, many = sorted(runs)
    net = {epochs: run["learning_seconds"] - run["evaluating_seconds"]
           for epochs, run in runs.items()}
    return (net[many] - net[few]) / (many - few)


def growth(task: str, make: Callable[[Path, int], Path], counts: list[int], folder: Path,
           limit: str, turns: int) -> dict:
    """An epoch, the reading, and the peak of memory for data of one size and of ten times that.

    Both learn from as many examples, so that their times are as sure; ratios are medians of turns.
    """
    data = {count: make(folder / f"{task}-{count}", count) for count in counts}
    rows = []
    for _ in range(turns):
        row = {}
        for count in counts:
            runs = {epochs: measured(task, data[count], "--epochs", epochs, "--threads", 1,
                                     "--memory-limit", limit, *SMALL[task])
                    for epochs in (1, 1 + 2 * counts[-1] // count)}
            row[count] = {"epoch_seconds": learning(runs), **runs[max(runs)]}
        rows.append(row)
    small, large = counts
    more = rows[0][large]["examples"] / rows[0][small]["examples"]

    def ratio(name: str) -> float:
        return median(row[large][name] / row[small][name] for row in rows) / more

    memory = {count: max(row[count]["peak_memory_bytes"] for row in rows) for count in counts}
    found = {"turns": rows, "examples_ratio": more, "epoch_ratio": ratio("epoch_seconds"),
             "reading_ratio": ratio("reading_seconds"),
             "memory_growth_bytes": memory[large] - memory[small]}
    print(f"{task}: {more:.1f} times the examples take {found['epoch_ratio']:.3f} of that many "
          f"times the time an epoch; memory {memory[small] / 1e6:.0f} -> "
          f"{memory[large] / 1e6:.0f} MB", flush=True)
    return found


def beyond(folder: Path, share: float, turns: int) -> dict:
    """Pictures that take 20 times the memory limit, against the same in memory, in turns."""
    limit = round(share * LIMIT)
    data = pictures(folder / "large", round(20 * limit / (3 * SIDE * SIDE)), SIDE)
    words = ("--image-size", SIDE, "--threads", 1, "--epochs")
    rows = []
    for _ in range(turns):
        row = {}
        for name, given in (("file", limit), ("memory", "100GB")):
            runs = {epochs: measured("image-classification", data, *words, epochs,
                                     "--memory-limit", given) for epochs in (0.25, 1.25)}
            row[name] = {"epoch_seconds": learning(runs),
                         "peak_memory_bytes": runs[1.25]["peak_memory_bytes"],
                         "peak_after_a_quarter_epoch_bytes": runs[0.25]["peak_memory_bytes"],
                         "notes": runs[1.25]["notes"]}
        rows.append(row)
    speed = [row["memory"]["epoch_seconds"] / row["file"]["epoch_seconds"] for row in rows]
    over = max(row["file"]["peak_memory_bytes"] for row in rows) - limit
    print(f"20 times the limit of {limit / 1e6:.0f} MB: {median(speed):.2f} of the speed in "
          f"memory; the peak is the limit + {over / 1e6:.0f} MB")
    return {"limit_bytes": limit, "turns": rows, "relative_speed": spread(speed),
            "peak_beyond_limit_bytes": over}


def rows(grown: dict[str, dict], larger: dict) -> list[dict[str, str]]:
    """The table: time per example and memory, of ten times the data and of more than the limit."""
    table = [{"": task, "examples": f"{one['examples_ratio']:.1f} times",
              "epoch, per example": f"{one['epoch_ratio']:.3f} times",
              "reading, per example": f"{one['reading_ratio']:.3f} times",
              "more memory, MB": f"{one['memory_growth_bytes'] / 1e6:.0f}"}
             for task, one in grown.items()]
    slower = 1 / larger["relative_speed"]["mean"]
    return [*table, {"": "images, 20 times the limit", "examples": "the same",
                     "epoch, per example": f"{slower:.3f} times that in memory",
                     "reading, per example": "",
                     "more memory, MB":
                         f"{larger['peak_beyond_limit_bytes'] / 1e6:.0f} beyond the limit"}]


def claims(larger: dict) -> list[dict]:
    """What was promised of data 20 times larger than the limit."""
    return [claim("20 times the limit: MB of memory beyond it",
                  larger["peak_beyond_limit_bytes"] / 1e6, at_most=500),
            claim("20 times the limit: the speed, as a share of that in memory",
                  larger["relative_speed"]["mean"], at_least=0.7)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    sizes = {"image-classification": (pictures, 2000, "8MB"),
             "text-generation": (text, 2000, "4MB"), "table-prediction": (table, 20_000, "4MB")}
    with tempfile.TemporaryDirectory() as place:
        grown = {task: growth(task, make, [round(asked.share * times * count) for times in (1, 10)],
                              Path(place), limit, asked.turns)
                 for task, (make, count, limit) in sizes.items()}
        larger = beyond(Path(place), asked.share, asked.turns)
    if asked.share == 1:
        write("scaling", claims=claims(larger), table=rows(grown, larger), growth=grown,
              beyond_memory=larger)


if __name__ == "__main__":
    main()
