"""Control: what it reads, what it learns from, how an episode goes on after a resume."""

import copy

import gymnasium
import numpy
import pytest
import torch
from torch import nn

from lamina import device
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.media import game
from lamina.run import Run
from lamina.scoring import encode, rows
from lamina.tasks import control
from lamina.tasks.control import Control, ControlFacts, ControlSettings, Experience, goals

SMALL = {"copies": 3, "prefill": 30, "transitions_per_step": 5, "batch_size": 16, "memory": 200,
         "width": 16, "explore_transitions": 100}


class Corridor(gymnasium.Env):
    """A place from 0 to 4: right leads to the end, which pays 1; pictures where it is asked."""

    def __init__(self, pictures: bool = False, first: int = 0, render_mode: str | None = None):
        self.action_space = gymnasium.spaces.Discrete(2, start=first)
        self.first, self.pictures, self.place = first, pictures, 0
        self.observation_space = (gymnasium.spaces.Box(0, 255, (3, 9, 12), numpy.uint8) if pictures
                                  else gymnasium.spaces.Discrete(5))

    def observation(self):
        if not self.pictures:
            return self.place
        pixels = numpy.zeros((3, 9, 12), numpy.uint8)
        pixels[:, :, 2 * self.place : 2 * self.place + 2] = 255
        return pixels

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(2))
        return self.observation(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.place = max(0, self.place + (1 if action == self.first + 1 else -1))
        return self.observation(), float(self.place == 4), self.place == 4, False, {}


@pytest.fixture(autouse=True, scope="module")
def corridors():
    """Environments of our own, for what the well-known ones do not have."""
    gymnasium.register("Corridor-v0", Corridor, max_episode_steps=6)
    gymnasium.register("Gallery-v0", Corridor, max_episode_steps=6,
                       kwargs={"pictures": True, "first": 3})
    gymnasium.register("Endless-v0", Corridor)
    yield
    for name in ("Corridor-v0", "Gallery-v0", "Endless-v0"):
        del gymnasium.registry[name]


def prepared(name: str, **choices) -> tuple[Control, nn.Module, Experience]:
    """A task that has studied the environment, its net, and its source of batches."""
    settings = ControlSettings(**(SMALL | choices))
    task = Control(settings)
    task.facts = task.study(task.read(name).train)
    net = task.start()
    return task, net, Experience(name, net, settings)


def values_of(table: dict[float, list[float]]) -> nn.Module:
    """A net that gives these values for observations of one number."""
    class Table(nn.Module):
        def forward(self, observation):
            return torch.tensor([table[number] for number in observation[:, 0].tolist()])
    return Table()


# ---- what is learnt from ------------------------------------------------------------------------


def batch_of_two() -> dict[str, torch.Tensor]:
    """A transition that goes on and one that ended at a terminal state."""
    return {"observation": torch.tensor([[0.0], [1.0]]),
            "next_observation": torch.tensor([[1.0], [2.0]]), "action": torch.tensor([[1], [0]]),
            "reward": torch.tensor([[2.0], [3.0]]), "discount": torch.tensor([[0.5], [0.0]])}


@pytest.mark.parametrize(("double", "expected"), [(False, 2 + 0.5 * 10), (True, 2 + 0.5 * 4)])
def test_goals_are_the_hand_worked_ones(double, expected):
    """The target net prefers action 0 (worth 10), the learning net action 1 (worth 4 to it)."""
    net = nn.Module()
    net.target = values_of({1.0: [10.0, 4.0], 2.0: [100.0, 100.0]})
    net.online = values_of({1.0: [0.0, 1.0], 2.0: [0.0, 0.0]})
    found = goals(net, batch_of_two(), double=double)
    assert found.tolist() == [[expected], [3.0]]


@pytest.mark.parametrize(("loss", "expected"), [("mse", (16 + 9) / 2), ("huber", (3.5 + 2.5) / 2)])
def test_loss_is_the_hand_worked_one(loss, expected):
    """Q(0, 1) = 3 and Q(1, 0) = 0 against goals of 7 and 3."""
    task = Control(ControlSettings(loss=loss, double=False))
    net = nn.Module()
    net.target = values_of({1.0: [10.0, 4.0], 2.0: [100.0, 100.0]})
    net.online = values_of({0.0: [9.0, 3.0], 1.0: [0.0, 9.0], 2.0: [0.0, 0.0]})
    update = next(task.learn(net, batch_of_two()))
    assert update.loss.item() == pytest.approx(expected)


def test_target_goes_part_of_the_way_after_every_step():
    task, net, source = prepared("CartPole-v1", target_rate=0.25)
    for _ in range(2):
        before = [values.clone() for values in net.target.parameters()]
        for update in task.learn(net, next(source)):
            assert update.part is net.online
            with torch.no_grad():
                next(net.online.parameters()).add_(1)
        for old, new, online in zip(before, net.target.parameters(), net.online.parameters(),
                                    strict=True):
            torch.testing.assert_close(new, 0.75 * old + 0.25 * online)
    assert not any(parameter.requires_grad for parameter in net.target.parameters())


def test_learning_starts_from_the_weights_of_a_model():
    """A model file is read into what answers, the target."""
    _, net, source = prepared("CartPole-v1")
    with torch.no_grad():
        net.target.head.bias[0] += 1
    next(source)
    assert torch.equal(net.online.head.bias, net.target.head.bias)


def test_the_average_net_answers():
    task, net, _ = prepared("CartPole-v1")
    with torch.no_grad():
        net.target.head.bias[0] += 1e6
    assert task.exported(net) is net.target
    assert set(task.answer(net, {"seed": torch.tensor([1])})[0].actions) == {0}


def test_memory_holds_what_happened_up_to_the_true_last_observation():
    """Corridor cuts off after 6 steps; whoever reaches place 4 has terminated."""
    _, _, source = prepared("Corridor-v0", explore_last=1.0)
    for _ in range(30):
        next(source)
    memory = {name: values[:len(source.replay)] for name, values in source.replay.rows.items()}
    here, there = (memory[name].argmax(1) for name in ("observation", "next_observation"))
    moved = numpy.where(memory["action"] == 1, here + 1, numpy.maximum(here - 1, 0))
    assert (there == moved).all()  # also at the end of an episode: no reset slips in between
    assert 0 < memory["terminated"].sum() < memory["ended"].sum() < len(there)
    assert (memory["terminated"] == (there == 4)).all()
    assert (memory["reward"] == (there == 4)).all()


def test_net_is_told_the_centre_and_the_spread_of_what_was_seen():
    _, net, source = prepared("CartPole-v1")
    next(source)
    seen = source.replay.rows["observation"][:len(source.replay)]
    for part in (net.online, net.target):
        numpy.testing.assert_allclose(part.features.centre, seen.mean(0), rtol=1e-4, atol=1e-6)
        numpy.testing.assert_allclose(part.features.spread, seen.std(0), rtol=1e-4)
    assert torch.equal(prepared("FrozenLake-v1")[1].online.features.spread, torch.ones(16))


def test_exploration_falls_from_all_random_in_a_line_of_transitions():
    _, _, source = prepared("CartPole-v1", explore_last=0.1, prefill=30, explore_transitions=100)
    course = []
    for transitions in (0, 29, 30, 80, 130, 9999):
        source.replay.count = transitions
        course.append(source.epsilon)
    assert course == pytest.approx([1, 1, 1, 0.55, 0.1, 0.1])


def test_transitions_played_are_those_asked_for():
    _, _, source = prepared("CartPole-v1")
    for step in range(1, 20):
        next(source)
        wanted = 30 + 5 * step
        assert wanted <= source.transitions < wanted + 3  # whole rounds of 3 copies
        assert len(source.replay) == min(source.transitions, 200)


def test_default_run_plays_no_more_than_50000_transitions():
    settings = ControlSettings()
    steps = int(Control.budget.steps)
    assert settings.prefill + steps * settings.transitions_per_step + settings.copies <= 50_000


def test_memory_too_small_for_its_rewards_is_refused():
    with pytest.raises(UserError, match="memory"):
        ControlSettings(memory=30, copies=8, rewards=5)


# ---- going on after a resume --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CartPole-v1", "LunarLander-v3", "FrozenLake-v1", "Gallery-v0"])
@pytest.mark.parametrize("steps", [1, 60])  # before and after the memory is full
def test_resumed_experience_goes_on_with_the_same_batches(name, steps):
    _, net, source = prepared(name, explore_last=0.3)
    for _ in range(steps):
        next(source)
    state = copy.deepcopy(source.state_dict())
    resumed = Experience(name, net, source.settings)
    resumed.load_state_dict(state)
    for _ in range(20):
        expected, found = next(source), next(resumed)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_training_never_plays_an_episode_of_validation_or_test():
    data = Control(ControlSettings()).read("CartPole-v1")
    validation, test = ({example.input.seed for example in part}
                        for part in (data.validation, data.test))
    assert len(test) == 100 and len(validation) == 20 and not test & validation
    seeds = {control.training_seed(0, i, episode) for i in range(8) for episode in range(500)}
    assert len(seeds) == 4000
    assert max(validation | test) < control.FIRST_TRAINING_SEED <= min(seeds)


# ---- environments -------------------------------------------------------------------------------


def test_environment_that_does_not_exist_is_one_line_with_the_nearest():
    task = Control(ControlSettings())
    with pytest.raises(UserError, match="CartPole-v1") as caught:
        task.read("CartPol-v1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["Pendulum-v1", "MountainCarContinuous-v0"])
def test_continuous_actions_are_refused(name):
    with pytest.raises(UserError, match="Discrete") as caught:
        Control(ControlSettings()).read(name)
    assert "\n" not in str(caught.value)


def test_name_that_would_import_a_module_is_refused():
    with pytest.raises(UserError, match="registered"):
        Control(ControlSettings()).read("antigravity:CartPole-v1")


def test_missing_package_is_one_line():
    missing = [name for name in game.names() if name.startswith("Ant-v5")]
    if not missing or is_there("mujoco"):
        pytest.skip("nothing is missing")
    with pytest.raises(UserError) as caught:
        Control(ControlSettings()).read(missing[0])
    assert "\n" not in str(caught.value)


def is_there(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def test_file_may_hold_the_name(tmp_path):
    path = Control.sample(tmp_path)
    assert Control(ControlSettings()).read(path).test[0].input.environment == "CartPole-v1"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError):
        Control(ControlSettings()).read(path)


@pytest.mark.parametrize(("name", "shape", "actions"), [
    ("CartPole-v1", (4,), 2), ("LunarLander-v3", (8,), 4), ("FrozenLake-v1", (16,), 4),
    ("Blackjack-v1", (45,), 2), ("Taxi-v4", (500,), 6), ("Gallery-v0", (9, 12, 3), 2)])
def test_observations_of_every_kind_become_arrays(name, shape, actions):
    if name not in game.names():
        pytest.skip("not in this gymnasium")
    task, net, source = prepared(name, duelling=True)
    assert (task.facts.shape, task.facts.actions) == (shape, actions)
    for _ in task.learn(net, next(source)):
        pass
    episodes = task.answer(task.exported(net), {"seed": torch.tensor([1, 2])})
    assert all(len(episode.actions) == len(episode.rewards) > 0 for episode in episodes)


def test_model_for_an_environment_that_changed_is_refused():
    task = Control(ControlSettings(), ControlFacts(environment="CartPole-v1", shape=(5,),
                                                   actions=2))
    with pytest.raises(UserError, match="trained for"):
        task.answer(task.start(), {"seed": torch.tensor([0])})


def test_environment_without_a_limit_is_cut_off():
    copies = game.play("Endless-v0", [0], lambda observations: numpy.zeros(len(observations), int))
    assert len(copies.taken[0]) == game.LONGEST_EPISODE


# ---- answers ------------------------------------------------------------------------------------


def test_answers_are_the_episodes_of_the_seeds():
    task, net, _ = prepared("CartPole-v1")
    seeds = [3, 5, 3]
    first, second, again = task.answer(net, {"seed": torch.tensor(seeds)})
    assert first == again and first.seed == 3 and second.seed == 5
    assert first.total == len(first.actions)
    frames = first.frames()
    assert len(frames) == len(first.actions) + 1 and frames[0].dtype == numpy.uint8
    assert len(first.frames(every=4)) == 1 + -(-len(first.actions) // 4)


def test_seeds_that_are_none_are_refused():
    task, _, _ = prepared("CartPole-v1")
    assert [example.input.seed for example in task.examples(["0", "12"])] == [0, 12]
    assert len(task.examples([])) == 1
    for text in ("-1", "x", "1.5", str(2**31)):
        with pytest.raises(UserError, match="seed"):
            task.examples([text])


def test_random_actions_are_the_baseline():
    """Random play of CartPole-v1 lasts about 22 steps."""
    task = Control(ControlSettings())
    data = task.read("CartPole-v1")
    found = task.baselines(data.train, data.test)["random actions"]["return"]
    assert found.shape == (100, 1)
    assert 15 < found.mean() < 30


# ---- learning -----------------------------------------------------------------------------------


def test_learns_to_balance_the_pole():
    """13,000 transitions; random play gives 22."""
    task = Control(ControlSettings(seed=1))
    data = task.read("CartPole-v1")
    task.facts = task.study(data.train)
    machine = device.machine(device="cpu", threads=1)
    validation = encode(task, data.validation, [])
    run = Run(task, task.start(), encode(task, data.train, []).batch, validation,
              machine=machine, plan=Plan(750), evaluations=4)
    for _ in run.train():
        pass
    score = rows(task, run.finish(), encode(task, data.test, []), machine)["return"].mean()
    assert score >= 150


@pytest.mark.parametrize(("name", "choice"), [
    ("Corridor-v0", {"double": False}), ("Corridor-v0", {"duelling": True}),
    ("Corridor-v0", {"loss": "huber"}), ("Gallery-v0", {})])
def test_every_kind_of_learning_finds_the_end_of_the_corridor(name, choice):
    """The shortest way pays 1; 6 steps at random seldom get there."""
    task, net, _ = prepared(name, learning_rate=3e-3, target_rate=0.1, discount=0.9,
                            explore_last=0.2, memory=2000, **choice)
    run = Run(task, net, {"seed": torch.zeros(1, dtype=torch.int64)},
              machine=device.machine(device="cpu", threads=1), plan=Plan(200))
    for _ in run.train():
        pass
    episodes = task.answer(run.finish(), {"seed": torch.arange(10)})
    assert all(episode.total == 1 for episode in episodes)
