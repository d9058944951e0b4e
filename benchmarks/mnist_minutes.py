"""MNIST: the test accuracy that 0.25, 1 and 5 minutes give, whole processes.

    python benchmarks/mnist_minutes.py [--repeats 5] [--minutes 0.25 1 5]

Writes benchmarks/results/mnist_minutes.json.
"""

from statistics import mean

from common import (
    claim,
    expect,
    in_turns,
    medians,
    parser,
    plus_minus,
    scores,
    whole_process,
    write,
)

LIMITS = {0.25: 0.99, 1.0: 0.995, 5.0: 0.9965}


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--minutes", type=float, nargs="+", default=list(LIMITS))
    given = asked.parse_args()
    expect(given.repeats * sum(given.minutes))
    runs = in_turns(given.repeats, {
        f"--minutes {minutes:g}": lambda seed, minutes=minutes: whole_process(
            "image-classification", "mnist", "--minutes", minutes, "--seed", seed)
        for minutes in given.minutes})
    seconds = medians(runs, "wall_seconds")
    write("mnist_minutes", claims=[
        claim(f"--minutes {minutes:g}: {LIMITS[minutes]} on the test part, mean",
              mean(scores(runs[f"--minutes {minutes:g}"], "accuracy")), at_least=LIMITS[minutes])
        for minutes in given.minutes if minutes in LIMITS],
        table=[{"command": f"`lamina train image-classification mnist {side}`",
                "test accuracy": plus_minus(scores(some, "accuracy")),
                "seconds": f"{seconds[side]:.1f}"} for side, some in runs.items()], runs=runs)


if __name__ == "__main__":
    main()
