"""Explanations: they add up, find what was planted, and change with the weights."""

import copy
import json
import re

import gymnasium
import numpy
import pytest
import torch
from torch import nn

from lamina import artifact, cli, explanations, tasks
from lamina.budget import Plan
from lamina.case import Case
from lamina.device import machine
from lamina.errors import UserError
from lamina.explanations import attribution, gallery, importance, tokens
from lamina.explanations.attribution import ablation, integrated_gradients
from lamina.nets.average import Averaged
from lamina.nets.gpt import GPT, rotations
from lamina.options import Options
from lamina.parts import prepare
from lamina.probe import Probe
from lamina.run import Run
from lamina.task import tensors

DECIDES = 2  # which of the columns, and of the observations, decides


# ---- planted data -------------------------------------------------------------------------------


class Signs(gymnasium.Env):
    """Four random numbers a step; the action must say whether the third is positive."""

    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(-9, 9, (4,), numpy.float32)

    def __init__(self, render_mode: str | None = None):
        self.shown = None

    def show(self):
        self.shown = self.np_random.normal(size=4).astype(numpy.float32)
        return self.shown

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.show(), {}

    def step(self, action):
        right = (self.shown[DECIDES] > 0) == bool(action)
        return self.show(), float(right), False, False, {}


@pytest.fixture(scope="module", autouse=True)
def signs():
    gymnasium.register("Signs-v0", Signs, max_episode_steps=30)
    yield
    del gymnasium.registry["Signs-v0"]


def corners(path):
    """Noise pictures; a bright patch stands in the upper left or the lower right corner."""
    random = numpy.random.default_rng(0)
    pixels = random.integers(0, 160, (500, 12, 12), numpy.uint8)
    labels = random.integers(0, 2, 500)
    pixels[labels == 0, 1:4, 1:4] = 250
    pixels[labels == 1, 8:11, 8:11] = 250
    numpy.savez(path, x=pixels, y=labels)


def marks(path):
    """Noise pictures, of which 1 and 2 have a bar somewhere, that lies (1) or stands (2)."""
    random = numpy.random.default_rng(0)
    pixels = random.integers(0, 120, (600, 24, 24), numpy.uint8)
    labels, places = random.integers(0, 3, 600), random.integers(0, 18, (600, 2))
    for picture, label, (y, x) in zip(pixels, labels, places, strict=True):
        if label:
            picture[y : y + (2 if label == 1 else 6), x : x + (6 if label == 1 else 2)] = 250
    numpy.savez(path, x=pixels, y=labels)


def table(path):
    """Six columns of noise, of which c2 (a number) or c4 (a category) decides."""
    random = numpy.random.default_rng(0)
    lines = ["c0,c1,c2,c3,c4,c5,answer"]
    for _ in range(900):
        numbers, letters = random.normal(size=4).round(3), random.choice(["p", "q", "r"], 2)
        answer = "yes" if numbers[DECIDES] > 0 else "no"
        lines.append(f"{numbers[0]},{numbers[1]},{numbers[2]},{numbers[3]},{letters[0]},"
                     f"{letters[1]},{answer}")
    path.write_text("\n".join(lines) + "\n")


def keys(path):
    """Words such as `Axyza`: the first letter, A or B, comes again small at the end."""
    random = numpy.random.default_rng(0)
    words = []
    for _ in range(3000):
        key = random.choice(["A", "B"])
        words.append(key + "".join(random.choice(list("wxyz"), 3)) + key.lower())
    path.write_text("\n".join(words) + "\n")


