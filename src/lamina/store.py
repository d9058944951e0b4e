"""Where encoded data are: in memory, or in a file of which only the rows asked for are read.

    store = Store(count=len(examples), limit=2_000_000_000)
    for chunk in chunks:
        store.add(task.encode(chunk))
    batch = store.batch()  # Tensors, or Stored where these would take more than the limit
"""

import math
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy
import torch
from torch import Tensor

from lamina import storage

SMALL = 64  # bytes of a row that stay in memory in any case: its Example weighs more
PIECE = 1 << 21  # bytes of a tensor that are looked at together, where all of it is


class OnDisk:
    """An array of rows in a file, as NumPy has it in memory, of which rows are read.

    Read, not mapped: a page that is touched may bring two megabytes around it into a process.
    """

    def __init__(self, file: IO[bytes], dtype: numpy.dtype, shape: tuple[int, ...]):
        self.file, self.dtype, self.shape = file, dtype, shape
        self.nbytes = dtype.itemsize * math.prod(shape)

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, places: numpy.ndarray, axis: int) -> numpy.ndarray:
        """The rows at these places; those that lie side by side are read together."""
        found = numpy.empty((len(places), *self.shape[1:]), self.dtype)
        if not len(places):
            return found
        left, size = memoryview(found.reshape(-1).view("u1")), self.nbytes // len(self)
        breaks = numpy.flatnonzero(numpy.diff(places) != 1) + 1
        for first, count in zip(places[[0, *breaks]].tolist(),
                                numpy.diff([0, *breaks, len(places)]).tolist(), strict=True):
            read_into(self.file.fileno(), left[: count * size], first * size)
            left = left[count * size :]
        return found

    def reshape(self, count: int) -> "OnDisk":
        """The same numbers in one row; count: -1, all of them."""
        return OnDisk(self.file, self.dtype, (math.prod(self.shape),))


def read_into(descriptor: int, room: memoryview, start: int) -> None:
    """Fill the room with what stands in a file from byte `start` on."""
    while room:
        count = os.preadv(descriptor, [room], start)
        if not count:
            raise OSError("a file of encoded data was cut short while it was used")
        room, start = room[count:], start + count


class Stored:
    """A tensor that stays in a file, or in memory beside a GPU; its rows come when asked for.

    It stands for a Tensor wherever a data set is indexed. Its rows come to `device`.
    array: the tensor on the CPU, axes in the order in which they lie there. axes: its own order.
    """

    def __init__(self, array: numpy.ndarray | OnDisk, axes: tuple[int, ...], *,
                 device: torch.device | str = "cpu"):
        self.array, self.axes = array, axes
        self.device = torch.device(device)

    @property
    def shape(self) -> torch.Size:
        return torch.Size(self.array.shape[axis] for axis in self.axes)

    @property
    def ndim(self) -> int:
        return len(self.axes)

    @property
    def dtype(self) -> torch.dtype:
        return torch.from_numpy(numpy.empty(0, self.array.dtype)).dtype

    @property
    def nbytes(self) -> int:
        return self.array.nbytes

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, chosen: Any) -> Tensor:
        """Rows, as a Tensor gives them: of a place, a slice, places or a mask."""
        places = torch.arange(*chosen.indices(len(self))) if isinstance(chosen, slice) \
            else torch.arange(len(self))[chosen]
        return self.rows(places) if places.ndim else self.rows(places[None])[0]

    def rows(self, places: Tensor) -> Tensor:  # (n,) -> (n, ...)
        """The rows at these places."""
        found = torch.from_numpy(self.array.take(places.cpu().numpy(), axis=0))
        if self.device.type == "cuda":
            found = found.pin_memory().to(self.device, non_blocking=True)
        return found.permute(self.axes)

    def flatten(self) -> "Stored":
        """All numbers in one row."""
        if self.axes != tuple(range(self.ndim)):
            raise ValueError(f"expected numbers that lie in order, got axes {self.axes}")
        return Stored(self.array.reshape(-1), (0,), device=self.device)

    def to(self, device: torch.device | str) -> "Stored":
        """The same tensor, its rows wanted on that device."""
        return Stored(self.array, self.axes, device=device)


class Joined:
    """The values of ragged rows end to end, indexed like one long tensor; nothing is copied.

    values: (rows, longest). first, last: (rows,), the columns from which and before which each
    row's values count.
    """

    def __init__(self, values: Tensor | Stored, first: Tensor, last: Tensor):
        self.device = values.device if isinstance(values, Tensor) else torch.device("cpu")
        self.values = values.flatten()
        counts = (last - first).to(self.device)
        self.ends = counts.cumsum(0)
        starts = torch.arange(len(counts), device=self.device) * values.shape[1]
        self.shift = starts + first.to(self.device) - (self.ends - counts)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, places: Tensor) -> Tensor:  # any shape -> the same
        row = torch.searchsorted(self.ends, places, right=True)
        return rows(self.values, (places + self.shift[row]).flatten()).view(places.shape)


def rows(values: Tensor | Stored, places: Tensor) -> Tensor:  # (n,) -> (n, ...)
    """values[places], up to ten times faster: bytes are copied by the row, not one by one."""
    if isinstance(values, Stored):
        return values.rows(places)
    places = places.to(values.device)
    if values.is_contiguous():
        return values.index_select(0, places)
    order = lying(values)
    return values.permute(order).index_select(0, places).permute(inverse(order))


