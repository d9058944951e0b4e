"""What tests share: the tasks, tiny sample data sets made once, sessions in temporary folders."""

import os

import pytest
import torch

from lamina import tasks
from lamina.device import machine
from lamina.parts import Parts, prepare

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # games are drawn without a screen
torch.set_num_threads(1)  # tests run side by side


@pytest.fixture(autouse=True)
def one_thread():
    """A run may set the threads of the process; each test starts with one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """A function that gives the sample data set of a task, written once."""
    made: dict[str, object] = {}

    def of(name: str):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = tasks.find(name).sample(folder)
        return made[name]

    return of


@pytest.fixture(scope="session")
def prepared(samples):
    """A function that gives (task, parts) of a task on its own sample."""
    def of(name: str, **settings) -> tuple[object, Parts]:
        kind = tasks.find(name)
        task = kind(kind.Settings.make(settings))
        return task, prepare(task, samples(name))

    return of


@pytest.fixture
def cpu():
    return machine(device="cpu", threads=1)
