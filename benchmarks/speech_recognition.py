"""Word and character error rates on an4, greedy and with the language model.

    python benchmarks/speech_recognition.py [--minutes 60] [--epochs 0] [--seeds 1]
                                            [--nets ctc conformer attention] [--width 192]

Trains each net as a process of its own. The weights of the language model are chosen on the
validation part, over a small grid, from the run's own model (not for attention, whose search takes
a second a recording); the test part is scored greedily, with the default weights, and with the
chosen ones. Writes
benchmarks/results/speech_recognition_NET.json for each net.
"""

import argparse
import itertools
import json
import sys
import tempfile
from pathlib import Path

from common import claim, process, spread, summary, write

from lamina import artifact, datasets, scoring
from lamina.artifact import Model
from lamina.scoring import Part

WEIGHTS = [{"word_weight": words, "character_weight": characters, "word_bonus": bonus}
           for words, characters, bonus in itertools.product(
               (0.3, 0.6, 1.0), (0.0, 0.3, 0.6), (0.0, 1.0, 2.0))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--epochs", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--nets", nargs="+", default=["ctc", "conformer", "attention"])
    parser.add_argument("--width", type=int, default=192)
    asked = parser.parse_args()
    budget = ["--epochs", asked.epochs] if asked.epochs else ["--minutes", asked.minutes]
    for net in asked.nets:
        runs = [trained(net, seed, [*budget, "--width", asked.width])
                for seed in range(asked.seeds)]
        found = {f"{how} {name}": spread([run[how][name]["value"] for run in runs])
                 for how in ("greedy", "default", "chosen") for name in ("wer", "cer")}
        table = {"net": net, **{name: f"{100 * one['mean']:.1f} %" for name, one in found.items()},
                 "seeds": str(asked.seeds), "minutes": f"{runs[0]['wall_seconds'] / 60:.0f}"}
        claims = [claim("word error rate at most 15 %, with the default weights",
                        found["default wer"]["mean"], at_most=0.15)] if net == "ctc" else []
        write(f"speech_recognition_{net}", runs=runs, results=found, table=[table], claims=claims)


def trained(net: str, seed: int, words: list) -> dict:
    """A run's summary, and the scores of the test part in three ways."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        seconds, _ = process(sys.executable, "-m", "lamina.cli", "train", "speech-recognition",
                             "an4", "--net", net, "--seed", seed, *words, "--run", run)
        report, model = json.loads((run / "report.json").read_text()), artifact.load(run)
    read = model.task.read(datasets.find("an4"))
    validation, test = (scoring.encode(model.task, part, [], name=name) for name, part in
                        (("validation", read.validation), ("test", read.test)))
    grid = [{}] if net == "attention" else WEIGHTS
    tried = [(scored(model, validation, weights)["wer"]["value"], place)
             for place, weights in enumerate(grid)]
    best = grid[min(tried)[1]]
    found = {"seed": seed, "wall_seconds": round(seconds, 2), **summary(report),
             "greedy": scored(model, test, {"beam": 1}), "default": scored(model, test, {}),
             "chosen": scored(model, test, best), "weights": best,
             "validation": [{"wer": wer, **grid[place]} for wer, place in tried]}
    print(net, seed, {how: found[how]["wer"] for how in ("greedy", "default", "chosen")}, best,
          flush=True)
    return found


def scored(model: Model, part: Part, changes: dict) -> dict:
    """The scores of a part with their intervals, by name, with other settings of the search."""
    made = model.with_settings(changes)
    rows = scoring.rows(made.task, made.net, part, made.machine)
    groups = [example.group for example in part.examples]
    return {score["name"]: {key: score[key] for key in ("value", "low", "high", "n")}
            for score in scoring.scores(made.task.metrics, rows, seed=0, groups=groups)}


if __name__ == "__main__":
    main()
