import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lamina.nets.recurrent import LSTM


@pytest.fixture
def net():
    torch.manual_seed(0)
    return LSTM(11, layers=2, width=16).eval()


def test_state_gives_the_same_as_all_at_once(net):
    tokens = torch.randint(11, (3, 9))
    whole, _ = net(tokens)
    found, past = [], None
    for piece in tokens.split((4, 1, 4), 1):
        logits, past = net(piece, past)
        found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), whole)


def test_a_step_equals_the_equations():
    torch.manual_seed(0)
    net = LSTM(5, layers=1, width=3)
    logits, (hidden, cell) = net(torch.tensor([[2]]))
    x = net.embedding.weight[2]
    gates = net.memory.weight_ih_l0 @ x + net.memory.bias_ih_l0 + net.memory.bias_hh_l0
    enter, _, new, leave = gates.view(4, 3)
    expected_cell = enter.sigmoid() * new.tanh()
    expected = leave.sigmoid() * expected_cell.tanh()
    torch.testing.assert_close(cell[0, 0], expected_cell)
    torch.testing.assert_close(hidden[0, 0], expected)
    torch.testing.assert_close(logits[0, 0], net.head(expected))


def test_forget_gates_start_open(net):
    for layer in range(2):
        bias = getattr(net.memory, f"bias_ih_l{layer}").view(4, 16)
        assert torch.equal(bias[1], torch.ones(16))
        assert not torch.equal(bias[0], torch.ones(16))


def test_builds_without_memory():
    with torch.device("meta"):
        net = LSTM(5, layers=1, width=3)
    assert all(weight.is_meta for weight in net.parameters())


def test_remembers_the_first_token():
    torch.manual_seed(0)
    net = LSTM(6, layers=1, width=32)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(150):
        tokens = torch.randint(6, (64, 6))
        loss = cross_entropy(net(tokens)[0][:, -1], tokens[:, 0])
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3  # chance: log 6 = 1.79
