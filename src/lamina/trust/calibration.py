"""Probabilities that mean what they say, and answers with a known coverage.

Both are learnt on the validation part, kept in the model file and applied to every answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy

from lamina.answers import Answer, Label, Number
from lamina.errors import UserError
from lamina.settings import Checked, setting
from lamina.trust import conformal

if TYPE_CHECKING:
    from lamina.case import Case
    from lamina.task import Example

SMALLEST = 1e-45  # probability, the least that float32 holds: logarithms stay finite
LARGEST_TEMPERATURE = 20.0
PRIOR = 0.5  # deviation of log temperature that is expected before any example is seen
MOST_PROBABILITIES = 200_000  # examples times classes that the temperature is fitted on


@dataclass(frozen=True, kw_only=True)
class Calibration(Checked):
    """What calibrates the answers of one model; a model file holds it as JSON.

    thresholds: of the conformal scores, by coverage ("0.9").
    centres, scales: the mean absolute error where answers are about so large; of numbers.
    examples: of the validation part, which set them.
    """

    kind: Literal["label", "number"] = setting("label", "of the answers")
    temperature: float = setting(1.0, "divides the logarithms of the probabilities",
                                 low=0.99 / LARGEST_TEMPERATURE, high=1.01 * LARGEST_TEMPERATURE)
    coverage: float = setting(0.9, "of the sets and intervals", low=0.5, high=0.99)
    thresholds: dict[str, float]
    centres: tuple[float, ...] = setting((), "answers whose usual error is known")
    scales: tuple[float, ...] = setting((), "the usual errors there", low=0)
    examples: int = setting(0, "that they were learnt from", low=0)

    def __post_init__(self):
        super().__post_init__()
        if len(self.centres) != len(self.scales) or list(self.centres) != sorted(self.centres) \
                or (self.kind == "number" and not self.scales):
            raise UserError("centres, scales: expected as many of each, in rising order")
        for level, limit in self.thresholds.items():
            if limit < 0 or not is_coverage(level):
                raise UserError(f"thresholds: expected a coverage and a score of at least 0, got "
                                f"{level[:40]!r}: {limit:g}")

    def at(self, coverage: float) -> "Calibration":
        """The same with another of the coverages that were kept; UserError: it was not."""
        if f"{coverage:g}" not in self.thresholds:
            kept = ", ".join(self.thresholds) or "none: its validation part was too small"
            raise UserError(f"coverage: expected one that the model file keeps ({kept}), "
                            f"got {coverage:g}")
        return replace(self, coverage=coverage)

    @property
    def limit(self) -> float | None:
        """The threshold of the chosen coverage, if the examples were enough for it."""
        return self.thresholds.get(f"{self.coverage:g}")

    def labels(self, answers: Sequence[Label]) -> list[Answer]:
        """The labels with calibrated probabilities and their sets; all name the same classes."""
        names = tuple(answers[0].probabilities)
        found = numpy.exp(scaled(logarithms(answers), self.temperature))
        sets = [None] * len(answers) if self.limit is None else \
            conformal.chosen(names, found, self.limit)
        coverage = None if self.limit is None else self.coverage
        return [replace(answer, probabilities=dict(zip(names, row, strict=True)), likely=likely,
                        coverage=coverage)
                for answer, row, likely in zip(answers, found.tolist(), sets, strict=True)]

    def numbers(self, answers: Sequence[Number]) -> list[Answer]:
        """The numbers with their intervals."""
        if self.limit is None:
            return list(answers)
        far = self.limit * self.scale(numpy.array([answer.value for answer in answers]))
        return [replace(answer, low=answer.value - width, high=answer.value + width,
                        coverage=self.coverage)
                for answer, width in zip(answers, far.tolist(), strict=True)]

    def scale(self, values: numpy.ndarray) -> numpy.ndarray:
        """The usual error of answers of that size."""
        return numpy.interp(values, self.centres, self.scales)


def is_coverage(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


# ---- learning and applying ----------------------------------------------------------------------

def fit(case: "Case") -> dict[str, Any] | None:
    """What calibrates this model's answers, from its validation part; None where nothing does."""
    if not (case.labels or case.numbers):
        return None
    examples, answers = judged(case.parts.validation.examples, case.validation_answers)
    if not answers:
        return None
    if case.numbers:
        return of_numbers(residuals(examples, answers), answers, case.options.coverage).to_json()
    logs, truth = logarithms(answers), places(examples, answers)
    temperature = temperature_of(logs, truth)
    scores = conformal.label_scores(numpy.exp(scaled(logs, temperature)))
    own = scores[numpy.arange(len(truth)), truth]
    return Calibration(kind="label", temperature=temperature, coverage=case.options.coverage,
                       thresholds=conformal.thresholds(own, case.options.coverage),
                       examples=len(answers)).to_json()


