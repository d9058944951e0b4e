"""autoencoding: every kind of net learns every kind of example, and what codes cost is measured."""

import copy
import csv
import json

import numpy
import pytest
import torch

from lamina import cli, verbs
from lamina.answers.code import Reconstruction
from lamina.budget import Plan
from lamina.errors import UserError
from lamina.media import jpeg
from lamina.metrics import codes as metrics
from lamina.parts import prepare
from lamina.run import Run
from lamina.scoring import rows
from lamina.tasks.autoencoding import Autoencoding, Settings

NETS = ("plain", "denoising", "variational", "sparse")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A data set of each kind: digits, rows on a curved surface, and series of two shapes."""
    folder, random = tmp_path_factory.mktemp("sources"), numpy.random.default_rng(0)
    with (folder / "rows.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["a", "b", "c", "d", "kind", "class"])
        for _ in range(600):
            x, y = random.uniform(-2, 2, 2)
            out.writerow([f"{number:.4f}" for number in (x, y, x * y, x * x)]
                         + ["up" if x > 0 else "down", "near" if x * x + y * y < 2 else "far"])
    with (folder / "series.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["date", "wave", "saw"])
        for day in range(600):
            out.writerow([numpy.datetime64("2022-01-01") + day,
                          f"{numpy.sin(day / 3) + random.normal(0, 0.05):.4f}",
                          f"{day % 11 + random.normal(0, 0.2):.4f}"])
    return {"images": "digits", "rows": folder / "rows.csv", "series": folder / "series.csv"}


@pytest.fixture(scope="module")
def learnt(sources):
    """A function that gives (task, net, test part, scores, baselines) of a short training."""
    from lamina.datasets import find
    from lamina.device import machine

    kept = {}

    def of(kind: str, net: str):
        if (kind, net) not in kept:
            source = sources[kind]
            task = Autoencoding(Settings.make({
                "net": net, "window": 24, "code": 6, "width": 8, "active": 4, "batch_size": 32,
                "learning_rate": 1e-2}))
            parts = prepare(task, find("digits") if source == "digits" else source)
            cpu = machine(device="cpu", threads=1)
            run = Run(task, task.start(), parts.train, parts.validation, machine=cpu,
                      plan=Plan(150), evaluations=1, say=lambda line: None)
            for _ in run.train():
                pass
            best = run.finish()
            score = {name: found[:, 0].sum() / (found[:, 1].sum() if found.shape[1] > 1 else
                                                len(found))
                     for name, found in rows(task, best, parts.test, cpu).items()}
            kept[kind, net] = task, best, parts, score
        return kept[kind, net]

    return of


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("kind", ["images", "rows", "series"])
def test_every_net_learns_every_kind_of_example(learnt, kind, net):
    task, _, parts, score = learnt(kind, net)
    mean = task.baselines(parts.data.train, parts.test.examples)["the mean"][metrics.MSE.name]
    assert score["mse"] < 0.7 * mean[:, 0].sum() / mean[:, 1].sum()
    assert score["mse"] <= score["compressed_mse"] * 1.01
    assert 0 < score["bits"] < 6 * 8


def test_a_curved_surface_takes_fewer_numbers_than_components_need(learnt):
    task, _, parts, score = learnt("rows", "plain")
    assert task.facts.code == 6
    narrow = Autoencoding(Settings(code=2), type(task.facts)(medium=task.facts.medium, code=2))
    flat = narrow.baselines(parts.data.train, parts.test.examples)["PCA with 2 numbers"]["mse"]
    assert score["mse"] < 0.2 * flat[:, 0].sum() / flat[:, 1].sum()


def test_denoising_mends_damaged_pictures_better_than_plain(learnt):
    def error(net_name: str) -> float:
        task, net, parts, _ = learnt("images", net_name)
        values = task.facts.medium.values(parts.test.batch)
        hidden = torch.rand(values.shape, generator=torch.Generator().manual_seed(0)) < 0.3
        with torch.inference_mode():
            return (net(values * ~hidden) - values).square().mean().item()

    assert error("denoising") < 0.9 * error("plain")


def test_sparse_codes_are_sparse(learnt):
    task, net, parts, _ = learnt("images", "sparse")
    codes = net.autoencoder.encode(task.facts.medium.values(parts.test.batch))
    assert ((codes != 0).sum(1) == 4).all()


def test_variational_loss_is_that_of_the_paper(learnt):
    """log of the deviation that fits best, plus the closed divergence (Kingma and Welling 2014,
    appendix B), per value.
    """
    task, net, parts, _ = learnt("images", "variational")
    net, batch = copy.deepcopy(net).requires_grad_(True), {
        name: values[:5] for name, values in parts.test.batch.items()}
    values = task.facts.medium.values(batch)
    last = net.autoencoder.encoder[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([2.0] * 6 + [-40.0] * 6))  # means; next to no variance
    made = net.autoencoder.decode(torch.full((5, 6), 2.0))
    divergence = 5 * 6 * (2.0**2 + 40 - 1) / 2
    [update] = task.learn(net, batch)
    assert update.loss.item() == pytest.approx(
        (made - values).square().mean().log().item() / 2 + divergence / values.numel(), rel=1e-4)


def test_code_has_32_numbers_or_a_quarter_of_the_values(sources):
    for source, numbers in ((sources["images"], 16), (sources["rows"], 2)):
        from lamina.datasets import find

        task = Autoencoding(Settings())
        data = task.read(find(source) if source == "digits" else source)
        assert task.study(data.train).code == numbers


def test_jpeg_takes_about_the_bits_that_are_asked_for():
    random = numpy.random.default_rng(0)
    y, x = numpy.mgrid[:32, :32]
    pictures = [(127 + 100 * numpy.sin(x / random.uniform(2, 9)) * numpy.cos(y / 4))
                .astype(numpy.uint8)[:, :, None] for _ in range(10)]
    quality = jpeg.quality_for(pictures, 900)
    back, bits = zip(*(jpeg.through(pixels, quality) for pixels in pictures), strict=True)
    fewer = [jpeg.through(pixels, quality - 1)[1] for pixels in pictures]
    assert numpy.mean(fewer) < 900 <= numpy.mean(bits)
    assert back[0].shape == pictures[0].shape
    assert numpy.mean([(a.astype(float) - b) ** 2 for a, b in zip(back, pictures)]) < 400
    best, _ = jpeg.through(pictures[0], 95)
    assert abs(best.astype(int) - pictures[0]).mean() < 2


# ---- verbs --------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def model(samples, tmp_path_factory):
    """A run on the sample; and one on rows."""
    folder = tmp_path_factory.mktemp("runs")
    return verbs.train("autoencoding", samples("autoencoding"), steps="30", minutes=None,
                       run=folder / "run", say=lambda line: None)


def test_report_maps_and_clusters_the_codes(model):
    found = model.report["codes"]
    assert found["numbers"] == 32 and found["examples"] == len(found["map"]["points"])
    assert set(found["map"]["labels"]) == {"bar", "ring"}
    assert found["clusters"]["count"] == 2 and 0.5 <= found["clusters"]["purity"] <= 1
    page = (model.folder / "report.html").read_text()
    assert 'id="codes"' in page and "a map of the codes" in page


def test_embeddings_of_a_folder_go_into_one_file(model, samples, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    source = str(samples("autoencoding"))
    for name in ("codes.npz", "codes.parquet"):
        assert cli.main(["predict", str(model.folder), source, "--save", str(tmp_path / name)]) == 0
    arrays = numpy.load(tmp_path / "codes.npz")
    assert arrays["code"].shape == (120, 32) and arrays["input"][0].endswith("bar-00.png")
    table = pyarrow.read_table(tmp_path / "codes.parquet").to_pylist()
    assert numpy.allclose([row["code"] for row in table], arrays["code"])
    assert [row["input"] for row in table] == arrays["input"].tolist()


def test_answer_is_drawn_beside_the_input(model, samples, tmp_path):
    path = samples("autoencoding") / "ring" / "ring-03.png"
    [answer] = verbs.predict(model.folder, [str(path)])
    assert isinstance(answer, Reconstruction) and answer.made.shape == answer.given.shape
    assert answer.html().count("<img") == 1
    answer.save(tmp_path / "a.png")
    answer.save(tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text().count("<img") == 2
    from lamina.media import image
    from lamina.media.files import File

    assert image.decode(File(tmp_path / "a.png")).shape == (256, 2 * 256 + 8, 1)
    assert json.loads(json.dumps(answer.to_json()))["code"] == answer.code
    with pytest.raises(UserError, match="a reconstruction is saved as .json"):
        answer.save(tmp_path / "a.txt")


def test_answers_of_rows_and_series_are_drawn_too(learnt):
    for kind, drawn in (("rows", "<th>given back</th>"), ("series", "given back")):
        task, net, parts, _ = learnt(kind, "plain")
        with torch.inference_mode():
            [answer] = task.answer(net, {name: values[:1] for name, values in
                                         parts.test.batch.items()})
        assert drawn in answer.html() and answer.error > 0


def test_every_kind_is_explained(learnt):
    from lamina import explanations

    for kind in ("images", "rows", "series"):
        task, net, parts, _ = learnt(kind, "plain")
        batch = {name: values[:1] for name, values in parts.test.batch.items()}
        probe = task.probe(net, batch)
        with torch.inference_mode():
            [answer] = task.answer(net, batch)
        found = explanations.explained(net, probe, parts.test.examples[0], answer, most=64)
        assert found.end == pytest.approx(probe.outputs(probe.inputs).item(), rel=1e-4)
        assert "mean squared error" in found.text() and found.error < 0.05
