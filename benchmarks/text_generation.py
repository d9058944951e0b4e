"""Nats per character on the last tenth of tiny Shakespeare after two minutes, for several seeds.

    python benchmarks/text_generation.py [--minutes 2] [--seeds 5] [--threads 0]

Each run is a process of its own, timed from its start to its end. Leave the machine alone
meanwhile. Writes benchmarks/results/text_generation.json.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "numpy", "tokenizers")
LIMIT = 1.886  # nats per character of nanoGPT's CPU recipe, which took 106 s


def main() -> None:
    """Train once per seed, print a line each, write the file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=2)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=0)
    given = arguments.parse_args()
    asked = ["--minutes", f"{given.minutes:g}"]
    if given.threads:
        asked += ["--threads", str(given.threads)]
    runs = [measured(asked, seed) for seed in range(given.seeds)]
    scores = [run["nats_per_character"] for run in runs]
    document = {
        "claim": f"lamina train text-generation tiny-shakespeare {' '.join(asked)}: at most "
                 f"{LIMIT} nats per character on the last 10 % of the text, for every seed",
        "holds": max(scores) <= LIMIT,
        "command": f"python benchmarks/text_generation.py {' '.join(asked)} "
                   f"--seeds {given.seeds}",
        "mean": statistics.mean(scores), "spread": statistics.pstdev(scores), "runs": runs,
        "machine": {"processor": processor(), "cores": os.cpu_count(),
                    "system": platform.platform()},
        "versions": {"python": platform.python_version(),
                     **{package: version(package) for package in PACKAGES}}}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "text_generation.json").write_text(json.dumps(document, indent=2) + "\n")


def measured(asked: list[str], seed: int) -> dict[str, float | str]:
    """The test score and the cost of the run of that seed."""
    folder = Path(tempfile.mkdtemp())
    command = [sys.executable, "-m", "lamina.cli", "train", "text-generation", "tiny-shakespeare",
               *asked, "--seed", str(seed), "--run", str(folder / "run")]
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    report = json.loads((folder / "run" / "report.json").read_text())
    score = report["scores"][0]
    found = {"seed": seed, "nats_per_character": score["value"], "low": score["low"],
             "high": score["high"], "seconds": round(seconds, 1),
             "steps": report["cost"]["steps"], "precision": report["cost"]["precision"],
             "threads": report["cost"]["threads"]}
    print(found, flush=True)
    shutil.rmtree(folder)
    return found


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
