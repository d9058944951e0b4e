"""Overlaps, suppression, RoIAlign and assignment against cases worked by hand or the slow way."""

import pytest
import torch

from lamina.nets import boxes, detection, mosaic
from lamina.nets.resnet import ResNet


def some_boxes(*shape: int, size: float = 100) -> torch.Tensor:
    corner = torch.rand(*shape, 2) * size
    return torch.cat([corner, corner + 5 + torch.rand(*shape, 2) * size / 2], -1)


def net(kind: type, labels: int = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    body = detection.Pyramid(3, width=4, blocks=1, out=8)
    return kind(body, out=8, labels=labels, mean=[0.5] * 3, deviation=[0.2] * 3)


KINDS = pytest.mark.parametrize("kind", [detection.OneStage, detection.TwoStage])


# ---- boxes ----------------------------------------------------------------------------------

def test_overlap_worked_by_hand():
    first = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 0, 0]])
    second = torch.tensor([[1.0, 0, 3, 2], [0, 0, 2, 2], [4, 4, 6, 6], [0, 0, 0, 0]])
    torch.testing.assert_close(boxes.iou(first, second).diagonal(),
                               torch.tensor([1 / 3, 1, 0, 0]), rtol=1e-5, atol=1e-6)
    # of the same shape CIoU is the overlap less the distance: 4² + 4² of 6² + 6²
    torch.testing.assert_close(boxes.complete_iou(first, second)[:3],
                               torch.tensor([1 / 3 - 1 / 13, 1, -32 / 72]), rtol=1e-5, atol=1e-6)


def test_suppression_is_the_greedy_one():
    torch.manual_seed(0)
    found, label = some_boxes(2, 40), torch.randint(0, 2, (2, 40))
    stays = boxes.alone(found, label, 0.3)
    for row in range(2):
        kept: list[int] = []
        for place in range(40):
            if all(label[row, place] != label[row, other] or boxes.iou(
                    found[row, place][None], found[row, other][None]) <= 0.3 for other in kept):
                kept.append(place)
        assert stays[row].nonzero().flatten().tolist() == kept


def test_best_boxes_come_surest_first_and_a_place_may_have_two_labels():
    found = torch.tensor([[[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]]])
    scores = torch.tensor([[[0.9, 0.3], [0.8, 0.1], [0.5, 0.0]]])
    kept, score, label = boxes.best(found, scores, count=4, overlap=0.5)
    assert score[0].tolist() == pytest.approx([0.9, 0.5, 0.3, 0])
    assert label[0, :3].tolist() == [0, 0, 1]
    assert kept[0, 2].tolist() == [0, 0, 10, 10]


# ---- regions --------------------------------------------------------------------------------

