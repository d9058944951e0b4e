"""The known gaps between groups on adult-income and compas, and what closing them costs.

    python benchmarks/fairness.py [--seeds 5] [--epochs 5] [--data adult-income compas]

Trains with the default settings through lamina.train and reads the report: thresholds are chosen
on the validation part, everything is measured on the test part. Beside it the rates of the score
that ProPublica published for compas. Writes benchmarks/results/fairness.json.
"""

import argparse
import tempfile
from pathlib import Path

import numpy
from common import spread, write

import lamina
from lamina import datasets
from lamina.media import table
from lamina.trust import bootstrap, rates

GROUPS = ("sex", "race")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--data", nargs="+", default=["adult-income", "compas"])
    chosen = parser.parse_args()
    found = {name: of_data(name, chosen) for name in chosen.data}
    if "compas" in chosen.data:
        found["compas, as published"] = published()
    write("fairness", results=found)


def of_data(name: str, chosen: argparse.Namespace) -> dict:
    """The gaps and the choices of thresholds, over the seeds, by column."""
    reports = [trained(name, seed, chosen.epochs) for seed in range(chosen.seeds)]
    found = {"accuracy": spread([report["scores"][0]["value"] for report in reports])}
    for place, column in enumerate(GROUPS):
        sections = [report["fairness"]["columns"][place] for report in reports]
        found[column] = {
            "gaps": {gap["name"]: of_gap([same(section["gaps"], "name", gap["name"])
                                          for section in sections])
                     for gap in sections[0]["gaps"]},
            "choices": of_choices([section["thresholds"] for section in sections]),
            "found_in": sum(any(f"groups of {column} " in finding["what"]
                                for finding in report["findings"]) for report in reports)}
        for gap, values in found[column]["gaps"].items():
            print(f"{name}, {column}: {gap} {values['mean']:.3f} ± {values['deviation']:.3f}, "
                  f"{values['highest_group']} and {values['lowest_group']}", flush=True)
        for choice, values in found[column]["choices"].items():
            print(f"{name}, {column}: {choice}: accuracy {values['accuracy']['mean']:.3f}, "
                  f"equalised odds difference {values['equalised_odds']['mean']:.3f}", flush=True)
    return found


def trained(name: str, seed: int, epochs: float) -> dict:
    """The report of one run."""
    with tempfile.TemporaryDirectory() as folder:
        return lamina.train("table-prediction", name, seed=seed, epochs=epochs, groups=GROUPS,
                            run=str(Path(folder) / "run"), say=lambda line: None).report


def same(rows: list[dict], key: str, value: str) -> dict | None:
    """The row of that name."""
    return next((row for row in rows if row[key] == value), None)


def of_gap(gaps: list[dict | None]) -> dict:
    """A gap over the seeds in which it could be measured."""
    known = [gap for gap in gaps if gap is not None]
    return spread([gap["value"] for gap in known]) | {
        "highest_group": known[0]["highest"], "lowest_group": known[0]["lowest"],
        "significant_in": sum(gap["significant"] for gap in known),
        "intervals": [[gap["low"], gap["high"]] for gap in known]}


def of_choices(trades: list[dict | None]) -> dict:
    """What each choice of thresholds gives over the seeds; empty where groups were too small."""
    known = [trade["choices"] for trade in trades if trade is not None]
    return {choice["name"]: of_choice([same(choices, "name", choice["name"]) for choices in known])
            for choice in (known[0] if known else ())}


def of_choice(choices: list[dict]) -> dict:
    """What one choice of thresholds gives over the seeds."""
    return {"accuracy": spread([choice["accuracy"]["value"] for choice in choices]),
            "equalised_odds": spread([choice["equalised_odds"] for choice in choices]),
            **{rate: spread([same(choice["gaps"], "rate", rate)["value"] for choice in choices])
               for rate in ("selection rate", "true positive rate")}}


def published() -> dict:
    """The rates of the published score, from 5 of 10 on, by race (Larson et al. 2016)."""
    [known] = table.tables(Path(datasets.find("compas")))
    rows = known.rows
    chosen = numpy.array([int(row["decile_score"]) >= 5 for row in rows])
    truth = numpy.array([row["two_year_recid"] == "1" for row in rows])
    grouped = rates.Grouped.of(rates.of_labels(chosen, truth), [row["race"] for row in rows],
                               ["African-American", "Caucasian"],
                               bootstrap.weights(len(rows), seed=0))
    return {"groups": grouped.table(), "gaps": grouped.gaps()}


if __name__ == "__main__":
    main()
