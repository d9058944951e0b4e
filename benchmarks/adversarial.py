"""MNIST: what training against attacks gives, and what it costs.

    python benchmarks/adversarial.py [--minutes 4] [--examples 1000] [--strength 0.1]

Trains the same net with and without --adversarial for the same minutes, attacks both with 40 steps
of PGD and two restarts, and writes benchmarks/results/adversarial.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import write

from lamina import artifact, attacks
from lamina.attacks import pictures
from lamina.attacks.pictures import Effort
from lamina.attacks.subject import Subject

KEPT = ("value", "low", "high", "n")


def lamina(*words: object) -> str:
    """What a command prints."""
    done = subprocess.run([sys.executable, "-m", "lamina.cli", *map(str, words)],
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"lamina {' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


def trained(folder: Path, *words: object) -> dict:
    """One training: its score on the whole test part, its steps and its seconds per step."""
    began = time.perf_counter()
    lamina("train", *words, "--run", folder)
    report = json.loads((folder / "report.json").read_text())
    [score] = [one for one in report["scores"] if one["name"] == "accuracy"]
    cost = report["cost"]
    learning = cost["learning_seconds"] - cost["evaluating_seconds"]
    return {"command": " ".join(map(str, ("lamina", "train", *words))),
            "wall_seconds": round(time.perf_counter() - began, 1), "steps": cost["steps"],
            "seconds_per_step": learning / cost["steps"], "precision": cost["precision"],
            "threads": cost["threads"], "accuracy": {name: score[name] for name in KEPT}}


def attacked(folder: Path, examples: int, strengths: list[float]) -> list[dict]:
    """The curves of PGD with 40 steps and two restarts, of FGSM, and of corruptions."""
    model = artifact.load(folder)
    part, _ = attacks.attacked_part(model, None, offline=False, most=examples)
    subject = Subject(model.task, model.net, model.machine, part, 0)
    found = pictures.measured(subject, Effort(strengths, (3,), 40, 2))
    if found["masked"]:
        print("gradients look masked:", found["masked"], flush=True)
    return [{"name": "clean", **found["clean"]}, *found["curves"], {"masked": found["masked"]}]


def at(curves: list[dict], name: str, strength: float) -> dict:
    """The score at one strength of one attack."""
    [curve] = [one for one in curves if one.get("name") == name]
    place = curve["strengths"].index(strength)
    return {"value": curve["values"][place], "low": curve["low"][place],
            "high": curve["high"][place], "n": curve["n"]}


def main() -> None:
    """Train both, attack both, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--strength", type=float, default=0.1)
    parser.add_argument("--data", default="mnist")
    given, more = parser.parse_known_args()  # what else is given goes to `lamina train`
    strengths = sorted({given.strength / 2, given.strength})
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, extra in (("plain", ()), ("hardened", ("--adversarial", given.strength))):
            run = Path(folder) / name
            words = ("image-classification", given.data, "--minutes", given.minutes, *more)
            found[name] = trained(run, *words, *extra)
            found[name]["curves"] = attacked(run, given.examples, strengths)
            found[name]["robust_accuracy"] = at(found[name]["curves"], "PGD", given.strength)
            print(name, {key: value for key, value in found[name].items() if key != "curves"},
                  flush=True)
    plain, hardened = found["plain"], found["hardened"]
    costs = {"accuracy_lost": plain["accuracy"]["value"] - hardened["accuracy"]["value"],
             "times_slower_per_step": hardened["seconds_per_step"] / plain["seconds_per_step"]}
    print(costs, flush=True)
    write("adversarial", claims=[
        "robust accuracy 0.9 or more where the plain model has less than 0.3: PGD in the largest "
        "change of a pixel, 40 steps, 2 restarts"], strength=given.strength, costs=costs,
        results=found)


if __name__ == "__main__":
    main()
