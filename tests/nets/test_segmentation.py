"""Nets that label pixels: shapes, the losses by hand, tiles beside the whole picture."""

import pytest
import torch
from torch import nn

from lamina.nets.augment import crops, jittered
from lamina.nets.segmentation import (
    FCN,
    Normalized,
    UNet,
    borders,
    in_tiles,
    ramps,
    soft_dice,
    spans,
)


@pytest.mark.parametrize("kind", [UNet, FCN])
@pytest.mark.parametrize("size", [(16, 16), (37, 50), (1, 3)])
def test_every_pixel_gets_its_scores_whatever_the_size(kind, size):
    net = kind(3, 5, width=4, depth=3).eval()
    assert net(torch.randn(2, 3, *size)).shape == (2, 5, *size)


def test_unet_of_the_paper_has_its_31_million_weights():
    """Ronneberger et al. 2015, figure 1: 64 channels, halved 4 times; counted by hand."""
    net = UNet(1, 2, width=64, depth=4)
    widths = [64, 128, 256, 512, 1024]
    pairs = list(zip([1, *widths], widths, strict=False)) + [(2 * w, w) for w in widths[:-1]]
    filters = sum(9 * a * b + 9 * b * b for a, b in pairs)
    doubling = sum(4 * 2 * w * w + w for w in widths[:-1])
    norms = sum(4 * b for _, b in pairs)
    assert sum(p.numel() for p in net.parameters()) == filters + doubling + norms + 2 * 64 + 2


def test_pictures_are_centred_and_scaled():
    net = Normalized(nn.Identity(), [10.0, 100.0], [2.0, 50.0])
    image = torch.tensor([12, 50], dtype=torch.uint8).view(1, 2, 1, 1)
    assert net(image).flatten().tolist() == [1.0, -1.0]


# ---- what is lowered ------------------------------------------------------------------------


def test_soft_dice_of_a_hand_worked_case():
    chances = torch.tensor([[0.8, 0.6], [0.2, 0.4]]).view(1, 2, 1, 2)
    truth = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    loss = soft_dice(chances, truth, torch.ones(1, 1, 1, 2))
    by_hand = 1 - ((2 * 0.8 + 1) / (1.4 + 1 + 1) + (2 * 0.4 + 1) / (0.6 + 1 + 1)) / 2
    assert float(loss) == pytest.approx(by_hand)


def test_soft_dice_leaves_out_what_does_not_count_and_classes_that_are_absent():
    chances = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    truth = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).view(1, 2, 1, 2)
    counted = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    assert float(soft_dice(chances, truth, counted)) == 0.0


def test_borders_part_touching_objects():
    objects = torch.zeros(1, 1, 5, 8, dtype=torch.int16)
    objects[0, 0, 1:4, 1:4], objects[0, 0, 1:4, 4:7] = 1, 2
    found = borders(objects)[0, 0]
    assert found.sum() == 16 and found[2, 2] == found[2, 5] == 0
    assert found[2, 3] == found[2, 4] == 1 and (found[0] == 0).all()


# ---- tiles ----------------------------------------------------------------------------------


def test_tiles_cover_a_side_and_begin_where_pooling_does():
    for length in (40, 64, 65, 100, 513):
        found = spans(length, 64, 16, 8)
        assert found[0][0] == 0 and found[-1][1] == length
        assert all(start % 8 == 0 and end - start <= 64 for start, end in found)
        assert all(end - after >= 16 for (_, end), (after, _) in zip(found, found[1:],
                                                                     strict=False))


def test_weights_of_two_tiles_that_overlap_add_up_to_one():
    first, second = ramps(0, 64, 112, 16), ramps(48, 112, 112, 16)
    torch.testing.assert_close(first[48:] + second[:16], torch.ones(16))
    assert (first[60:] == 0).all() and (first[:52] == 1).all()


@pytest.mark.parametrize("kind", [UNet, FCN])
def test_tiles_of_a_large_picture_answer_as_the_whole_picture(kind):
    """The net sees at most 16 pixels far, a quarter of the overlap, so nothing differs."""
    torch.manual_seed(0)
    net = kind(1, 3, width=4, depth=2)
    for _ in range(3):
        net(torch.randn(4, 1, 32, 32))  # running statistics
    net.eval()
    image = torch.randn(1, 1, 203, 262)
    with torch.inference_mode():
        whole = net(image)
        joined = in_tiles(net, image, tile=128, overlap=64, multiple=4)
        alone = torch.cat([net(image[..., :128]), net(image[..., 128:])], dim=3)
    torch.testing.assert_close(joined, whole, rtol=1e-4, atol=1e-4)
    assert (alone - whole).abs().max() > 0.02, "tiles that do not overlap show a seam"


def test_deep_net_differs_little_between_tiles_and_whole():
    """Where it sees further than the overlap, its answers still agree nearly everywhere."""
    torch.manual_seed(0)
    net = UNet(1, 2, width=4, depth=4)
    for _ in range(3):
        net(torch.randn(2, 1, 64, 64))
    net.eval()
    image = torch.randn(1, 1, 300, 300)
    with torch.inference_mode():
        whole = net(image)
        joined = in_tiles(net, image, tile=192, overlap=64, multiple=16)
    assert (joined.argmax(1) == whole.argmax(1)).float().mean() > 0.999


# ---- variations -----------------------------------------------------------------------------


def test_labels_move_with_their_picture():
    torch.manual_seed(0)
    maps = torch.randint(0, 256, (6, 1, 12, 12)).repeat_interleave(5, 2).repeat_interleave(5, 3)
    sizes = torch.full((6, 2), 60)
    image, labels = crops(maps, maps, sizes, side=32, zoom=0.3, mirrored=(True, True), outside=255)
    assert image.shape == labels.shape == (6, 1, 32, 32)
    alike = (image - labels).abs() < 1
    assert alike.float().mean() > 0.55, "all but where colours of neighbours mix"
    assert len({tuple(one.flatten().tolist()) for one in labels}) == 6


def test_crop_without_zoom_or_mirrors_is_cut_out():
    torch.manual_seed(1)
    picture = torch.arange(400).view(1, 1, 20, 20) % 251
    image, labels = crops(picture, picture, torch.tensor([[20, 20]]), side=8, zoom=0.0,
                          mirrored=(False, False), outside=255)
    top = (picture[0, 0].unfold(0, 8, 1).unfold(1, 8, 1) == labels[0, 0]).all(-1).all(-1)
    assert top.sum() == 1
    torch.testing.assert_close(image, labels.float(), rtol=1e-3, atol=1e-2)


def test_small_pictures_are_not_stretched_and_what_is_beyond_is_void():
    torch.manual_seed(0)
    picture = torch.full((4, 1, 16, 24), 7)
    image, labels = crops(picture, picture, torch.full((4, 2), 16), side=64, zoom=0.5,
                          mirrored=(False, True), outside=255)
    assert image.shape == (4, 1, 16, 24)
    assert set(labels.unique().tolist()) <= {7, 255}
    assert (image - 7).abs().max() < 1e-3


def test_jitter_keeps_grey_levels_in_range_and_none_changes_nothing():
    torch.manual_seed(0)
    image = 255 * torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(jittered(image, 0.0), image)
    found = jittered(image, 0.8)
    assert found.min() >= 0 and found.max() <= 255 and not torch.equal(found, image)
