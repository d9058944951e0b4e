"""Numbers and dates as people read them."""

import math
import re
from datetime import datetime

SPACE = "\N{NO-BREAK SPACE}"


def number(value: float | None, places: int = 0, unit: str = "") -> str:
    """A number with its unit: "98.97 %", "48,213 USD"; the unit "fraction" becomes per cent."""
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "fraction":
        value, places, unit = 100 * value, max(0, places - 2), "%"
    text = f"{value:,.{places}f}".replace("-", "\N{MINUS SIGN}")
    return f"{text}{SPACE}{unit}" if unit else text


def decimals(spread: float, digits: int = 2) -> int:
    """How many decimal places show a difference of this size with so many digits."""
    if not (spread > 0 and math.isfinite(spread)):
        return 4
    return min(8, max(0, digits - 1 - math.floor(math.log10(spread) + 1e-9)))


def rounded(value: float, digits: int = 3) -> str:
    """A number with so many digits that count: "5.46", "6,398"."""
    return number(value, decimals(abs(value), digits) if value else 0)


def duration(seconds: float) -> str:
    """A length of time: "8.3 s", "4 min 12 s", "2 h 05 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def size(given: float) -> str:
    """An amount of memory: "312 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if given < 999.5:
            break
        given /= 1000
    else:
        unit = "TB"
    return f"{given:,.3g} {unit}" if unit != "bytes" else f"{given:,.0f} bytes"


def bytes_of(text: str) -> int:
    """The bytes that a text such as "500MB" or "2 GB" means; ValueError where it means none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) *([kmgt]?)b?", text.strip().lower())
    if found is None:
        raise ValueError(f"expected a size such as 500MB, got {text!r}")
    return int(float(found[1]) * 1000 ** " kmgt".index(found[2] or " "))


def operations(given: float) -> str:
    """An amount of arithmetic: "3.1 TFLOP"; a FLOP is one addition or multiplication."""
    for unit in ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"):
        if given < 999.5:
            break
        given /= 1000
    else:
        unit = "EFLOP"
    return f"{given:,.3g}{SPACE}{unit}"


def energy(joules: float) -> str:
    """An amount of energy: "850 J", "3.4 Wh", "1.2 kWh"."""
    for unit, large in (("kWh", 3.6e6), ("Wh", 3.6e3)):
        if joules >= 0.9995 * large:
            return f"{joules / large:,.3g}{SPACE}{unit}"
    return f"{joules:,.3g}{SPACE}J"


def count(given: float | None) -> str:
    """A whole number with thousands separated."""
    return number(given)


def moment(written: str) -> str:
    """A date as people read it; as it was written where it is no ISO date."""
    try:
        return f"{datetime.fromisoformat(written):%-d %B %Y, %H:%M %Z}".rstrip()
    except ValueError:
        return written
