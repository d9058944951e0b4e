"""The model file: what it holds comes back; a corpus of damaged and hostile files is refused."""

import copy
import json
import pickle
import random
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as tensors_to

from lamina import artifact, cli, tasks
from lamina.errors import UserError

NAME = "image-classification"


@pytest.fixture(scope="module")
def model(tmp_path_factory, prepared):
    """(path, document, tensors) of a good model file."""
    task, _ = prepared(NAME, net="mlp", image_size=8)
    path = tmp_path_factory.mktemp("model") / artifact.NAME
    artifact.save(path, task, task.start(), {"scores": [], "data": {"source": "x"}})
    document, tensors = artifact.read(path)
    return path, document, tensors


def forged(document, tensors, **metadata) -> bytes:
    """A model file with a right checksum over wrong contents."""
    text = document if isinstance(document, str) else json.dumps(document)
    known = {"lamina": text, "sha256": artifact.fingerprint(text, tensors)}
    return tensors_to(tensors, metadata=known | metadata)


def with_header(data: bytes, change) -> bytes:
    """The file with its header changed and its length put right."""
    length = struct.unpack("<Q", data[:8])[0]
    header = change(data[8 : 8 + length])
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def corpus(good: bytes, document: dict, tensors: dict):
    """(name, bytes, what the message says) of every bad file."""
    chance = random.Random(0)
    length = struct.unpack("<Q", good[:8])[0]
    yield "empty", b"", "readable"
    yield "one byte", good[:1], "readable"
    yield "length only", good[:8], "readable"
    for share in (0.01, 0.2, 0.5, 0.9, 0.999):
        yield f"cut at {share}", good[: int(share * len(good))], "readable"
    yield "a byte too many", good + b"\0", "readable"
    for bit in range(0, 64, 9):
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"length bit {bit}", bytes(flipped), "readable|damaged|no Lamina"
    for number in range(12):
        flipped = bytearray(good)
        flipped[8 + chance.randrange(length)] ^= 1 << chance.randrange(8)
        yield f"header bit {number}", bytes(flipped), "readable|damaged|no Lamina"
    for number in range(12):
        flipped = bytearray(good)
        flipped[chance.randrange(8 + length, len(good))] ^= 1 << chance.randrange(8)
        yield f"tensor bit {number}", bytes(flipped), "checksum"
    yield "zeroed block", good[:-4096] + bytes(4096), "checksum"
    yield "huge header", struct.pack("<Q", 1 << 40) + good[8:], "readable"
    yield "largest header", b"\xff" * 8 + good[8:], "readable"
    yield "header of spaces", with_header(good, lambda h: b" " * len(h)), "readable"
    yield "header no JSON", with_header(good, lambda h: b"{" * 64), "readable"
    yield "deep header", with_header(good, lambda h: b'{"a":' * 50_000), "readable"
    yield "pickle", pickle.dumps({"weights": [1, 2, 3]}), "readable"
    yield "text", b"these are not the weights you are looking for\n" * 99, "readable"
    yield "zip", b"PK\x03\x04" + bytes(500), "readable"
    yield "no metadata", tensors_to(tensors), "no Lamina"
    yield "other metadata", tensors_to(tensors, metadata={"format": "pt"}), "no Lamina"
    yield "more metadata", forged(document, tensors, extra="x"), "no Lamina"
    yield "wrong checksum", forged(document, tensors, sha256="0" * 64), "checksum"
    yield "document no JSON", forged("{nope", tensors), "no JSON"
    yield "document a list", forged("[1]", tensors), "no object"
    yield "document deep", forged("[" * 200_000, tensors), "no JSON"
    for key in ("format", "task", "settings", "facts"):
        lacking = {k: v for k, v in document.items() if k != key}
        yield f"no {key}", forged(lacking, tensors), key
    yield from documents(document, tensors)
    yield from shapes(document, tensors)


