"""What was lately lived through, for learning from it again and again (Lin 1992)."""

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor


class Replay:
    """The newest transitions of several copies of an environment that are played in step.

    Transition number t is one of copy t modulo `copies`, and lies in row t modulo `size`.
    terminated: the state after it is an end. ended: it is the last of its episode, which may also
    have been cut off.
    """

    def __init__(self, size: int, *, copies: int, shape: Sequence[int], kind: numpy.dtype):
        self.size, self.copies = size, copies
        self.count = 0  # transitions so far
        self.rows = {"observation": numpy.zeros((size, *shape), kind),
                     "next_observation": numpy.zeros((size, *shape), kind),
                     "action": numpy.zeros(size, numpy.int64),
                     "reward": numpy.zeros(size, numpy.float32),
                     "terminated": numpy.zeros(size, bool),
                     "ended": numpy.zeros(size, bool)}

    def __len__(self) -> int:
        return min(self.count, self.size)

    def add(self, **transitions: numpy.ndarray) -> None:
        """Remember one transition of every copy; each array is (copies, ...)."""
        places = numpy.arange(self.count, self.count + self.copies) % self.size
        for name, values in transitions.items():
            self.rows[name][places] = values
        self.count += self.copies

    def draw(self, size: int, random: numpy.random.Generator, *, rewards: int, discount: float
             ) -> dict[str, numpy.ndarray]:
        """Transitions by chance, each with the up to `rewards` rewards from it on, (size, ...).

        reward: their discounted sum, within the episode (n-step return, Sutton 1988).
        discount: of the state after the last of them, `next_observation`; 0 where it was terminal.
        """
        first = self.count - len(self) + random.integers(len(self), size=size)
        numbers = first[:, None] + self.copies * numpy.arange(rewards)  # the same copy's
        places = numbers % self.size
        goes_on = numpy.ones(places.shape, bool)
        goes_on[:, 1:] = ~self.rows["ended"][places[:, :-1]] & (numbers[:, 1:] < self.count)
        goes_on = numpy.logical_and.accumulate(goes_on, axis=1)
        worth = (discount ** numpy.arange(rewards)).astype(numpy.float32)
        reward = (self.rows["reward"][places] * goes_on) @ worth
        taken = goes_on.sum(1)
        last = places[numpy.arange(size), taken - 1]
        future = discount**taken * ~self.rows["terminated"][last]
        return {"observation": self.rows["observation"][places[:, 0]],
                "action": self.rows["action"][places[:, :1]], "reward": reward[:, None],
                "discount": future.astype(numpy.float32)[:, None],
                "next_observation": self.rows["next_observation"][last]}

    def state_dict(self) -> dict[str, int | dict[str, Tensor]]:
        return {"count": self.count, "rows": {name: torch.from_numpy(values[:len(self)])
                                              for name, values in self.rows.items()}}

    def load_state_dict(self, state: dict[str, int | dict[str, Tensor]]) -> None:
        self.count = state["count"]
        for name, values in state["rows"].items():
            self.rows[name][:len(values)] = values.numpy()
