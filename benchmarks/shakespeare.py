"""Tiny Shakespeare: 1.886 nats per character, and what 1, 2 and 5 minutes give.

    python benchmarks/shakespeare.py [--repeats 5] [--quick-minutes 0.5] [--minutes 1 2 5]

The peer is nanoGPT's published recipe for a CPU in a plain loop, which reaches 1.886. Both learn
from the first 90 % of the text at most and are scored on all of the last 10 %, in windows side by
side. The quick side has one layer, as the page of the task advises for half a minute; all else are
defaults. Writes benchmarks/results/shakespeare.json.
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

LIMIT, TIMES = 1.886, 4
SMALL = ("--layers", 1)
PEER = "nanoGPT's recipe, plain loop"


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--quick-minutes", type=float, default=0.5, help="that reach the limit")
    asked.add_argument("--minutes", type=float, nargs="*", default=[1, 2, 5])
    asked.add_argument("--peer-steps", type=int, default=2000)
    given = asked.parse_args()
    expect(given.repeats * (given.quick_minutes + sum(given.minutes) + 2))
    file = datasets.find("tiny-shakespeare")

    def lamina(minutes: float, *words: object):
        def run(seed: int) -> dict:
            found = whole_process("text-generation", "tiny-shakespeare", "--minutes", minutes,
                                  *words, "--seed", seed)
            return {**found, "loss": found["scores"]["nats per character"]["value"]}
        return run

    quick = f"lamina, --minutes {given.quick_minutes:g} --layers 1"
    runs = in_turns(given.repeats, {
        quick: lamina(given.quick_minutes, *SMALL),
        PEER: lambda seed: peer("torch_gpt", file, "--steps", given.peer_steps, "--seed", seed),
        **{f"lamina, --minutes {minutes:g}": lamina(minutes) for minutes in given.minutes}})
    seconds = medians(runs, "wall_seconds")
    write("shakespeare", claims=[
        claim(f"{quick}: at most {LIMIT} nats per character on the last tenth, mean",
              mean(run["loss"] for run in runs[quick]), at_most=LIMIT),
        claim(f"{TIMES} times faster or more than the plain loop, whole processes",
              seconds[PEER] / seconds[quick], at_least=TIMES)],
        table=[{"": side, "nats per character": plus_minus([run["loss"] for run in some]),
                "whole process, seconds": f"{seconds[side]:.1f}",
                "times the first": f"{seconds[side] / seconds[quick]:.2f}"}
               for side, some in runs.items()],
        peer_versions=peer_versions(runs), runs=runs)


if __name__ == "__main__":
    main()
