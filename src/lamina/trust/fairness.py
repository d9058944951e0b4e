"""How well groups of people are served by the same model: rates by group, gaps, thresholds.

A gap is a fact about answers, not yet an injustice: which of them matters is for people to say,
and not all of them can be closed at once (Kleinberg et al. 2017; Chouldechova 2017).
"""

import time
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy

from lamina import scoring
from lamina.answers import Answer, Label
from lamina.case import Case
from lamina.findings import Finding
from lamina.metrics.metric import Metric
from lamina.numbers import decimals, number
from lamina.task import Data, Example
from lamina.trust import bootstrap, calibration, groups, rates, thresholds

MOST = 20_000  # examples of a part that are looked at
DRAWS = 200
SECONDS = 1.0  # for each column that was asked for, beyond the report's usual allowance
MOST_GROUPS, MOST_LABELS = 40, 20  # in one table
NOTICEABLE = {"selection rate": 0.1, "true positive rate": 0.1, "false positive rate": 0.1,
              "accuracy": 0.05, "observed above predicted": 0.05}
NOTICEABLE_FOUND = 0.1  # share found of one of many labels
NOTICEABLE_ERROR = 0.25  # of the RMS error over all, where numbers are predicted
GAPS = {"selection rate": "demographic parity difference",
        "true positive rate": "equal opportunity difference",
        "false positive rate": "false positive rate difference",
        "accuracy": "accuracy difference", "observed above predicted": "calibration difference"}


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Rates by group on the test part and the gaps between groups; None where none are asked for.
    """
    names = case.options.groups
    if not names:
        return None, []
    if not (case.labels or case.numbers):
        return None, [Finding("hint", "groups were not compared", "the answers are neither labels "
                              "nor numbers", "leave out --groups")]
    end = time.monotonic() + seconds + SECONDS * len(names)
    examples, answers = some(*calibration.judged(case.parts.test.examples, case.test_answers))
    if not answers:
        return None, []
    positive = positive_of(case.data.train, answers)
    found: dict[str, Any] = {"positive": positive, "n": len(answers),
                             "of": len(case.parts.test.examples), "columns": []}
    findings: list[Finding] = []
    for column in [(name,) for name in names] + list(combinations(names, 2))[:3]:
        if len(column) > 1 and time.monotonic() > end:
            found["left_out"] = f"{' × '.join(column)}: there was no time for it"
            break
        known = [groups.Grouping.learn(name, case.data.train) for name in column]
        clusters = [] if "group" in column else [example.group for example in examples]
        drawn = bootstrap.weights(len(answers), clusters, seed=case.seed, draws=DRAWS)
        each, small = groups.pooled(named(known, examples))
        section = {"name": " × ".join(column), "small": small,
                   **compare(examples, answers, each, drawn, positive, clustered=any(clusters))}
        if len(column) == 1 and positive is not None:
            section["thresholds"] = chooser(case, known[0], examples, answers, each, positive,
                                            drawn)
        if len(column) == 1:
            findings += unequal(section)
        found["columns"].append(section)
    return found, findings


def scores(metrics: Sequence[Metric], rows: dict[str, numpy.ndarray], data: Data,
           examples: Sequence[Example], names: Sequence[str], *, seed: int) -> list[dict[str, Any]]:
    """The scores of every group of those columns, as "accuracy, sex = Female".

    rows: what the examples contribute to each metric. UserError: there is no such column.
    """
    groups.check(data, names)
    found = []
    for name in names:
        each, _ = groups.pooled(groups.Grouping.learn(name, data.train).of(examples))
        for group, _ in Counter(each).most_common(MOST_GROUPS):
            inside = numpy.array([one == group for one in each])
            table = scoring.scores(metrics, {key: values[inside] for key, values in rows.items()},
                                   seed=seed, groups=[example.group for example, kept in
                                                      zip(examples, inside, strict=True) if kept])
            found += [score | {"name": f"{score['name']}, {name} = {group}"} for score in table]
    return found


def some(examples: Sequence[Example], answers: Sequence[Answer]
         ) -> tuple[list[Example], list[Answer]]:
    """Every so many of them, at most MOST."""
    step = max(1, -(-len(answers) // MOST))
    return list(examples[::step]), list(answers[::step])


def named(groupings: Sequence[groups.Grouping], examples: Sequence[Example]) -> list[str]:
    """The group of each example; of several columns, theirs together."""
    return [", ".join(parts) for parts in zip(*(one.of(examples) for one in groupings),
                                              strict=True)]


def positive_of(train: Sequence[Example], answers: Sequence[Answer]) -> str | None:
    """Of two labels the one that is rarer in training (the second, if none is); else None."""
    if not isinstance(answers[0], Label) or len(answers[0].probabilities) != 2:
        return None
    targets = [str(example.target) for example in train]
    return min(reversed(answers[0].probabilities), key=targets.count)


# ---- rates and gaps -----------------------------------------------------------------------------

def compare(examples: Sequence[Example], answers: Sequence[Answer], each: Sequence[str],
            drawn: numpy.ndarray, positive: str | None, *, clustered: bool = False
            ) -> dict[str, Any]:
    """The table of rates by group and the gaps between the groups."""
    known = rates_of(examples, answers, positive)
    counts = Counter(each)
    order = sorted(counts, key=lambda name: (name in (groups.OTHERS, groups.MISSING),
                                          -counts[name]))
    grouped = rates.Grouped.of(known, each, order[:MOST_GROUPS], drawn, clustered=clustered)
    gaps = grouped.gaps()
    for rate in ("precision", "observed rate", "predicted rate", "mean absolute error"):
        gaps.pop(rate, None)
    for rate, gap in gaps.items():
        gap["name"] = GAPS.get(rate, f"difference of {rate}")
        gap["noticeable"] = bool(gap["value"] >= noticeable(rate, known))
    rows = grouped.table()
    found = {"groups": rows, "gaps": list(gaps.values()), "worst": worst(rows)}
    if all(rate in gaps for rate in thresholds.ODDS):
        wider = max((gaps[rate] for rate in thresholds.ODDS), key=lambda gap: gap["value"])
        found["equalised_odds"] = {key: wider[key] for key in ("rate", "value", "low", "high")}
    return found


def rates_of(examples: Sequence[Example], answers: Sequence[Answer], positive: str | None
             ) -> list[rates.Rate]:
    """What is compared between groups, by the kind of answer."""
    if not isinstance(answers[0], Label):
        errors = numpy.array([answer.value - example.target
                              for example, answer in zip(examples, answers, strict=True)])
        return rates.of_numbers(errors, answers[0].unit)
    truth = [str(example.target) for example in examples]
    if positive is None:
        return rates.of_many_labels([answer.label for answer in answers], truth,
                                    list(answers[0].probabilities)[:MOST_LABELS])
    return rates.of_labels(numpy.array([answer.label == positive for answer in answers]),
                           numpy.array([target == positive for target in truth]),
                           numpy.array([answer.probabilities[positive] for answer in answers]))


def noticeable(rate: str, known: Sequence[rates.Rate]) -> float:
    """The gap from which on a person should look at it."""
    squares = [one for one in known if one.name == "rmse"]
    if squares:
        return NOTICEABLE_ERROR * float(squares[0].tops.mean() ** 0.5)
    return NOTICEABLE.get(rate, NOTICEABLE_FOUND)


def worst(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The group that is served worst: the lowest accuracy, or the highest RMS error."""
    large = [row for row in rows if row["n"] >= rates.SMALLEST]
    if not large:
        return None
    if "rmse" in large[0]["rates"]:
        row, rate = max(large, key=lambda row: row["rates"]["rmse"]["value"]), "rmse"
    else:
        row, rate = min(large, key=lambda row: row["rates"]["accuracy"]["value"]), "accuracy"
    return {"name": row["name"], "rate": rate, **row["rates"][rate]}


