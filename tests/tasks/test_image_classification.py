"""image-classification: every layout that people have, and numbers that chance does not reach."""

import gzip
import json
import struct
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy
import pytest
import torch
from tests_data import needs_data

from lamina import scoring, verbs
from lamina.errors import UserError
from lamina.media import image
from lamina.nets.image import TutorialCNN
from lamina.task import Example
from lamina.tasks.image_classification import Facts, ImageClassification, Settings, shifted

NAME = "image-classification"


def read(path):
    return ImageClassification(Settings()).read(path)


def picture(value: int, number: int = 0, size: int = 8) -> numpy.ndarray:
    pixels = numpy.full((size, size, 1), value, numpy.uint8)
    pixels[0, number % size] = number % 251
    pixels[1, :3] = number // 251
    return pixels


def write_folders(root: Path, count: int = 20) -> None:
    for value, label in ((10, "dark"), (200, "light")):
        (root / label).mkdir(parents=True)
        for number in range(count):
            image.save(picture(value, number), root / label / f"{number}.png")


def labels(part) -> Counter:
    return Counter(example.target for example in part)


def test_reads_class_folders_zip_tar_gz_and_tar_xz_alike(tmp_path):
    write_folders(tmp_path / "photos")
    files = sorted((tmp_path / "photos").rglob("*.png"))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(tmp_path))
    for kind in ("gz", "xz"):
        with tarfile.open(tmp_path / f"photos.tar.{kind}", f"w:{kind}") as archive:
            archive.add(tmp_path / "photos", "photos")
    found = [read(tmp_path / name) for name in ("photos", "photos.zip", "photos.tar.gz",
                                                "photos.tar.xz")]
    task = ImageClassification(Settings())
    task.facts = task.study(found[0].train)
    tensors = [task.encode(data.test)["image"] for data in found]
    for data, encoded in zip(found, tensors, strict=True):
        assert labels(data.train) == labels(found[0].train)
        assert torch.equal(encoded.sum((1, 2, 3)).sort().values,
                           tensors[0].sum((1, 2, 3)).sort().values)


def test_declared_part_folders_are_kept(tmp_path):
    write_folders(tmp_path / "train")
    write_folders(tmp_path / "val", 3)
    write_folders(tmp_path / "test", 4)
    data = read(tmp_path)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [40, 6, 8]
    assert data.cut == ()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_reads_manifests_with_split_and_group(tmp_path, form):
    write_folders(tmp_path / "images")
    files = sorted((tmp_path / "images").rglob("*.png"))
    rows = [{"image": str(f.relative_to(tmp_path)), "label": f.parent.name,
             "split": "test" if i % 4 == 0 else "train", "group": f"p{i % 5}"}
            for i, f in enumerate(files)]
    path = tmp_path / f"list.{form}"
    if form == "csv":
        lines = [",".join(rows[0])] + [",".join(row.values()) for row in rows]
    else:
        lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    for source in (path, tmp_path):
        data = read(source)
        assert len(data.test) == 10 and len(data.train) + len(data.validation) == 30
        assert not {e.group for e in data.train} & {e.group for e in data.validation}


def write_idx(path: Path, values: numpy.ndarray) -> None:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    with gzip.open(path, "wb") if path.suffix == ".gz" else path.open("wb") as file:
        file.write(header + values.astype(numpy.uint8).tobytes())


def test_reads_idx_files_plain_and_gzipped(tmp_path):
    pixels = numpy.arange(40 * 64, dtype=numpy.uint32).reshape(40, 8, 8) % 251
    for part, suffix in (("train", ".gz"), ("t10k", "")):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte{suffix}", pixels)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte{suffix}", numpy.arange(40) % 4)
    data = read(tmp_path)
    assert len(data.test) == 40 and len(data.train) + len(data.validation) == 40
    assert numpy.array_equal(data.test[7].input, pixels[7]) and data.test[7].target == "3"


def test_an_idx_file_that_is_cut_short_is_refused(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", numpy.zeros((4, 8, 8)))
    write_idx(tmp_path / "train-labels-idx1-ubyte", numpy.arange(4))
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="is cut short"):
        read(tmp_path)


def test_reads_npz_as_medmnist_has_it(tmp_path):
    arrays = {}
    for part, count in (("train", 30), ("val", 6), ("test", 8)):
        arrays[f"{part}_images"] = numpy.random.default_rng(0).integers(
            0, 256, (count, 8, 8), dtype=numpy.uint8)
        arrays[f"{part}_labels"] = numpy.arange(count)[:, None] % 2
    numpy.savez(tmp_path / "set.npz", **arrays)
    data = read(tmp_path / "set.npz")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [30, 6, 8]


def test_an_npz_of_pickled_objects_is_refused(tmp_path):
    numpy.savez(tmp_path / "set.npz", images=numpy.array([{"a": 1}], dtype=object),
                labels=numpy.arange(1))
    with pytest.raises(UserError, match="npz"):
        read(tmp_path / "set.npz")