def learn(name, source, steps, **settings):
    """A run at its end."""
    kind = tasks.find(name)
    task = kind(kind.Settings.make(settings))
    parts = prepare(task, source)
    run = Run(task, task.start(), parts.train, parts.validation, machine=machine(
        device="cpu", threads=1), plan=Plan(steps), evaluations=1, say=lambda line: None)
    for _ in run.train():
        pass
    return Case(run, run.finish(), parts, Options())


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """A function that gives the trained case of a kind of planted data, trained once."""
    folder = tmp_path_factory.mktemp("planted")
    known = {}

    def of(name):
        if name not in known:
            known[name] = make(name)
        return known[name]

    def make(name):
        if name in ("cnn", "mlp", "resnet", "belief"):
            corners(path := folder / "corners.npz")
            if name == "belief":
                return learn("deep-belief", path, 150, layers=(32,), dropout=0.0,
                             pretraining=False, learning_rate=0.01)
            return learn("image-classification", path, 80, net=name, width=8)
        if name == "marks":
            marks(path := folder / "marks.npz")
            return learn("image-classification", path, 120, net="resnet", width=8, shift=0)
        if name in ("row", "attention"):
            table(path := folder / "table.csv")
            net = "mlp" if name == "row" else "attention"
            return learn("table-prediction", path, 120, net=net, width=32, depth=1, bins=16)
        if name in ("gpt", "lstm"):
            keys(path := folder / "keys.txt")
            return learn("text-generation", path, 250, net=name, layers=2, width=32, heads=2,
                         context=16, batch_size=32)
        return learn("control", "Signs-v0", 300, prefill=400, width=32, layers=1, discount=0.0,
                     rewards=1, explore_transitions=500)

    return of


def probe_of(case, count=4):
    return case.task.probe(case.net, tensors(case.parts.test.batch, slice(0, count)))


def best(probe):
    with torch.no_grad():
        return probe.outputs(probe.inputs).argmax(1)


def strongest(case, count, method):
    """The place in dimension 1 that each input owes its answer to most."""
    probe = probe_of(case, count)
    values = method(probe, best(probe)).values
    return probe, values.reshape(*values.shape[:2], -1).sum(2).argmax(1)


MODEL = pytest.mark.parametrize(
    "name", ["cnn", "mlp", "resnet", "belief", "row", "attention", "gpt", "lstm", "control"])


# ---- what attributions promise ------------------------------------------------------------------


def test_integrated_gradients_of_a_linear_net_are_weight_times_difference():
    weight = torch.tensor([[1.0, -2.0, 0.5]])
    probe = Probe("columns", torch.tensor([[3.0, 1.0, 4.0]])[:, :, None],
                  lambda given: given[:, :, 0] @ weight.T, torch.ones(1, 3, 1), ("a number",))
    for method in (integrated_gradients, ablation):
        found = method(probe, torch.zeros(1, dtype=torch.long)).values[0, :, 0]
        torch.testing.assert_close(found, weight[0] * torch.tensor([2.0, 0.0, 3.0]))


def test_integrated_gradients_of_a_product_share_it():
    """Of x·y from (0, 0) each gets half, by hand: the integral of t·x·y over t from 0 to 1."""
    probe = Probe("columns", torch.tensor([[3.0, 4.0]])[:, :, None],
                  lambda given: given.prod(1), torch.zeros(1, 2, 1), ("a number",))
    found = integrated_gradients(probe, torch.zeros(1, dtype=torch.long))
    torch.testing.assert_close(found.values.flatten(), torch.tensor([6.0, 6.0]))


@MODEL
def test_attributions_add_up_to_the_difference_within_one_per_cent(cases, name):
    probe = probe_of(cases(name))
    chosen = best(probe)
    found = integrated_gradients(probe, chosen)
    logits = probe.outputs(torch.stack([probe.neutral, probe.inputs]).flatten(0, 1)).detach()
    if name == "control":
        own = logits.gather(1, chosen.repeat(2)[:, None])[:, 0]
        score = own - (logits.sum(1) - own)
    else:  # log-odds
        chance = logits.double().softmax(1).gather(1, chosen.repeat(2)[:, None])[:, 0]
        score = (chance / (1 - chance)).log()
    before, after = score.chunk(2)
    share = (found.values.flatten(1).sum(1) - (after - before)).abs() / (after - before).abs()
    kept = (after - before).abs() > 0.1  # a share of next to nothing says nothing
    assert kept.any() and float(share[kept].max()) < 0.012
    assert float(found.error.max()) < 0.01


@MODEL
def test_attributions_change_when_the_weights_are_drawn_anew(cases, name):
    """Adebayo et al. 2018: what does not depend on the weights explains nothing."""
    case = cases(name)
    found = [magnitudes(case)]
    for draw in range(3):
        torch.manual_seed(draw)
        found.append(magnitudes(redrawn(case)))
        assert not numpy.allclose(found[0], found[-1], atol=1e-3)
    ranks = numpy.argsort(numpy.argsort(found))
    alike = [numpy.corrcoef(ranks[0], other)[0, 1] for other in ranks[1:]]
    assert numpy.mean(alike) < 0.6  # inputs far from the neutral one stay important


