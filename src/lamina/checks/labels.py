"""Labels that are probably wrong, by the answers that a model gives to examples it never learnt.

Confident learning (Northcutt, Jiang and Chuang 2021) doubts a label where an out-of-sample
prediction is confident of another. That alone would drown a user wherever classes truly overlap:
there a confident model is wrong now and then, as it says itself. What tells a wrong label from a
hard case is that it does not become rarer as the model becomes surer. So the chance that a label
is k although the model answers j is fitted, over all examples and all labels k not answered, as

    chance = noise + (1 - noise) * sigmoid(a + b * logit(p_k))

by maximum likelihood: the second term is the model's calibrated doubt (Platt 1999), which goes to
zero with p_k; the first is a floor that does not. Labels are reported only where the floor is
significant, and of them those that the floor explains better than doubt does.
"""

import csv
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina import scoring, storage
from lamina.answers import Label
from lamina.case import Case
from lamina.findings import Finding, Sighting
from lamina.keys import numpy_generator
from lamina.scoring import Part
from lamina.store import is_stored
from lamina.task import tensors

FILE = "suspicious-labels.csv"  # in the run folder
SHOWN = 12  # examples of the finding
NEIGHBOURS = 30
REFERENCES = 20_000  # training examples that may be neighbours
FEW_BYTES = 32_000_000  # of their features, where the training part does not fit into memory
SIGNIFICANT = 10.83  # likelihood ratio of a floor against none: p < 0.001
ALARMING = 0.05  # share of wrong labels from which the scores cannot be trusted
TRUSTED = 0.5  # share of the labels that predictions must agree with, to be heard on the rest
STEP = 0.25  # width of the bins in which chances are fitted, in logits


@dataclass(frozen=True, slots=True)
class Suspect:
    """A label that is probably wrong. confidence: the model's in the suggestion."""

    part: str
    index: int
    label: str
    suggestion: str
    confidence: float
    doubt: float  # the suggestion's probability less that of the label


@dataclass(frozen=True, slots=True)
class Noise:
    """Wrong labels of a set. share: of all labels, estimated. ratio: of likelihoods."""

    share: float
    ratio: float
    chances: numpy.ndarray  # (examples,) that each label is wrong; 0 where it is the answer


def find(case: Case, seconds: float) -> list[Finding]:
    """At most one finding: the labels that are probably wrong, the clearest first.

    The unseen parts are judged by the model's own answers, training examples by the votes of
    their nearest neighbours without themselves, as many as there is time for. The whole list is
    written into the run folder.
    """
    end = time.monotonic() + seconds
    if not case.labels:
        return []
    names = list(case.first_answer.probabilities)
    suspects, notes, worst = unseen(case, names)
    found, note, share = learnt(case, names, end)
    suspects, worst = suspects + found, max(worst, share)
    if not suspects:
        return []
    suspects.sort(key=lambda one: -one.doubt)
    if case.run.folder is not None:
        storage.write(case.run.folder / FILE, table(suspects, case).encode(errors="replace"))
    return [Finding(
        "error" if worst > ALARMING else "warning", "labels look wrong",
        "; ".join(filter(None, [*notes, note])),
        f"look at them ({FILE} in the run folder lists all {len(suspects):,}) and mend those that "
        "are wrong, first in the test part: its score counts them as mistakes of the model",
        tuple(Sighting(one.part, one.index, f"label {one.label}, looks like {one.suggestion} "
                                            f"({one.confidence:.0%})")
              for one in suspects[:SHOWN]))]


def unseen(case: Case, names: Sequence[str]) -> tuple[list[Suspect], list[str], float]:
    """Suspects of validation and test part, what to say of each, the share of wrong labels."""
    parts = (("validation", case.parts.validation, case.validation_answers),
             ("test", case.parts.test, case.raw_test_answers))
    chances = numpy.concatenate([matrix(answers, names) for _, _, answers in parts])
    given = numpy.concatenate([places(part, names) for _, part, _ in parts])
    found = noise(chances, given)
    if found is None:
        return [], [], 0.0
    suspects, notes, start = [], [], 0
    for name, part, _ in parts:
        inside = slice(start, start + len(part))
        start += len(part)
        some = chosen(name, numpy.arange(len(part)), chances[inside], given[inside],
                      found.chances[inside], names)
        suspects += some
        if some:
            notes.append(f"{name}: {len(some):,} of {len(part):,}")
    notes.append(f"about {found.share:.1%} of these labels are estimated to be wrong")
    return suspects, notes, found.share


