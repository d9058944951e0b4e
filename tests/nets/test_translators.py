import pytest
import torch
from torch import nn

from lamina.nets.translation import (
    Adversaries,
    PatchDiscriminator,
    ResidualGenerator,
    Translators,
    UNetGenerator,
    halvings,
)


@pytest.mark.parametrize("size", [8, 12, 28, 64])
def test_generators_keep_the_shape_and_stay_within_one(size):
    image = torch.randn(2, 3, size, size)
    for generator in (ResidualGenerator(3, 4, 1), UNetGenerator(3, 4, halvings(size))):
        made = generator(image)
        assert made.shape == image.shape
        assert made.abs().max() <= 1


@pytest.mark.parametrize("make", [lambda: ResidualGenerator(1, 4, 2),
                                  lambda: UNetGenerator(1, 4, 3),
                                  lambda: PatchDiscriminator(1, 4, 2)])
def test_a_picture_does_not_see_the_rest_of_its_batch(make):
    torch.manual_seed(0)
    net, images = make().eval(), torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(net(images)[1:2], net(images[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_patches_have_the_size_of_the_paper(layers, patch):
    """Isola et al. 2017, appendix 6.1.2: 16 and 70 pixels; what one score depends on."""
    net = PatchDiscriminator(1, 4, layers)
    for parent in net.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.InstanceNorm2d):  # the only part that sees the whole picture
                setattr(parent, name, nn.Identity())
    image = torch.randn(1, 1, 160, 160, requires_grad=True)
    scores = net(image)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    touched = image.grad[0, 0].abs().sum(dim=0).nonzero()
    assert touched.max() - touched.min() + 1 == patch




def test_each_picture_goes_through_the_generator_of_its_domain():
    class Times(nn.Module):
        def __init__(self, factor: float):
            super().__init__()
            self.factor = factor

        def forward(self, image):
            return image * self.factor

    net = Translators({"AtoB": Times(2.0), "BtoA": Times(-1.0)})
    image = torch.arange(1.0, 4.0).reshape(3, 1, 1, 1)
    made = net(image, torch.tensor([0, 1, 0], dtype=torch.uint8))
    assert made.flatten().tolist() == [2.0, -2.0, 6.0]
    assert net(image, torch.ones(3)).flatten().tolist() == [-1.0, -2.0, -3.0]


def test_halvings_stop_at_two_or_at_an_odd_side():
    assert [halvings(size) for size in (8, 12, 28, 32, 64, 256)] == [2, 2, 2, 4, 5, 7]


def test_parts_hold_every_parameter_once():
    net = Adversaries(Translators({"AtoB": ResidualGenerator(1, 4, 1)}),
                      {"AtoB": PatchDiscriminator(1, 4, 1)})
    parts = [*net.generators.parameters(), *net.discriminators.parameters()]
    assert {id(p) for p in parts} == {id(p) for p in net.parameters()}
    assert len(parts) == len(set(map(id, parts)))
