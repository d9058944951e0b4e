"""Wrong labels are told from hard cases: flips are found, overlapping classes raise no alarm."""

import csv
from types import SimpleNamespace

import numpy
import pytest
import torch
from tests_data import needs_data

from lamina import verbs
from lamina.case import Case
from lamina.checks import labels
from lamina.datasets import find
from lamina.media import labelled
from lamina.options import Options
from lamina.session import Session


def drawn(count: int, sharpness: float, classes: int = 4, seed: int = 0):
    """True chances of the classes, and labels drawn from them: only doubt, no noise."""
    random = numpy.random.default_rng(seed)
    logits = sharpness * random.normal(0, 1, (count, classes))
    chances = numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True)
    truth = (chances.cumsum(1) < random.random((count, 1))).sum(1).clip(max=classes - 1)
    return chances, truth


def flipped(truth, share: float, classes: int = 4, seed: int = 1):
    random = numpy.random.default_rng(seed)
    bad = random.random(len(truth)) < share
    return numpy.where(bad, (truth + random.integers(1, classes, len(truth))) % classes, truth), bad


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 6.0, 20.0])
def test_doubt_alone_is_no_noise(sharpness):
    """From classes that hardly differ to classes that hardly overlap; also when overconfident."""
    alarms = 0
    for seed in range(10):
        chances, truth = drawn(2000, sharpness, seed=seed)
        sharper = chances**2 / (chances**2).sum(1, keepdims=True)
        alarms += labels.noise(chances, truth) is not None
        alarms += labels.noise(sharper, truth) is not None
    assert alarms <= 1


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
def test_flips_are_found_and_their_share_is_estimated(share):
    chances, truth = drawn(8000, 20.0)
    given, bad = flipped(truth, share)
    found = labels.noise(chances, given)
    listed = found.chances > 0.5
    assert (listed & bad).sum() / bad.sum() > 0.8
    assert (listed & bad).sum() / listed.sum() > 0.8
    assert found.share == pytest.approx(bad.mean(), rel=0.25)


def test_where_classes_overlap_only_the_clear_flips_are_listed():
    chances, truth = drawn(20_000, 3.0)
    given, bad = flipped(truth, 0.03)
    listed = labels.noise(chances, given).chances > 0.5
    doubted = (given != chances.argmax(1)).sum()
    assert listed.sum() < 0.2 * doubted, "the list must not drown its reader"
    assert (listed & bad).sum() / listed.sum() > 0.6


def test_odd_parts_break_nothing():
    chances, truth = drawn(5, 2.0)
    assert labels.noise(chances, truth) is None
    assert labels.noise(chances[:1], truth[:1]) is None
    assert labels.noise(chances, numpy.full(5, -1)) is None  # labels that the model does not know
    assert labels.noise(numpy.ones((9, 1)), numpy.zeros(9, int)) is None
    assert labels.noise(numpy.eye(3)[[0, 1, 2, 0]], numpy.array([0, 1, 2, 1])) is None


def test_neighbours_vote_without_the_example_itself():
    points = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]]),
                                           dim=1)
    given = numpy.array([0, 1, 1, 0])
    saved, labels.NEIGHBOURS = labels.NEIGHBOURS, 1
    try:
        votes = numpy.concatenate(list(labels.neighbours(points, given, 2, numpy.inf)))
    finally:
        labels.NEIGHBOURS = saved
    assert votes.argmax(1).tolist() == [1, 0, 0, 1]  # each has the label of its only neighbour
    assert votes.sum(1) == pytest.approx(numpy.ones(4))


def test_answers_that_are_no_labels_have_no_wrong_ones():
    case = SimpleNamespace(labels=False)
    assert labels.find(case, 1.0) == []


def case_of(run) -> Case:
    session = Session.reopen(run, say=lambda line: None)
    for _ in session.train():
        pass
    session.close()
    return Case(session.run, session.run.finish(), session.parts, Options())


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """digits with 4 % of all labels flipped: a trained case, and the truth by place."""
    folder = tmp_path_factory.mktemp("noisy")
    items = labelled.read(find("digits", offline=True))
    truth = numpy.array([int(item.target) for item in items])
    given, _ = flipped(truth, 0.04, classes=10)
    numpy.savez(folder / "digits.npz", images=numpy.stack([item.input for item in items]),
                labels=given)
    verbs.train("image-classification", folder / "digits.npz", run=str(folder / "run"), steps=150,
                net="cnn", threads=1, say=lambda line: None)
    case = case_of(folder / "run")
    right = {item.input.tobytes(): item.target for item in items}
    return case, {part: {i for i, one in enumerate(getattr(case.data, part))
                         if right[one.input.tobytes()] != one.target}
                  for part in ("train", "validation", "test")}


def test_flipped_digits_are_listed_with_suggestions(noisy):
    case, wrong = noisy
    [finding] = labels.find(case, 20.0)
    assert finding.level == "warning"
    with (case.run.folder / labels.FILE).open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["part", "index", "name", "label", "suggestion", "confidence"]
    listed = {(row["part"], int(row["index"])) for row in rows}
    flips = {(part, index) for part, indices in wrong.items() for index in indices}
    assert len(listed & flips) >= 0.8 * len(flips)
    assert len(listed & flips) >= 0.8 * len(listed)
    assert len(finding.examples) == labels.SHOWN
    seen = finding.examples[0]
    example = getattr(case.data, seen.part)[seen.index]
    assert seen.note.startswith(f"label {example.target}, looks like ")


def test_the_search_keeps_to_its_time_and_says_what_it_looked_at(noisy):
    case, _ = noisy
    found = labels.find(case, 0.0)
    assert all("training" not in finding.evidence for finding in found)


@needs_data("compas")
def test_rows_that_overlap_do_not_drown_the_user(data, tmp_path):
    """A third of the answers are wrong, as the classes overlap: that is no noise."""
    run = verbs.train("table-prediction", "compas", run=str(tmp_path / "run"), steps=80, threads=1,
                      say=lambda line: None).folder
    assert labels.find(case_of(run), 5.0) == []
    assert not (run / labels.FILE).exists()
