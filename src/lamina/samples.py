"""What a net that makes pictures shows: many at once, the way between two, copies of training ones.
"""

import time
from typing import Any

import numpy
import torch

from lamina.answers.sample import Sample
from lamina.case import Case
from lamina.findings import Finding
from lamina.media import image
from lamina.metrics import neighbours
from lamina.metrics.generation import copying
from lamina.pixels import pictures_last
from lamina.scoring import Part
from lamina.store import rows
from lamina.task import Example
from lamina.wishes import way

LEAST = 0.2  # seconds under which nothing is begun
AT_ONCE, MOST = 16, 128  # pictures made between two looks at the time, and in all
COLUMNS, SHOWN = 16, 8  # of the table of pictures; pairs that are drawn
STEPS, WAYS = 9, 3  # pictures on the way between two, and how many ways
COPIES = -3.0  # standard deviations: what Meehan et al. 2020 call data-copying


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Made pictures, the training pictures nearest to them, and how near those are; None where
    the answers are no made pictures, or there is no time."""
    if seconds < LEAST or not isinstance(case.first_answer, Sample):
        return None, []
    end = time.monotonic() + seconds / 2
    made: list[numpy.ndarray] = []
    while len(made) < min(MOST, len(case.parts.test)) and (not made or time.monotonic() < end):
        made += [answer.pixels for answer in
                 case.answers(case.parts.test, start=len(made), count=AT_ONCE)]
    section = {"table": {"html": drawn(numpy.stack(made), COLUMNS)},
               "ways": {"html": drawn(ways(case), STEPS + 2)}}
    compared = nearest(case, numpy.stack(made))
    section |= compared
    return section, findings(compared)


def findings(compared: dict[str, Any]) -> list[Finding]:
    """A warning where made pictures are nearer to the training part than new real ones."""
    if not compared["copying"] < COPIES:
        return []
    return [Finding(
        "warning", "the net copies training pictures",
        f"made pictures are nearer to a training picture than test pictures are (z = "
        f"{compared['copying']:.1f}, below {COPIES:g}; {compared['made']} of each)",
        "learn from more pictures or for a shorter time, or with a smaller --width")]


def nearest(case: Case, made: numpy.ndarray) -> dict[str, Any]:
    """Each made picture and each real test picture beside its nearest training picture."""
    shape = torch.from_numpy(made).permute(0, 3, 1, 2)
    all_known = len(case.data.train)
    count = neighbours.affordable(2 * len(made), shape[0].numel(), all_known)
    known = rows(case.parts.train["image"], torch.arange(count)).cpu()
    real = rows(case.parts.test.batch["image"], torch.arange(len(made)))
    distances, places = {}, {}
    for name, pictures in (("made", shape), ("real", real)):
        places[name] = neighbours.nearest(known, pictures.cpu())
        apart = pictures.cpu().float() - known[places[name]].float()
        distances[name] = apart.flatten(1).square().mean(1).sqrt().numpy()
    order = distances["made"].argsort(kind="stable")[:SHOWN]
    pairs = numpy.concatenate([made[order], pictures_last(known[places["made"]][order])])
    return {"made": len(made), "known": count, "of": all_known,
            "distance_of_made": float(numpy.median(distances["made"])),
            "distance_of_real": float(numpy.median(distances["real"])),
            "copying": copying(distances["made"], distances["real"]),
            "pairs": {"html": drawn(pairs, len(order))}}


def ways(case: Case) -> numpy.ndarray:
    """Pictures from one test wish to the next, from left to right."""
    wishes = [example.input for example in case.parts.test.examples[: 2 * WAYS]]
    asked = [Example(wish) for one, other in zip(wishes[::2], wishes[1::2], strict=False)
             for wish in (one, *way(one, other, STEPS), other)]
    return numpy.stack([answer.pixels for answer in
                        case.answers(Part(asked, case.task.encode(asked)))])


def drawn(pictures: numpy.ndarray, columns: int) -> str:
    """Pictures (count, height, width, channels) in rows of so many, as one picture."""
    count, height, width, channels = pictures.shape
    lines = -(-count // columns)
    sheet = numpy.full((lines * columns, height + 1, width + 1, channels), 128, numpy.uint8)
    sheet[:count, :height, :width] = pictures
    sheet = sheet.reshape(lines, columns, height + 1, width + 1, channels)
    sheet = sheet.transpose(0, 2, 1, 3, 4).reshape(lines * (height + 1), -1, channels)
    return image.html(sheet, width=max(2 * sheet.shape[1], 320), alternative="made pictures")
