"""Nets that make pictures: what they are asked, what they learn, how the made ones are measured."""

import math

import numpy
import pytest
import torch
from scipy.stats import mannwhitneyu

from lamina import artifact, samples, wishes
from lamina.budget import Plan
from lamina.case import Case
from lamina.errors import UserError
from lamina.metrics.generation import copying, within
from lamina.metrics.image import frechet
from lamina.nets.diffusion import Denoiser, denoising_loss, guided, sampled
from lamina.options import Options
from lamina.parts import prepare
from lamina.run import Run
from lamina.task import Example
from lamina.tasks.image_generation import ImageGeneration
from lamina.wishes import Wish


def task_of(**settings) -> ImageGeneration:
    return ImageGeneration(ImageGeneration.Settings.make({"width": 8, "denoising_steps": 4,
                                                          **settings}))


def trained(source, steps, cpu, **settings):
    task = task_of(**settings)
    parts = prepare(task, source)
    run = Run(task, task.start(), parts.train, parts.validation, machine=cpu, plan=Plan(steps),
              evaluations=1, say=lambda line: None)
    for _ in run.train():
        pass
    return Case(run, run.finish(), parts, Options())


@pytest.fixture
def grey(tmp_path):
    """Pictures of one brightness each: dark ones and light ones."""
    random = numpy.random.default_rng(0)
    labels = numpy.arange(240) % 2
    levels = numpy.where(labels, 220, 40) + random.integers(-15, 16, 240)
    pixels = numpy.broadcast_to(levels[:, None, None], (240, 8, 8)).astype(numpy.uint8)
    numpy.savez(tmp_path / "grey.npz", images=pixels, labels=numpy.array(["dark", "light"])[labels])
    return tmp_path / "grey.npz"


# ---- what is asked ------------------------------------------------------------------------------


def test_words_ask_for_labels_and_numbers():
    labels = ["a:b", "dark", "light"]
    assert wishes.asked(["dark", "light:7", "a:b", "a:b:2"], labels, 0) == [
        Wish("dark", 0), Wish("light", 7), Wish("a:b", 2), Wish("a:b", 2)]
    assert wishes.asked([], labels, 0) == [Wish(label, n) for n, label in enumerate(labels)]
    assert wishes.asked(["5"], [], 0) == [Wish(None, 5)]
    assert len(wishes.asked([], [], 0)) == wishes.SOME


@pytest.mark.parametrize("text, labels, said", [
    ("drak", ["dark", "light"], "did you mean 'dark'"), ("dark:-1", ["dark", "light"], "'-1'"),
    ("dark", [], "0 or more"), (f"dark:{2**62}", ["dark"], "0 or more")])
def test_a_wish_that_cannot_be_is_one_clear_line(text, labels, said):
    with pytest.raises(UserError, match=said) as caught:
        wishes.asked([text], labels, 0)
    assert "\n" not in str(caught.value)


def test_the_way_between_two_goes_in_equal_steps_and_keeps_the_noise_normal():
    found = wishes.asked(["dark:1", "light:2"], ["dark", "light"], 3)
    assert [wish.part for wish in found] == [0, 0.25, 0.5, 0.75, 0]
    batch = wishes.encoded(found, ["dark", "light"])
    torch.testing.assert_close(wishes.told(batch, 2)[1], torch.tensor([0.75, 0.25]))
    noise = wishes.noise(batch, (4000,), seed=0)
    assert noise.std(1) == pytest.approx(numpy.ones(5), abs=0.05)
    torch.testing.assert_close(noise[2], (noise[0] + noise[4]) / math.sqrt(2))


def test_no_labels_and_cgan_is_one_clear_line(tmp_path):
    numpy.savez(tmp_path / "bare.npz", images=numpy.zeros((40, 8, 8), numpy.uint8)
                + numpy.arange(40, dtype=numpy.uint8)[:, None, None])
    with pytest.raises(UserError, match="use --net dcgan"):
        prepare(task_of(net="cgan"), tmp_path / "bare.npz")
    assert prepare(task_of(), tmp_path / "bare.npz").train["label"].eq(-1).all()


def test_no_more_pictures_are_made_than_asked_and_it_is_said(grey):
    data = task_of(samples=10).read(grey)
    assert (len(data.validation), len(data.test)) == (8, 10)
    assert any("the test scores are of 10" in note for note in data.notes)


# ---- diffusion ----------------------------------------------------------------------------------


