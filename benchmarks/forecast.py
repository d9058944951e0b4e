"""How good are forecasts of twice the time? Each run of n steps against a run of 2n steps.

    python benchmarks/forecast.py --seeds 3 --steps 100,200,400
"""

import argparse
import json
import tempfile
from pathlib import Path

from common import write

from lamina import train

RUNS = {
    "adult-income": ("table-prediction", {}),
    "california-housing": ("table-prediction", {}),
    "mnist": ("image-classification", {"fraction": 0.2, "width": 8, "batch_size": 64}),
    "tiny-shakespeare": ("text-generation", {"layers": 2, "width": 64, "context": 64}),
}


def forecasts(data: str, seed: int, steps: list[int]) -> list[dict]:
    """For each number of steps whose double is among them: forecast and truth."""
    task, choices = RUNS[data]
    health = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in steps:
            done = train(task, data, steps=count, seed=seed, threads=1, say=lambda line: None,
                         run=Path(folder) / str(count), **choices)
            last = json.loads((done.folder / "log.jsonl").read_text().splitlines()[-1])
            found = done.report["health"]
            health[count] = found["forecast"], last["scores"][found["metric"]]
    return [{"data": data, "seed": seed, "steps": count, "forecast": health[count][0],
             "came": health[2 * count][1]} for count in steps if 2 * count in health]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", default="100,200,400,800")
    asked = parser.parse_args()
    steps = [int(word) for word in asked.steps.split(",")]
    rows = [row for data in RUNS for seed in range(asked.seeds)
            for row in forecasts(data, seed, steps)]
    told = [row for row in rows if row["forecast"]]
    held = sum(row["forecast"]["low"] <= row["came"] <= row["forecast"]["high"] for row in told)
    print(f"{len(told)} of {len(rows)} runs were forecast; {held} bands held what came")
    write("forecast", rows=rows, told=len(told), held=held)


if __name__ == "__main__":
    main()
