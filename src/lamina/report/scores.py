"""Scores as people read them: beside their interval, beside what needs no learning."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from lamina.numbers import SPACE, count, decimals, number
from lamina.report import chart

Document = dict[str, Any]


def unit_of(score: Document) -> str:
    """The unit in which people read the score: a fraction of right answers as per cent."""
    values = [score[key] for key in ("value", "low", "high") if score.get(key) is not None]
    fraction = score.get("better") == "higher" and all(0 <= value <= 1 for value in values)
    return score.get("unit") or ("fraction" if fraction else "")


def places_of(score: Document) -> int:
    """The decimal places that the score's interval makes meaningful."""
    low, high = score.get("low"), score.get("high")
    if low is None or high is None or high <= low:
        return decimals(abs(score["value"] or 1), 4)
    return decimals(high - low)


def readable(score: Document) -> Document:
    """The score as text."""
    places, unit = places_of(score), unit_of(score)
    short = "" if unit == "fraction" else unit
    values = {key: number(score.get(key), places, unit) for key in ("value", "low", "high")}
    bare = number(score["value"], places, "fraction" if unit == "fraction" else "")
    return {**values, "name": score["name"], "better": score.get("better", "higher"),
            "bare": bare.removesuffix(f"{SPACE}%"), "unit": short or "%" * bool(unit),
            "n": count(score.get("n")), "help": score.get("help", ""),
            "sure": score.get("low") is not None and score.get("high") is not None}


def main_score(document: Document) -> Document | None:
    """The first score, which chose the model, with its interval drawn at its own scale."""
    if not document["scores"]:
        return None
    score = document["scores"][0]
    found = readable(score)
    if found["sure"] and score["value"] is not None and score["low"] < score["high"]:
        axis = chart.Axis(score["low"], score["high"], 0, 100, ())
        found["drawn"] = Markup(chart.interval(axis, score["value"], score["low"], score["high"]))
    return found


def rivals(document: Document, name: str) -> list[tuple[str, Document]]:
    """The baselines that have a score of this name, with that score."""
    return [(baseline["name"], score) for baseline in document.get("baselines") or ()
            for score in baseline["scores"]
            if score["name"] == name and score.get("value") is not None]


def score_table(document: Document) -> list[Document]:
    """Every score beside the same score of each baseline, as text."""
    table = []
    for score in document["scores"]:
        beside = {baseline["name"]: number(None) for baseline in document.get("baselines") or ()}
        beside |= {name: number(rival["value"], places_of(score), unit_of(score))
                   for name, rival in rivals(document, score["name"])}
        table.append({**readable(score), "baselines": beside})
    return table


def comparison(document: Document) -> Document | None:
    """The main score and the baselines' on one axis."""
    if not document["scores"] or document["scores"][0]["value"] is None:
        return None
    first = document["scores"][0]
    rows = [("this model", first), *rivals(document, first["name"])]
    values = [score[key] for _, score in rows for key in ("value", "low", "high")
              if score.get(key) is not None]
    axis = chart.along(min(values), max(values), 0, 100)
    unit = unit_of(first)
    return {"labels": axis.labels(unit), "rows": [
        {"name": name, "value": number(score["value"], places_of(first), unit),
         "drawn": Markup(chart.interval(axis, score["value"], score.get("low"),
                                        score.get("high")))}
        for name, score in rows]}


def verdict(document: Document) -> tuple[str, str]:
    """("good", "unsure" or "bad", one sentence): whether learning was worth it."""
    scores = [score for score in document["scores"][:1] if score["value"] is not None]
    known = rivals(document, scores[0]["name"]) if scores else []
    if not known:
        return "unsure", "No baseline was measured, so there is nothing to compare with."
    score, sign = scores[0], 1 if scores[0].get("better", "higher") == "higher" else -1
    name, best = max(known, key=lambda rival: sign * rival[1]["value"])
    value = number(best["value"], places_of(score), unit_of(score))
    against = f"the best answer that needs no learning ({name}: {value})"

    def ends(one: Document) -> tuple[float, float]:
        edges = [sign * one[key] for key in ("value", "low", "high") if one.get(key) is not None]
        return min(edges), max(edges)

    if ends(score)[0] > ends(best)[1]:
        return "good", f"Clearly better than {against}."
    if ends(score)[1] < ends(best)[0]:
        return "bad", f"Worse than {against}."
    return "unsure", f"Not clearly different from {against}."


def score_lines(scores: Sequence[Document]) -> str:
    """Scores with their intervals, one a line."""
    return "\n".join(score_line(readable(score)) for score in scores)


def score_line(row: Document) -> str:
    """A readable score in one line."""
    interval = f"95 % interval {row['low']} to {row['high']}" if row["sure"] else "no interval"
    return f"  {row['name']:<24} {row['value']:>14}   {interval}   {row['n']} test examples"
