"""What the report says beyond scores: each part is measured within its share of a time allowance.

A part is a function of (case, seconds) that gives what report.json holds under the part's name,
or None where it does not apply, and its findings. The dearer ones sample, and say so.
"""

import time
from collections.abc import Callable
from typing import Any

from lamina import checks, codes, health, profile, samples
from lamina.attacks import robustness
from lamina.case import Case
from lamina.explanations import gallery
from lamina.findings import Finding
from lamina.trust import fairness, membership, reliability

Insight = tuple[dict[str, Any] | None, list[Finding]]

# name in report.json, its share of what is left of the allowance, what measures it
PARTS: tuple[tuple[str, float, Callable[[Case, float], Insight]], ...] = (
    ("calibration", 0.2, reliability.measure),
    ("codes", 0.4, codes.measure),
    ("samples", 0.4, samples.measure),
    ("fairness", 0.2, fairness.measure),
    ("explanations", 0.4, gallery.measure),
    ("health", 0.3, health.measure),
    ("membership", 0.2, membership.measure),
    ("data_check", 0.6, checks.measure),
    ("robustness", 1.0, robustness.measure),
    ("profile", 0.0, profile.measure),
)


def allowance(seconds: float) -> float:
    """Seconds for all parts of a run that takes so many: a twelfth, at least 1, at most 60."""
    return min(60.0, max(1.0, seconds / 12))


def insights(case: Case, seconds: float) -> tuple[dict[str, Any], list[Finding]]:
    """Every part that applies, by name, and all findings."""
    end = time.monotonic() + seconds
    sections: dict[str, Any] = {}
    findings: list[Finding] = []
    for name, share, measure in PARTS:
        section, found = measure(case, max(0.0, share * (end - time.monotonic())))
        if section is not None:
            sections[name] = section
        findings += found
    return sections, findings
