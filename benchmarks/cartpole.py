"""CartPole-v1 to a mean return of 475: Lamina's default beside stable-baselines3's published DQN.

    python benchmarks/cartpole.py [--repeats 5]

Returns are means of 100 greedy episodes after learning. Writes benchmarks/results/cartpole.json.
"""

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

LIMIT = 475


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--target", type=float, default=LIMIT,
                       help="return of the validation episodes that ends Lamina's second side")
    asked.add_argument("--peer-transitions", type=int, default=50_000)
    given = asked.parse_args()
    expect(given.repeats * 2)

    def lamina(*words: object):
        def run(seed: int) -> dict:
            found = whole_process("control", "CartPole-v1", *words, "--seed", seed)
            return {**found, "return": found["scores"]["return"]["value"]}
        return run

    runs = in_turns(given.repeats, {
        "lamina": lamina(),
        "stable-baselines3": lambda seed: peer(
            "sb3_cartpole", "--transitions", given.peer_transitions, "--seed", seed),
        f"lamina, --target return={given.target:g}": lamina("--target", f"return={given.target}")})
    seconds = medians(runs, "wall_seconds")
    returns = {side: [run["return"] for run in some] for side, some in runs.items()}
    write("cartpole", claims=[
        claim(f"a mean return of {LIMIT} or more for every seed", min(returns["lamina"]),
              at_least=LIMIT),
        claim("faster than stable-baselines3, whole processes, by the factor",
              seconds["stable-baselines3"] / seconds["lamina"], at_least=1)],
        table=[{"": side, "return": plus_minus(returns[side], 1),
                "lowest": f"{min(returns[side]):.1f}",
                "whole process, seconds": f"{seconds[side]:.1f}",
                "times lamina's": f"{seconds[side] / seconds['lamina']:.2f}"} for side in runs],
        peer_versions=peer_versions(runs), runs=runs)


if __name__ == "__main__":
    main()
