"""Text classification from scratch beside counted and linear models, on the same parts.

    python benchmarks/text_classification.py [--seeds 5] [--nets cnn lstm transformer]
                                             [--data movie-review-polarity sst2]

Trains each net with its default settings as a process of its own; then naive Bayes and logistic
regression over words and pairs of words (scikit-learn), settings chosen on the same validation part.
Every model sees the test part once. Writes benchmarks/results/text_classification_DATA.json for each.
"""

import argparse
import itertools

from common import claim, plus_minus, scores, spread, whole_process, write
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB

from lamina import datasets
from lamina.media.words import words
from lamina.tasks.text_classification import Settings, TextClassification

AIMS = {"movie-review-polarity": 0.77, "sst2": 0.82}
PEERS = {"naive Bayes": [MultinomialNB(alpha=alpha) for alpha in (0.1, 0.3, 1.0)],
         "logistic regression": [LogisticRegression(C=strength, max_iter=1000)
                                 for strength in (0.03, 0.1, 0.3, 1.0)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--nets", nargs="+", default=["cnn", "lstm", "transformer"])
    parser.add_argument("--data", nargs="+", default=["movie-review-polarity", "sst2"])
    chosen = parser.parse_args()
    for name in chosen.data:
        found = {net: trained(name, net, chosen.seeds) for net in chosen.nets} | peers(name)
        best = max((found[net]["accuracy"]["mean"] for net in chosen.nets))
        write(f"text_classification_{name}", results=found,
              table=[row(name, one) for name, one in found.items()],
              claims=[claim(f"{name}: accuracy of the best net at least {AIMS[name]}, from scratch",
                            best, at_least=AIMS[name])] if name in AIMS else [])


def trained(name: str, net: str, seeds: int) -> dict:
    """The test accuracy and the seconds of the whole process, over the seeds."""
    runs = [whole_process("text-classification", name, "--net", net, "--seed", seed)
            for seed in range(seeds)]
    found = {"accuracy": spread(scores(runs, "accuracy")),
             "wall_seconds": spread([run["wall_seconds"] for run in runs]), "runs": runs}
    print(f"{name} {net}: {found['accuracy']} in {found['wall_seconds']['mean']:.0f} s", flush=True)
    return found


def row(name: str, found: dict) -> dict[str, str]:
    """A line of the table, of a net over the seeds or of a model beside it."""
    runs = found.get("runs")
    return {"model": name, "accuracy": plus_minus(scores(runs, "accuracy")) if runs else
            f"{found['accuracy']:.4f}", "seeds": str(len(runs)) if runs else "",
            "seconds": f"{found['wall_seconds']['mean']:.0f}" if runs else ""}


def peers(name: str) -> dict:
    """Of each kind of model, the one that is best on the validation part, and its test accuracy."""
    data = TextClassification(Settings()).read(datasets.find(name))
    parts = {part: ([one.input for one in getattr(data, part)],
                    [one.target for one in getattr(data, part)])
             for part in ("train", "validation", "test")}
    found = {}
    for kind, models in PEERS.items():
        best = None
        for pairs, model in itertools.product((1, 2), models):
            counts = CountVectorizer(analyzer="word", tokenizer=words, token_pattern=None,
                                     lowercase=False, ngram_range=(1, pairs), binary=True)
            model.fit(counts.fit_transform(parts["train"][0]), parts["train"][1])
            score, test = (model.score(counts.transform(parts[part][0]), parts[part][1])
                           for part in ("validation", "test"))
            if best is None or score > best["validation"]:
                best = {"validation": score, "accuracy": test, "words": pairs,
                        "settings": str(model)}
        found[kind] = best
        print(f"{name} {kind}: {best}", flush=True)
    return found


if __name__ == "__main__":
    main()