def of_numbers(errors: numpy.ndarray, answers: Sequence[Number], coverage: float) -> Calibration:
    """Intervals as wide as errors usually are for answers of that size (Lei et al. 2018, 5.2)."""
    centres, scales = conformal.spread(numpy.array([answer.value for answer in answers]), errors)
    scores = errors / numpy.interp([answer.value for answer in answers], centres, scales)
    return Calibration(kind="number", coverage=coverage, examples=len(answers), centres=centres,
                       scales=scales, thresholds=conformal.thresholds(scores, coverage))


def judged(examples: Sequence["Example"], answers: Sequence[Answer]
           ) -> tuple[list["Example"], list[Answer]]:
    """Those with a target that the answer could have named, or a finite number."""
    kept = [(example, answer) for example, answer in zip(examples, answers, strict=True)
            if (str(example.target) in answer.probabilities if isinstance(answer, Label)
                else is_finite(example.target) and math.isfinite(answer.value))]
    return [example for example, _ in kept], [answer for _, answer in kept]


def is_finite(target: Any) -> bool:
    return isinstance(target, (int, float, numpy.number)) and math.isfinite(target)


def residuals(examples: Sequence["Example"], answers: Sequence[Number]) -> numpy.ndarray:
    """How far each number is from the truth, (examples,)."""
    return numpy.array([abs(answer.value - example.target)
                        for example, answer in zip(examples, answers, strict=True)])


def places(examples: Sequence["Example"], answers: Sequence[Label]) -> numpy.ndarray:
    """The place of each true class among the answers' classes, (examples,)."""
    known = {name: place for place, name in enumerate(answers[0].probabilities)}
    return numpy.array([known[str(example.target)] for example in examples])


def logarithms(answers: Sequence[Label]) -> numpy.ndarray:
    """Of the answers' probabilities, (examples, classes)."""
    found = numpy.array([list(answer.probabilities.values()) for answer in answers], dtype=float)
    return numpy.log(numpy.clip(numpy.nan_to_num(found), SMALLEST, None))


def scaled(logs: numpy.ndarray, temperature: float) -> numpy.ndarray:
    """The logarithms of p^(1/T), normalised: of a softmax, softmax(logits / T) (Guo et al. 2017).

    logs: of probabilities, (examples, classes).
    """
    divided = logs / temperature
    divided = divided - divided.max(1, keepdims=True)
    return divided - numpy.log(numpy.exp(divided).sum(1, keepdims=True))


def temperature_of(logs: numpy.ndarray, truth: numpy.ndarray) -> float:
    """The likeliest temperature, when its logarithm is expected to be about 0 ± PRIOR.

    That expectation is one more term beside the negative log-likelihood. It decides only where
    examples are few, or all are right: there the likelihood alone would ask for a temperature of 0.
    """
    step = max(1, math.ceil(logs.size / MOST_PROBABILITIES))
    logs, truth = logs[::step], truth[::step]
    rows = numpy.arange(len(truth))

    def loss(exponent: float) -> float:
        surprise = -scaled(logs, math.exp(exponent))[rows, truth].sum()
        return surprise + (exponent / PRIOR) ** 2 / 2

    best, reach = 0.0, math.log(LARGEST_TEMPERATURE)
    for _ in range(4):  # each round looks closer around the best of the round before
        tried = numpy.linspace(best - reach, best + reach, 17)
        tried = tried[abs(tried) <= math.log(LARGEST_TEMPERATURE) + 1e-9]
        best, reach = min(tried, key=loss), reach / 6
    return round(math.exp(best), 6)


def read(document: dict[str, Any]) -> Calibration | None:
    """The calibration that a model file's document holds; UserError: it is damaged."""
    known = document.get("calibration")
    if known is None:
        return None
    if not isinstance(known, dict):
        raise UserError(f"calibration: expected an object, got {str(known)[:80]!r}")
    return Calibration.make(known, what="entry of calibration")


def apply(answers: Sequence[Answer], fitted: dict[str, Any] | Calibration | None) -> list[Answer]:
    """The answers, calibrated; of other kinds than the calibration, as they are."""
    if fitted is None:
        return list(answers)
    known = fitted if isinstance(fitted, Calibration) else Calibration.make(fitted)
    found: list[Answer] = []
    for names, group in groupby(answers, classes):
        some = list(group)
        if names is not None and known.kind == "label":
            some = known.labels(some)
        elif isinstance(some[0], Number) and known.kind == "number":
            some = known.numbers(some)
        found += some
    return found


def classes(answer: Answer) -> tuple[str, ...] | None:
    """The classes that a label was chosen from."""
    return tuple(answer.probabilities) if isinstance(answer, Label) else None
