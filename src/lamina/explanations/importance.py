"""How much a score falls when a column of the test part is shuffled."""

import time
from typing import Any

import numpy
import torch
from torch import Tensor

from lamina.case import Case
from lamina.explanations.rows import grouped
from lamina.intervals import student
from lamina.keys import generator, numpy_generator
from lamina.probe import Probe
from lamina.task import tensors

ROWS = 2000  # of the test part that are looked at
REPEATS = 20  # at most
FEWEST = 3  # repeats that make an interval


def permutation(case: Case, seconds: float) -> dict[str, Any] | None:
    """The fall of the score for each column, most important first, with its 95 % interval.

    Breiman 2001, section 10: shuffling breaks what ties a column to the answer and leaves its
    spread. The interval is that of the mean over the repeats (Student's t). None: no time.
    """
    count = len(case.parts.test)
    kept = numpy_generator(case.seed, "importance").permutation(count)[:ROWS]
    batch = {name: values.to(case.machine.device)
             for name, values in tensors(case.parts.test.batch, torch.from_numpy(kept)).items()}
    probe = case.task.probe(case.net, batch)
    if probe.targets is None or len(kept) < 2:
        return None
    columns, groups = grouped(probe)
    end, falls, took = time.monotonic() + seconds, [], 0.0
    while len(falls) < REPEATS and time.monotonic() + took < end:
        began = time.monotonic()
        falls.append(shuffled(probe, groups, case.seed, len(falls)))
        took = time.monotonic() - began
    if len(falls) < FEWEST:
        return None
    metric = "accuracy" if len(probe.labels) > 1 else "root mean squared error"
    found = [{"column": name, "fall": mean, "low": low, "high": high}
             for name, (mean, low, high) in zip(columns, map(spread, numpy.array(falls).T),
                                                strict=True)]
    found.sort(key=lambda row: -row["fall"])
    with torch.no_grad():
        score = abs(float(quality(probe)(probe.inputs)))
    return {"metric": metric, "score": score, "columns": found, "repeats": len(falls),
            "rows": len(kept), "sampled": f"{len(kept):,} of {count:,} test rows"
            if len(kept) < count else ""}


def shuffled(probe: Probe, groups: Tensor, seed: int, repeat: int) -> numpy.ndarray:
    """The fall of the score for each column in one repeat, (columns,)."""
    from captum.attr import FeaturePermutation

    random = generator(seed, "permutation importance", repeat)

    def shuffle(values: Tensor, mask: Tensor) -> Tensor:
        order = torch.randperm(len(values), generator=random).to(values.device)
        return torch.where(mask, values[order], values)

    mask = groups.view(1, -1, 1).expand(1, *probe.inputs.shape[1:])
    with torch.no_grad():
        falls = FeaturePermutation(quality(probe), shuffle).attribute(
            probe.inputs, feature_mask=mask)
    first = [int((groups == group).nonzero()[0]) for group in range(int(groups.max()) + 1)]
    return falls[0, first, 0].double().cpu().numpy()


def quality(probe: Probe):
    """From inputs to one score of them all: accuracy, or minus the root mean squared error."""
    def of(given: Tensor) -> Tensor:
        outputs = probe.outputs(given)
        if len(probe.labels) > 1:
            return (outputs.argmax(1) == probe.targets).double().mean()
        return -(outputs[:, 0] - probe.targets).double().square().mean().sqrt()

    return of


def spread(falls: numpy.ndarray) -> tuple[float, float, float]:
    """The mean over repeats and its 95 % interval."""
    half = student(len(falls) - 1) * falls.std(ddof=1) / len(falls) ** 0.5
    return float(falls.mean()), float(falls.mean() - half), float(falls.mean() + half)
