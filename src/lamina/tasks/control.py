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

from lamina.answers.episode import Episode
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
from lamina.replay import Replay
from lamina.settings import Settings, setting
from lamina.source import Source
from lamina.task import Data, Example, Facts, Task

TEST_SEEDS = range(1000, 1100)
VALIDATION_SEEDS = range(2000, 2020)
FIRST_TRAINING_SEED = 10_000
STANDARDISE_EVERY = 50  # optimizer steps
FEW_BATCHES = 40  # a replay memory that holds fewer is small
LAST_SEED = 2**31 - 1  # the largest that every environment takes


@dataclass(frozen=True, kw_only=True)
class ControlSettings(Settings):
    """What the user of control may choose."""

    batch_size: int = setting(256, "transitions drawn from the memory per optimizer step", low=1,
                              high=65536)
    learning_rate: float = setting(1e-3, "peak step size of the optimizer", low=0, high=100)
    width: int = setting(128, "units of each hidden layer", low=1, high=4096)
    layers: int = setting(2, "hidden layers, where observations are numbers", low=1, high=16)
    double: bool = setting(True, "let the learning net choose the action that the target net "
                                 "values (van Hasselt 2016)")
    duelling: bool = setting(False, "value of the state plus advantage of each action (Wang 2016)")
    discount: float = setting(0.995, "worth of a reward one step later", low=0, high=1)
    rewards: int = setting(5, "rewards in a row that are taken as they came before the net's "
                           "estimate follows (n-step returns, Sutton 1988)", low=1, high=1000)
    loss: Literal["mse", "huber"] = setting("mse", "what is lowered of the temporal difference")
    copies: int = setting(16, "copies of the environment that are played at once", low=1, high=4096)
    transitions_per_step: int = setting(16, "new transitions played per optimizer step", low=1,
                                        high=65536)
    prefill: int = setting(1000, "transitions of random play before the first step", low=1,
                           high=10_000_000)
    memory: int = setting(50_000, "newest transitions that are remembered", low=1, high=10_000_000)
    target_rate: float = setting(0.01, "part of the way to the net that learns which its target "
                                       "net goes after each step", low=0, high=1)
    explore_transitions: int = setting(8000, "transitions over which random actions become rare",
                                       low=1, high=1_000_000_000)
    explore_last: float = setting(0.1, "fraction of random actions after that", low=0, high=1)

    def __post_init__(self):
        super().__post_init__()
        if self.memory < self.copies * self.rewards:
            raise UserError(f"memory: expected at least {self.copies} copies times {self.rewards} "
                            f"rewards, got {self.memory}")


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
    budget = Budget(steps="3000")  # plays 49,000 transitions with the settings above
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
        return OnlineAndTarget(QNetwork(
            self.facts.shape, self.facts.actions, width=self.settings.width,
            layers=self.settings.layers, duelling=self.settings.duelling))

    def learn(self, net: nn.Module, batch: Batch) -> Iterator[Update]:
        goal = goals(net, batch, double=self.settings.double)
        value = net.online(batch["observation"]).gather(1, batch["action"])
        loss = functional.smooth_l1_loss if self.settings.loss == "huber" else functional.mse_loss
        yield Update(loss(value, goal), net.online, "td_loss")
        net.follow(self.settings.target_rate)

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
        net = net.target if isinstance(net, OnlineAndTarget) else net
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
        return net.target

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
        self.episodes = [0] * settings.copies  # begun and ended, of each copy
        shape, kind = self.copies.shape, self.copies.observations.dtype
        self.replay = Replay(settings.memory, copies=settings.copies, shape=shape, kind=kind)
        for i in range(settings.copies):
            self.copies.reset(i, self.seed_of(i))

    def __next__(self) -> Batch:
        chosen = self.settings
        if self.step == 0:  # the target may have the weights of a model that the run starts from
            self.net.online.load_state_dict(self.net.target.state_dict())
        self.step += 1
        while self.transitions < chosen.prefill + self.step * chosen.transitions_per_step:
            self.play()
        if self.standardised and (self.step - 1) % STANDARDISE_EVERY == 0:
            seen = self.replay.rows["observation"][:len(self.replay)]
            centre, spread = seen.mean(0, dtype=float), seen.std(0, dtype=float)
            spread[spread <= 1e-6 * (1 + abs(centre))] = 1
            self.net.standardise(torch.from_numpy(centre), torch.from_numpy(spread))
        drawn = self.replay.draw(chosen.batch_size, numpy_generator(chosen.seed, "draw", self.step),
                                 rewards=chosen.rewards, discount=chosen.discount)
        return {name: self.on_device(values) for name, values in drawn.items()}

    def play(self) -> None:
        """One step of every copy, into the memory."""
        copies, before = self.copies, self.copies.observations.copy()
        actions = self.choose()
        rewards, terminated, ended = copies.step(range(self.settings.copies), actions)
        self.replay.add(observation=before, next_observation=copies.observations, action=actions,
                        reward=rewards, terminated=terminated, ended=ended)
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
            with torch.inference_mode():
                values = self.net.online(self.on_device(self.copies.observations))
            actions = numpy.where(greedy, values.argmax(1).cpu().numpy(), actions)
        return actions

    def on_device(self, values: numpy.ndarray) -> Tensor:
        return torch.from_numpy(values).to(next(self.net.parameters()).device)

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
    def transitions(self) -> int:
        return self.replay.count

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
        return {"step": self.step, "episodes": list(self.episodes),
                "taken": [list(actions) for actions in self.copies.taken],
                "replay": self.replay.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step, self.episodes = state["step"], list(state["episodes"])
        self.replay.load_state_dict(state["replay"])
        for i, actions in enumerate(state["taken"]):
            self.copies.continue_from(i, self.seed_of(i), actions)


def training_seed(seed: int, i: int, episode: int) -> int:
    """The seed of one training episode; never one of validation or test."""
    number = key(seed, "episode", i, episode) % (LAST_SEED - FIRST_TRAINING_SEED)
    return FIRST_TRAINING_SEED + number


def play(environment: str, seeds: Sequence[int], choose) -> list[Episode]:
    """The episodes of these seeds, where `choose` gives actions for observations."""
    copies = game.play(environment, seeds, choose)
    return [Episode(environment, *episode)
            for episode in zip(seeds, copies.taken, copies.rewards, strict=True)]


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
