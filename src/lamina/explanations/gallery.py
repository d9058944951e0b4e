"""Explanations of a few test answers, for the report."""

from lamina.case import Case
from lamina.findings import Finding


def measure(case: Case, seconds: float) -> tuple[dict | None, list[Finding]]:
    """Explanations of the clearest few test answers."""
    return None, []
