"""How well groups of people are served by the same model."""

from lamina.case import Case
from lamina.findings import Finding


def measure(case: Case, seconds: float) -> tuple[dict | None, list[Finding]]:
    """Scores by group and the gaps between groups."""
    return None, []
