"""How the training went, in plain words."""

from lamina.case import Case
from lamina.findings import Finding


def measure(case: Case, seconds: float) -> tuple[dict | None, list[Finding]]:
    """What the log and a few probes say of the training."""
    return None, []
