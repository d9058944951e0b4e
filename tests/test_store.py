"""Data in a file are the data in memory: rows, batches, weights; only the memory differs."""

import resource
import time

import pytest
import torch

from lamina import storage, store
from lamina.ahead import Ahead
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.options import Options
from lamina.parts import fingerprint, prepare
from lamina.run import Run
from lamina.source import Batches
from lamina.store import Store, Stored, pieces, rows


def picture_rows(count: int = 30) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 6, 5, 3), dtype=torch.uint8, generator=random)
    return {"image": pixels.permute(0, 3, 1, 2), "label": torch.arange(count)}


def filled(batch: dict[str, torch.Tensor], limit: int, count: int | None = None) -> dict:
    size = len(batch["label"])
    made = Store(count or size, limit)
    for start in range(0, size, 7):
        made.add({name: values[start : start + 7] for name, values in batch.items()})
    return made.batch()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("limit", [0, 10**9])
@pytest.mark.parametrize("chosen", [
    4, -1, slice(3, 9), slice(None, None, 4), [5, 6, 2, 2], torch.tensor([29, 0, 7]),
    torch.arange(30) % 3 == 0, []], ids=str)
def test_rows_of_a_file_are_the_rows_in_memory(limit, chosen):
    batch = picture_rows()
    kept = filled(batch, limit)["image"]
    assert isinstance(kept, torch.Tensor if limit else Stored)
    found = kept[chosen]
    assert torch.equal(found, batch["image"][chosen])
    assert not found.numel() or found.stride()[-3:] == batch["image"][chosen].stride()[-3:], \
        "layout decides rounding"
    assert (kept.shape, kept.dtype, kept.ndim, len(kept)) == ((30, 3, 6, 5), torch.uint8, 4, 30)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_rows_are_what_indexing_gives(layout):
    image = picture_rows()["image"].contiguous(memory_format=layout)
    places = torch.tensor([29, 0, 7, 7])
    found = rows(image, places)
    assert torch.equal(found, image[places]) and found.stride() == image[places].stride()


def test_small_rows_stay_in_memory_and_damaged_ones_leave_no_gap():
    batch = picture_rows()
    for limit in (0, 10**9):
        kept = filled(batch, limit, count=40)
        assert isinstance(kept["label"], torch.Tensor) and len(kept["image"]) == 30
        assert torch.equal(kept["label"], batch["label"])


def test_a_gpu_holds_what_fits_and_is_sent_rows_of_the_rest(monkeypatch):
    """The decision alone: "meta" stands for a GPU, whose free memory is made up."""
    batch = filled(picture_rows(), 0)  # 2,700 bytes of pixels, 240 of labels
    assert torch.equal(store.resident(batch["image"], torch.device("cpu")), batch["image"][:])
    for free, kinds in ((10_000, (torch.Tensor, torch.Tensor)), (500, (Stored, torch.Tensor))):
        monkeypatch.setattr(store, "free_on", lambda device, free=free: free)
        found = store.placed(batch, torch.device("meta"))
        assert tuple(map(type, found.values())) == kinds
        assert all(values.device.type == "meta" for values in found.values())


def test_fingerprint_is_the_same_in_memory_and_in_a_file(monkeypatch):
    batch = picture_rows()
    known = fingerprint(batch)
    monkeypatch.setattr(store, "PIECE", 1000)  # several pieces
    assert len(list(pieces(batch["image"]))) > 2
    assert fingerprint(filled(batch, 0)) == fingerprint(batch) == known


def test_nothing_is_left_on_the_disk_and_a_full_one_is_named(tmp_path, monkeypatch):
    filled(picture_rows(), 0)
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(storage, "free_bytes", lambda folder: 100)
    with pytest.raises(UserError, match=r"disk is full.*needs 2,700 bytes, 100 are free"):
        filled(picture_rows(), 0)


def test_batches_of_a_file_come_in_the_order_of_those_in_memory_and_resume():
    batch = picture_rows()
    known, kept = (Batches(filled(batch, limit), 8, seed=3) for limit in (10**9, 0))
    for _ in range(10):  # over the end of epochs
        first, second = next(known), next(kept)
        assert all(torch.equal(first[name], second[name]) for name in batch)
    kept.load_state_dict({"step": 2})
    again = Batches(batch, 8, seed=3)
    next(again), next(again)
    assert torch.equal(next(kept)["image"], next(again)["image"])


def test_what_is_read_ahead_comes_in_order_and_errors_arrive():
    def slow(number: int) -> int:
        time.sleep(0.01 * (number % 3))
        if number == 9:
            raise ValueError("nine")
        return number

    ahead = Ahead(slow, threads=4, count=4)
    assert [ahead(number) for number in range(9)] == list(range(9))
    assert ahead(3) == 3, "back to where a checkpoint was"
    with pytest.raises(ValueError, match="nine"):
        ahead(9)


@pytest.mark.parametrize("name", ["image-classification", "text-generation", "table-prediction",
                                  "deep-belief", "image-translation"])
def test_weights_are_the_same_whether_data_are_in_memory_or_in_a_file(name, prepared, samples, cpu):
    task, parts = prepared(name, batch_size=8)
    kept = prepare(task, samples(name), limit=0)
    assert any(isinstance(values, Stored) for values in kept.train.values()) \
        or name == "table-prediction"  # whose rows are small
    states = []
    for each in (parts, kept):
        run = Run(task, task.start(), each.train, each.validation, machine=cpu, plan=Plan(6),
                  evaluations=1, say=lambda line: None)
        for _ in run.train():
            pass
        states.append((run.net.state_dict(), run.best["scores"]))
    (first, scores), (second, same) = states
    assert scores == same
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_memory_does_not_grow_with_what_is_read_of_a_file():
    count, row = 2000, 100_000  # 200 MB
    made = Store(count, 10**6)
    some = torch.zeros(100, row, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(count // 100):
        made.add({"values": some})
    batches = Batches(made.batch(), 20, seed=0)
    for _ in range(batches.length):
        next(batches)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 60e6


def test_memory_limit_is_a_size():
    assert Options.make({"memory_limit": "1.5 GB"}).memory() == 1_500_000_000
    assert Options.make({}).memory() is None
    with pytest.raises(UserError, match="memory_limit: expected a size such as 500MB"):
        Options.make({"memory_limit": "much"}).memory()
