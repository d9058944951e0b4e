"""Training with differential privacy: DP-SGD (Abadi et al. 2016, algorithm 1).

At each step every training example is taken with the same chance, its own gradient is scaled down
to at most CLIP, and their sum gets Gaussian noise of deviation noise_multiplier * CLIP. So whether
any one example was in the training part changes how likely any weights are by a factor of at most
e^epsilon, but for a chance of delta.

A private phase is one that the loop runs as any other: its batches are such samples, and the
gradient of its loss is the noisy mean. Samples and noise come from a secret key, for the seed
stands in the model file, and whoever knew the noise could take it away. SHAKE-256 stretches the
key, because torch's generators start from 32 bits on a CPU.
"""

import hashlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_bytes
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from lamina import storage, tasks
from lamina.errors import UserError
from lamina.learning import Batch, Phase, Update
from lamina.options import Options
from lamina.source import Batches, Source
from lamina.task import Task, tensors

CLIP = 1.0  # the largest norm of an example's gradient
KEY = "privacy.key"  # in the run folder, until the run has ended
AT_ONCE, BYTES_AT_ONCE = 256, 1 << 28  # examples whose gradients are held at once, and their size
ACCOUNTANT = "rdp"  # Rényi differential privacy (Mironov et al. 2019): an upper bound, fast


@dataclass
class Privacy:
    """What was promised, the secret, and the noise that keeps the promise.

    noise_multiplier: the deviation of the noise over CLIP. steps: for how many it was chosen; the
        run may not take more. rate: the chance of each example to be in a batch.
    """

    epsilon: float
    delta: float
    secret: bytes | None  # None: forgotten, because the run has ended
    noise_multiplier: float = 1.0
    steps: int | None = None  # None until they are planned
    rate: float = 1.0

    def phases(self, net: nn.Module, phases: Sequence[Phase]) -> list[Phase]:
        """The run's one phase, made private. UserError says why it cannot be."""
        check(net, phases)
        [phase] = phases
        self.rate = phase.batches.batch_size / phase.batches.count
        samples = Samples(phase.batches.data, self)
        example_loss = ExampleLoss(net, phase.learn)

        def learn(batch: Batch) -> Iterator[Update]:
            sums, loss = clipped_sums(example_loss, batch)
            # by the expected size of a batch: its real size would tell who is in it
            mean = self.noisy(sums, samples.step - 1) / phase.batches.batch_size
            surrogate = torch.cat([p.flatten() for p in learning(net).values()]) @ mean
            yield Update(surrogate + (loss - surrogate.detach()), net)

        return [replace(phase, batches=samples, learn=learn, clip=None)]

    def noisy(self, sums: Sequence[Tensor], step: int) -> Tensor:
        """The sums of clipped gradients, in one row, with the noise of that step."""
        row = torch.cat([values.flatten() for values in sums])
        noise = torch.from_numpy(normal(self.key(), "noise", step, count=len(row)))
        return row + self.noise_multiplier * CLIP * noise.to(row)

    def key(self) -> bytes:
        """The secret. UserError: it was forgotten."""
        if self.secret is None:
            raise UserError(f"{KEY} is missing from the run folder, and without it the run cannot "
                            "go on as it began; train anew")
        return self.secret

    # ---- accounting -------------------------------------------------------------------------

    def plan(self, steps: int) -> None:
        """Choose the least noise with which so many steps spend at most epsilon."""
        from opacus.accountants.utils import get_noise_multiplier

        self.steps = steps
        try:
            with warnings.catch_warnings(action="ignore"):  # of orders alpha that are not best
                self.noise_multiplier = get_noise_multiplier(
                    target_epsilon=self.epsilon, target_delta=self.delta, steps=steps,
                    sample_rate=self.rate, accountant=ACCOUNTANT, epsilon_tolerance=0.001)
        except ValueError:
            raise UserError(f"private_epsilon: {self.epsilon:g} is too little for {steps:,} steps "
                            "at any noise; give more, or take fewer steps") from None

    def spent(self, steps: int) -> float:
        """The epsilon that so many steps have spent."""
        from opacus.accountants import create_accountant

        accountant = create_accountant(ACCOUNTANT)
        accountant.history = [(self.noise_multiplier, self.rate, steps)] if steps else []
        with warnings.catch_warnings(action="ignore"):
            return float(accountant.get_epsilon(self.delta)) if steps else 0.0

    def planned(self) -> dict[str, Any]:
        """What settings.json keeps, so that the run can go on."""
        return {"noise_multiplier": self.noise_multiplier, "steps": self.steps}

    def summary(self, steps: int) -> dict[str, Any]:
        """What so many steps have spent, and how; for the report and the model file."""
        from opacus import __version__

        epsilon = self.spent(steps)
        return {"epsilon": epsilon, "delta": self.delta, "epsilon_allowed": self.epsilon,
                "most_hits": most_hits(epsilon, self.delta),
                "unit": "one training example, added or removed", "clipping_norm": CLIP,
                "noise_multiplier": self.noise_multiplier, "sampling_rate": self.rate,
                "steps": steps, "accountant": f"{ACCOUNTANT.upper()} of opacus {__version__}"}


