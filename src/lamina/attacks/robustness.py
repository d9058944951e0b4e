"""How the model holds up under attacks and corruption."""

from lamina.case import Case
from lamina.findings import Finding


def measure(case: Case, seconds: float) -> tuple[dict | None, list[Finding]]:
    """Scores under corruption and attack, on a sample."""
    return None, []