def redrawn(case):
    """The case with the weights of each tensor in another order."""
    other = copy.deepcopy(case)
    for module in other.net.modules():
        for values in module.parameters(recurse=False):
            values.data = values[torch.randperm(len(values))] if values.ndim < 2 else \
                values.flatten()[torch.randperm(values.numel())].view_as(values)
    if isinstance(other.net, Averaged):  # which answers with a mean of weights
        other.net.updates.zero_()
        other.net.update()
    return other


def magnitudes(case):
    """How much each number of the first test example matters to its first output."""
    probe = probe_of(case, 1)
    probe = attribution.thinned(probe, torch.arange(min(len(probe.inputs), 20)))
    chosen = torch.zeros(len(probe.inputs), dtype=torch.long)
    return integrated_gradients(probe, chosen, most=128).values.flatten().abs().numpy()


# ---- planted features are found -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["cnn", "mlp", "resnet", "belief"])
@pytest.mark.parametrize("method", ["integrated-gradients", "occlusion"])
def test_the_planted_patch_is_found(cases, name, method):
    case = cases(name)
    for index in range(8):
        found = picture(case, index, method)
        assert found.label == case.parts.test.examples[index].target
        y, x = numpy.unravel_index(pooled_three(found.heat).argmax(), (10, 10))
        assert (y, x) == ((1, 1) if found.label == "0" else (8, 8))  # of a hundred places


def test_grad_cam_finds_the_planted_bar(cases):
    case = cases("marks")
    marked = [i for i, example in enumerate(case.parts.test.examples) if example.target != "0"]
    distances = []
    for index in marked[:20]:
        found = picture(case, index, "grad-cam")
        assert found.label == case.parts.test.examples[index].target
        bright = numpy.argwhere(case.parts.test.examples[index].input == 250)
        strongest = numpy.unravel_index(found.heat.argmax(), (24, 24))
        distances.append(abs(bright.mean(0) - strongest).max())
    assert numpy.median(distances) <= 4  # pixels, which is one place of the map; chance: about 9


@pytest.mark.parametrize("name", ["mlp", "belief"])
def test_grad_cam_needs_convolutions(cases, name):
    with pytest.raises(UserError, match="no convolutions"):
        picture(cases(name), 0, "grad-cam")


def picture(case, index, method):
    probe = case.task.probe(case.net, tensors(case.parts.test.batch, slice(index, index + 1)))
    answer = case.task.answer(case.net, tensors(case.parts.test.batch, slice(index, index + 1)))[0]
    return explanations.explained(case.net, probe, case.parts.test.examples[index], answer,
                                  method=method)


def pooled_three(heat):
    """The sum over each window of 3 by 3."""
    return numpy.lib.stride_tricks.sliding_window_view(heat, (3, 3)).sum((2, 3))


@pytest.mark.parametrize("name", ["row", "attention"])
@pytest.mark.parametrize("method", [integrated_gradients, ablation])
def test_the_planted_column_is_found(cases, name, method):
    """Where a neutral row would get another answer; else no column need speak for this one."""
    probe, places = strongest(cases(name), 40, method)
    with torch.no_grad():
        other = best(probe) != probe.outputs(probe.neutral).argmax(1)
    found = [probe.names[place] for place in places[other].tolist()]
    assert len(found) >= 12  # of 40
    assert found.count(f"c{DECIDES}") >= 0.95 * len(found)  # chance: a sixth


@pytest.mark.parametrize("name", ["gpt", "lstm"])
@pytest.mark.parametrize("method", [integrated_gradients, ablation])
def test_the_planted_character_is_found(cases, name, method):
    case = cases(name)
    hits = []
    for prompt in ("Bxyz", "Awww", "Bzzy", "Axwz"):
        probe = case.task.probe(case.net, case.task.encode(case.task.examples([prompt])))
        assert list(probe.names[0][1:]) == list(prompt)  # after the start of a document
        for label in "ab":
            index = torch.tensor([probe.labels.index(label)])
            key, *others = method(probe, index).values[0].sum(1)[1:].tolist()
            assert (key > 0) == (label == prompt[0].lower())
            hits.append(abs(key) > max(map(abs, others)))
    assert sum(hits) >= 7  # of 8; chance: a quarter


