"""Checkpoints: whole, checksummed, the newest good one wins.

    checkpoints/step-00001200/
        state.json           numbers, text, and where each tensor belongs
        state.safetensors    the tensors
        manifest.json        SHA-256 of both

Neither safetensors nor torch notices a flipped bit, so the checksums are verified before use.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as tensors_from
from safetensors.torch import save as tensors_to
from torch import Tensor

from lamina.storage import write_folder

KEEP = 2
NAME = re.compile(r"step-(\d{8,})")


class Unusable(Exception):
    """A checkpoint that must not be used, and why."""


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `state` as the checkpoint of that step; older ones beyond the newest two go."""
    path = folder / f"step-{step:08d}"
    if path.exists():
        try:
            load(path)
            return path  # a run that is repeated reaches the same state
        except Unusable:
            shutil.rmtree(path)
    tensors: dict[str, Tensor] = {}
    document = json.dumps(pack({"step": step, **state}, tensors)).encode()
    files = {"state.json": document, "state.safetensors": tensors_to(tensors)}
    files["manifest.json"] = json.dumps({name: sha256(data) for name, data in files.items()}
                                        ).encode()
    write_folder(path, files)
    prune(folder)
    return path


def prune(folder: Path) -> None:
    """Remove all but the newest two checkpoints, and what an interrupted save left behind."""
    for left in folder.glob(".step-*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    for old in steps(folder)[:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)


def steps(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first; whether they are good is not looked at."""
    found = [path for path in folder.glob("step-*") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(NAME.fullmatch(path.name)[1]))


def newest(folder: Path, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The state of the newest good checkpoint; `say` is told of each bad one that was passed."""
    for path in reversed(steps(folder)):
        try:
            return load(path)
        except Unusable as reason:
            say(f"{path.name} is damaged ({reason}); using the checkpoint before it")
    return None


def load(path: Path) -> dict[str, Any]:
    """The state in a checkpoint folder. Unusable: anything is missing or differs by one bit."""
    try:
        manifest = json.loads((path / "manifest.json").read_bytes())
        files = {name: (path / name).read_bytes() for name in ("state.json", "state.safetensors")}
        for name, data in files.items():
            if manifest[name] != sha256(data):
                raise Unusable(f"{name} does not match its checksum")
        state = unpack(json.loads(files["state.json"]), tensors_from(files["state.safetensors"]))
    except (OSError, ValueError, KeyError, TypeError) as reason:
        raise Unusable(f"{type(reason).__name__}: {reason}") from None
    if state["step"] != int(NAME.fullmatch(path.name)[1]):
        raise Unusable(f"it holds step {state['step']}")
    return state


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree as JSON types; its tensors go into `tensors` under the names left in their place."""
    if isinstance(tree, Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = tree.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        return {"tensor": name, "channels_last": is_channels_last(tree)}
    if isinstance(tree, dict):
        return {"items": [[key, pack(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return [pack(value, tensors) for value in tree]
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise TypeError(f"a state holds numbers, text and tensors, got {type(tree).__name__}")


def unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """What `pack` was given."""
    if isinstance(tree, list):
        return [unpack(value, tensors) for value in tree]
    if not isinstance(tree, dict):
        return tree
    if "items" in tree:
        return {key: unpack(value, tensors) for key, value in tree["items"]}
    tensor = tensors[tree["tensor"]]
    if tree["channels_last"]:  # the same layout, so that the next step rounds as it would have
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def is_channels_last(tensor: Tensor) -> bool:
    """Whether a 4-dimensional tensor is laid out with its channels innermost, and only so."""
    return (tensor.ndim == 4 and not tensor.is_contiguous()
            and tensor.is_contiguous(memory_format=torch.channels_last))