def test_align_reads_a_slope_exactly():
    """Of a map that says where it is, each bin gives its own centre, whichever level is read."""
    maps = []
    for level in range(3):
        stride = 8 * 2**level
        across = (torch.arange(256 // stride) + 0.5) * stride
        maps.append(torch.stack([across.expand(len(across), -1),
                                 across[:, None].expand(-1, len(across))])[None])
    regions = torch.tensor([[[40.0, 50, 70, 80], [33.3, 30, 200, 190], [60, 20, 190, 150]]])
    seen = detection.align(maps, regions, 4).view(3, 4, 4, 2)
    for region, bins in zip(regions[0], seen, strict=True):
        steps = (torch.arange(4) + 0.5) / 4
        x, y = (region[axis] + steps * (region[axis + 2] - region[axis]) for axis in (0, 1))
        torch.testing.assert_close(bins[:, :, 0], x.expand(4, 4))
        torch.testing.assert_close(bins[:, :, 1], y[:, None].expand(4, 4))


def test_align_stays_inside_and_its_gradient_is_right():
    torch.manual_seed(0)
    maps = [torch.randn(2, 2, side, side, dtype=torch.double, requires_grad=True)
            for side in (4, 2, 1)]
    regions = torch.tensor([[[-9.0, -9, 50, 50], [0, 0, 0, 0]]] * 2, dtype=torch.double)
    assert detection.align(maps, regions, 3).isfinite().all()
    assert torch.autograd.gradcheck(lambda *given: detection.align(given, regions, 3), maps)


def test_moves_lead_from_a_region_to_its_box():
    torch.manual_seed(0)
    regions, goal = some_boxes(20), some_boxes(20)
    torch.testing.assert_close(
        detection.moved(regions, detection.moves_to(regions, goal)), goal, rtol=1e-4, atol=1e-3)


def test_sampled_regions_are_the_boxes_they_overlap_and_mostly_none():
    torch.manual_seed(0)
    truth = torch.tensor([[[10.0, 10, 50, 50], [60, 60, 90, 90]], [[0, 0, 0, 0], [0, 0, 0, 0]]])
    label = torch.tensor([[1, 0], [-1, -1]])
    regions = torch.cat([some_boxes(2, 60), truth[:, :1] + 2, truth], 1)
    taken, which = detection.sampled(regions, truth, label, 16)
    assert (which[1] == -1).all() and 0 < (which[0] >= 0).sum() <= 4
    for region, place in zip(taken[0], which[0].tolist(), strict=True):
        if place >= 0:
            assert boxes.iou(region[None], truth[0, place][None]) >= 0.5


# ---- learning -------------------------------------------------------------------------------

def test_assigned_places_lie_in_their_box_and_a_tiny_one_still_has_one():
    model = net(detection.OneStage).train()
    found = model(torch.randint(0, 256, (1, 3, 64, 64)))
    truth = torch.tensor([[[8.0, 8, 40, 40], [49.0, 49, 50.5, 50.5], [0, 0, 0, 0]]])
    which, quality = detection.assigned(found, truth, torch.tensor([[0, 2, -1]]))
    centre = found.places[:, :2]
    inside = ((centre > 8) & (centre < 40)).all(1)
    assert inside[which[0] == 0].all() and 1 <= (which[0] == 0).sum() <= detection.CHOSEN
    assert (which[0] == 1).sum() == 1 and (which[0] == 2).sum() == 0
    assert (quality[which >= 0] <= 1).all()


@KINDS
def test_pictures_without_boxes_have_finite_losses(kind):
    model = net(kind).train()
    found = model(torch.randint(0, 256, (2, 3, 64, 64)))
    losses = model.losses(found, torch.zeros(2, 1, 4), torch.full((2, 1), -1))
    assert all(torch.isfinite(loss) for loss in losses)
    sum(losses).backward()


@KINDS
def test_outputs_are_boxes_and_chances(kind):
    found, chances = net(kind).eval()(torch.randint(0, 256, (2, 3, 64, 96)))
    assert found.shape[:2] == chances.shape[:2] and found.shape[2] == 4 and chances.shape[2] == 3
    assert (chances >= 0).all() and (chances <= 1).all()


def test_weights_of_an_image_classifier_fit():
    """What --start-from takes over: the names and shapes of all convolutions but the pyramid's."""
    own = net(detection.OneStage).state_dict()
    other = ResNet(3, 10, width=4, halvings=2).state_dict()
    taken = {name for name, values in other.items() if name.startswith("features")
             and own[f"body.{name}"].shape == values.shape}
    assert taken == {name for name in other if name.startswith("features")}
    assert taken == {name.removeprefix("body.") for name in own if ".features" in name}


# ---- variations -----------------------------------------------------------------------------

def square(at: int, size: int = 64) -> torch.Tensor:
    """A picture that is black but for a white square of 16 pixels."""
    pixels = torch.zeros(1, 3, size, size)
    pixels[:, :, at : at + 16, at : at + 16] = 255
    return pixels


def test_boxes_move_with_the_picture():
    torch.manual_seed(0)
    pixels = torch.cat([square(8), square(30), square(44)]).repeat(10, 1, 1, 1)
    truth = torch.tensor([[[8.0, 8, 24, 24]], [[30, 30, 46, 46]], [[44, 44, 60, 60]]]
                         ).repeat(10, 1, 1)
    label = torch.zeros(30, 1, dtype=torch.long)
    seen, found, labels = mosaic.window(*mosaic.mosaic(pixels, truth, label), (64, 64), low=0.8,
                                        high=1.2, flips=(True, True), empty=torch.zeros(1, 3, 1, 1))
    assert seen.shape == (30, 3, 64, 64) and (labels >= 0).any(1).float().mean() > 0.5
    inside = torch.zeros(30, 64, 64, dtype=torch.bool)
    at = torch.arange(64) + 0.5
    for row, place in (labels >= 0).nonzero().tolist():
        left, top, right, bottom = found[row, place]
        inside[row] |= ((at > left) & (at < right)) & ((at > top) & (at < bottom))[:, None]
    assert (seen[:, 0] > 200)[inside].float().mean() > 0.9  # the boxes are full of white,
    assert (seen[:, 0] < 50)[~inside].float().mean() > 0.9  # and little white is outside


def test_boxes_that_are_mostly_outside_are_left_out():
    found, label = mosaic.within(
        torch.tensor([[[-40.0, 0, 10, 20], [10, 10, 30, 30], [-5, 0, 20, 20], [0, 0, 0, 0]]]),
        torch.tensor([[0, 1, 2, -1]]), torch.tensor([64.0, 64]))
    assert label.tolist() == [[1, 2]] and found[0, 1].tolist() == [0, 0, 20, 20]
