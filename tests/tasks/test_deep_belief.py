"""Deep belief: what it reads, what each phase changes, what it answers and dreams."""

import numpy
import pytest
import torch

from lamina import device
from lamina.answers import Label
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.media import image
from lamina.media.files import File
from lamina.run import Run
from lamina.scoring import encode, point_scores, rows
from lamina.task import Example
from lamina.tasks.deep_belief import BeliefFacts, BeliefSettings, DeepBelief, dream, visible

SMALL = {"layers": (40, 30), "batch_size": 20, "pretraining_rate": 0.05}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """The sample data set: 60 drawings of each of three shapes."""
    return DeepBelief.sample(tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module")
def data(shapes):
    return DeepBelief(BeliefSettings()).read(shapes)


def prepared(data, *, steps: int = 300, **choices) -> tuple[DeepBelief, Run]:
    """A task that has studied the data, and a run that stands at its start."""
    settings = BeliefSettings(**(SMALL | choices))
    task = DeepBelief(settings, DeepBelief(settings).study(data.train))
    train = encode(task, data.train, [])
    return task, Run(task, task.start(), train.batch, machine=device.machine(device="cpu"),
                     plan=Plan(steps))


@pytest.fixture(scope="module")
def trained(data):
    """(task, net, what the log said of each phase)."""
    task, run = prepared(data, steps=1200, pretraining_share=0.5, learning_rate=0.01)
    losses: dict[str, set[str]] = {}
    for point in run.train():
        losses.setdefault(point.phase, set()).update(point.losses or ())
    return task, run.finish(), losses


def test_learns_the_sample(trained, data):
    task, net, _ = trained
    found = rows(task, net, encode(task, data.test, []), device.machine(device="cpu"))
    assert point_scores(task.metrics, found)["accuracy"] >= 0.9  # chance: 0.33


def test_phases_are_the_layers_and_then_fine_tuning(trained):
    assert trained[2] == {"layer 1": {"free_energy_gap"}, "layer 2": {"free_energy_gap"},
                          "fine-tuning": {"cross_entropy"}}


def test_share_divides_the_steps(data):
    _, run = prepared(data, pretraining_share=0.5)
    assert [phase.share for phase in run.phases] == pytest.approx([0.25, 0.25, 0.5])
    _, run = prepared(data, pretraining=False)
    assert [(phase.name, phase.share) for phase in run.phases] == [("fine-tuning", 1.0)]


def test_each_phase_changes_its_own_part_alone(data):
    _, run = prepared(data, pretraining_share=0.5)
    names = {"layer 1": ("machines.0", "classifier.layers.0"),
             "layer 2": ("machines.1", "classifier.layers.1"),
             "fine-tuning": ("classifier",)}
    before = {name: values.clone() for name, values in run.net.state_dict().items()}
    for point in run.train():
        after = run.net.state_dict()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed
        assert all(name.startswith(names[point.phase]) for name in changed)
        before = {name: values.clone() for name, values in after.items()}


def test_fine_tuning_starts_from_the_machines(data):
    _, run = prepared(data, pretraining_share=0.5)
    for point in run.train():
        if point.step == 150:
            break
    assert point.phase == "layer 2"
    for machine, layer in zip(run.net.machines, run.net.classifier.layers, strict=True):
        assert torch.equal(machine.weight, layer.weight)
        assert torch.equal(machine.hidden_bias, layer.bias)


def test_machines_come_to_reconstruct_the_data(trained, data):
    task, net, _ = trained
    seen = visible(task.encode(data.test))
    torch.manual_seed(0)
    found = (net.machines[0].reconstruct(seen) - seen).square().mean()
    mean_image = visible(task.encode(data.train)).mean(0)
    assert found < 0.7 * (mean_image - seen).square().mean()


def test_dreams_look_more_like_the_data_than_noise_does(trained, data):
    task, net, _ = trained
    pictures = dream(net, task.facts, 30, steps=200)
    assert pictures.shape == (30, 12, 12, 1) and pictures.dtype == numpy.uint8
    assert numpy.array_equal(pictures, dream(net, task.facts, 30, steps=200))
    assert not numpy.array_equal(pictures, dream(net, task.facts, 30, steps=200, seed=1))
    known = visible(task.encode(data.train))
    dreamt = torch.from_numpy(pictures).reshape(30, -1).float() / 255
    shuffled = torch.stack([picture[torch.randperm(144, generator=torch.manual_seed(0))]
                            for picture in dreamt])
    distances = [torch.cdist(pixels, known).min(1).values.mean() for pixels in (dreamt, shuffled)]
    assert distances[0] < 0.7 * distances[1]


def test_answers_are_labels_with_probabilities(trained, data):
    task, net, _ = trained
    answers = task.answer(net, task.encode(data.test[:3]))
    assert all(isinstance(answer, Label) for answer in answers)
    assert sum(answers[0].probabilities.values()) == pytest.approx(1)
    assert list(answers[0].probabilities) == ["bar", "cross", "ring"]


def test_encodes_files_arrays_and_colour_alike(tmp_path):
    task = DeepBelief(BeliefSettings(), BeliefFacts(labels=["a", "b"], height=4, width=6))
    pixels = numpy.arange(24, dtype=numpy.uint8).reshape(4, 6)
    image.save(pixels, tmp_path / "grey.png")
    image.save(numpy.repeat(pixels[:, :, None], 3, 2), tmp_path / "colour.png")
    batch = task.encode([Example(pixels), Example(pixels[:, :, None]),
                         Example(File(tmp_path / "grey.png")),
                         Example(File(tmp_path / "colour.png"))])
    assert batch["image"].dtype == torch.uint8 and "label" not in batch
    assert (batch["image"] == torch.arange(24)).all()


def test_size_is_that_of_most_images_scaled_down(tmp_path):
    train = [Example(numpy.zeros((40, 80), numpy.uint8), "a")] * 3 + [
        Example(numpy.zeros((9, 9), numpy.uint8), "b"), Example(File(tmp_path / "none.png"), "b")]
    facts = DeepBelief(BeliefSettings()).study(train)
    assert (facts.height, facts.width, facts.labels) == (14, 28, ["a", "b"])


def test_baselines_are_the_majority_and_the_nearest_mean():
    task = DeepBelief(BeliefSettings(), BeliefFacts(labels=["dark", "light"], height=2, width=2))

    def examples(level: int, label: str, count: int) -> list[Example]:
        return [Example(numpy.full((2, 2), level + i, numpy.uint8), label) for i in range(count)]

    train = examples(10, "dark", 6) + examples(200, "light", 2)
    test = examples(50, "dark", 1) + examples(150, "light", 1)
    found = task.baselines(train, test)
    assert found["most frequent label"]["accuracy"].mean() == 0.5
    assert found["nearest mean image"]["accuracy"].mean() == 1.0


@pytest.mark.parametrize("layers", ["", "1,2,3,4,5,6,7,8,9", "0", "20000", "many"])
def test_layers_out_of_range_are_named(layers):
    with pytest.raises(UserError, match="layers"):
        BeliefSettings(layers=layers)


def test_one_class_is_refused(tmp_path):
    (tmp_path / "only").mkdir()
    image.save(numpy.zeros((4, 4), numpy.uint8), tmp_path / "only" / "0.png")
    with pytest.raises(UserError, match="'only'"):
        DeepBelief(BeliefSettings()).read(tmp_path)


def test_an_unknown_label_is_named():
    task = DeepBelief(BeliefSettings(), BeliefFacts(labels=["a", "b"], height=2, width=2))
    with pytest.raises(ValueError, match="'c'"):
        task.encode([Example(numpy.zeros((2, 2), numpy.uint8), "c")])


def test_a_folder_given_to_predict_is_all_of_its_images(shapes):
    task = DeepBelief(BeliefSettings())
    assert len(task.examples([str(shapes / "bar")])) == 60
    assert len(task.examples([str(shapes / "bar" / "00.png")])) == 1
    with pytest.raises(ValueError, match="missing.png"):
        task.examples(["missing.png"])