def test_pictures_of_all_sizes_and_modes_become_one(tmp_path):
    from PIL import Image

    write_folders(tmp_path / "photos", 10)
    Image.new("RGBA", (30, 10), (255, 0, 0, 128)).save(tmp_path / "photos/dark/rgba.png")
    Image.new("P", (9, 40), 3).save(tmp_path / "photos/dark/palette.png")
    Image.new("I;16", (12, 12), 40000).save(tmp_path / "photos/light/deep.png")
    Image.new("1", (12, 12), 1).save(tmp_path / "photos/light/bits.png")
    task = ImageClassification(Settings(image_size=8))
    data = task.read(tmp_path / "photos")
    everything = [*data.train, *data.validation, *data.test]
    task.facts = task.study(everything)
    assert task.encode(everything)["image"].shape == (24, 3, 8, 8)


def test_shifts_move_whole_pictures_and_repeat_their_edges():
    pixels = torch.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5)
    torch.manual_seed(0)
    seen = {tuple(shifted(pixels, 1)[0, 0].flatten().tolist()) for _ in range(60)}
    assert tuple(pixels[0, 0].flatten().tolist()) in seen
    down = torch.cat([pixels[0, 0, :1], pixels[0, 0, :-1]])
    assert tuple(down.flatten().tolist()) in seen
    assert len(seen) == 9


def test_tutorial_net_has_the_tutorials_parameters():
    net = TutorialCNN(1, 28, 10)
    assert sum(p.numel() for p in net.parameters()) == 320 + 692_352 + 1_290


def test_tutorial_net_pools_before_relu_to_the_same_end():
    torch.manual_seed(0)
    net, given = TutorialCNN(1, 28, 10), torch.randn(4, 1, 28, 28)
    maps = torch.nn.functional.max_pool2d(net.convolution(given).relu(), 2)
    flat = maps.permute(0, 2, 3, 1).flatten(1)  # as Keras has images: channels last
    expected = net.out(net.dense(flat).relu())
    assert torch.equal(net(given), expected)
    weights = list(net.parameters())
    for one, other in zip(torch.autograd.grad(net(given).square().sum(), weights),
                          torch.autograd.grad(expected.square().sum(), weights), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("size, most", [(28, 167), (64, 32), (512, 8)])
def test_the_larger_the_images_the_fewer_are_scored_at_once(size, most):
    facts = Facts(labels=["a", "b"], size=size, channels=1, mean=[0.5], deviation=[0.5])
    examples = [Example(None, "a")] * (most + 1)
    batch = {"image": torch.zeros(len(examples), 1, size, size, dtype=torch.uint8)}
    found = scoring.batches(ImageClassification(Settings(), facts), scoring.Part(examples, batch),
                            torch.device("cpu"))
    assert [len(some["image"]) for some, _ in found] == [most, 1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 32, 96, 33])
def test_resnet_takes_any_size(size, channels):
    facts = Facts(labels=list("abcde"), size=size, channels=channels, mean=[0.5] * channels,
                  deviation=[0.2] * channels)
    net = ImageClassification(Settings(width=4), facts).build().eval()
    seen = []
    for module in net.modules():
        if isinstance(module, torch.nn.AdaptiveMaxPool2d):
            module.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[-1]))
    given = torch.zeros(2, channels, size, size, dtype=torch.uint8)
    assert net(given).shape == (2, 5)
    assert seen[0] <= 6  # pixels a side of the last map


@pytest.mark.parametrize("net", ["mlp", "cnn", "resnet"])
def test_each_net_learns_the_digits_that_ship(net, tmp_path):
    """1,797 real scanned digits: 10 classes, chance 0.1, nearest mean about 0.9."""
    trained = verbs.train(NAME, "digits", net=net, epochs=6, batch_size=32, run=tmp_path / "run",
                          say=lambda line: None)
    assert trained.scores["accuracy"] >= 0.93
    assert trained.report["baselines"][0]["scores"][0]["value"] < 0.2


def test_transfer_takes_over_what_fits(tmp_path, samples, capsys):
    first = verbs.train(NAME, "digits", net="cnn", image_size=16, steps=5, run=tmp_path / "a",
                        say=lambda line: None)
    said: list[str] = []
    verbs.train(NAME, samples(NAME), net="cnn", image_size=16, steps=5, run=tmp_path / "b",
                start_from=first.folder, say=said.append)
    line = next(line for line in said if "started from" in line)
    assert "4 of 8 tensors" in line or "taken over" in line
    assert "out.weight" in line and "hidden.weight" not in line


@needs_data("mnist")
def test_learns_mnist_to_97_percent_in_one_epoch_of_the_tutorial_net(data, tmp_path):
    trained = verbs.train(NAME, data, net="cnn", steps=600, batch_size=32, evaluations=1,
                          run=tmp_path / "run", say=lambda line: None)
    assert trained.report["data"]["test"] == 10_000
    assert trained.scores["accuracy"] >= 0.955
