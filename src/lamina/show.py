"""How a training shows itself: a live bar on a terminal, one line per evaluation in a pipe."""

import sys
import time

from lamina.run import Point


class Display:
    """Called with every Point of a run; `say` prints a line above the bar."""

    def __init__(self):
        self.live = sys.stderr.isatty()
        self.last: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self.began = time.monotonic()
        self.drawn = 0.0

    def __enter__(self):
        if self.live:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.progress = Progress(
                TextColumn("{task.description}"), BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[news]}"), TimeRemainingColumn(compact=True),
                transient=True)
            self.progress.start()
            self.bar = self.progress.add_task("reading", total=None, news="")
        return self

    def __exit__(self, *error):
        if self.live:
            self.progress.stop()

    def say(self, line: str) -> None:
        """Print a line of news."""
        if self.live:
            self.progress.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def __call__(self, point: Point) -> None:
        self.last = point.losses or self.last
        self.scores = point.scores or self.scores
        now = time.monotonic()
        if self.live and (now - self.drawn > 0.1 or point.step == point.total):
            self.drawn = now
            news = words(self.last) + ("  " + words(self.scores) if self.scores else "")
            self.progress.update(self.bar, description=point.phase, total=point.total,
                                 completed=point.step, news=news)
        if not self.live and point.scores:
            self.say(f"step {point.step}/{point.total}  {now - self.began:.0f} s  "
                     f"{words(self.last)}  validation {words(point.scores)}")


def words(numbers: dict[str, float]) -> str:
    """Numbers in a line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