def is_stored(batch: dict[str, Tensor | Stored]) -> bool:
    """Whether any of these must be read when it is asked for."""
    return any(isinstance(values, Stored) for values in batch.values())


def pieces(values: Tensor | Stored) -> Iterator[Tensor]:
    """All rows in order, some at a time, as they lie in memory: (some, ...)."""
    count = max(1, PIECE // max(1, values.nbytes // max(1, len(values))))
    for start in range(0, len(values), count):
        piece = values[start : start + count]
        yield piece.permute(lying(piece)).contiguous()


def placed(batch: dict[str, Tensor | Stored], device: torch.device
           ) -> dict[str, Tensor | Stored]:
    """The data on that device; what would take more than half of a GPU's free memory stays where
    it is, and its rows come as they are asked for."""
    if device.type == "cpu":
        return batch
    left = free_on(device) // 2
    found = {}
    for name, values in sorted(batch.items(), key=lambda item: item[1].nbytes):
        fits = values.nbytes <= left
        found[name] = resident(values, device) if fits else beside(values).to(device)
        left -= values.nbytes if fits else 0
    return {name: found[name] for name in batch}


def free_on(device: torch.device) -> int:
    """Bytes that are free on a GPU; no end of them where torch cannot tell."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else sys.maxsize


def resident(values: Tensor | Stored, device: torch.device) -> Tensor:
    """All of the tensor on that device."""
    if isinstance(values, Tensor):
        return values.to(device)
    room = torch.empty(values.array.shape, dtype=values.dtype, device=device).permute(values.axes)
    for start in range(0, len(values), 1024):
        room[start : start + 1024] = values[start : start + 1024]
    return room


def beside(values: Tensor | Stored) -> Stored:
    """The tensor, in memory where it is, as one whose rows come when they are asked for."""
    if isinstance(values, Stored):
        return values
    order = lying(values)
    return Stored(values.permute(order).numpy(), inverse(order))


# ---- filling ------------------------------------------------------------------------------------


class Store:
    """Takes encoded examples, chunk after chunk, and gives them as one tensor for each name.

    count: of the examples, at most. limit: bytes of memory for all of them; what needs more goes
    to nameless files in the cache, which the system removes however the process ends.
    UserError: the disk has no room for it.
    """

    def __init__(self, count: int, limit: int):
        self.count, self.limit = count, limit
        self.columns: dict[str, InMemory | InFile] = {}

    def add(self, batch: dict[str, Tensor]) -> None:
        """The next rows."""
        if not self.columns:
            size = {name: values.nbytes // len(values) for name, values in batch.items()}
            large = self.count * sum(size.values()) > self.limit
            for name, values in batch.items():
                self.columns[name] = InFile(values, self.count) \
                    if large and size[name] > SMALL else InMemory(values, self.count)
        for name, column in self.columns.items():
            column.add(batch[name])

    def batch(self) -> dict[str, Tensor | Stored]:
        """All that was added."""
        return {name: column.whole() for name, column in self.columns.items()}


class InMemory:
    """A tensor that is filled from the front; its memory is asked for once.

    like: some rows of it. count: how many rows there may be.
    """

    def __init__(self, like: Tensor, count: int):
        order = lying(like)
        shape = like.permute(order).shape[1:]
        self.room = torch.empty((count, *shape), dtype=like.dtype).permute(inverse(order))
        self.filled = 0

    def add(self, some: Tensor) -> None:
        self.room[self.filled : self.filled + len(some)] = some
        self.filled += len(some)

    def whole(self) -> Tensor:
        return self.room[: self.filled]


class InFile:
    """The same in a file."""

    def __init__(self, like: Tensor, count: int):
        from lamina.datasets.find import cache

        folder = cache()
        self.order = lying(like)
        self.shape = like.permute(self.order).shape[1:]
        self.type = like.numpy().dtype
        self.told = storage.told(folder, count * like.nbytes // len(like))
        with self.told:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = tempfile.TemporaryFile(dir=folder, buffering=0)

    def add(self, some: Tensor) -> None:
        left = memoryview(some.permute(self.order).contiguous().numpy()).cast("B")
        with self.told:
            while left:
                left = left[self.file.write(left) :]

    def whole(self) -> Stored:
        count = self.file.tell() // (self.type.itemsize * self.shape.numel())
        return Stored(OnDisk(self.file, self.type, (count, *self.shape)), inverse(self.order))


def lying(values: Tensor) -> tuple[int, ...]:
    """The tensor's axes in the order in which they lie in memory; the rows always come first."""
    if values.is_contiguous():
        return tuple(range(values.ndim))
    return 0, *sorted(range(1, values.ndim), key=lambda axis: -values.stride(axis))


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """The order that undoes `order`."""
    return tuple(order.index(axis) for axis in range(len(order)))


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, and of its control group."""
    try:
        known = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        free = 1024 * int(known["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = Path("/sys/fs/cgroup")
    try:
        used = int((group / "memory.stat").read_text().split()[1])  # its first line: anon BYTES
        return max(0, min(free, int((group / "memory.max").read_text()) - used))
    except (OSError, ValueError):  # no such group, or one without a limit
        return free
