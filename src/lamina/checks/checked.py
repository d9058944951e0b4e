"""What one check gives."""

from dataclasses import dataclass

from lamina.findings import Finding


@dataclass(frozen=True)
class Checked:
    """Findings, and what was looked at ("all 70,000 examples"), or why the check was left out."""

    findings: list[Finding]
    looked: str = ""
    left_out: str = ""


def share(part: float, whole: float) -> str:
    """A fraction as per cent, with the digits that it needs."""
    percent = 100 * part / max(whole, 1)
    return f"{percent:.3g} %" if 0 < percent < 10 else f"{percent:.0f} %"
