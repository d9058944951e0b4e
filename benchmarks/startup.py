"""Start-up: importing lamina, its help, and one prediction, beside `import torch` alone.

    python benchmarks/startup.py [--repeats 15]

Whole processes in turns; Python's own start is part of each. Writes
benchmarks/results/startup.json.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from common import claim, expect, parser, process, write

import lamina

PYTHON, TORCH = "python -c pass", "python -c 'import torch'"
IMPORT, HELP, PREDICT = "python -c 'import lamina'", "lamina --help", "lamina predict, one image"


def main() -> None:
    asked = parser(__doc__, repeats=15)
    given = asked.parse_args()
    expect(0.5 + given.repeats * 0.15)
    with tempfile.TemporaryDirectory() as folder:
        data = lamina.sample("image-classification", Path(folder) / "data")
        run = Path(folder) / "run"
        lamina.train("image-classification", data, steps=5, run=run, say=lambda line: None)
        [picture, *_] = sorted(data.rglob("*.png"))
        cli = (sys.executable, "-m", "lamina.cli")
        commands = {PYTHON: (sys.executable, "-c", "pass"),
                    TORCH: (sys.executable, "-c", "import torch"),
                    IMPORT: (sys.executable, "-c", "import lamina"), HELP: (*cli, "--help"),
                    PREDICT: (*cli, "predict", run, picture)}
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(given.repeats + 1):
            for name, command in commands.items():
                took, _ = process(*command)
                if turn:  # the first turn fills the caches
                    seconds[name].append(took)
    middle = {name: median(some) for name, some in seconds.items()}
    beyond = median(ours - alone for ours, alone in zip(seconds[PREDICT], seconds[TORCH],
                                                        strict=True))
    write("startup", claims=[
        claim("seconds of import lamina, Python's own start taken off",
              middle[IMPORT] - middle[PYTHON], at_most=0.1),
        claim("seconds of lamina --help", middle[HELP], at_most=0.3),
        claim("seconds that predicting takes beyond importing torch", beyond, at_most=0.5)],
        table=[{"whole process": name, "seconds": f"{took:.3f}"}
               for name, took in middle.items()], seconds=seconds)


if __name__ == "__main__":
    main()