def chooser(case: Case, grouping: groups.Grouping, examples: Sequence[Example],
            answers: Sequence[Label], each: Sequence[str], positive: str, drawn: numpy.ndarray
            ) -> dict[str, Any] | None:
    """Other thresholds, chosen on the validation part and measured on the test part."""
    asked, said = some(*calibration.judged(
        case.parts.validation.examples,
        calibration.apply(case.validation_answers, case.calibration)))
    if not said:
        return None
    own, kept = grouping.of(asked), set(each)  # pooled as in the test part
    validation = scored(asked, said, [name if name in kept else groups.OTHERS for name in own],
                        positive)
    return thresholds.trade(validation, scored(examples, answers, each, positive), drawn)


def scored(examples: Sequence[Example], answers: Sequence[Label], each: Sequence[str],
           positive: str) -> thresholds.Scored:
    """The examples as thresholds see them."""
    return thresholds.Scored(
        numpy.array([answer.probabilities[positive] for answer in answers]),
        numpy.array([str(example.target) == positive for example in examples]),
        numpy.array(each))


# ---- findings -----------------------------------------------------------------------------------

def unequal(section: dict[str, Any]) -> list[Finding]:
    """One finding for a column whose groups are treated differently beyond chance.

    A warning, never an error: the scores can be trusted; whether to accept the gap is a decision.
    """
    found = [gap for gap in section["gaps"] if gap["significant"] and gap["noticeable"]]
    if not found:
        return []
    do = "see the fairness section before decisions about people rest on this model"
    choices = {choice["name"]: choice
               for choice in (section.get("thresholds") or {}).get("choices", ())}
    if choices:
        before, after = choices["as trained"], choices["equal opportunity"]
        do += ("; a threshold for each group would change the gap in the true positive rate from "
               f"{opportunity(before):.1%} to {opportunity(after):.1%}, and the accuracy from "
               f"{before['accuracy']['value']:.1%} to {after['accuracy']['value']:.1%}")
    return [Finding("warning", f"groups of {section['name']} are treated differently",
                    "; ".join(map(told, found[:4])), do)]


def opportunity(choice: dict[str, Any]) -> float:
    """The gap in the true positive rate with these thresholds."""
    return next(gap["value"] for gap in choice["gaps"] if gap["rate"] == "true positive rate")


def told(gap: dict[str, Any]) -> str:
    """A gap in words."""
    places = decimals(gap["high"] - gap["low"]) if gap["unit"] != "fraction" else 3

    def text(value: float) -> str:
        return number(value, places, gap["unit"])

    values = ", ".join(f"{text(gap['values'][name])} of {name}"
                       for name in (gap["highest"], gap["lowest"]))
    return f"{gap['rate']} {values} (95 % interval of the gap {text(gap['low'])} to " \
           f"{text(gap['high'])})"
