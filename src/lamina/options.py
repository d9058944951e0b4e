"""What may be asked of any run, whatever its task."""

from dataclasses import dataclass
from typing import Literal

from lamina import numbers
from lamina.budget import Budget
from lamina.errors import UserError, nearest
from lamina.metrics.metric import Metric
from lamina.settings import Checked, setting


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """How long, where and from what a run learns; the task's own settings say how."""

    minutes: float | None = setting(
        None, "time for everything: reading, learning, evaluating, writing", high=60 * 24 * 365)
    epochs: float | None = setting(None, "passes over the training part", high=1e6)
    steps: int | str | None = setting(
        None, "optimizer steps; also as settings.json of a run writes them")
    target: str | None = setting(
        None, "METRIC=VALUE of the validation part that ends the run, such as accuracy=0.99")
    run: str | None = setting(None, "folder of the run; default: runs/ and the name of the data")
    start_from: str | None = setting(None, "model file or run whose fitting tensors are taken over")
    evaluations: int = setting(10, "times the validation part is scored", low=1, high=10000)
    micro_batches: int = setting(1, "parts of each batch, to save memory", low=1, high=65536)
    save_seconds: float = setting(30.0, "time between checkpoints", low=0, high=86400)
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto", "of the arithmetic; auto: what is measured to be faster, float32 with --steps")
    device: str = setting("auto", "cpu, cuda, cuda:1 …; auto: a GPU where there is one")
    threads: int = setting(0, "of the CPU; 0: torch's own choice, or half of it where that is "
                              "measured to be faster", low=0, high=4096)
    layout: Literal["auto", "channels_last", "contiguous"] = setting(
        "auto", "of images in memory; auto: what is measured to be faster, else channels_last")
    optimizer_kernel: Literal["auto", "fused", "foreach", "loop"] = setting(
        "auto", "how a step is taken over all weights; auto: fused where there is such a kernel")
    compile: Literal["auto", "no", "default", "reduce-overhead", "max-autotune"] = setting(
        "auto", "mode of torch.compile; auto: tried where the time is long enough to pay it back")
    profile: bool = setting(False, "say where the time of a step goes, and how near it comes to "
                                   "what the machine can do")
    memory_limit: str | None = setting(
        None, "most memory for encoded data, such as 500MB or 2GB, beyond which they are read from "
              "a file; default: half of what is free")
    offline: bool = setting(False, "never use the network")
    fraction: float = setting(1.0, "of the training part to learn from", low=1e-6, high=1)
    repeat: int = setting(1, "trainings with different seeds; the report gives the spread",
                          low=1, high=1000)
    learning_curve: bool = setting(False, "also train on less data, to tell what more would give")
    coverage: float = setting(0.9, "chance that a set of labels or an interval holds the truth",
                              low=0.5, high=0.99)
    groups: tuple[str, ...] = setting(
        (), "columns whose groups the report compares, such as sex,race")
    adversarial: float = setting(0.0, "train against attacks of this strength: the fraction of an "
                                      "image's range that each pixel may change", low=0, high=1)
    private_epsilon: float | None = setting(
        None, "train with differential privacy of at most this epsilon", low=0.01, high=1000)
    private_delta: float = setting(1e-5, "delta of the differential privacy", low=1e-12, high=0.1)

    def budget(self, default: Budget) -> Budget:
        """What ends the run: what was asked for, or the task's default."""
        if self.minutes is None and self.epochs is None and self.steps is None:
            return default
        return Budget(self.minutes, self.epochs,
                      None if self.steps is None else str(self.steps))

    def memory(self) -> int | None:
        """The memory limit in bytes."""
        if self.memory_limit is None:
            return None
        try:
            return numbers.bytes_of(self.memory_limit)
        except ValueError:
            raise UserError("memory_limit: expected a size such as 500MB or 2GB, got "
                            f"{self.memory_limit!r}") from None

    def goal(self, metrics: tuple[Metric, ...]) -> tuple[str, float] | None:
        """The target as (metric, value)."""
        if self.target is None:
            return None
        name, _, value = self.target.partition("=")
        known = [metric.name for metric in metrics]
        if name not in known:
            raise UserError(f"target: no metric is called {name!r}: {nearest(name, known)}")
        try:
            return name, float(value)
        except ValueError:
            raise UserError(f"target: expected METRIC=VALUE such as {name}=0.99, "
                            f"got {self.target!r}") from None
