"""Autoencoders give back what they take, and codes cost the bits that they should."""

import math

import pytest
import torch

from lamina.nets.autoencoder import (
    Autoencoder,
    VariationalAutoencoder,
    image_decoder,
    image_encoder,
    series_decoder,
    series_encoder,
    vector_decoder,
    vector_encoder,
)
from lamina.nets.quantizer import Quantizer


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 33, 61), (1, 8, 8), (1, 3, 5), (2, 17, 1)])
def test_images_of_any_size_come_back_in_their_size(shape):
    net = Autoencoder(image_encoder(*shape, 5, filters=4), image_decoder(*shape, 5, filters=4))
    assert net.encode(torch.rand(3, *shape)).shape == (3, 5)
    assert net(torch.rand(3, *shape)).shape == (3, *shape)


@pytest.mark.parametrize("steps", [2, 7, 8, 64, 97])
def test_windows_of_any_length_come_back_in_their_length(steps):
    net = VariationalAutoencoder(series_encoder(steps, 6, filters=4),
                                 series_decoder(steps, 3, filters=4))
    mean, log_variance = net.posterior(torch.rand(4, 1, steps))
    assert mean.shape == log_variance.shape == net.encode(torch.rand(4, 1, steps)).shape == (4, 3)
    assert net(torch.rand(4, 1, steps)).shape == (4, 1, steps)


def test_sparse_codes_keep_their_largest_numbers():
    encoder = torch.nn.Identity()
    net = Autoencoder(encoder, torch.nn.Identity(), active=2)
    code = net.encode(torch.tensor([[3.0, -9.0, 5.0, 4.0]]))
    assert code.tolist() == [[0.0, 0.0, 5.0, 4.0]]


def test_principal_components_are_what_a_linear_autoencoder_can_learn_best():
    """Without hidden layers they are a minimum (Baldi and Hornik 1989): no gradient is left."""
    torch.manual_seed(0)
    values = torch.randn(400, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    values = values - values.mean(0)
    net = Autoencoder(vector_encoder(6, 2, width=8, depth=0),
                      vector_decoder(6, 2, width=8, depth=0)).double()
    _, sizes, axes = torch.linalg.svd(values, full_matrices=False)
    with torch.no_grad():
        net.encoder[0].weight.copy_(axes[:2])
        net.decoder[0].weight.copy_(axes[:2].T)
        net.encoder[0].bias.zero_(), net.decoder[0].bias.zero_()
    loss = (net(values) - values).square().mean()
    assert loss.item() == pytest.approx((sizes[2:].square().sum() / values.numel()).item())
    for gradient in torch.autograd.grad(loss, list(net.parameters())):
        assert gradient.abs().max() < 1e-12


# ---- bits ---------------------------------------------------------------------------------------

def test_bits_come_near_the_entropy_of_the_levels():
    """Of a normal number rounded to half its deviation: h - log2(step) = 2.047 + 1 bits."""
    torch.manual_seed(0)
    quantizer = Quantizer(1)
    quantizer.fit(torch.randn(20_000, 1), 0.5)
    bits = quantizer.bits(torch.randn(20_000, 1)).mean().item()
    assert bits == pytest.approx(0.5 * math.log2(2 * math.pi * math.e) + 1, abs=0.03)


def test_lengths_are_those_of_a_code_that_can_be_told_apart():
    """Kraft: the probabilities that the lengths stand for add up to one."""
    quantizer = Quantizer(3)
    quantizer.fit(torch.randn(50, 3) * torch.tensor([1.0, 5.0, 0.0]), 0.4)
    assert torch.allclose((-quantizer.lengths.double()).exp2().sum(1),
                          torch.ones(3, dtype=torch.float64), atol=1e-5)


def test_a_number_that_does_not_vary_takes_hardly_a_bit():
    quantizer = Quantizer(2)
    codes = torch.cat([torch.randn(5000, 1), torch.full((5000, 1), 3.0)], 1)
    quantizer.fit(codes, 0.5)
    first, both = Quantizer(1), quantizer.bits(codes).mean()
    first.fit(codes[:, :1], 0.5 / 2 ** 0.5)  # the same step: that of the common deviation
    assert both - first.bits(codes[:, :1]).mean() < 0.02
    assert torch.allclose(quantizer(codes)[:, 1], codes[:, 1])


def test_rounding_is_off_by_at_most_half_a_step():
    codes = torch.randn(1000, 4)
    quantizer = Quantizer(4)
    quantizer.fit(codes, 0.7)
    off = (quantizer(codes) - codes).abs().max()
    assert off <= 0.5001 * quantizer.step
    assert torch.isfinite(quantizer.bits(100 * codes)).all()  # far beyond what was seen
