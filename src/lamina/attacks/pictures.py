"""Attacks on and corruptions of pictures: how many of them are still recognised."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
from torch import Tensor

from lamina import keys, scoring
from lamina.attacks import corruptions
from lamina.attacks.gradient import Ball, fgsm, gradient, pgd
from lamina.attacks.subject import Curve, Subject
from lamina.media import image
from lamina.probe import Probe

UNIT = "share of the range"
STRENGTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
EUCLIDEAN = (0.25, 0.5, 1.0, 2.0, 4.0)  # root of the summed squares of pixels from 0 to 1
SHOWN = 6  # pictures that were attacked; at most so many are shown
WIDTH = 84  # pixels of a picture on the page
FLAT, LEFT = 0.1, 0.05  # shares from which on a net's gradients count as masked


@dataclass(frozen=True)
class Effort:
    """How hard is tried. restarts: of PGD; they take turns between its two losses."""

    strengths: Sequence[float]
    severities: Sequence[int]
    steps: int
    restarts: int
    euclidean: Sequence[float] = ()


@dataclass
class Victims:
    """The pictures under one attack: which are still right, and which fell at which strength."""

    probes: Sequence[Probe]
    right: list[Tensor]  # (batch,) of each probe
    fallen: list[tuple[float, Probe, int, Tensor]] = field(default_factory=list)  # the first few


def measured(subject: Subject, effort: Effort) -> dict[str, Any]:
    """Scores under attacks and corruptions, pictures, and signs of masked gradients.

    The net is computed in float32 throughout.
    """
    subject.net.eval()
    probes = [subject.task.probe(subject.net, batch) for batch, _ in
              scoring.batches(subject.task, subject.part, subject.machine.device)]
    clean = [right(probe, probe.inputs) for probe in probes]
    curves: list[Curve | None] = []
    victims = Victims(probes, [row.clone() for row in clean])
    curves.append(subject.curve(
        "PGD", "attack", UNIT, f"{effort.steps} steps along the gradient from a random start, "
        f"{effort.restarts} times", under_attack(victims, effort.strengths, many_steps(
            subject.seed, effort))))
    one = Victims(probes, [row.clone() for row in clean])
    curves.append(subject.curve(
        "FGSM", "attack", UNIT, "one step along the gradient's sign",
        under_attack(one, effort.strengths, lambda probe, inputs, targets, radius, strength: [
            fgsm(probe.outputs, Ball(inputs, radius, probe.low, probe.high), targets)])))
    for name in corruptions.CORRUPTIONS:
        curves.append(subject.curve(name, "corruption", "severity", "", under_corruption(
            probes, name, effort.severities, subject.seed)))
    if effort.euclidean:
        far = Victims(probes, [row.clone() for row in clean])
        curves.append(subject.curve(
            "PGD, Euclidean", "attack", "root of the summed squares, pixels from 0 to 1",
            f"as PGD, {effort.steps} steps", under_attack(far, effort.euclidean, many_steps(
                subject.seed, effort, norm="euclidean"))))
    kept = [curve for curve in curves if curve]
    return {"clean": subject.score(as_rows(clean)), "curves": kept,
            "masked": masked(subject, kept, victims, clean, effort),
            "examples": [shown(*one) for one in clearest(victims)],
            "sheet": sheet(subject, probes[0], effort.severities)}


def right(probe: Probe, inputs: Tensor) -> Tensor:
    """Which answers are right, (batch,)."""
    with torch.no_grad():
        return probe.outputs(inputs).argmax(1) == probe.targets


def as_rows(right: Sequence[Tensor]) -> numpy.ndarray:
    """The rows of accuracy, (examples, 1)."""
    return torch.cat(list(right))[:, None].double().cpu().numpy()


# ---- attacks ------------------------------------------------------------------------------------

# (probe, inputs, their targets, radius in grey levels, strength) -> tries, each like the inputs
Attack = Callable[[Probe, Tensor, Tensor, float, float], "Iterator[Tensor] | list[Tensor]"]


def under_attack(victims: Victims, strengths: Sequence[float],
                 attack: Attack) -> Iterator[tuple[float, numpy.ndarray]]:
    """(strength, rows) as the strength grows; what has fallen stays so, for less is allowed too."""
    for strength in sorted(strengths):
        for probe, standing in zip(victims.probes, victims.right, strict=True):
            fall(victims, probe, standing, strength, attack)
        yield strength, as_rows(victims.right)


def fall(victims: Victims, probe: Probe, standing: Tensor, strength: float,
         attack: Attack) -> None:
    """Attack what still stands, and strike out what falls."""
    left = standing.nonzero()[:, 0]
    if not len(left):
        return
    radius = strength * (probe.high - probe.low)
    for changed in attack(probe, probe.inputs[left], probe.targets[left], radius, strength):
        with torch.no_grad():
            wrong = probe.outputs(changed).argmax(1) != probe.targets[left]
        for index in (wrong & standing[left]).nonzero()[:, 0].tolist():
            if len(victims.fallen) < 50:
                victims.fallen.append((strength, probe, int(left[index]), changed[index]))
        standing[left[wrong]] = False


def many_steps(seed: int, effort: Effort, *, norm: str = "max") -> Attack:
    """PGD with restarts; what falls at one is spared the next."""
    def attack(probe: Probe, inputs: Tensor, targets: Tensor, radius: float,
               strength: float) -> Iterator[Tensor]:
        changed = inputs.clone()
        left = torch.arange(len(inputs), device=inputs.device)
        for restart in range(effort.restarts):
            random = keys.generator(seed, "attack", norm, strength, restart, device=inputs.device)
            ball = Ball(inputs[left], radius, probe.low, probe.high, norm)
            changed[left] = pgd(probe.outputs, ball, targets[left], steps=effort.steps,
                                margin=restart % 2 == 1, generator=random)
            yield changed
            with torch.no_grad():
                left = left[probe.outputs(changed[left]).argmax(1) == targets[left]]
            if not len(left):
                return
    return attack


def masked(subject: Subject, curves: Sequence[Curve], victims: Victims, clean: Sequence[Tensor],
           effort: Effort) -> list[str]:
    """Signs that gradients hide how weak the net is (Athalye et al. 2018, section 3.1)."""
    signs = []
    probe, known = victims.probes[0], clean[0]
    if bool(known.any()):
        slope = gradient(probe.outputs, probe.inputs[known], probe.targets[known], margin=True)
        flat = (slope.flatten(1) == 0).all(1).float().mean().item()
        if flat > FLAT:
            signs.append(f"the loss is flat around {flat:.0%} of the pictures")
    by_name = {curve["name"]: curve for curve in curves}
    if {"PGD", "FGSM"} <= by_name.keys():
        pairs = zip(by_name["PGD"]["strengths"], by_name["PGD"]["low"], by_name["FGSM"]["high"],
                    strict=False)
        stronger = [strength for strength, many, one in pairs if one < many]
        if stronger:
            signs.append(f"one step does more harm than many at {stronger[0]:g}")
    if time.monotonic() < subject.end:
        everything = Victims(victims.probes, [row.clone() for row in victims.right])
        _, rows = next(under_attack(everything, (1.0,), many_steps(subject.seed, effort)))
        if rows.mean() > LEFT:
            signs.append(f"{rows.mean():.0%} stay right although every pixel may become anything")
    return signs


# ---- corruptions --------------------------------------------------------------------------------

def under_corruption(probes: Sequence[Probe], name: str, severities: Sequence[int],
                     seed: int) -> Iterator[tuple[float, numpy.ndarray]]:
    """(severity, rows) of pictures corrupted so."""
    for severity in severities:
        found = []
        for number, probe in enumerate(probes):
            random = keys.generator(seed, name, severity, number)
            found.append(right(probe, corruptions.corrupted(name, probe.inputs, severity, random)))
        yield severity, as_rows(found)


# ---- pictures -----------------------------------------------------------------------------------

def clearest(victims: Victims) -> list[tuple[float, Probe, int, Tensor]]:
    """The first that fell, of different classes as far as there are some."""
    order: dict[int, int] = {}
    ranked = []
    for one in victims.fallen:
        true = int(one[1].targets[one[2]])
        order[true] = order.get(true, 0) + 1
        ranked.append((order[true], len(ranked), one))
    return [one for _, _, one in sorted(ranked, key=lambda given: given[:2])[:SHOWN]]


def shown(strength: float, probe: Probe, index: int, changed: Tensor) -> dict[str, Any]:
    """A picture before and after, the change between them, and what the net says."""
    given = probe.inputs[index]
    change = (changed - given) / (strength * (probe.high - probe.low))  # -1 to 1
    return {"attack": "PGD", "strength": strength, "truth": probe.labels[probe.targets[index]],
            "before": said(probe, given), "after": said(probe, changed),
            "html": {"before": drawn(given, "before"), "after": drawn(changed, "after"),
                     "change": drawn(127.5 + 127.5 * change, "the change, enlarged")}}


def sheet(subject: Subject, probe: Probe, severities: Sequence[int]) -> list[dict[str, Any]]:
    """The first picture under every corruption, at the least, middle and greatest severity."""
    chosen = sorted({severities[0], severities[len(severities) // 2], severities[-1]})
    given = probe.inputs[:1]
    found = []
    for name in corruptions.CORRUPTIONS:
        for severity in chosen:
            random = keys.generator(subject.seed, name, severity, 0)
            changed = corruptions.corrupted(name, given, severity, random)[0]
            found.append({"corruption": name, "severity": severity, "answer": said(probe, changed),
                          "html": drawn(changed, f"{name}, severity {severity}")})
    return found


def said(probe: Probe, pixels: Tensor) -> str:
    """The answer to one picture, with its probability."""
    with torch.no_grad():
        chances = probe.outputs(pixels[None])[0].float().softmax(0)
    best = int(chances.argmax())
    return f"{probe.labels[best]} {chances[best]:.0%}"


def drawn(pixels: Tensor, alternative: str) -> str:
    """A picture (channels, height, width) for a page."""
    levels = pixels.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    return image.html(levels, width=WIDTH, alternative=alternative)
