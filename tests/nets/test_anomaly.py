"""Nets that score: what scores are made of, thresholds, and Deep SVDD without a constant way out."""

import pytest
import torch

from lamina.nets.anomaly import Alone, DeepSVDD, Linears, Reconstruction, draw, linears
from lamina.nets.autoencoder import Autoencoder


@pytest.fixture
def reconstruction():
    torch.manual_seed(0)
    body = Autoencoder(linears(3, 6, 8, 2), linears(3, 2, 8, 6))
    return Reconstruction(body, (6,), members=3, shown=0.5)


@pytest.fixture
def svdd():
    torch.manual_seed(0)
    net = DeepSVDD(linears(3, 6, 8, 4), (6,), members=3, shown=0.5, code=4)
    net.centre_on(torch.randn(50, 6))
    return net


def test_linears_are_one_linear_layer_for_each_member():
    layer, values = Linears(2, 3, 4), torch.randn(5, 2, 3)
    expected = torch.stack([torch.nn.functional.linear(
        values[:, member], layer.weight[member].T, layer.bias[member]) for member in (0, 1)], 1)
    torch.testing.assert_close(layer(values), expected)


def test_members_see_from_two_values_to_the_share_asked_for():
    torch.manual_seed(0)
    assert set(draw(200, (8,), 0.5).sum(1).tolist()) == {2, 3, 4}
    assert draw(3, (1, 5), 1.0).all() and draw(3, (1,), 0.5).all()


def test_each_member_sees_its_values_and_no_other(reconstruction):
    values = torch.randn(1, 6)
    for member, seen in enumerate(reconstruction.seen):
        changed = torch.where(seen, values, values + 9.0)
        known = torch.ones(1, 6, dtype=torch.bool)
        assert torch.equal(reconstruction.scores(values, known)[:, member],
                           reconstruction.scores(changed, known)[:, member])


def test_score_is_the_mean_squared_deviation_and_shares_add_up_to_it(reconstruction):
    values, known = torch.randn(4, 6), torch.rand(4, 6) > 0.2
    back = reconstruction.body(values[:, None] * reconstruction.seen)
    seen = reconstruction.seen & known[:, None]
    expected = ((back - values[:, None]) ** 2 * seen).sum(2) / seen.sum(2).clamp(min=1)
    torch.testing.assert_close(reconstruction.scores(values, known), expected)
    reconstruction.remember(torch.rand(9, 3))
    found = reconstruction.judge(values, known)
    torch.testing.assert_close(found.score, (expected / reconstruction.rare).mean(1))
    torch.testing.assert_close(found.score, reconstruction(values, known))
    torch.testing.assert_close(found.shares.sum(1), found.score)
    assert (found.shares[~known] == 0).all()


def test_deep_svdd_has_no_biases_and_its_centre_is_the_mean_code_off_zero(svdd):
    assert not any(name.endswith("bias") for name, _ in svdd.named_parameters())
    values = torch.randn(200, 6)
    mean = svdd.codes(values).mean(0)
    svdd.centre_on(values)
    far = mean.abs() >= 0.1
    torch.testing.assert_close(svdd.centres[far], mean[far])
    assert (svdd.centres.abs() >= 0.1 - 1e-6).all()
    assert torch.equal(svdd.scores(values, values > 9),
                       ((svdd.codes(values) - svdd.centres) ** 2).mean(2))


def test_deep_svdd_says_what_deviates_in_inference_mode_too(svdd):
    with torch.inference_mode():
        values = torch.randn(4, 6)
        found = svdd.judge(values, torch.ones(4, 6, dtype=torch.bool))
    assert not found.score.requires_grad
    torch.testing.assert_close(found.shares.sum(1), found.score)
    assert (found.shares >= 0).all()


def test_threshold_and_rarity_are_quantiles_of_what_was_remembered(reconstruction):
    each = torch.rand(500, 3) * torch.tensor([1.0, 5.0, 0.1])
    reconstruction.remember(each)
    scores = (each / each.quantile(0.9, 0, interpolation="nearest")).mean(1)
    for rate in (0.0, 0.05, 0.5, 1.0):
        expected = torch.quantile(scores, 1 - rate)
        torch.testing.assert_close(reconstruction.threshold(rate), expected, atol=1e-2, rtol=0)
    rarity = reconstruction.rarity(torch.tensor([-1.0, float(scores.median()), 99.0]))
    torch.testing.assert_close(rarity, torch.tensor([1.0, 0.5, 0.0]), atol=5e-3, rtol=0)


def test_alone_is_the_net_itself():
    net = torch.nn.Linear(3, 2)
    values = torch.randn(4, 1, 3)
    torch.testing.assert_close(Alone(net)(values)[:, 0], net(values[:, 0]))
