"""What may be wrong with the data: findings with their evidence, before and after training."""

from lamina.case import Case
from lamina.findings import Finding
from lamina.parts import Parts
from lamina.task import Task


def findings(task: Task, parts: Parts, seconds: float) -> list[Finding]:
    """All that can be found without a model."""
    return []


def measure(case: Case, seconds: float) -> tuple[dict | None, list[Finding]]:
    """The same for a report, with the labels that the model doubts."""
    return None, findings(case.task, case.parts, seconds)