def learnt(case: Case, names: Sequence[str], end: float) -> tuple[list[Suspect], str, float]:
    """The same for training examples, as many as there is time for."""
    part = case.parts.training
    order = numpy_generator(case.seed, "doubted labels").permutation(len(part))[:REFERENCES]
    middle = time.monotonic() + 0.5 * (end - time.monotonic())
    pieces: list[Tensor] = []
    for piece in features(case, part, order, middle):
        pieces.append(piece)
        if is_stored(part.batch) and len(pieces) * piece.nbytes > FEW_BYTES:
            break  # memory is short
    if not pieces:
        return [], "", 0.0
    points = torch.cat(pieces)
    order = order[: len(points)]
    given = places(part, names)[order]
    votes = numpy.concatenate([numpy.empty((0, len(names))),
                               *neighbours(points, given, len(names), end)])
    count = len(votes)
    found = noise(votes, given[:count]) if count else None
    if found is None:
        return [], "", 0.0
    suspects = chosen("train", order[:count], votes, given[:count], found.chances, names)
    note = (f"training: {len(suspects):,} of {count:,}"
            + (f" that were looked at among {len(part):,}" if count < len(part) else "")
            + f", about {found.share:.1%} estimated")
    return suspects, note if suspects else "", found.share


# ---- predictions without having seen the label --------------------------------------------------

def matrix(answers: Sequence[Label], names: Sequence[str]) -> numpy.ndarray:
    """Probabilities, (examples, labels)."""
    return numpy.array([[answer.probabilities[name] for name in names] for answer in answers])


def places(part: Part, names: Sequence[str]) -> numpy.ndarray:
    """(examples,) the index of each example's label; -1 where it is not known."""
    place = {name: index for index, name in enumerate(names)}
    return numpy.array([place.get(example.target, -1) for example in part.examples])


def features(case: Case, part: Part, order: numpy.ndarray, end: float) -> Iterator[Tensor]:
    """What the net's last linear layer receives, (examples, width), chunk by chunk until `end`.

    Pictures are set beside it: a net that has learnt a wrong label by heart moves its features,
    never the picture. Both have unit length, so that a scalar product is their mean cosine.
    """
    inputs: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda _, given, __: inputs.append(given[0]))
             for module in case.net.modules() if isinstance(module, nn.Linear)]
    size = case.task.examples_at_once
    try:
        for start in range(0, len(order), size):
            if time.monotonic() > end:
                return
            inputs.clear()
            rows = torch.from_numpy(order[start : start + size])
            some = Part([part.examples[i] for i in rows.tolist()], tensors(part.batch, rows))
            case.answers(some)
            if not inputs or len(inputs[-1]) != len(rows):
                return
            pictures = [values for values in some.batch.values()
                        if values.dtype == torch.uint8 and values.ndim > 1]
            yield torch.cat([functional.normalize(values.flatten(1).float().cpu(), dim=1)
                             for values in (inputs[-1], *pictures)], 1)
    finally:
        for hook in hooks:
            hook.remove()


def neighbours(points: Tensor, given: numpy.ndarray, labels: int, end: float
               ) -> Iterator[numpy.ndarray]:
    """Shares of the votes that the nearest points give to each label, (points, labels) in chunks.

    No point votes for itself. One vote is spread over all labels, so that no share is 0.
    """
    kept = torch.from_numpy(given)
    votes = functional.one_hot(kept.clamp(min=0), labels).float() * (kept >= 0)[:, None]
    count = min(NEIGHBOURS, len(points) - 1)
    for start in range(0, len(points) if count else 0, 512):
        if time.monotonic() > end:
            return
        likeness = points[start : start + 512] @ points.T
        likeness.diagonal(start).fill_(-torch.inf)
        near = likeness.topk(count, dim=1).indices
        yield ((votes[near].sum(1) + 1 / labels) / (count + 1)).double().numpy()


# ---- noise apart from doubt ---------------------------------------------------------------------

