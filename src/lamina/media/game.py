"""Playing gymnasium environments: an episode is the seed of its reset and its actions."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

LONGEST_EPISODE = 1000  # steps after which an environment without a limit of its own is cut off
NAMES = {  # of environments without names of their own: what is observed, what can be done
    "CartPole": (("position of the cart", "speed of the cart", "angle of the pole",
                  "turning speed of the pole"), ("push left", "push right")),
    "MountainCar": (("position", "speed"), ("push left", "do not push", "push right")),
    "Acrobot": (("cosine of the upper angle", "sine of the upper angle",
                 "cosine of the lower angle", "sine of the lower angle",
                 "turning speed of the upper link", "turning speed of the lower link"),
                ("turn one way", "do not turn", "turn the other way")),
    "LunarLander": (("sideways position", "height", "sideways speed", "upward speed", "angle",
                     "turning speed", "left leg touches", "right leg touches"),
                    ("no engine", "left engine", "main engine", "right engine")),
}


class NotPlayable(ValueError):
    """No such environment, a package that it needs is missing, or it is of another kind."""


class NotDrawable(ValueError):
    """The environment has no pictures, or the package that draws them is missing."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where an episode begins: the environment's registered name and the seed of its reset."""

    environment: str
    seed: int

    def __str__(self) -> str:
        return f"{self.environment} from seed {self.seed}"


def names() -> list[str]:
    """The registered environments."""
    import gymnasium

    return sorted(gymnasium.registry)


def make(name: str, *, drawn: bool = False):
    """The environment of that registered name, with a limit on the steps of an episode.

    NotPlayable: it is not registered (names that import a module on the way are not taken), a
    package is missing, or its actions are not a choice among several.
    """
    import gymnasium

    if name not in gymnasium.registry:
        raise NotPlayable(f"no environment is registered as {name!r}")
    limit = gymnasium.registry[name].max_episode_steps or LONGEST_EPISODE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on newer versions and on unbounded observations
            environment = gymnasium.make(name, disable_env_checker=True, max_episode_steps=limit,
                                         render_mode="rgb_array" if drawn else None)
    except (gymnasium.error.Error, ImportError, TypeError) as reason:
        raise NotPlayable(f"{name} cannot be made: {' '.join(str(reason).split())}") from None
    if not isinstance(environment.action_space, gymnasium.spaces.Discrete):
        raise NotPlayable(f"{name} takes actions of the kind {environment.action_space}; expected "
                          "a choice among several, gymnasium's Discrete")
    return environment


def observer(space) -> tuple[tuple[int, ...], type, Callable[[object], numpy.ndarray]]:
    """The shape and type of a space's observations as arrays, and what makes them so.

    uint8 of two or three axes is a picture: (height, width, channels), wherever the channels were.
    All else is flat: numbers as float32, categories as one-hot uint8.
    """
    import gymnasium

    if isinstance(space, gymnasium.spaces.Box):
        if space.dtype == numpy.uint8 and len(space.shape) in (2, 3):
            return picture_observer(space.shape)
        return (int(numpy.prod(space.shape)),), numpy.float32, numpy.ravel
    try:
        flat = gymnasium.spaces.flatten_space(space)
        if not isinstance(flat, gymnasium.spaces.Box):
            raise NotImplementedError
    except NotImplementedError:
        raise NotPlayable(f"observations of the kind {space} have no fixed size") from None
    one_hot = flat.dtype.kind in "iub" and flat.low.min() >= 0 and flat.high.max() <= 255
    return (flat.shape, numpy.uint8 if one_hot else numpy.float32,
            lambda observation: gymnasium.spaces.flatten(space, observation))


def picture_observer(shape: tuple[int, ...]):
    """As `observer`, for pictures with channels last, first, or none."""
    if len(shape) == 2:
        return (*shape, 1), numpy.uint8, lambda pixels: pixels[:, :, None]
    if shape[0] < shape[2]:
        return (*shape[1:], shape[0]), numpy.uint8, lambda pixels: pixels.transpose(1, 2, 0)
    return shape, numpy.uint8, lambda pixels: pixels