@pytest.mark.parametrize("method", [integrated_gradients, ablation])
def test_the_planted_observation_is_found(cases, method):
    probe, places = strongest(cases("control"), 1, method)
    assert len(places) == 30 and (places == DECIDES).double().mean() >= 0.8  # chance: a quarter


def test_the_shuffled_planted_column_costs_the_accuracy(cases):
    found = importance.permutation(cases("row"), 20.0)
    first, *others = found["columns"]
    assert first["column"] == f"c{DECIDES}" and found["score"] > 0.9
    # shuffled, a column that alone decides between two halves leaves one half right
    assert first["low"] - 0.05 < found["score"] - 0.5 < first["high"] + 0.05
    assert all(abs(row["fall"]) < 0.05 and row["low"] <= row["high"] for row in others)


# ---- probes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_explains_its_own_sample(prepared, cpu, name, tmp_path):
    task, parts = prepared(name)
    model = artifact.Model(task, task.exported(task.start()), {}, cpu)
    example = parts.test.examples[0]
    if name == "text-generation":
        example = task.examples(["The old dog"])[0]
    (found,) = explanations.explain(model, [example])
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["name"] and told["relative_to"]
    if told["completeness_error"] is not None:
        assert told["completeness_error"] < 0.05
    assert "\x1b" not in found.text() and found.headline() in found.text()
    for suffix in found.suffixes():
        found.save(tmp_path / f"one{suffix}")
    page = (tmp_path / "one.html").read_text()
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page
    with pytest.raises(UserError, match="saved as"):
        found.save(tmp_path / "one.pdf")


@pytest.mark.parametrize("name", ["cnn", "belief", "row", "attention"])
def test_a_probe_says_what_the_answers_say(cases, name):
    case = cases(name)
    probe, answers = probe_of(case, 20), case.answers(case.parts.test, count=20)
    chances = probe.outputs(probe.inputs).softmax(1)
    expected = torch.tensor([list(answer.probabilities.values()) for answer in answers])
    torch.testing.assert_close(chances, expected, atol=1e-4, rtol=1e-3)
    assert [probe.labels[i] for i in probe.targets.tolist()] == \
        [example.target for example in case.parts.test.examples[:20]]


def test_a_number_is_explained_in_its_own_unit(tmp_path):
    random = numpy.random.default_rng(0)
    rows = random.normal(size=(400, 3)).round(3)
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,price\n" + "\n".join(
        f"{a},{b},{c},{1000 + 300 * b:.3f}" for a, b, c in rows))
    case = learn("table-prediction", path, 150, width=32, depth=1, bins=16)
    probe, answers = probe_of(case, 4), case.answers(case.parts.test, count=4)
    torch.testing.assert_close(probe.outputs(probe.inputs)[:, 0], torch.tensor(
        [answer.value for answer in answers]), atol=0.05, rtol=1e-4)
    found = explanations.explained(case.net, probe_of(case, 1), case.parts.test.examples[0],
                                   answers[0])
    assert found.rows()[0][0].startswith("b = ")
    assert found.start == pytest.approx(1000, abs=120)  # the mean row has about the mean price
    with pytest.raises(UserError, match="no other answer"):
        explanations.explained(case.net, probe_of(case, 1), case.parts.test.examples[0],
                               answers[0], label="2")


