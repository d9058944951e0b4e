"""MNIST to 98.33 % and to 99 %, whole processes, beside the Keras tutorial's script.

    python benchmarks/mnist_target.py [--repeats 5]

The peer is TensorFlow's MNIST tutorial: once its two epochs, once until an epoch ends with 98.33 %
on the test part. Writes benchmarks/results/mnist_target.json.
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
    scores,
    whole_process,
    write,
)

from lamina import datasets

TARGET, HIGHER = 0.9833, 0.99
TRAIN = ("image-classification", "mnist")


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--target", type=float, default=TARGET, help="of the validation part")
    asked.add_argument("--higher", type=float, default=HIGHER, help="the second one")
    given = asked.parse_args()
    expect(given.repeats * 1.2)
    folder = datasets.find("mnist")

    def lamina(target: float, seed: int) -> dict:
        found = whole_process(*TRAIN, "--target", f"accuracy={target}", "--seed", seed)
        return {**found, "accuracy": found["scores"]["accuracy"]["value"]}

    runs = in_turns(given.repeats, {
        "lamina": lambda seed: lamina(given.target, seed),
        "keras, 2 epochs": lambda seed: peer("keras_mnist", folder, "--seed", seed),
        "keras until 98.33 %": lambda seed: peer(
            "keras_mnist", folder, "--seed", seed, "--until", TARGET, "--epochs", 6),
        "lamina to 99 %": lambda seed: lamina(given.higher, seed)})
    seconds = medians(runs, "wall_seconds")
    write("mnist_target", claims=[
        claim("98.33 %: 5 times faster or more than the Keras tutorial's two epochs",
              seconds["keras, 2 epochs"] / seconds["lamina"], at_least=5),
        claim("98.33 % on the test part, mean", mean(scores(runs["lamina"], "accuracy")),
              at_least=TARGET),
        claim("99 %: whole process within 15 s", seconds["lamina to 99 %"], at_most=15),
        claim("99 % on the test part, mean", mean(scores(runs["lamina to 99 %"], "accuracy")),
              at_least=HIGHER)],
        table=[{"whole process": side, "seconds": f"{seconds[side]:.1f}",
                "times lamina's": f"{seconds[side] / seconds['lamina']:.2f}",
                "test accuracy": plus_minus([run["accuracy"] for run in some])}
               for side, some in runs.items()],
        peer_versions=peer_versions(runs), runs=runs)


if __name__ == "__main__":
    main()
