"""log.jsonl: a line for each log point of a run."""

import json
from pathlib import Path
from typing import Any

from lamina.storage import write


class Journal:
    """The log of one run folder."""

    def __init__(self, folder: Path):
        self.path = folder / "log.jsonl"

    def append(self, line: dict[str, Any]) -> None:
        """Write one more line."""
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def trim(self, step: int) -> None:
        """Drop the lines after `step`, which will be done again, and one that was cut short."""
        if self.path.exists():
            kept = [line for line in self.path.read_text().splitlines()
                    if (at := logged_step(line)) is not None and at <= step]
            write(self.path, "".join(line + "\n" for line in kept).encode())


def logged_step(line: str) -> int | None:
    """The step of a line; None for a line that was cut short."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return None
