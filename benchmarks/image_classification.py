"""MNIST: what a minute gives, and the tutorial's net for its two epochs; several seeds.

    python benchmarks/image_classification.py [--seeds 5]

Writes benchmarks/results/image_classification.json.
"""

import argparse

from common import spread, whole_process, write

COMMANDS = {
    "a minute": ("image-classification", "mnist", "--minutes", "1"),
    "tutorial net, 2 epochs, batch 32, Adam": (
        "image-classification", "mnist", "--net", "cnn", "--epochs", "2", "--batch-size", "32"),
}


def main() -> None:
    """Train once per command and seed, print a line each, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    found = {}
    for name, words in COMMANDS.items():
        runs = []
        for seed in range(given.seeds):
            runs.append({"seed": seed, **whole_process(*words, "--seed", seed)})
            print(name, runs[-1], flush=True)
        found[name] = {"command": " ".join(["lamina", "train", *words]),
                       "accuracy": spread([run["scores"]["accuracy"]["value"] for run in runs]),
                       "wall_seconds": spread([run["wall_seconds"] for run in runs]),
                       "runs": runs}
    write("image_classification", claims=[
        "--minutes 1 ends within 61 s with a test accuracy of 0.99 or more",
        "the tutorial's net reaches 0.983 or more in two epochs"], results=found)


if __name__ == "__main__":
    main()
