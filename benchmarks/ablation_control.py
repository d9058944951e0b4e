"""What each part of the control recipe brings: CartPole-v1, with it and without it, 5 seeds.

    python benchmarks/ablation_control.py [--seeds 5] [--steps 1500] [--only NAME ...]

Every run plays the same number of transitions. Written down are the mean return over the validation
episodes at the best evaluation and after half of the run, and the transitions after which an
evaluation first reached 475. The test episodes are not played. Writes
benchmarks/results/ablation_control.json.
"""

import argparse
import time
from statistics import median

from common import spread, write

from lamina import device
from lamina.budget import Plan
from lamina.parts import prepare
from lamina.run import Run
from lamina.tasks.control import Control

GOAL = 475  # what gymnasium names for CartPole-v1
VARIANTS = {  # what is changed of the defaults
    "the recipe": {},
    "no target net (rate 1)": {"target_rate": 1.0},
    "target slower (rate 0.002)": {"target_rate": 0.002},
    "not double": {"double": False},
    "duelling": {"duelling": True},
    "one reward (no n-step return)": {"rewards": 1},
    "ten rewards": {"rewards": 10},
    "discount 0.99": {"discount": 0.99},
    "Huber loss": {"loss": "huber"},
    "8 copies": {"copies": 8},
    "half the batch": {"batch_size": 128},
    "twice the learning rate": {"learning_rate": 2e-3},
}


def main() -> None:
    """Train each variant once per seed, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    given = parser.parse_args()
    found = {name: summary(name, [measured(seed, given.steps, VARIANTS[name])
                                  for seed in range(given.seeds)]) for name in given.only}
    write("ablation_control", environment="CartPole-v1", steps=given.steps, variants=found)


def measured(seed: int, steps: int, changed: dict) -> dict:
    """The course of one run. seconds: of one core, evaluations included."""
    task = Control(Control.Settings.make({"seed": seed, **changed}))
    parts = prepare(task, "CartPole-v1")
    run = Run(task, task.start(), parts.train, parts.validation, plan=Plan(steps),
              machine=device.machine(device="cpu", threads=1), say=lambda line: None)
    began, course = time.process_time(), []
    for point in run.train():
        if point.scores:
            course.append((run.phases[0].batches.transitions, point.scores["return"]))
    seconds = time.process_time() - began
    return {"seed": seed, "best": run.best["scores"]["return"], "seconds": round(seconds, 1),
            "reached": next((played for played, score in course if score >= GOAL), None),
            "late": [score for _, score in course[len(course) // 2:]], "course": course}


def summary(name: str, runs: list[dict]) -> dict:
    """Over the seeds, printed as one line of the table."""
    reached = [run["reached"] for run in runs if run["reached"] is not None]
    late = [sum(run["late"]) / len(run["late"]) for run in runs]
    best = spread([run["best"] for run in runs])
    print(f"{name:40} best {best['mean']:5.1f} (lowest {best['lowest']:5.1f})  second half "
          f"{sum(late) / len(late):5.1f}  reached {len(reached)} of {len(runs)}, median after "
          f"{median(reached) if reached else '-'}  "
          f"{sum(run['seconds'] for run in runs) / len(runs):.1f} s", flush=True)
    return {"changed": VARIANTS[name], "best": best, "late": spread(late),
            "reached": len(reached), "median": median(reached) if reached else None, "runs": runs}


if __name__ == "__main__":
    main()
