"""Can one tell from the model who was in the training part?"""

from lamina.case import Case
from lamina.findings import Finding


def measure(case: Case, seconds: float) -> tuple[dict | None, list[Finding]]:
    """The AUC of a membership-inference attack."""
    return None, []
