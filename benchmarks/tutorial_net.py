"""The tutorial's MNIST net and recipe (batch 32, Adam, 2 epochs) in Lamina and in four peers.

    python benchmarks/tutorial_net.py [--repeats 5]

Seconds per epoch are of 60,000 images, without evaluation. Lamina keeps a part of the training
images for validation, so it learns from fewer; seconds are scaled to 60,000, accuracies are as they
came. Writes benchmarks/results/tutorial_net.json.
"""

from statistics import mean

from common import (
    claim,
    expect,
    in_turns,
    medians,
    parser,
    peer,
    peer_versions,
    plus_minus,
    whole_process,
    write,
)

from lamina import datasets

IMAGES, EQUAL = 60_000, 0.002  # EQUAL: accuracies that differ by less count as equal


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--epochs", type=int, default=2)
    given = asked.parse_args()
    expect(given.repeats * given.epochs * 1.0)
    folder = datasets.find("mnist")

    def lamina(seed: int) -> dict:
        found = whole_process("image-classification", "mnist", "--net", "cnn", "--batch-size", 32,
                              "--epochs", given.epochs, "--seed", seed)
        return {**found, "accuracy": found["scores"]["accuracy"]["value"],
                "seconds_per_epoch": found["learning_seconds"] / found["examples"] * IMAGES}

    def other(script: str, *words: object):
        def run(seed: int) -> dict:
            found = peer(script, folder, "--epochs", given.epochs, "--seed", seed, *words)
            return {**found, "seconds_per_epoch": mean(found["epoch_seconds"])}
        return run

    runs = in_turns(given.repeats, {
        "lamina": lamina, "keras": other("keras_mnist"), "torch": other("torch_mnist"),
        "torch, channels last": other("torch_mnist", "--layout", "channels_last"),
        "lightning": other("lightning_mnist")})
    epoch, whole = medians(runs, "seconds_per_epoch"), medians(runs, "wall_seconds")
    accuracy = {side: mean(run["accuracy"] for run in some) for side, some in runs.items()}
    write("tutorial_net", claims=[
        claim("an epoch 2 times faster or more than Keras", epoch["keras"] / epoch["lamina"],
              at_least=2),
        claim("an epoch 3 times faster or more than a plain PyTorch loop",
              epoch["torch"] / epoch["lamina"], at_least=3),
        claim("accuracy below the best peer's by", max(accuracy.values()) - accuracy["lamina"],
              at_most=EQUAL)],
        table=[{"": side, "seconds per epoch": f"{epoch[side]:.2f}",
                "times lamina's": f"{epoch[side] / epoch['lamina']:.2f}",
                "whole process, seconds": f"{whole[side]:.1f}",
                "test accuracy": plus_minus([run["accuracy"] for run in some])}
               for side, some in runs.items()],
        peer_versions=peer_versions(runs), runs=runs)


if __name__ == "__main__":
    main()
