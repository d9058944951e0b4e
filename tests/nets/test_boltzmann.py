"""Boltzmann machines against sums over all their states."""

from itertools import product

import pytest
import torch

from lamina.nets.boltzmann import BoltzmannMachine, DeepBeliefNet, SigmoidNet, draw


@pytest.fixture
def machine() -> BoltzmannMachine:
    """A machine of 4 visible and 3 hidden units, small enough to enumerate."""
    torch.manual_seed(0)
    made = BoltzmannMachine(4, 3)
    for values in made.parameters():
        torch.nn.init.normal_(values)
    return made


def states(count: int) -> torch.Tensor:
    """All settings of so many binary units."""
    return torch.tensor(list(product((0.0, 1.0), repeat=count)))


def energies(machine: BoltzmannMachine, visible: torch.Tensor) -> torch.Tensor:
    """The energy of each visible with each hidden setting, from the definition."""
    hidden = states(3)
    return -(visible @ machine.weight.t() @ hidden.t() + (visible @ machine.visible_bias)[:, None]
             + hidden @ machine.hidden_bias)


def test_free_energy_sums_the_hidden_units_out(machine):
    expected = -torch.logsumexp(-energies(machine, states(4)), dim=1)
    torch.testing.assert_close(machine.free_energy(states(4)), expected, rtol=1e-5, atol=1e-5)


def test_up_and_down_are_the_conditional_probabilities(machine):
    joint = torch.softmax(-energies(machine, states(4)).flatten(), 0).reshape(16, 8)
    up = (joint @ states(3)) / joint.sum(1, keepdim=True)
    down = (joint.t() @ states(4)) / joint.sum(0)[:, None]
    torch.testing.assert_close(machine.up(states(4)), up, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(machine.down(states(3)), down, rtol=1e-5, atol=1e-5)


def test_gradient_of_the_gap_is_hintons_rule(machine):
    data = states(4)[3:9]
    torch.manual_seed(1)
    reconstruction = machine.reconstruct(data)
    torch.manual_seed(1)
    machine.contrastive_divergence(data).backward()
    with torch.no_grad():
        on, after = machine.up(data), machine.up(reconstruction)
    rule = (after.t() @ reconstruction - on.t() @ data) / len(data)
    torch.testing.assert_close(machine.weight.grad, rule, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(machine.hidden_bias.grad, (after - on).mean(0), rtol=1e-4,
                               atol=1e-6)
    torch.testing.assert_close(machine.visible_bias.grad, (reconstruction - data).mean(0),
                               rtol=1e-4, atol=1e-6)


def test_bfloat16_gives_nearly_the_same_gradient():
    torch.manual_seed(0)
    machine = BoltzmannMachine(64, 32)
    torch.nn.init.normal_(machine.weight, std=0.2)
    data = torch.rand(200, 64).round()
    gradients = []
    for enabled in (False, True):
        machine.weight.grad = None
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            gap = machine.contrastive_divergence(data)
        assert gap.dtype == torch.float32
        gap.backward()
        gradients.append(machine.weight.grad.flatten())
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def test_a_long_chain_visits_states_as_often_as_the_model_says(machine):
    joint = torch.softmax(-energies(machine, states(4)).flatten(), 0).reshape(16, 8)
    net = DeepBeliefNet(4, (3,), 2)
    net.machines[0] = machine
    generator = torch.Generator().manual_seed(0)
    found = draw(net.dream(20_000, steps=30, generator=generator), generator)
    places = (found @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long()
    shares = torch.bincount(places, minlength=16) / 20_000
    # 20,000 draws: a share's standard error is at most 0.0036
    torch.testing.assert_close(shares, joint.sum(1), rtol=0, atol=0.015)


def test_persistent_chains_learn_the_share_of_every_state():
    """On units few enough to enumerate: the model's shares come near those of the data."""
    torch.manual_seed(0)
    shares = torch.softmax(3 * torch.rand(8), 0)
    machine = BoltzmannMachine(3, 8, chains=500)
    optimizer = torch.optim.SGD(machine.parameters(), 3.0, momentum=0.5)

    def distance() -> float:
        believed = torch.softmax(-machine.free_energy(states(3)), 0)
        return (believed - shares).abs().sum().item() / 2

    start = distance()
    for step in range(1000):
        optimizer.param_groups[0]["lr"] = 3 * (1 - step / 1000)
        data = states(3)[torch.multinomial(shares, 500, replacement=True)]
        optimizer.zero_grad()
        machine.persistent_divergence(data, steps=2).backward()
        optimizer.step()
    assert start > 0.2
    assert distance() < 0.05


def test_chains_go_on_where_they_were_left():
    torch.manual_seed(0)
    machine = BoltzmannMachine(5, 4, chains=3)
    before = machine.chains.clone()
    machine.persistent_divergence(torch.rand(7, 5), steps=5)
    assert machine.chains.shape == (3, 5)
    assert not torch.equal(machine.chains, before)
    assert set(machine.chains.flatten().tolist()) <= {0.0, 1.0}
    assert "chains" in machine.state_dict()


def test_drawn_units_are_on_as_often_as_asked():
    probability = torch.tensor([0.0, 0.25, 1.0]).expand(40_000, 3)
    share = draw(probability, torch.Generator().manual_seed(0)).mean(0)
    assert share[0] == 0 and share[2] == 1
    assert abs(share[1] - 0.25) < 0.01


def test_contrastive_divergence_learns_two_patterns():
    torch.manual_seed(0)
    patterns = torch.tensor([[1.0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    net = DeepBeliefNet(6, (4,), 2)
    machine = net.machines[0]
    optimizer = torch.optim.SGD(machine.parameters(), 0.5, momentum=0.5)
    for _ in range(400):
        data = patterns[torch.randint(2, (20,))]
        optimizer.zero_grad()
        machine.contrastive_divergence(data).backward()
        optimizer.step()
    dreams = net.dream(500, steps=50, generator=torch.Generator().manual_seed(0)).round()
    right = torch.cdist(dreams, patterns).min(1).values == 0
    assert right.float().mean() > 0.8  # by chance 2 of 64: 0.03


def test_unrolled_classifier_computes_what_the_machines_do():
    torch.manual_seed(0)
    net = DeepBeliefNet(6, (5, 4), 3).eval()
    data = torch.rand(7, 6)
    for depth in range(2):
        net.unroll(depth)
    torch.testing.assert_close(net.classifier.features(data), net.below(data, 2))
    assert net(data).shape == (7, 3)


def test_dropout_acts_only_while_learning():
    torch.manual_seed(0)
    net = SigmoidNet(6, (50,), 3, dropout=0.5)
    data = torch.rand(2, 6)
    assert (net.features(data) == 0).any()
    assert (net.eval().features(data) > 0).all()
    assert torch.equal(net(data), net(data))
