"""Probabilities that mean what they say, and answers with a guaranteed coverage."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina.answers import Answer
from lamina.findings import Finding

if TYPE_CHECKING:
    from lamina.case import Case


def fit(case: "Case") -> dict[str, Any] | None:
    """What calibrates this model's answers, from its validation part; None where nothing does."""
    return None


def apply(answers: Sequence[Answer], fitted: dict[str, Any] | None) -> list[Answer]:
    """The answers, calibrated."""
    return list(answers)


def measure(case: "Case", seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Calibration and coverage on the test part."""
    return None, []
