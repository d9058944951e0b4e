"""Tiny Shakespeare: nats per character on the last tenth after two minutes, for several seeds.

    python benchmarks/text_generation.py [--minutes 2] [--seeds 5]

Each run is a process of its own, timed from its start to its end; leave the machine alone
meanwhile. Writes benchmarks/results/text_generation.json.
"""

import argparse

from common import spread, whole_process, write

LIMIT = 1.886  # of nanoGPT's published recipe for a CPU, which took 106 s on such a machine


def main() -> None:
    """Train once per seed, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    words = ("text-generation", "tiny-shakespeare", "--minutes", f"{given.minutes:g}")
    runs = []
    for seed in range(given.seeds):
        runs.append({"seed": seed, **whole_process(*words, "--seed", seed)})
        print(runs[-1], flush=True)
    nats = [run["scores"]["nats per character"]["value"] for run in runs]
    write("text_generation", claim=f"lamina train {' '.join(words)}: at most {LIMIT} nats per "
          "character on the last tenth of the text, for every seed",
          holds=max(nats) <= LIMIT, nats_per_character=spread(nats),
          wall_seconds=spread([run["wall_seconds"] for run in runs]), runs=runs)


if __name__ == "__main__":
    main()