class Copies:
    """Several copies of one environment, each in an episode of its own.

    actions: how many there are; they are counted from 0 here, whatever the environment's first is.
    observations: what each copy shows now, (copies, *shape).
    taken, rewards: of the running episode of each copy so far.
    """

    def __init__(self, name: str, count: int):
        self.environments = [make(name) for _ in range(count)]
        first = self.environments[0]
        self.actions, self.first_action = int(first.action_space.n), int(first.action_space.start)
        self.shape, kind, self.observe = observer(first.observation_space)
        self.observations = numpy.zeros((count, *self.shape), kind)
        self.taken: list[list[int]] = [[] for _ in range(count)]
        self.rewards: list[list[float]] = [[] for _ in range(count)]

    def reset(self, copy: int, seed: int) -> None:
        """Begin the episode of that seed."""
        observation, _ = self.environments[copy].reset(seed=seed)
        self.observations[copy] = self.observe(observation)
        self.taken[copy], self.rewards[copy] = [], []

    def step(self, which: Sequence[int], actions: numpy.ndarray) -> tuple[numpy.ndarray, ...]:
        """One step of each of these copies: rewards, whether it terminated, whether it ended.

        An episode that was cut off has ended but not terminated: what it shows had a future. An
        ended copy shows its true last observation until it is reset.
        """
        actions = actions.tolist()
        seen, rewards, terminated, cut_off, _ = zip(*(
            self.environments[copy].step(action + self.first_action)
            for copy, action in zip(which, actions, strict=True)), strict=True)
        self.observations[which] = [self.observe(observation) for observation in seen]
        for copy, action, reward in zip(which, actions, rewards, strict=True):
            self.taken[copy].append(action)
            self.rewards[copy].append(float(reward))
        terminated = numpy.array(terminated, bool)
        return numpy.array(rewards, numpy.float32), terminated, terminated | numpy.array(cut_off)

    def continue_from(self, copy: int, seed: int, actions: Sequence[int]) -> None:
        """Come to where the episode of that seed stood after these actions."""
        self.reset(copy, seed)
        for action in actions:
            self.step([copy], numpy.array([action]))


def play(name: str, seeds: Sequence[int],
         choose: Callable[[numpy.ndarray], numpy.ndarray]) -> Copies:
    """One whole episode for each seed, all in step with each other.

    choose: the actions, (running,), for the observations of the episodes that still run,
        (running, *shape).
    """
    copies = Copies(name, len(seeds))
    for copy, seed in enumerate(seeds):
        copies.reset(copy, seed)
    running = numpy.arange(len(seeds))
    while len(running):
        actions = choose(copies.observations[running])
        _, _, ended = copies.step(running.tolist(), actions)
        running = running[~ended]
    return copies


def observed(name: str, seed: int, actions: Sequence[int]) -> numpy.ndarray:
    """What was shown before each of these actions of an episode, (actions, *shape)."""
    copies = Copies(name, 1)
    copies.reset(0, seed)
    found = numpy.empty((len(actions), *copies.shape), copies.observations.dtype)
    for step, action in enumerate(actions):
        found[step] = copies.observations[0]
        copies.step([0], numpy.array([action]))
    return found


def names_of(name: str, numbers: int, actions: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the numbers of an observation and the actions are called; counted where not known."""
    base = name.rpartition("/")[2].partition("-v")[0]
    shown, done = NAMES.get(base, ((), ()))
    if len(shown) != numbers or len(done) != actions:
        return (tuple(f"observation {i + 1}" for i in range(numbers)),
                tuple(f"action {i}" for i in range(actions)))
    return shown, done


def discounted(rewards: Sequence[float], discount: float) -> list[float]:
    """The discounted sum of the rewards from each step to the end."""
    found, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + discount * total
        found.append(total)
    return found[::-1]


def replay(name: str, seed: int, actions: list[int], *, every: int = 1) -> list[numpy.ndarray]:
    """The pictures of an episode, uint8 (height, width, 3), by playing its actions again.

    every: how many steps lie between two pictures; drawing takes far longer than playing.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # else SDL complains of no screen
    try:
        environment = make(name, drawn=True)
        environment.reset(seed=seed)
        frames = [environment.render()]
        for step, action in enumerate(actions, 1):
            environment.step(action + int(environment.action_space.start))
            if step % every == 0 or step == len(actions):
                frames.append(environment.render())
        environment.close()
    except Exception as reason:  # whatever the packages that draw stumble over
        raise NotDrawable(f'{name} cannot be drawn: {reason}; the extras "games" and "box2d" '
                          "draw most environments") from None
    if frames[0] is None:
        raise NotDrawable(f"{name} has no pictures")
    return frames
