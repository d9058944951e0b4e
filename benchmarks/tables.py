"""Put the tables of benchmarks/results into docs/benchmarks.md.

    python benchmarks/tables.py

Between `<!-- NAME -->` and `<!-- end -->` of the page stands what results/NAME.json says: its
claims, its table (else every spread over seeds that it holds), machine, versions and command. Where
there is no such file nothing stands.
"""

import json
import re
from pathlib import Path

from common import RESULTS

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PLACE = re.compile(r"<!-- (\w+) -->\n.*?<!-- end -->", re.DOTALL)
NESTING = ("results", "variants", "rows")  # names that say nothing


def main() -> None:
    text = PAGE.read_text()
    PAGE.write_text(filled(text, RESULTS))
    print(f"wrote {PAGE}")


def filled(page: str, results: Path) -> str:
    """The page with every place filled from the results there are."""
    def section(found: re.Match) -> str:
        file = results / f"{found[1]}.json"
        shown = markdown(json.loads(file.read_text())) if file.is_file() else ""
        return f"<!-- {found[1]} -->\n{shown}<!-- end -->"

    return PLACE.sub(section, page)


def markdown(document: dict) -> str:
    """Claims, table and circumstances of one result; nothing where it has no table."""
    rows = document.get("table") or rows_of(document)
    if not rows:
        return ""
    lines = [""]
    for claim in document.get("claims", []):
        lines.append(f"- {'holds' if claim['holds'] else '**does not hold**'}: {claim['claim']} "
                     f"({claim['value']:.4g})")
    columns = [name.replace("_", " ") for name in rows[0]]
    lines += ["", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(map(cell, row.values())) + " |" for row in rows]
    machine, versions = document["machine"], document["versions"]
    lines += ["", f"`{document['command']}` on {machine['processor']}, "
              f"{machine['cores']} core{'s' * (machine['cores'] > 1)}, "
              f"{document['date'][:10]}. "
              + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".", ""]
    return "\n".join(lines) + "\n"


def rows_of(found: dict | list, *names: str) -> list[dict]:
    """A row for each group of numbers that holds a spread over seeds, however deep it lies."""
    if isinstance(found, list):
        return [row for one in found if isinstance(one, dict) for row in rows_of(one, *names)]
    if any(map(is_spread, found.values())):
        shown = {name: value for name, value in found.items()
                 if is_spread(value) or isinstance(value, (float, int, str))}
        return [{"of": ", ".join(names), **shown}]
    return [row for name, value in found.items() if isinstance(value, (dict, list))
            for row in rows_of(value, *names, *() if name in NESTING else (name,))]


def is_spread(value: object) -> bool:
    return isinstance(value, dict) and {"mean", "deviation"} <= value.keys()


def cell(value: object) -> str:
    """A number with four digits that count, a spread as mean ± deviation, text as it is."""
    if is_spread(value):
        return f"{number(value['mean'])} ± {number(value['deviation'], 2)}"
    return number(value) if isinstance(value, float) else str(value)


def number(value: float, digits: int = 4) -> str:
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


if __name__ == "__main__":
    main()
