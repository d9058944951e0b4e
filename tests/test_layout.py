"""The architecture, held: who may know whom, one task a file, its page and its test, lengths."""

import ast
import inspect
import re
import warnings
from pathlib import Path

import pytest

from lamina import tasks
from lamina.task import Task

HOUSE = Path(__file__).parents[1]
SOURCE = HOUSE / "src" / "lamina"
FILES = sorted(SOURCE.rglob("*.py"))
NAMES = [str(file.relative_to(SOURCE)) for file in FILES]

# What a folder may import of ours; "" stands for the core.
ALLOWED = {"nets": {"nets"}, "media": {"media"}, "metrics": {"metrics"},
           "objectives": {"learning", "objectives"}}
LINES = {"tasks": 250, "": 300, "nets": 300}
FUNCTION_LINES = 40
STRETCH = 1.5  # hard limits are this much longer than the ones that warn


def imports(file: Path) -> set[str]:
    """The modules of ours that a file imports, without the leading `lamina.`."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "lamina":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lamina."):
            found.add(node.module.removeprefix("lamina."))
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("lamina.") for alias in node.names
                      if alias.name.startswith("lamina.")}
    return found


def folder_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else ""


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_arrows_of_knowledge(file):
    folder, known = folder_of(file), imports(file)
    tops = {name.partition(".")[0] for name in known}
    if folder in ALLOWED:
        assert tops <= ALLOWED[folder], f"{folder} must not import {tops - ALLOWED[folder]}"
    if folder == "tasks" and file.stem != "__init__":
        assert not {"run", "session", "verbs", "cli", "checkpoint", "artifact"} & tops
        assert not any(name.startswith("tasks.") for name in known), "a task imports no task"
    if folder == "":
        assert not any(name.startswith("tasks.") for name in known), "the core names no task"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_lengths(file):
    lines = file.read_text().splitlines()
    limit = LINES.get(folder_of(file), 300)
    judge(f"{file.name} has {len(lines)} lines", len(lines), limit)
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1
            judge(f"{file.name}: {node.name} has {length} lines", length, FUNCTION_LINES)
    for number, line in enumerate(lines, 1):
        assert len(line) <= 100, f"{file.name}:{number} has {len(line)} characters"


def judge(what: str, length: int, limit: int) -> None:
    assert length <= STRETCH * limit, f"{what}, at most {STRETCH * limit:.0f}"
    if length > limit:
        warnings.warn(f"{what}, better at most {limit}", stacklevel=2)


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_public_names_are_documented(file):
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), f"{file.name} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") \
                and node.name not in ("Settings", "Facts"):
            assert ast.get_docstring(node), f"{file.name}: {node.name} has no docstring"


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_is_one_file_one_class_one_page_one_test(name):
    kind = tasks.find(name)
    own = [member for _, member in inspect.getmembers(inspect.getmodule(kind), inspect.isclass)
           if issubclass(member, Task) and member.__module__ == kind.__module__]
    assert own == [kind]
    assert kind.__subclasses__() == [], "tasks are final"
    under = name.replace("-", "_")
    assert (HOUSE / "docs" / "tasks" / f"{name}.md").is_file()
    assert (HOUSE / "tests" / "tasks" / f"test_{under}.py").is_file()
    public = {member for member in vars(kind) if not member.startswith("_")}
    allowed = {member for member in dir(Task) if not member.startswith("_")} | {"metrics"}
    assert public <= allowed, f"{kind.__name__} adds methods of its own: {public - allowed}"


@pytest.mark.parametrize("name", tasks.names())
def test_a_page_explains_every_setting(name):
    page = (HOUSE / "docs" / "tasks" / f"{name}.md").read_text()
    for field in tasks.find(name).Settings.__dataclass_fields__:
        assert f"`{field}`" in page or f"--{field.replace('_', '-')}" in page, \
            f"docs/tasks/{name}.md does not mention {field}"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_no_pickle_and_no_code_from_data(file):
    text = file.read_text()
    for word in (r"\bimport pickle", r"\bpickle\.\w", r"(?<![.\w])eval\(", r"(?<![.\w])exec\(",
                 r"torch\.load\(", r"allow_pickle=True", r"\bmarshal\b", r"\b(import|from) yaml\b",
                 r"\byaml\.\w+\(", r"\bdill\b", r"shell=True", r"os\.system\("):
        assert not re.search(word, text), f"{file.name} holds {word}"


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_only_the_loop_steps_an_optimizer(file):
    text = file.read_text()
    if file.name != "run.py":
        assert "optimizer.step(" not in text and ".backward(" not in text


def test_importing_lamina_loads_nothing_heavy():
    import subprocess
    import sys

    code = ("import sys, lamina, lamina.cli; "
            "print([m for m in ('torch', 'numpy', 'rich', 'jinja2', 'PIL', 'gymnasium') "
            "if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
