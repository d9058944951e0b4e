import zipfile

import numpy
import pytest

from lamina.media import image, pairs


def write(root, *names, side=(8, 8)):
    """A grey picture at each of the paths, each with its own level."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(numpy.full((*side, 1), 10 + number, numpy.uint8), path)
    return root


def places(root, **options):
    """(domain, name, split) of every picture that is found."""
    names, found = pairs.read(root, side_by_side=options.get("side_by_side", False))
    return names, sorted((f.picture.domain, f.name, str(f.split)) for f in found)


def test_any_two_folders(tmp_path):
    names, found = places(write(tmp_path, "zebras/1.png", "horses/7.png", "horses/8.jpg"))
    assert names == ("horses", "zebras")
    assert found == [(0, "7", "None"), (0, "8", "None"), (1, "1", "None")]


@pytest.mark.parametrize("folders", [("trainA", "trainB", "testA"), ("train/A", "train/B", "test/A"),
                                     ("A/train", "B/train", "A/test"),
                                     ("top/train_A", "top/train_B", "top/test_A")])
def test_declared_parts(tmp_path, folders):
    root = write(tmp_path, *[f"{folder}/1.png" for folder in folders])
    assert places(root) == (("A", "B"), [(0, "1", "test"), (0, "1", "train"), (1, "1", "train")])


def test_a_name_that_only_begins_like_a_part_is_a_domain(tmp_path):
    names, _ = places(write(tmp_path, "trains/1.png", "testimonials/2.png"))
    assert names == ("testimonials", "trains")


def test_the_domain_at_the_end_of_a_name_is_no_part_of_it(tmp_path):
    _, found = places(write(tmp_path, "trainA/5_A.png", "trainB/5_B.png"))
    assert found == [(0, "5", "train"), (1, "5", "train")]


def test_inside_an_archive_that_lies_alone_in_a_folder(tmp_path):
    write(tmp_path / "plain", "data/A/1.png", "data/B/2.png")
    (tmp_path / "packed").mkdir()
    with zipfile.ZipFile(tmp_path / "packed" / "all.zip", "w") as archive:
        for name in ("data/A/1.png", "data/B/2.png"):
            archive.write(tmp_path / "plain" / name, name)
    assert places(tmp_path / "packed") == (("A", "B"), [(0, "1", "None"), (1, "2", "None")])
    _, found = pairs.read(tmp_path / "packed", side_by_side=False)
    assert image.decode(found[1].picture)[0, 0, 0] == 11


def test_side_by_side_halves(tmp_path):
    pixels = numpy.zeros((6, 12, 3), numpy.uint8)
    pixels[:, :6], pixels[:, 6:] = (255, 0, 0), (0, 0, 255)
    (tmp_path / "val").mkdir()
    image.save(pixels, tmp_path / "val" / "1.png")
    _, found = pairs.read(tmp_path, side_by_side=True)
    left, right = (image.decode(f.picture) for f in found)
    assert left.shape == right.shape == (6, 6, 3)
    assert left[0, 0].tolist() == [255, 0, 0]
    assert right[5, 5].tolist() == [0, 0, 255]
    (item,), left_out = pairs.items(found, 1)
    assert (item.input.domain, item.target.domain, left_out) == (1, 0, 0)


@pytest.mark.parametrize(("names", "said"), [
    (["A/1.png", "A/2.png"], "found 2 pictures in one folder"),
    (["A/1.png", "train/B/1.png", "C/1.png"], "found 3: A, B, C"),
    (["A/1.png", "2.png"], "found only .A."),
    ([], "holds no pictures")])
def test_what_is_no_two_folders_is_said(tmp_path, names, said):
    with pytest.raises(ValueError, match=said):
        pairs.read(write(tmp_path, *names), side_by_side=False)


def test_wide_pictures_in_one_folder_give_a_hint(tmp_path):
    with pytest.raises(ValueError, match="--side-by-side"):
        pairs.read(write(tmp_path, "train/1.png", "val/2.png", side=(8, 16)), side_by_side=False)


def test_a_few_missing_counterparts_still_leave_pairs(tmp_path):
    write(tmp_path, *[f"{d}/{n}.png" for d in "AB" for n in range(40)], "A/more.png")
    _, found = pairs.read(tmp_path, side_by_side=False)
    assert pairs.same_names(found)
    items, left = pairs.items(found, 0)
    assert (len(items), left) == (40, 1)
    assert all(item.input.path.name == item.target.path.name for item in items)
    _, found = pairs.read(write(tmp_path, *[f"B/x{n}.png" for n in range(9)]), side_by_side=False)
    assert not pairs.same_names(found)
    assert all(item.target is None for item in pairs.items(found, 0)[0])