def noise(chances: numpy.ndarray, given: numpy.ndarray) -> Noise | None:
    """The wrong labels among `given`, judged by out-of-sample chances (examples, labels).

    None where no floor of wrong labels shows, or the predictions are too poor to tell.
    """
    answered = chances.argmax(1)
    if (answered == given).sum() < TRUSTED * (given >= 0).sum():
        return None
    other = numpy.ones(chances.shape, bool)
    other[numpy.arange(len(chances)), answered] = False
    other[given < 0] = False  # a label that the model does not know
    if not other.any():
        return None
    logits = numpy.clip(chances.astype(float), 1e-9, 1 - 1e-9)
    logits = numpy.log(logits) - numpy.log1p(-logits)
    bins = numpy.round(logits / STEP).astype(int)
    lowest = bins.min()
    rows = numpy.flatnonzero((given >= 0) & (given != answered))
    trials = numpy.bincount(bins[other] - lowest)
    events = numpy.bincount(bins[rows, given[rows]] - lowest, minlength=len(trials))
    at = STEP * (lowest + numpy.arange(len(trials)))[trials > 0]
    trials, events = trials[trials > 0].astype(float), events[trials > 0].astype(float)
    floor, line, likelihood = fitted(at, trials, events, floor=True)
    ratio = 2 * (likelihood - fitted(at, trials, events, floor=False)[2])
    if not ratio > SIGNIFICANT:
        return None
    doubt = sigmoid(line[0] + line[1] * logits[rows, given[rows]])
    wrong = numpy.zeros(len(given))
    wrong[rows] = floor / (floor + (1 - floor) * doubt)
    return Noise(floor * (chances.shape[1] - 1), ratio, wrong)


def fitted(at: numpy.ndarray, trials: numpy.ndarray, events: numpy.ndarray, *, floor: bool
           ) -> tuple[float, numpy.ndarray, float]:
    """(floor, (a, b), log likelihood) of events among trials at logits; all (bins,).

    Expectation maximisation: each event is shared between floor and doubt, then the line of the
    doubt is fitted to its share (Newton's method).
    """
    ones = numpy.stack([numpy.ones_like(at), at], 1)
    line, share = numpy.array([0.0, 1.0]), 0.1 * events.sum() / trials.sum() if floor else 0.0
    for _ in range(300):
        chance = share + (1 - share) * sigmoid(ones @ line)
        noisy = events * share / chance
        for _ in range(3):
            doubt = sigmoid(ones @ line)
            slope = ones.T @ (events - noisy - (trials - noisy) * doubt)
            bend = (ones.T * ((trials - noisy) * doubt * (1 - doubt))) @ ones
            step = numpy.clip(numpy.linalg.solve(bend + 1e-6 * numpy.eye(2), slope), -1, 1)
            line = line + step
            line[1] = max(line[1], 0.05)  # a surer model is never more often wrong
        before, share = share, float(noisy.sum() / trials.sum())
        if abs(share - before) < 1e-9 and abs(step).max() < 1e-6:
            break
    chance = numpy.clip(share + (1 - share) * sigmoid(ones @ line), 1e-12, 1 - 1e-12)
    return share, line, float(events @ numpy.log(chance)
                              + (trials - events) @ numpy.log1p(-chance))


def sigmoid(x: numpy.ndarray) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-numpy.clip(x, -50, 50)))


# ---- the list -----------------------------------------------------------------------------------

def chosen(part: str, indices: numpy.ndarray, chances: numpy.ndarray, given: numpy.ndarray,
           wrong: numpy.ndarray, names: Sequence[str]) -> list[Suspect]:
    """Those that are more probably wrong than hard."""
    best = chances.argmax(1)
    return [Suspect(part, int(indices[i]), names[given[i]], names[best[i]],
                    float(chances[i, best[i]]), float(chances[i, best[i]] - chances[i, given[i]]))
            for i in numpy.flatnonzero(wrong > 0.5)]


def table(suspects: Sequence[Suspect], case: Case) -> str:
    """All suspects as a CSV file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "index", "name", "label", "suggestion", "confidence"])
    for one in suspects:
        example = getattr(case.data, one.part)[one.index]
        writer.writerow([one.part, one.index, scoring.named(example), one.label, one.suggestion,
                         f"{one.confidence:.3f}"])
    return out.getvalue()