def promised(options: Options, folder: Path, known: dict[str, Any] | None) -> Privacy | None:
    """The promise of a run; None where none was asked for.

    known: what settings.json says of a run that goes on; None for a new one, with a new secret.
    """
    if options.private_epsilon is None:
        return None
    if known is None:
        return Privacy(options.private_epsilon, options.private_delta, token_bytes(32))
    path = folder / KEY
    secret = bytes.fromhex(path.read_text()) if path.exists() else None
    return Privacy(options.private_epsilon, options.private_delta, secret, **known)


def keep(privacy: Privacy, folder: Path) -> None:
    """Write the secret into the run folder, readable by its owner alone."""
    with storage.told(folder, 64):
        storage.write_synced(folder / KEY, privacy.key().hex().encode(), mode=0o600)
        storage.sync_folder(folder)


def forget(folder: Path) -> None:
    """Remove the secret: nobody needs it any more, and nobody can take the noise away again."""
    (folder / KEY).unlink(missing_ok=True)


def most_hits(epsilon: float, delta: float, false_alarms: float = 0.01) -> float:
    """The largest share of members that any test finds with that share of false alarms.

    (Kairouz et al. 2015, "The composition theorem for differential privacy", theorem 2.1)
    """
    return min(1.0, math.exp(epsilon) * false_alarms + delta,
               1 - math.exp(-epsilon) * (1 - delta - false_alarms))


# ---- one step -----------------------------------------------------------------------------------

class Samples(Source):
    """Batches in which each example of a data set is with the same chance, whatever the others.

    Their sizes differ, and one may be empty. What is in them depends on (secret, step) alone.
    """

    def __init__(self, data: Batch, privacy: Privacy):
        self.data, self.privacy = data, privacy
        self.length = max(1, round(1 / privacy.rate))  # batches in which each example is once
        self.step = 0

    def __next__(self) -> Batch:
        privacy = self.privacy
        assert privacy.steps is None or self.step < privacy.steps, "more steps than were planned"
        first = next(iter(self.data.values()))
        drawn = uniform(privacy.key(), "sample", self.step, count=len(first))
        self.step += 1
        return tensors(self.data, torch.from_numpy(drawn < privacy.rate).to(first.device))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = state["step"]


class ExampleLoss(nn.Module):
    """The loss of one example without a batch dimension, learnt as a batch of one."""

    def __init__(self, net: nn.Module, learn: Callable[[Batch], Iterator[Update]]):
        super().__init__()
        self.net, self.learn = net, learn

    def forward(self, example: Batch) -> Tensor:
        updates = self.learn({name: value[None] for name, value in example.items()})
        loss = next(updates).loss
        if next(updates, None) is not None:
            raise UserError("private_epsilon: only a single loss can be learnt privately")
        return loss


