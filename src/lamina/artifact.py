"""The model file: one model.safetensors, tensors and one JSON document.

The header's metadata hold the document (format, task, settings, facts, scores, …) and a SHA-256
over the document and every tensor's name, type, shape and bytes. Loading checks it before use,
builds the net on torch's meta device, and takes nothing but tensors of the shapes it expects.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensors_to
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lamina import storage, tasks
from lamina.answers import Answer
from lamina.device import Machine, machine
from lamina.errors import UserError, nearest
from lamina.scoring import encode_chunk
from lamina.task import Example, Task, arrange
from lamina.trust import calibration

FORMAT = 1
NAME = "model.safetensors"


def save(path: Path, task: Task, net: nn.Module, document: dict[str, Any]) -> dict[str, Any]:
    """Write the model file; gives {"file", "bytes", "sha256"} for the report.

    document: what else the file should say: scores, data, versions, licence notes.
    """
    tensors = {name: values.detach().cpu().contiguous().clone()
               for name, values in task.exported(net).state_dict().items()}
    text = json.dumps({"format": FORMAT, "task": tasks.name_of(type(task)),
                       "settings": task.settings.to_json(), "facts": task.facts.to_json(),
                       **document})
    digest = fingerprint(text, tensors)
    data = tensors_to(tensors, metadata={"lamina": text, "sha256": digest})
    storage.write(path, data)
    return {"file": path.name, "bytes": len(data), "sha256": digest}


def fingerprint(text: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of a document and of all tensors, in the order of their names."""
    digest = hashlib.sha256(text.encode())
    for name, values in sorted(tensors.items()):
        digest.update(repr((name, str(values.dtype), tuple(values.shape))).encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class Model:
    """A trained net with the task that explains its answers."""

    def __init__(self, task: Task, net: nn.Module, document: dict[str, Any], place: Machine):
        self.task, self.document, self.machine = task, document, place
        self.net = net.to(place.device).eval()
        self.calibration = calibration.read(document)

    def predict(self, given: Sequence[str | Example]) -> Iterator[Answer]:
        """Answers to paths, texts, rows (as the task reads them) or Examples, in order.

        UserError names an input that cannot be read.
        """
        examples = self.examples(given)
        for start in range(0, len(examples), self.task.examples_at_once):
            yield from self.answer(self.encoded(
                examples[start : start + self.task.examples_at_once]))

    def examples(self, given: Sequence[str | Example]) -> list[Example]:
        """What was given, as the task reads it; UserError where it cannot be read."""
        texts = [item for item in given if not isinstance(item, Example)]
        try:
            examples = self.task.examples(texts) if len(texts) == len(given) else list(given)
        except ValueError as reason:
            raise UserError(str(reason)) from None
        if not examples:
            raise UserError("nothing was given to answer; give one or more inputs")
        return examples

    def encoded(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Their tensors, on the model's device; UserError names one that cannot be read."""
        _, batch, damaged = encode_chunk(self.task, examples)
        if damaged:
            raise UserError(damaged[0])
        return {name: values.to(self.machine.device) for name, values in batch.items()}

    def answer(self, batch: dict[str, Tensor]) -> list[Answer]:
        """Answers to an encoded batch."""
        batch = {name: values.to(self.machine.device) for name, values in batch.items()}
        with torch.inference_mode(), self.machine.autocast():
            answers = self.task.answer(self.net, batch)
        return calibration.apply(answers, self.calibration)

    def with_settings(self, changes: dict[str, Any]) -> "Model":
        """The same model with other settings of those that may change when it answers."""
        fields = self.task.Settings.__dataclass_fields__
        allowed = [name for name, spec in fields.items() if spec.metadata.get("at_predict")]
        for name in changes:
            if name not in allowed:
                raise UserError(f"{name!r} cannot be set when predicting: "
                                f"{nearest(name, allowed)}")
        task = type(self.task)(replace(self.task.settings, **changes), self.task.facts)
        return Model(task, self.net, self.document, self.machine)

    def with_coverage(self, coverage: float) -> "Model":
        """The same model with sets and intervals of another coverage, one that its file keeps."""
        if self.calibration is None:
            raise UserError("coverage: this model's answers have no sets and no intervals")
        document = self.document | {"calibration": self.calibration.at(coverage).to_json()}
        return Model(self.task, self.net, document, self.machine)


def load(path: Path | str, *, device: str = "auto", threads: int = 0) -> Model:
    """The model in a model file or a run folder.

    UserError, one line: no such file, no model file, damaged, another format, an unknown task or
    setting, tensors that do not fit.
    """
    path = locate(Path(path))
    document, tensors = read(path)
    task = task_of(path, document)
    try:
        with torch.device("meta"), Unfilled():
            net = task.exported(task.build())
    except (ValueError, TypeError, LookupError, RuntimeError, AttributeError, ArithmeticError,
            AssertionError, MemoryError) as reason:
        raise UserError(f"{path}: its settings and facts build no net ({reason})") from None
    fit(path, net, tensors)  # so building it for real asks for no more than the file's size
    net = task.exported(task.build())
    net.load_state_dict(tensors)
    net.requires_grad_(False)
    found = machine(device=device, threads=threads)
    arrange(net, found.layout)  # as it was while it learnt, so that it rounds alike
    return Model(task, net, document, found)


class Unfilled(TorchFunctionMode):
    """No weight gets its first values: on the meta device there is nothing to fill, and torch
    would import its symbolic arithmetic for it.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        named = kwargs or {}
        if function is torch.randn:
            return torch.empty(*args, **named)
        if getattr(function, "__name__", "") in ("normal_", "uniform_"):
            return named["tensor"] if "tensor" in named else args[0]
        return function(*args, **named)


def locate(path: Path) -> Path:
    """The model file that a path means; UserError names a near one that exists."""
    found = path / NAME if path.is_dir() else path
    if found.is_file():
        return found
    if path.is_dir():
        raise UserError(f"{path} holds no {NAME}; it may not have finished its first evaluation: "
                        f"lamina resume {path}")
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise UserError(f"no model at {path}: {nearest(path.name, siblings)}")


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The document and the tensors of a model file whose checksum is right."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as reason:
        raise UserError(f"{path} is not a readable model file ({reason})") from None
    if set(metadata) != {"lamina", "sha256"}:
        raise UserError(f"{path} holds tensors but is no Lamina model file")
    if fingerprint(metadata["lamina"], tensors) != metadata["sha256"]:
        raise UserError(f"{path} is damaged: its contents do not match its checksum")
    try:
        document = json.loads(metadata["lamina"])
    except (ValueError, RecursionError) as reason:
        raise UserError(f"{path}: its document is no JSON ({reason})") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: its document is no object")
    for name, values in tensors.items():
        if values.is_floating_point() and not torch.isfinite(values).all():
            raise UserError(f"{path}: the tensor {name} holds values that are not finite")
    return document, tensors


def task_of(path: Path, document: dict[str, Any]) -> Task:
    """The task, settings and facts that a document names."""
    if document.get("format") != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}, got {document.get('format')!r}; "
                        "it was written by another version of Lamina")
    for name in ("settings", "facts"):
        if not isinstance(document.get(name), dict):
            raise UserError(f"{path}: its document holds no {name}")
    if not isinstance(document.get("task"), str):
        raise UserError(f"{path}: its document names no task")
    try:
        calibration.read(document)
        kind = tasks.find(document["task"])
        return kind(kind.Settings.make(document["settings"]),
                    kind.Facts.make(document["facts"], what="fact"))
    except UserError as reason:
        raise UserError(f"{path}: {reason}") from None


def fit(path: Path, net: nn.Module, tensors: dict[str, Tensor]) -> None:
    """UserError if the tensors are not just those of the net, in name, shape and type."""
    expected = net.state_dict()
    for name in expected.keys() ^ tensors.keys():
        raise UserError(f"{path}: the tensor {name} is "
                        + ("missing" if name in expected else "not part of this net"))
    for name, values in expected.items():
        if values.shape != tensors[name].shape or values.dtype != tensors[name].dtype:
            raise UserError(
                f"{path}: the tensor {name} should be {values.dtype} {tuple(values.shape)}, "
                f"is {tensors[name].dtype} {tuple(tensors[name].shape)}")


def start_from(net: nn.Module, path: Path | str) -> str:
    """Take over every tensor of a model file that fits; one sentence says which did not."""
    _, tensors = read(locate(Path(path)))
    own = net.state_dict()
    taken = {name: values for name, values in tensors.items()
             if name in own and own[name].shape == values.shape}
    if not taken:
        raise UserError(f"{path}: none of its {len(tensors)} tensors fits this net; give a model "
                        "of the same kind of net")
    net.load_state_dict(taken, strict=False)
    left = [name for name in own if name not in taken]
    return (f"started from {path}: {len(taken)} of {len(own)} tensors taken over; "
            + ("all fit" if not left else "fresh: " + ", ".join(left)))
