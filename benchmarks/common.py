"""What every benchmark says of itself: the machine, the versions, the command; and its seeds."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, stdev

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("lamina", "torch", "numpy", "scikit-learn", "gymnasium", "tokenizers")


def write(name: str, **document) -> None:
    """Write benchmarks/results/NAME.json with the machine, the versions and the command."""
    RESULTS.mkdir(exist_ok=True)
    document |= {"command": " ".join(["python", "benchmarks/" + Path(sys.argv[0]).name,
                                      *sys.argv[1:]]),
                 "date": datetime.now(UTC).isoformat(timespec="seconds"),
                 "machine": {"processor": processor(), "cores": os.cpu_count(),
                             "system": platform.platform()},
                 "versions": {"python": platform.python_version(), **versions()}}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    print(f"wrote {RESULTS / name}.json")


def versions() -> dict[str, str]:
    """Of the packages that numbers may depend on, where they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def whole_process(*words: object) -> dict:
    """Run `lamina train WORDS` as a process of its own; its scores, seconds and report.

    wall_seconds: of the whole process, from its start to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "lamina.cli", "train", *map(str, words),
                               "--run", str(run)], capture_output=True, text=True)
        seconds = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"lamina train {' '.join(map(str, words))}\n{done.stderr}")
        report = json.loads((run / "report.json").read_text())
    scores = {s["name"]: {k: s[k] for k in ("value", "low", "high", "n")} for s in report["scores"]}
    return {"wall_seconds": round(seconds, 2), "scores": scores, "steps": report["steps"],
            "parameters": report["cost"]["parameters"], "precision": report["cost"]["precision"],
            "epochs": report["cost"]["epochs"], "damaged": len(report["data"]["damaged"])}


def spread(values: list[float]) -> dict[str, float]:
    """Mean, standard deviation over seeds, worst and best."""
    return {"mean": mean(values), "deviation": stdev(values) if len(values) > 1 else 0.0,
            "lowest": min(values), "highest": max(values), "seeds": len(values)}
