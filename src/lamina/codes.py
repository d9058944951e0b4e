"""What the codes of the test part show: a map, clusters beside the labels, numbers left unused."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy
import torch

from lamina.answers.code import Reconstruction
from lamina.case import Case
from lamina.findings import Finding
from lamina.gallery import drawn
from lamina.keys import numpy_generator
from lamina.metrics.codes import adjusted_rand, purity
from lamina.projections import clusters, neighbour_map, principal
from lamina.scoring import Part
from lamina.store import rows as rows_of
from lamina.task import Example

LEAST = 0.2  # seconds under which nothing is begun
MOST = 2000  # test examples whose codes are looked at
POINTS, PER_ROOT_SECOND, FEWEST = 800, 250, 100  # of a map of neighbours
CLUSTERS, MOST_CLUSTERS = 10, 30  # where there are no labels, and at most
UNUSED = 0.02  # of the largest deviation: a number that varies less says nothing
NEAREST = 5  # examples of a cluster that are drawn


def measure(case: Case, seconds: float) -> tuple[dict[str, Any] | None, list[Finding]]:
    """A map and clusters of codes; None where answers have none, or there is no time."""
    if seconds < LEAST or not isinstance(case.first_answer, Reconstruction):
        return None, []
    test = case.parts.test
    order = numpy_generator(case.seed, "codes").permutation(len(test))[:MOST]
    examples = [test.examples[place] for place in order]
    places = torch.from_numpy(order)
    answers = case.answers(Part(examples, {name: rows_of(values, places)
                                           for name, values in test.batch.items()}))
    codes = numpy.array([answer.code for answer in answers])
    spread = codes.std(0)
    unused = int((spread < UNUSED * spread.max()).sum())
    found = {"examples": len(codes), "of": len(test), "numbers": codes.shape[1], "unused": unused,
             "map": mapped(codes, [example.target for example in examples], seconds),
             "clusters": clustered(codes, examples, case.seed)}
    findings = [] if not unused else [Finding(
        "hint", "some numbers of the codes say nothing",
        f"{unused} of {codes.shape[1]} hardly vary over {len(codes):,} test examples",
        "ask for a smaller --code: it would do as well")]
    return found, findings


def mapped(codes: numpy.ndarray, labels: list[str | None], seconds: float) -> dict[str, Any]:
    """Places of the codes in two dimensions: the codes themselves, neighbours, or components."""
    count = min(len(codes), POINTS, int(PER_ROOT_SECOND * seconds ** 0.5))
    if codes.shape[1] == 2:
        how, points = "the two numbers of each code", codes
    elif count >= min(FEWEST, len(codes)) and len(codes) > 8:
        how = "neighbours among the codes stay neighbours (t-SNE, van der Maaten and Hinton 2008)"
        points = neighbour_map(codes[:count])
    else:
        how, points = "the two principal components of the codes", principal(codes, 2).encode(codes)
    points = numpy.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    return {"how": how, "points": points.round(3).tolist(), "labels": labels[: len(points)]}


def clustered(codes: numpy.ndarray, examples: list[Example], seed: int) -> dict[str, Any]:
    """k-means of the codes, as many clusters as there are labels, and how they agree."""
    labels = [example.target for example in examples]
    named = None not in labels and len(set(labels)) > 1
    count = min(len(set(labels)) if named else CLUSTERS, MOST_CLUSTERS, max(1, len(codes) // 4))
    found = clusters(codes, count, numpy_generator(seed, "clusters"))
    rows = []
    for cluster in range(int(found.max()) + 1):
        inside = numpy.flatnonzero(found == cluster)
        if not len(inside):
            continue
        far = numpy.square(codes[inside] - codes[inside].mean(0)).sum(1)
        near = inside[numpy.argsort(far, kind="stable")[:NEAREST]]
        common = Counter(labels[place] for place in inside).most_common(3) if named else []
        rows.append({"size": len(inside), "labels": [
            {"label": label, "share": times / len(inside)} for label, times in common],
            **({} if isinstance(examples[0].input, Mapping) else {
                "html": "".join(drawn(examples[place].input, "near the middle")
                                for place in near)})})
    rows.sort(key=lambda row: -row["size"])
    return {"count": len(rows), "rows": rows,
            "purity": purity(found, labels) if named else None,
            "adjusted_rand": adjusted_rand(found, labels) if named else None}
