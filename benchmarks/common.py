"""What benchmarks share: processes timed in turns, peers in their own environments, tables, JSON.

Every JSON file in results/ names the machine, the versions and the command. docs/benchmarks.md
shows their tables, by `python benchmarks/tables.py`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median, stdev

HERE = Path(__file__).parent
RESULTS, PEERS = HERE / "results", HERE / "peers"
PACKAGES = ("lamina", "torch", "numpy", "scikit-learn", "gymnasium", "tokenizers")
Run = dict[str, object]  # what one process gave


# ---- what a script is asked, and what it writes ---------------------------------------------

def parser(doc: str, *, repeats: int = 5) -> argparse.ArgumentParser:
    """The arguments of a benchmark, with --repeats."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--repeats", type=int, default=repeats, help="turns, each with its own seed")
    return made


def expect(minutes: float) -> None:
    """Say how long it will take on two quiet cores."""
    print(f"about {minutes:.0f} minutes on 2 quiet cores" if minutes >= 1.5 else
          f"about {60 * minutes:.0f} seconds on 2 quiet cores", flush=True)


def write(name: str, **document) -> None:
    """Write benchmarks/results/NAME.json with the machine, the versions and the command.

    table: rows, each a dict from column to text, which are printed too.
    """
    RESULTS.mkdir(exist_ok=True)
    document |= {"command": " ".join(["python", "benchmarks/" + Path(sys.argv[0]).name,
                                      *sys.argv[1:]]),
                 "date": datetime.now(UTC).isoformat(timespec="seconds"),
                 "machine": {"processor": processor(), "cores": cores(),
                             "system": platform.platform()},
                 "versions": {"python": platform.python_version(), **versions(),
                              **document.pop("peer_versions", {})}}
    for row in aligned(document.get("table", [])):
        print(row)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
    print(f"wrote {RESULTS / name}.json")


def aligned(table: Sequence[dict[str, str]]) -> list[str]:
    """The lines of a table, its header first."""
    if not table:
        return []
    rows = [list(table[0]), *(list(row.values()) for row in table)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows]


def claim(what: str, value: float, *, at_least: float | None = None,
          at_most: float | None = None) -> dict[str, object]:
    """A claim with the number that decides it."""
    holds = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    print(f"{'holds' if holds else 'DOES NOT HOLD'}: {what} ({value:.4g})", flush=True)
    return {"claim": what, "value": value, "holds": holds}


def versions() -> dict[str, str]:
    """Of the packages that numbers may depend on, where they are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Those that this process may use, as `taskset` leaves them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


# ---- processes ------------------------------------------------------------------------------

def in_turns(repeats: int, sides: dict[str, Callable[[int], Run]]) -> dict[str, list[Run]]:
    """Each side once with seed 0, then each with seed 1 ...: A B A B. Prints a line per run."""
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for seed in range(repeats):
        for name, side in sides.items():
            runs[name].append({"seed": seed, **side(seed)})
            print(name, runs[name][-1], flush=True)
    return runs


def process(*command: object) -> tuple[float, str]:
    """(wall seconds, what it printed) of a process, from its start to its end."""
    began = time.perf_counter()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return seconds, done.stdout


def whole_process(*words: object) -> Run:
    """Run `lamina train WORDS` as a process of its own: what its report says, and wall_seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        seconds, _ = process(sys.executable, "-m", "lamina.cli", "train", *words, "--run", run)
        report = json.loads((run / "report.json").read_text())
    return {"wall_seconds": round(seconds, 2), **summary(report)}


def summary(report: dict) -> Run:
    """What benchmarks need of a report. learning_seconds: without evaluations."""
    cost = report["cost"]
    found = {name: cost[name] for name in ("parameters", "precision", "threads", "epochs")}
    return {"scores": {score["name"]: {key: score[key] for key in ("value", "low", "high", "n")}
                       for score in report["scores"]},
            "steps": report["steps"], **found, "damaged": len(report["data"]["damaged"]),
            "learning_seconds": cost["learning_seconds"] - cost["evaluating_seconds"],
            "examples": cost["examples_per_second"] * cost["learning_seconds"],
            "profile": report.get("profile")}


def peer(script: str, *words: object) -> Run:
    """Run peers/SCRIPT.py in its environment: the JSON of its last line, and wall_seconds."""
    python = environment(script.partition("_")[0])
    seconds, printed = process(python, PEERS / f"{script}.py", *words)
    return {"wall_seconds": round(seconds, 2), **json.loads(printed.splitlines()[-1])}


def environment(name: str) -> Path:
    """The Python of a peer's virtual environment, made anew where peers/NAME.txt has changed."""
    pins = PEERS / f"{name}.txt"
    folder = Path(os.environ.get("LAMINA_PEERS", PEERS)) / f".venv-{name}"
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if not installed.is_file() or installed.read_text() != pins.read_text():
        print(f"installing {name} in {folder}", flush=True)
        process(sys.executable, "-m", "venv", "--clear", folder)
        process(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                "-c", HERE.parent / "constraints.txt", "-r", pins)
        installed.write_text(pins.read_text())
    return python


# ---- numbers --------------------------------------------------------------------------------

def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation over seeds, worst and best."""
    return {"mean": mean(values), "deviation": stdev(values) if len(values) > 1 else 0.0,
            "lowest": min(values), "highest": max(values), "seeds": len(values)}


def medians(runs: dict[str, list[Run]], name: str) -> dict[str, float]:
    """The median of a number, for each side that has it."""
    return {side: median(run[name] for run in some) for side, some in runs.items()
            if all(name in run for run in some)}


def scores(runs: Sequence[Run], name: str) -> list[float]:
    """A test score of each run of `whole_process`."""
    return [run["scores"][name]["value"] for run in runs]


def plus_minus(values: Sequence[float], digits: int = 4) -> str:
    """Mean ± standard deviation, as tables show them."""
    found = spread(values)
    return f"{found['mean']:.{digits}f} ± {found['deviation']:.{digits}f}"


def peer_versions(runs: dict[str, list[Run]]) -> dict[str, str]:
    """Those that the peers told, with the name of the side."""
    return {f"{side}: {package}": number for side, some in runs.items()
            for package, number in some[0].get("versions", {}).items()}
