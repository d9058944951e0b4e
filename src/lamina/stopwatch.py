"""Where the time of a run goes."""

import time
from collections.abc import Callable


class Stopwatch:
    """Seconds by what they were spent on, one thing at a time.

        spent("forward")    # from now on, until the next call
        spent(None)         # the pause until the next call is not counted

    wait: called before each reading. A graphics card is given work long before it does it: only
        with torch.cuda.synchronize are its seconds counted where they belong.
    """

    def __init__(self, wait: Callable[[], None] | None = None):
        self.wait = wait
        self.seconds: dict[str, float] = {}
        self._what: str | None = None
        self._since = 0.0

    def __call__(self, what: str | None) -> None:
        if self.wait is not None:
            self.wait()
        now = time.perf_counter()
        if self._what is not None:
            self.seconds[self._what] = self.seconds.get(self._what, 0.0) + now - self._since
        self._what, self._since = what, now
