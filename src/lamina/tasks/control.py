"""environment -> actions: an agent that learns from rewards alone, by deep Q-learning.

The net learns the return to expect from each action (Mnih et al. 2015), from transitions that it
draws again and again out of a memory of what it did. Double (van Hasselt et al. 2016) and duelling
(Wang et al. 2016) are settings.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina.answers import Episode
from lamina.budget import Budget, trapezoid
from lamina.errors import UserError, nearest
from lamina.findings import Finding
from lamina.keys import key, numpy_generator
from lamina.learning import Batch, Phase, Update
from lamina.media import game
from lamina.media.game import Start
from lamina.metrics.metric import Metric
from lamina.nets.value import OnlineAndTarget, QNetwork
from lamina.probe import Probe, of_episode
from lamina.settings import Settings, setting
from lamina.source import Source
from lamina.task import Data, Example, Facts, Task

TEST_SEEDS = range(1000, 1100)
VALIDATION_SEEDS = range(2000, 2020)
FIRST_TRAINING_SEED = 10_000
FEW_BATCHES = 40  # a replay memory that holds fewer is small
LAST_SEED = 2**31 - 1  # the largest that every environment takes


@dataclass(frozen=True, kw_only=True)
class ControlSettings(Settings):
    """What the user of control may choose."""

    batch_size: int = setting(128, "transitions drawn from the memory per optimizer step", low=1,
                              high=65536)
    learning_rate: float = setting(1e-3, "peak step size of the optimizer", low=0, high=100)
    width: int = setting(128, "units of each hidden layer", low=1, high=4096)
    layers: int = setting(2, "hidden layers, where observations are numbers", low=1, high=16)
    double: bool = setting(True, "let the learning net choose the action that the target net "
                                 "values (van Hasselt 2016)")
    duelling: bool = setting(False, "value of the state plus advantage of each action (Wang 2016)")
    discount: float = setting(0.99, "worth of a reward one step later", low=0, high=1)
    rewards: int = setting(5, "rewards in a row that are taken as they came before the net's "
                           "estimate follows (n-step returns, Sutton 1988)", low=1, high=1000)
    loss: Literal["mse", "huber"] = setting("mse", "what is lowered of the temporal difference")
    copies: int = setting(8, "copies of the environment that are played at once", low=1, high=4096)
    transitions_per_step: int = setting(8, "new transitions played per optimizer step", low=1,
                                        high=65536)
    prefill: int = setting(1000, "transitions of random play before the first step", low=1,
                           high=10_000_000)
    memory: int = setting(50_000, "newest transitions that are remembered", low=1, high=10_000_000)
    target_every: int = setting(50, "optimizer steps between copies of the net to its target",
                                low=1, high=1_000_000)
    explore_transitions: int = setting(8000, "transitions over which random actions become rare",
                                       low=1, high=1_000_000_000)
    explore_last: float = setting(0.1, "fraction of random actions after that", low=0, high=1)

    def __post_init__(self):
        super().__post_init__()
        if self.memory < self.copies * self.rewards:
            raise UserError(f"memory: expected at least copies times rewards, {self.copies} times "
                            f"{self.rewards}; got {self.memory}")


@dataclass(frozen=True, kw_only=True)
class ControlFacts(Facts):
    """The environment, the shape of its observations as arrays, and how many actions it takes."""

    environment: str
    shape: tuple[int, ...] = setting(MISSING, "of an observation", low=1, high=65536)
    actions: int = setting(MISSING, "how many there are to choose among", low=1, high=65536)


class Control(Task):
    """Deep Q-learning in any gymnasium environment with a discrete choice of actions."""

    Settings = ControlSettings
    Facts = ControlFacts
    metrics = (Metric("return", "higher", "sum of an episode's rewards, mean over the episodes",
                      lambda answer, target: (answer.total,)),)
    budget = Budget(steps="6000")  # plays 49,000 transitions with the settings above
    threads = 1
    examples_at_once = 128
    reads_names = True

    def read(self, source: Path | str) -> Data:
        """The episodes to play in an environment: its registered name, or a file that holds it."""
        name = str(source)
        if Path(source).is_file():
            name = Path(source).read_text(errors="replace").strip()[:200]
        make_or_refuse(name)
        first = [training_seed(self.settings.seed, i, 0) for i in range(self.settings.copies)]
        return Data(*([Example(Start(name, seed)) for seed in seeds]
                      for seeds in (first, VALIDATION_SEEDS, TEST_SEEDS)),
                    how="episodes begin with a seed: "
                        f"{VALIDATION_SEEDS[0]} to {VALIDATION_SEEDS[-1]} for validation, "
                        f"{TEST_SEEDS[0]} to {TEST_SEEDS[-1]} for test, "
                        f"{FIRST_TRAINING_SEED} and more for training")

    def study(self, train: Sequence[Example]) -> ControlFacts:
        name = train[0].input.environment
        copies = game.Copies(name, 1)
        return ControlFacts(environment=name, shape=copies.shape, actions=copies.actions)

    def encode(self, examples: Sequence[Example]) -> Batch:
        return {"seed": torch.tensor([example.input.seed for example in examples])}

    def examples(self, given: Sequence[str]) -> list[Example]:
        for text in given:
            if not text.isdecimal() or int(text) > LAST_SEED:
                raise UserError("expected the seed of an episode, a whole number up to "
                                f"{LAST_SEED}; got {text!r}")
        seeds = [int(text) for text in given] or [self.settings.seed % LAST_SEED]
        return [Example(Start(self.facts.environment, seed)) for seed in seeds]

    def build(self) -> nn.Module:
        def net():
            return QNetwork(self.facts.shape, self.facts.actions, width=self.settings.width,
                            layers=self.settings.layers, duelling=self.settings.duelling)
        return OnlineAndTarget(net(), net())

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        goal = goals(net, batch, double=self.settings.double)
        value = net.online(batch["observation"]).gather(1, batch["action"])
        loss = functional.smooth_l1_loss if self.settings.loss == "huber" else functional.mse_loss
        yield Update(loss(value, goal), net.online, "td_loss")
        if int(batch["step"][0]) % self.settings.target_every == 0:
            net.renew()

    def phases(self, net: nn.Module, train: Batch) -> Iterator[Phase]:
        adam = torch.optim.Adam(net.online.parameters(), self.settings.learning_rate, fused=True)
        yield Phase(name="play", batches=Experience(self.facts.environment, net, self.settings),
                    learn=lambda batch: self.learn(net, batch), optimizers={net.online: (adam,)},
                    schedule=trapezoid(warmup=0, decay=0.5), clip=10.0)

    def answer(self, net: nn.Module, batch: Batch) -> list[Episode]:
        make_or_refuse(self.facts.environment, self.facts)
        policy = copy.deepcopy(net).double()  # rounding that depends on the batch changes no choice
        device = next(net.parameters()).device

        def greedy(observations: numpy.ndarray) -> numpy.ndarray:
            return policy(torch.from_numpy(observations).to(device)).argmax(1).cpu().numpy()

        return play(self.facts.environment, batch["seed"].tolist(), greedy)

    def probe(self, net: nn.Module, batch: Batch) -> Probe:
        """Of the episode of the first seed of the batch, played by the net."""
        net = net.online if isinstance(net, OnlineAndTarget) else net
        name = self.facts.environment
        episode = self.answer(net, {"seed": batch["seed"][:1]})[0]
        shown = torch.from_numpy(game.observed(name, episode.seed, episode.actions))
        names, labels = game.names_of(name, shown[0].numel(), self.facts.actions)
        returns = game.discounted(episode.rewards, self.settings.discount)
        return of_episode(net, shown.to(batch["seed"].device), names, labels, returns)

    def baselines(self, train: Sequence[Example],
                  test: Sequence[Example]) -> dict[str, dict[str, numpy.ndarray]]:
        name = train[0].input.environment
        actions = game.Copies(name, 1).actions
        random = numpy_generator(0, "random policy")
        episodes = play(name, [example.input.seed for example in test],
                        lambda observations: random.integers(actions, size=len(observations)))
        return {"random actions": self.rows(episodes, test)}

    def exported(self, net: nn.Module) -> nn.Module:
        return net.online

    @classmethod
    def sample(cls, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "environment.txt"
        path.write_text("CartPole-v1\n")
        return path


@torch.no_grad()
def goals(net: nn.Module, batch: Batch, *, double: bool) -> Tensor:  # (batch, 1)
    """The rewards and the discounted value of what came next, which a terminal state has not.

    The target net values the action that seems best to itself, or, if double, to the net that
    learns (van Hasselt et al. 2016, equation 4), which does not favour its own errors.
    """
    values = net.target(batch["next_observation"])
    chooser = net.online(batch["next_observation"]) if double else values
    future = values.gather(1, chooser.argmax(1, keepdim=True))
    return batch["reward"] + batch["discount"] * future


class Experience(Source):
    """Transitions that the net plays and remembers, and batches drawn from the memory.

    An episode is its seed and its actions, so a running one is saved as that and played again up
    to where it was; what is random is named by the number of transitions so far.
    """

    def __init__(self, environment: str, net: nn.Module, settings: ControlSettings):
        self.net, self.settings = net, settings
        self.copies = game.Copies(environment, settings.copies)
        self.step = 0
        self.transitions = 0
        self.episodes = [0] * settings.copies  # begun and ended, of each copy
        shape, kind = self.copies.shape, self.copies.observations.dtype
        self.memory = {"observation": numpy.zeros((settings.memory, *shape), kind),
                       "next_observation": numpy.zeros((settings.memory, *shape), kind),
                       "action": numpy.zeros(settings.memory, numpy.int64),
                       "reward": numpy.zeros(settings.memory, numpy.float32),
                       "terminated": numpy.zeros(settings.memory, bool),
                       "ended": numpy.zeros(settings.memory, bool)}  # terminated or cut off
        self.sums = torch.zeros(2, *shape, dtype=torch.float64)  # of observations, of squares
        for i in range(settings.copies):
            self.copies.reset(i, self.seed_of(i))

    def __next__(self) -> Batch:
        self.step += 1
        wanted = self.settings.prefill + self.step * self.settings.transitions_per_step
        while self.transitions < wanted:
            self.play()
        if self.standardised and (self.step - 1) % self.settings.target_every == 0:
            centre, square = self.sums / self.transitions
            spread = (square - centre**2).clamp(min=0).sqrt()
            self.net.standardise(centre, torch.where(spread > 1e-6 * (1 + centre.abs()), spread, 1))
        device = next(self.net.parameters()).device
        batch = {name: torch.from_numpy(values).to(device) for name, values in self.draw().items()}
        return {**batch, "step": torch.full((self.settings.batch_size,), self.step)}

    def draw(self) -> dict[str, numpy.ndarray]:
        """Remembered transitions, each with the rewards that followed in its episode.

        discount: of the state after the last of these rewards; 0 where it was terminal.
        """
        settings, memory = self.settings, self.memory
        random = numpy_generator(settings.seed, "draw", self.step)
        first = self.transitions - self.filled + random.integers(self.filled,
                                                                 size=settings.batch_size)
        last = rows = first % settings.memory
        reward = memory["reward"][rows]
        discount = numpy.full(len(rows), settings.discount, numpy.float32)
        goes_on = ~memory["ended"][rows]
        for number in range(1, settings.rewards):
            later = first + number * settings.copies  # the same copy's transitions
            goes_on &= later < self.transitions
            later %= settings.memory
            reward += goes_on * discount * memory["reward"][later]
            last = numpy.where(goes_on, later, last)
            discount *= numpy.where(goes_on, settings.discount, 1).astype(numpy.float32)
            goes_on &= ~memory["ended"][later]
        discount *= ~memory["terminated"][last]  # but not where the episode was only cut off
        return {"observation": memory["observation"][rows],
                "action": memory["action"][rows][:, None], "reward": reward[:, None],
                "discount": discount[:, None], "next_observation": memory["next_observation"][last]}

    def play(self) -> None:
        """One step of every copy, into the memory."""
        count, copies = self.settings.copies, self.copies
        rows = numpy.arange(self.transitions, self.transitions + count) % self.settings.memory
        self.memory["observation"][rows] = copies.observations
        if self.standardised:
            seen = torch.from_numpy(copies.observations).double()
            self.sums += torch.stack([seen.sum(0), (seen**2).sum(0)])
        actions = self.choose()
        rewards, terminated, ended = copies.step(range(count), actions)
        self.memory["next_observation"][rows] = copies.observations
        self.memory["action"][rows], self.memory["reward"][rows] = actions, rewards
        self.memory["terminated"][rows], self.memory["ended"][rows] = terminated, ended
        self.transitions += count
        for i in numpy.flatnonzero(ended).tolist():
            self.episodes[i] += 1
            copies.reset(i, self.seed_of(i))

    def choose(self) -> numpy.ndarray:  # (copies,)
        """The best action of each copy, or a random one as often as `epsilon` says."""
        count = self.settings.copies
        random = numpy_generator(self.settings.seed, "explore", self.transitions)
        actions = random.integers(self.copies.actions, size=count)
        greedy = random.random(count) >= self.epsilon
        if greedy.any():
            device = next(self.net.parameters()).device
            with torch.inference_mode():
                values = self.net(torch.from_numpy(self.copies.observations).to(device))
            actions = numpy.where(greedy, values.argmax(1).cpu().numpy(), actions)
        return actions

    @property
    def epsilon(self) -> float:
        """The fraction of random actions: 1 at first, falling in a line to `explore_last`."""
        begun = max(0, self.transitions - self.settings.prefill)
        done = min(1.0, begun / self.settings.explore_transitions)
        return 1 + done * (self.settings.explore_last - 1)

    @property
    def standardised(self) -> bool:
        """Whether observations are numbers; pictures and categories stay as they are."""
        return self.copies.observations.dtype == numpy.float32

    @property
    def filled(self) -> int:
        return min(self.transitions, self.settings.memory)

    def seed_of(self, i: int) -> int:
        """The seed of the episode that copy `i` plays now."""
        return training_seed(self.settings.seed, i, self.episodes[i])

    def findings(self) -> list[Finding]:
        """Whether it still explored at the end, and whether it remembered enough to learn from."""
        chosen, found = self.settings, []
        if self.epsilon > 2 * chosen.explore_last and self.epsilon > 0.2:
            found.append(Finding(
                "hint", "it still explored when the training ended",
                f"{self.epsilon:.0%} of the last actions were random; the plan was "
                f"{chosen.explore_last:.0%} after {chosen.explore_transitions:,} transitions, it "
                f"played {self.transitions:,}",
                f"train longer, or --explore-transitions {max(1, self.transitions // 2)}"))
        enough = FEW_BATCHES * chosen.batch_size
        if chosen.memory < enough and self.transitions > 2 * chosen.memory:
            found.append(Finding(
                "warning", "the replay memory is too small: its batches are much alike",
                f"it holds the last {chosen.memory:,} of {self.transitions:,} transitions, "
                f"{chosen.memory / chosen.batch_size:.3g} batches",
                f"--memory {min(self.transitions, 5 * enough)}"))
        return found

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "transitions": self.transitions,
                "episodes": list(self.episodes), "taken": [list(a) for a in self.copies.taken],
                "sums": self.sums.clone(),
                "memory": {name: torch.from_numpy(values[:self.filled])
                           for name, values in self.memory.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.transitions = state["step"], state["transitions"]
        self.episodes, self.sums = list(state["episodes"]), state["sums"].clone()
        for name, values in state["memory"].items():
            self.memory[name][:len(values)] = values.numpy()
        for i, actions in enumerate(state["taken"]):
            self.copies.continue_from(i, self.seed_of(i), actions)


def training_seed(seed: int, i: int, episode: int) -> int:
    """The seed of one training episode; never one of validation or test."""
    span = LAST_SEED - FIRST_TRAINING_SEED
    return FIRST_TRAINING_SEED + key(seed, "episode", i, episode) % span


def play(environment: str, seeds: Sequence[int], choose) -> list[Episode]:
    """The episodes of these seeds, where `choose` gives actions for observations."""
    copies = game.play(environment, seeds, choose)
    return [Episode(environment, seed, copies.taken[i], copies.rewards[i])
            for i, seed in enumerate(seeds)]


def make_or_refuse(name: str, facts: ControlFacts | None = None) -> None:
    """UserError where the environment cannot be played, or is no longer what `facts` say."""
    try:
        copies = game.Copies(name, 1)
    except game.NotPlayable as reason:
        hint = "" if name in game.names() else "; " + nearest(name, game.names())
        raise UserError(f"{reason}{hint}") from None
    if facts and (copies.shape, copies.actions) != (tuple(facts.shape), facts.actions):
        raise UserError(f"{name} now shows {copies.shape} and takes {copies.actions} actions; the "
                        f"model was trained for {facts.shape} and {facts.actions}")
