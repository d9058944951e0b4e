"""Signals that ask a process to end wait for the end of a step, so that nothing is torn."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end.

    folder: the run that can be resumed, if there is one. command: what goes on, where that is not
    resuming this run.
    """

    def __init__(self, number: int, folder: Path | None = None, command: str | None = None):
        super().__init__(number)
        self.number, self.folder, self.command = number, folder, command


def raise_stopped(number, frame) -> None:
    """A signal handler: a second signal ends the process at once."""
    signal.signal(number, signal.SIG_DFL)
    raise Stopped(number)


def install() -> None:
    """From now on SIGINT and SIGTERM raise Stopped, where nothing defers them."""
    for number in SIGNALS:
        signal.signal(number, raise_stopped)


@contextmanager
def deferred() -> Iterator[list[int]]:
    """Inside, signals are only noted in the list that this gives; a second one acts as before."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may handle signals
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number, frame):
        if asked:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        asked.append(number)

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