def test_prompts_of_a_batch_are_probed_as_each_alone(cases):
    case = cases("gpt")
    both = case.task.encode(case.task.examples(["Axyz", "wwwBxyzbAx"]))
    together = case.task.probe(case.net, both)
    values = integrated_gradients(together, torch.tensor([1, 2])).values
    for i, index in enumerate((1, 2)):
        alone = case.task.probe(case.net, tensors(both, slice(i, i + 1)))
        size = alone.inputs.shape[1]
        torch.testing.assert_close(alone.outputs(alone.inputs)[0],
                                   together.outputs(together.inputs)[i], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(integrated_gradients(alone, torch.tensor([index])).values[0],
                                   values[i, :size], atol=1e-2, rtol=0.05)
        assert not values[i, size:].any()


# ---- attention ----------------------------------------------------------------------------------


def test_attention_is_what_the_net_mixes_with():
    torch.manual_seed(0)
    net = GPT(11, layers=2, width=16, heads=2)
    for values in net.parameters():
        nn.init.normal_(values, std=0.3)
    x = net.embed(torch.randint(11, (3, 7)))
    seen = net.attention(x)
    assert seen.shape == (2, 3, 2, 7, 7)
    torch.testing.assert_close(seen.sum(-1), torch.ones(2, 3, 2, 7))
    assert not seen.triu(1).any()
    block, turns = net.blocks[0], rotations(0, 7, 8, torch.device("cpu"))
    normed = torch.nn.functional.layer_norm(net.convolve(x)[0], x.shape[-1:])
    _, _, value = block.look(normed, turns)
    mixed = block.output((seen[0] @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(mixed, block.attend(normed, turns, None)[0])


def test_rollout_of_two_layers_by_hand():
    """Abnar and Zuidema 2020: half stays, so [1, 0; a, 1 - a] becomes [1, 0; a/2, 1 - a/2]."""
    layers = numpy.array([[[1.0, 0.0], [0.4, 0.6]], [[1.0, 0.0], [0.6, 0.4]]])
    # last row: 0.3 of the first token, and 0.7 of the second, of which 0.2 is the first's
    numpy.testing.assert_allclose(tokens.rollout(layers)[-1], [0.3 + 0.7 * 0.2, 0.7 * 0.8])


def test_attention_needs_a_net_that_has_some(cases):
    case = cases("lstm")
    probe = case.task.probe(case.net, case.task.encode(case.task.examples(["Axyz"])))
    with pytest.raises(UserError, match="this net has none"):
        explanations.explained(case.net, probe, case.task.examples(["Axyz"])[0], None,
                               method="attention")


# ---- the verb and the report --------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(cases, tmp_path_factory):
    """The model file of the planted pictures, and one of the pictures."""
    from lamina.media import image

    case, folder = cases("cnn"), tmp_path_factory.mktemp("saved")
    artifact.save(folder / artifact.NAME, case.task, case.net, {})
    image.save(case.parts.test.examples[0].input[:, :, None], folder / "one.png")
    return folder


def test_the_verb_draws_prints_and_saves(saved, capsys, monkeypatch, tmp_path):
    assert cli.main(["explain", str(saved), str(saved / "one.png")]) == 0
    plain = capsys.readouterr().out
    assert "\x1b" not in plain and "log-odds" in plain and "black" not in plain
    assert len(re.findall(r"^( +-?\d+\.\d){6}$", plain, re.MULTILINE)) == 6
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert cli.main(["explain", str(saved), str(saved / "one.png")]) == 0
    assert "▀" in capsys.readouterr().out
    target = tmp_path / "why.png"
    assert cli.main(["explain", str(saved), str(saved / "one.png"), "--json", "--save",
                     str(target), "--method", "occlusion", "--label", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["label"] == "1" and told["method"] == "occlusion" and target.stat().st_size > 200
    assert numpy.array(told["heat"]).shape == (12, 12)


@pytest.mark.parametrize(("words", "hint"), [
    (["--method", "gradcam"], "did you mean 'grad-cam'?"),
    (["--method", "attention"], "auto, integrated-gradients, grad-cam, occlusion"),
    (["--label", "7"], "known: 0, 1")])
def test_a_mistaken_method_or_label_names_the_valid_ones(saved, capsys, words, hint):
    assert cli.main(["explain", str(saved), str(saved / "one.png"), *words]) == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cnn", "row", "gpt", "control"])
def test_the_report_explains_some_answers_within_its_time(cases, name):
    case = cases(name)
    assert gallery.measure(case, 0.0) == (None, [])
    found, findings = gallery.measure(case, 6.0)
    assert findings == [] and found["explained"][0]["html"].startswith("<figure")
    assert ("importance" in found) == (name == "row")
    assert len(json.dumps({n: v for n, v in found.items() if n != "explained"})) < 5000