def learning(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def clipped_sums(example_loss: ExampleLoss, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """(for each parameter the sum of the examples' clipped gradients, the mean loss).

    A gradient that is not finite counts as 0, so that no example can do more than CLIP.
    """
    def loss(parameters: dict[str, Tensor], example: Batch) -> Tensor:
        return functional_call(example_loss, parameters, (example,))

    parameters = {name: p.detach() for name, p in learning(example_loss).items()}
    each = vmap(grad_and_value(loss), (None, 0), randomness="different")
    sums = [torch.zeros_like(p).flatten() for p in parameters.values()]
    size = 4 * sum(map(len, sums))
    losses = []
    count = len(next(iter(batch.values())))
    at_once = max(1, min(AT_ONCE, BYTES_AT_ONCE // size))
    for start in range(0, count, at_once):
        with sdpa_kernel(SDPBackend.MATH):  # vmap takes the others apart, one example at a time
            found, lost = each(parameters, tensors(batch, slice(start, start + at_once)))
        gradients = [found[name].flatten(1) for name in parameters]
        norms = torch.stack([gradient.norm(dim=1) for gradient in gradients]).norm(dim=0)
        if not norms.isfinite().all():
            gradients = [gradient.where(norms.isfinite()[:, None], 0) for gradient in gradients]
            norms = norms.where(norms.isfinite(), 0)
        factors = CLIP / norms.clamp(min=CLIP)
        sums = [total + factors @ gradient
                for total, gradient in zip(sums, gradients, strict=True)]
        losses.append(lost)
    return sums, torch.cat(losses).mean() if losses else sums[0].new_zeros(())


# ---- secret randomness --------------------------------------------------------------------------

def uniform(secret: bytes, name: str, step: int, *, count: int) -> numpy.ndarray:
    """Numbers between 0 and 1, both excluded, of 52 bits: float64 (count,)."""
    stream = hashlib.shake_256(secret + f" {name} {step}".encode()).digest(8 * count)
    return ((numpy.frombuffer(stream, "<u8") >> 12) + 0.5) * 2.0**-52


def normal(secret: bytes, name: str, step: int, *, count: int) -> numpy.ndarray:
    """Numbers with mean 0 and deviation 1, by the inverse of the normal distribution."""
    drawn = torch.from_numpy(uniform(secret, name, step, count=count))
    return torch.special.ndtri(drawn).numpy()


# ---- refusals -----------------------------------------------------------------------------------

def require(kind: type[Task], options: Options) -> None:
    """UserError if such a run cannot be private, before anything is read; loads opacus."""
    if kind.private is None:
        able = [name for name in tasks.names() if tasks.find(name).private is not None]
        raise UserError(f"private_epsilon: {tasks.name_of(kind)} cannot learn privately: that "
                        "takes one net, one loss, and batches drawn from separate examples; "
                        f"expected {' or '.join(able)}")
    for name, why in (
            ("micro_batches", "examples' gradients are taken a few at a time anyway"),
            ("profile", "it takes steps that nobody learns from"),
            ("adversarial", "the random start of each attack depends on the batch around it"),
            ("repeat", "every one of the trainings would spend as much again"),
            ("learning_curve", "every one of the trainings would spend as much again")):
        if getattr(options, name) != getattr(Options(), name):
            raise UserError(f"private_epsilon cannot be combined with {name}: {why}; leave it out")
    if options.precision == "bfloat16":
        raise UserError("private_epsilon: the noise is added in float32; leave --precision out")
    try:
        import opacus.accountants  # noqa: F401
    except ImportError:
        raise UserError("private_epsilon needs opacus: pip install 'lamina[privacy]'") from None


def check(net: nn.Module, phases: Sequence[Phase]) -> None:
    """UserError if the loss of an example could depend on others, or more is learnt than it."""
    if len(phases) != 1 or list(phases[0].optimizers) != [net] \
            or type(phases[0].batches) is not Batches:
        raise UserError("private_epsilon: these settings learn in several phases or parts, or not "
                        "from separate examples; only one net that learns from one data set can "
                        "be private")
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules()):
        raise UserError("private_epsilon: batch normalisation mixes the examples of a batch; "
                        "choose --norm group, or a net without it")
