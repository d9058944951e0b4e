"""The tasks: one file each. The folder is the registry: text_generation.py is `text-generation`."""

import ast
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

from lamina.errors import UserError, nearest

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of all tasks, as the command line spells them."""
    files = sorted(FOLDER.glob("*.py"))
    return [file.stem.replace("_", "-") for file in files if not file.stem.startswith("_")]


def summary(name: str) -> str:
    """The first line of the task's documentation, read without importing it."""
    source = (FOLDER / f"{name.replace('-', '_')}.py").read_text()
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def find(name: str) -> type:
    """The Task class of that name; UserError names the nearest one."""
    from lamina.task import Task

    dashed = name.replace("_", "-")
    if dashed not in names():
        raise UserError(f"no task is called {name!r}: {nearest(dashed, names())}")
    module = importlib.import_module(f"lamina.tasks.{dashed.replace('-', '_')}")
    [task] = [kind for _, kind in inspect.getmembers(module, inspect.isclass)
              if issubclass(kind, Task) and kind.__module__ == module.__name__]
    return task


def name_of(task: type) -> str:
    """The command-line name of a Task class."""
    return task.__module__.rpartition(".")[2].replace("_", "-")


class _Listing(ModuleType):
    """Lets `lamina.tasks()` be the verb, though `lamina.tasks` is this package."""

    def __call__(self) -> dict[str, str]:
        """Every task by name, with one line on what it does."""
        return {name: summary(name) for name in names()}


sys.modules[__name__].__class__ = _Listing
