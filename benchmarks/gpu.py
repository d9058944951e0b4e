"""On a GPU: CIFAR-10 to 94 %, tiny Shakespeare to 1.47, and how busy a 124M GPT keeps the card.

    python benchmarks/gpu.py [--repeats 10] [--only cifar10 shakespeare gpt]
    python benchmarks/gpu.py --tiny      # anywhere, in a minute: proves that the script runs

Without a GPU it says so and ends. Model FLOP utilisation: the arithmetic of a step beside what the
card's matrix products reach in the same run. Writes benchmarks/results/gpu.json (with --tiny,
gpu-tiny.json).
"""

from collections.abc import Sequence
from statistics import mean, median

import torch
from common import claim, expect, in_turns, parser, plus_minus, scores, whole_process, write

ACCURACY, LOSS = 0.94, 1.47
COMMANDS = {
    "cifar10": ("image-classification", "cifar10-jpeg", "--width", 64, "--epochs", 15),
    # nanoGPT's recipe for one GPU in size; ours in everything else
    "shakespeare": ("text-generation", "tiny-shakespeare", "--layers", 6, "--width", 384,
                    "--heads", 6, "--context", 256, "--batch-size", 64, "--dropout", 0.2,
                    "--minutes", 3),
    # GPT-2 small: Radford et al. 2019
    "gpt": ("text-generation", "wikitext-2", "--layers", 12, "--width", 768, "--heads", 12,
            "--context", 1024, "--batch-size", 16, "--vocabulary", "bpe",
            "--vocabulary-size", 50304, "--precision", "bfloat16", "--steps", 100, "--profile")}
TINY = {
    "cifar10": ("image-classification", "digits", "--width", 8, "--steps", 3),
    "shakespeare": ("text-generation", "tiny-shakespeare", "--layers", 1, "--width", 16,
                    "--heads", 2, "--context", 32, "--steps", 3),
    "gpt": ("text-generation", "tiny-shakespeare", "--layers", 1, "--width", 16, "--heads", 2,
            "--context", 32, "--vocabulary", "bpe", "--vocabulary-size", 300, "--steps", 3,
            "--profile")}


def main() -> None:
    asked = parser(__doc__, repeats=10)
    asked.add_argument("--tiny", action="store_true", help="on any machine, at no useful size")
    asked.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    given = asked.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        print("no GPU at hand: nothing measured")
        return
    expect(1 if given.tiny else given.repeats * 6)
    commands = TINY if given.tiny else COMMANDS
    runs = in_turns(given.repeats, {
        name: lambda seed, name=name: whole_process(*commands[name], "--seed", seed)
        for name in given.only})
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    claims, table = [], []
    for name, some in runs.items():
        found = JUDGED[name](some)
        claims += found[0]
        table.append({"": name, "command": "lamina train " + " ".join(map(str, commands[name])),
                      "result": found[1],
                      "learning, seconds": f"{median(r['learning_seconds'] for r in some):.1f}",
                      "whole process, seconds": f"{median(r['wall_seconds'] for r in some):.1f}"})
    write("gpu-tiny" if given.tiny else "gpu", card=card, claims=claims, table=table, runs=runs)


def images(runs: Sequence[dict]) -> tuple[list[dict], str]:
    found = scores(runs, "accuracy")
    return [claim(f"CIFAR-10: {ACCURACY:.0%} on the test part, mean", mean(found),
                  at_least=ACCURACY)], f"accuracy {plus_minus(found)}"


def text(runs: Sequence[dict]) -> tuple[list[dict], str]:
    found = scores(runs, "nats per character")
    return [claim(f"tiny Shakespeare: at most {LOSS} nats per character, mean", mean(found),
                  at_most=LOSS)], f"nats per character {plus_minus(found)}"


def utilisation(runs: Sequence[dict]) -> tuple[list[dict], str]:
    shares = []
    for run in runs:
        limits, step = run["profile"]["limits"], run["profile"]["step"]
        rate = limits["bfloat16"] if run["precision"] == "bfloat16" else limits["float32"]
        shares.append(step["flops_per_second"] / rate)
    return [], (f"{runs[0]['parameters'] / 1e6:.0f}M parameters, model FLOP utilisation "
                f"{median(shares):.3f}")


JUDGED = {"cifar10": images, "shakespeare": text, "gpt": utilisation}

if __name__ == "__main__":
    main()
