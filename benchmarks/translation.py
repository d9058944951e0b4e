"""Translation of Multi30k from German to English, lower-cased, scored on the test part of 2016.

    python benchmarks/translation.py [--seeds 1] [--epochs 30 | --minutes M] [--nets transformer rnn]
                                     [--data multi30k] [--source de] [--target en]
                                     [--setting width=256 …] [--name multi30k]

Trains each net as a process of its own, with default settings but for those given by --setting, and
writes BLEU, chrF and nats per character on the test part, with 95 % intervals, beside the baselines
that learn nothing, to benchmarks/results/translation_NAME_NET.json.
"""

import argparse

from common import claim, scores, spread, whole_process, write

from lamina import datasets
from lamina.tasks.translation import Settings, Translator

AIMS = {"transformer": 35.0, "rnn": 28.0}  # BLEU of multi30k de-en, lower-cased


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--minutes", type=float, help="instead of epochs")
    parser.add_argument("--nets", nargs="+", default=["transformer", "rnn"])
    parser.add_argument("--data", default="multi30k")
    parser.add_argument("--source", default="de")
    parser.add_argument("--target", default="en")
    parser.add_argument("--setting", nargs="*", default=[], help="name=value, of every net")
    parser.add_argument("--name", default="multi30k", help="of the files in results/")
    asked = parser.parse_args()
    known = (asked.data, asked.source, asked.target) == ("multi30k", "de", "en")
    for net in asked.nets:
        runs = [trained(net, seed, asked) for seed in range(asked.seeds)]
        claims = [claim(f"{net}: lower-cased BLEU of de-en on the test part of 2016 is at least "
                        f"{AIMS[net]:g}", spread(scores(runs, "BLEU"))["mean"],
                        at_least=AIMS[net])] if known else []
        write(f"translation_{asked.name}_{net}", claims=claims, baselines=baselines(asked),
              runs=runs, table=[row(net, runs)])


def trained(net: str, seed: int, asked: argparse.Namespace) -> dict:
    """One training as a process of its own: its scores on the test part."""
    budget = ("--minutes", asked.minutes) if asked.minutes else ("--epochs", asked.epochs)
    changes = [word for given in asked.setting for name, _, value in [given.partition("=")]
               for word in (f"--{name.replace('_', '-')}", value)]
    found = whole_process("translation", asked.data, "--net", net, "--seed", seed, "--lowercase",
                          "--source-language", asked.source, "--target-language", asked.target,
                          *budget, *changes)
    print(net, seed, found["scores"], f"{found['wall_seconds'] / 60:.1f} minutes", flush=True)
    return {"seed": seed, **found}


def baselines(asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The scores of answers that need no learning, on the test part."""
    task = Translator(Settings(source_language=asked.source, target_language=asked.target,
                               lowercase=True))
    data = task.read(datasets.find(asked.data))
    return {name: {metric.name: metric.score(rows[metric.name]) for metric in task.metrics
                   if metric.name in rows}
            for name, rows in task.baselines(data.train, data.test).items()}


def row(net: str, runs: list[dict]) -> dict[str, str]:
    """A line of the table; the interval is that of the first seed."""
    first = runs[0]["scores"]
    shown = {}
    for name in ("BLEU", "chrF"):
        found = spread(scores(runs, name))
        shown[name] = f"{found['mean']:.1f}" + (
            f" ± {found['deviation']:.1f}" if len(runs) > 1 else "")
        shown[f"{name}, 95 %"] = f"{first[name]['low']:.1f} to {first[name]['high']:.1f}"
    minutes = spread([run["wall_seconds"] / 60 for run in runs])["mean"]
    return {"net": net, **shown, "seeds": str(len(runs)), "epochs": f"{runs[0]['epochs']:.1f}",
            "minutes": f"{minutes:.1f}"}


if __name__ == "__main__":
    main()
