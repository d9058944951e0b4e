"""How near a step comes to what the machine can do: MNIST net, GPT, residual net on CIFAR-10.

    python benchmarks/limits.py [--repeats 5] [--steps 300]

Trains with --profile, which counts a step's arithmetic and bytes and measures, in the same run, the
rate of large matrix products and of the memory. Writes benchmarks/results/limits.json.
"""

from statistics import median

from common import expect, in_turns, parser, whole_process, write

NETS = {"MNIST net": ("image-classification", "mnist"),
        "the tutorial's MNIST net": ("image-classification", "mnist", "--net", "cnn",
                                     "--batch-size", 32),
        "GPT": ("text-generation", "tiny-shakespeare"),
        "residual net on CIFAR-10": ("image-classification", "cifar10-jpeg")}


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--steps", type=int, default=300)
    asked.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    given = asked.parse_args()
    expect(given.repeats * len(given.nets) * 0.8)
    runs = in_turns(given.repeats, {
        name: lambda seed, words=NETS[name]: whole_process(
            *words, "--steps", given.steps, "--profile", "--seed", seed)
        for name in given.nets})
    write("limits", table=[row(name, [run["profile"] for run in some])
                           for name, some in runs.items()], runs=runs)


def row(name: str, profiles: list[dict]) -> dict[str, str]:
    """Medians over the runs."""
    def middle(part: str, key: str) -> float:
        return median(profile[part][key] or 0.0 for profile in profiles)

    return {"": name, "ms per step": f"{1000 * middle('step', 'seconds'):.2f}",
            "GFLOP per step": f"{middle('step', 'flops') / 1e9:.3f}",
            "MB per step": f"{middle('step', 'bytes') / 1e6:.1f}",
            "GFLOP/s": f"{middle('step', 'flops_per_second') / 1e9:.1f}",
            "GB/s": f"{middle('step', 'bytes_per_second') / 1e9:.2f}",
            "machine's GFLOP/s, float32": f"{middle('limits', 'float32') / 1e9:.0f}",
            "bfloat16": f"{middle('limits', 'bfloat16') / 1e9:.0f}"
            if middle("limits", "bfloat16") else "none",
            "machine's GB/s": f"{middle('limits', 'bandwidth') / 1e9:.1f}",
            "fraction of the limit": f"{middle('step', 'fraction_of_limit'):.3f}"}


if __name__ == "__main__":
    main()