class Gaussian(torch.nn.Module):
    """The exact denoiser of pixels that are normal with mean m and deviation s."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.mean, self.variance = mean, deviation**2

    def forward(self, noisy, level, label):
        share = self.variance / (self.variance + level[:, None, None, None] ** 2)
        return self.mean + share * (noisy - self.mean)


def test_the_samplers_error_falls_with_the_square_of_the_steps():
    noise, exact = torch.randn(4000, 1, 2, 2, dtype=torch.double), Gaussian(0.0, 0.2)
    errors = []
    for steps in (20, 40, 80):
        made = sampled(lambda noisy, level: exact(noisy, level, None), noise, steps)
        errors.append((made - 0.2 * noise).abs().mean().item())  # from the equation's solution
    assert errors[0] < 0.01
    assert errors[1] < errors[0] / 3 and errors[2] < errors[1] / 3


def test_the_exact_denoiser_has_the_least_loss():
    pictures = 0.3 + 0.2 * torch.randn(5000, 1, 2, 2)

    def loss(mean, deviation):
        torch.manual_seed(0)
        return denoising_loss(Gaussian(mean, deviation), pictures, None).item()

    assert loss(0.3, 0.2) < min(loss(0.4, 0.2), loss(0.3, 0.3), loss(0.3, 0.1))


def test_a_new_denoiser_gives_the_best_guess_that_needs_no_learning():
    net = Denoiser(1, 28, 3, width=8, blocks=1)
    noisy, level = torch.randn(2, 1, 28, 28), torch.tensor([0.5, 80.0])
    found = net(noisy, level, torch.eye(3)[:2])
    share = 0.25 / (0.25 + level**2)
    torch.testing.assert_close(found, share[:, None, None, None] * noisy)


@pytest.mark.parametrize("size", [8, 12, 28, 36, 64])
def test_every_size_comes_out_as_it_went_in(size):
    net = Denoiser(3, size, 0, width=8, blocks=1)
    made = net(torch.zeros(2, 3, size, size), torch.ones(2), torch.zeros(2, 0))
    assert made.shape == (2, 3, size, size)


def test_guidance_of_one_asks_once_and_more_goes_farther():
    def denoiser(noisy, level, label):
        return noisy * 0 + label.sum(1)[:, None, None, None]

    noisy, level, label = torch.zeros(2, 1, 2, 2), torch.ones(2), torch.eye(2)
    assert guided(denoiser, label, 1.0)(noisy, level).unique().tolist() == [1.0]
    assert guided(denoiser, label, 3.0)(noisy, level).unique().tolist() == [3.0]
    assert guided(denoiser, label * 0, 3.0)(noisy, level).unique().tolist() == [0.0]


# ---- what is learnt -----------------------------------------------------------------------------


@pytest.mark.parametrize("net, steps, rate", [("diffusion", 120, 4e-3), ("vae", 350, 1e-2),
                                              ("cgan", 300, 2e-3)])
def test_asked_for_light_it_makes_light_pictures(net, steps, rate, grey, cpu):
    case = trained(grey, steps, cpu, net=net, learning_rate=rate, batch_size=32, code=4)
    model = artifact.Model(case.task, case.task.exported(case.net), {}, cpu)
    made = {wish: answer.pixels.mean() for wish in ("dark:1", "light:1")
            for answer in model.predict([wish])}
    assert made["dark:1"] < 90 and made["light:1"] > 165


@pytest.mark.parametrize("net, steps, rate", [("diffusion", 120, 4e-3), ("dcgan", 200, 2e-3)])
def test_without_labels_both_kinds_are_made(net, steps, rate, grey, cpu):
    case = trained(grey, steps, cpu, net=net, use_labels=False, learning_rate=rate, batch_size=32)
    assert case.task.facts.labels == []
    brightness = [answer.pixels.mean() for answer in case.answers(case.parts.test)]
    assert min(brightness) < 90 and max(brightness) > 165
    assert "read_as_asked" not in case.test_rows


def test_scores_of_real_pictures_stand_beside_those_of_made_ones(grey, cpu):
    rows = trained(grey, 60, cpu).test_rows
    scores = {metric.name: metric.score(rows[metric.name]) for metric in ImageGeneration.metrics}
    assert scores["read_as_asked_of_real_pictures"] == 1
    assert scores["trained_frechet_distance_of_real_pictures"] \
        < scores["trained_frechet_distance"]


# ---- how it is measured -------------------------------------------------------------------------


def test_frechet_distance_of_two_normal_sets_is_the_formula():
    random = numpy.random.default_rng(0)
    first, second = random.normal(0, 1, (50_000, 2)), random.normal(1, 2, (50_000, 2))
    # per dimension (difference of means)² + (difference of deviations)², per total variance
    assert frechet(numpy.hstack([first, second])) == pytest.approx((1 + 1) / 4, rel=0.02)


def test_precision_and_recall_are_the_hand_worked_ones():
    pool = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0]])
    # distances to the third nearest other: 3, 2, 2, 3, 9
    points = torch.tensor([[-3.0], [-3.1], [6.0], [0.9], [19.5]])
    assert within(points, pool).tolist() == [True, False, True, True, False]
    assert not within(points, pool[:3]).any()  # too few to tell


def test_copying_is_mann_and_whitneys_statistic():
    random = numpy.random.default_rng(0)
    made, real = random.integers(0, 9, 40).astype(float), random.integers(2, 12, 50).astype(float)
    statistic = mannwhitneyu(made, real).statistic
    expected = (statistic - 40 * 50 / 2) / math.sqrt(40 * 50 * 91 / 12)
    assert copying(made, real) == pytest.approx(expected)


def test_a_net_that_copies_is_found_out(grey, cpu):
    case = trained(grey, 8, cpu)
    known = case.parts.train["image"][:16].permute(0, 2, 3, 1).numpy()
    noisy = case.parts.test.batch["image"]
    noisy += torch.randint(0, 20, noisy.shape, dtype=torch.uint8)
    [finding] = samples.findings(samples.nearest(case, known))
    assert "copies" in finding.what


def test_pictures_that_are_made_are_no_copies_and_are_drawn(grey, cpu):
    case = trained(grey, 8, cpu)
    section, findings = samples.measure(case, 5.0)
    assert not findings
    assert all("data:image/png" in section[part]["html"] for part in ("table", "ways", "pairs"))
    assert section["of"] == len(case.data.train)


def test_the_probe_tells_what_the_reader_sees_in_a_made_picture(grey, cpu):
    case = trained(grey, 60, cpu)
    batch = case.task.encode([Example(Wish("light", 3))])
    with torch.inference_mode():
        probe = case.task.probe(case.net, batch)
        [answer] = case.task.answer(case.net, batch)
    assert probe.labels[int(probe.outputs(probe.inputs).argmax(1))] == answer.read