def documents(document: dict, tensors: dict):
    """Files whose document asks for what it must not."""
    def changed(part: str | None, **values):
        other = copy.deepcopy(document)
        (other if part is None else other[part]).update(values)
        return forged(other, tensors)

    yield "format of the future", changed(None, format=99), "format"
    yield "unknown task", changed(None, task="image-clasification"), "did you mean"
    yield "task a path", changed(None, task="../../etc/passwd"), "no task"
    yield "task a module", changed(None, task="os.system"), "no task"
    yield "task a number", changed(None, task=7), "names no task"
    yield "settings a list", changed(None, settings=[1]), "settings"
    yield "unknown setting", changed("settings", colour="red"), "unknown setting"
    yield "setting out of range", changed("settings", width=10**9), "width: expected"
    yield "setting of another type", changed("settings", width="wide"), "whole number"
    yield "setting another word", changed("settings", net="__import__('os')"), "one of"
    yield "setting not finite", changed("settings", learning_rate=float("inf")), "number"
    yield "unknown fact", changed("facts", colour=1), "unknown fact"
    yield "fact of another type", changed("facts", labels="cat"), "labels: expected a list"
    yield "huge fact", changed("facts", size=10**9), "builds? no net|build no net|should be"
    yield "negative fact", changed("facts", size=-5), "build no net|should be"
    yield "zero fact", changed("facts", size=0), "build no net|should be"
    yield "no labels", changed("facts", labels=[]), "should be|build no net"
    yield "another net", changed("settings", net="resnet"), "missing|not part"


def shapes(document: dict, tensors: dict):
    """Files whose tensors do not fit the net."""
    name = next(name for name, values in tensors.items() if values.ndim == 2)

    def changed(values=None, drop=False, **more):
        other = {k: v for k, v in tensors.items() if k != name or not drop}
        if values is not None:
            other[name] = values
        return forged(document, other | more)

    right = tensors[name]
    yield "tensor missing", changed(drop=True), "missing"
    yield "tensor too many", changed(extra=torch.zeros(3)), "not part"
    yield "tensor of another shape", changed(right[:, :-1].contiguous()), "should be"
    yield "tensor turned", changed(right.T.contiguous()), "should be"
    yield "tensor of another type", changed(right.double()), "should be"
    yield "tensor of NaN", changed(torch.full_like(right, float("nan"))), "not finite"
    yield "tensor with one Inf", changed(right.index_fill(0, torch.tensor([0]), float("inf"))), \
        "not finite"


def test_every_hostile_file_is_refused_in_one_line(model, tmp_path, capsys):
    path, document, tensors = model
    found = list(corpus(path.read_bytes(), document, tensors))
    assert len(found) >= 40
    assert len({name for name, _, _ in found}) == len(found)
    for name, data, message in found:
        bad = tmp_path / "bad.safetensors"
        bad.write_bytes(data)
        with pytest.raises(UserError, match=message) as raised:
            artifact.load(bad, device="cpu")
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 500, name
    bad.write_bytes(found[-1][1])
    assert cli.main(["predict", str(bad), "x.png"]) == 2
    out = capsys.readouterr()
    assert out.out == "" and len(out.err.strip().splitlines()) == 1


def test_a_good_file_comes_back(model):
    path, _, tensors = model
    loaded = artifact.load(path, device="cpu")
    assert all(torch.equal(tensors[key], value) for key, value in loaded.net.state_dict().items())
    assert tasks.name_of(type(loaded.task)) == NAME


def test_a_missing_file_offers_the_nearest(model):
    path = model[0]
    with pytest.raises(UserError, match="did you mean 'model.safetensors'"):
        artifact.load(path.with_name("modle.safetensors"))


def test_start_from_takes_what_fits_and_names_the_rest(model, prepared):
    task, _ = prepared(NAME, net="mlp", image_size=8, seed=9)
    fresh = task.start()
    note = artifact.start_from(fresh, model[0])
    assert "all fit" in note
    assert all(torch.equal(model[2][key], value) for key, value in fresh.state_dict().items())
    wider = type(task)(task.settings, type(task.facts).make(
        task.facts.to_json() | {"labels": ["a", "b", "c", "d", "e"]})).start()
    note = artifact.start_from(wider, model[0])
    assert "fresh: " in note and "body.5.weight" in note
    with pytest.raises(UserError, match="none of its"):
        artifact.start_from(torch.nn.Conv1d(2, 3, 4), model[0])


def test_settings_that_do_not_concern_answers_cannot_be_changed(model):
    with pytest.raises(UserError, match="'width' cannot be set when predicting"):
        artifact.load(model[0]).with_settings({"width": 3})


def test_the_file_holds_no_pickle_and_one_document(model):
    path: Path = model[0]
    length = struct.unpack("<Q", path.read_bytes()[:8])[0]
    header = json.loads(path.read_bytes()[8 : 8 + length])
    assert set(header["__metadata__"]) == {"lamina", "sha256"}
    document = json.loads(header["__metadata__"]["lamina"])
    assert {"format", "task", "settings", "facts", "scores", "data"} <= set(document)
