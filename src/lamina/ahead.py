"""Work that is begun in the background before its result is asked for."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Ahead:
    """What `make` gives for one whole number after the other, begun before it is asked for.

    threads: how many numbers are worked on side by side. count: how many are begun, that which is
    asked for among them. Going back, to where a checkpoint was, begins anew.
    """

    def __init__(self, make: Callable[[int], Any], *, threads: int, count: int):
        self.make, self.count = make, count
        self.threads = ThreadPoolExecutor(threads)
        self.begun: dict[int, Future] = {}

    def __call__(self, number: int) -> Any:
        self.begun = {n: self.begun.get(n) or self.threads.submit(self.make, n)
                      for n in range(number, number + self.count)}
        return self.begun.pop(number).result()
