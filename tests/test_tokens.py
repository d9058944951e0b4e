import numpy
import pytest
import torch

from lamina.errors import UserError
from lamina.tokens import Windows, continuation, drawn


def test_windows_depend_on_seed_and_step_alone():
    tokens = torch.arange(1000)
    first, second = (Windows(tokens, 10, 4, seed=0) for _ in range(2))
    batches = [next(first)["window"] for _ in range(3)]
    second.load_state_dict({"step": 2})
    assert torch.equal(next(second)["window"], batches[2])
    assert not torch.equal(batches[0], batches[1]) and first.length == 25
    assert torch.equal(batches[0] - batches[0][:, :1], torch.arange(11).expand(4, 11))


def test_a_text_shorter_than_the_context_is_one_clear_line():
    with pytest.raises(UserError, match="has 50 tokens, expected more than the context of 64"):
        Windows(torch.arange(50), 64, 1, seed=0)


def test_windows_of_many_short_documents_hold_no_padding():
    """Documents of 1 to 9 tokens, each ended by a 0: a window goes on into the next document."""
    documents = [torch.cat((torch.full((1 + n % 9,), 1 + n % 5), torch.zeros(1, dtype=torch.long)))
                 for n in range(200)]
    row = torch.cat(documents)
    window = next(Windows(row, 64, 32, seed=0))["window"]
    places = row.unfold(0, 65, 1)
    assert all((places == one).all(1).any() for one in window)
    assert (window == 0).sum(1).min() > 5  # ends of documents


class Counting(torch.nn.Module):
    """Foretells the token after the last; remembers how many tokens it read at each call."""

    def __init__(self):
        super().__init__()
        self.read = []

    def forward(self, tokens, past=None):
        self.read.append((tokens.shape[1], past))
        seen = (past or 0) + tokens.shape[1]
        return torch.nn.functional.one_hot((tokens + 1) % 10, 10).float(), seen


def test_a_continuation_reads_each_token_once_until_the_window_is_full():
    net = Counting()
    found = continuation(net, torch.tensor([3, 4]), context=6, choose=lambda x: int(x.argmax()))
    assert [next(found) for _ in range(9)] == [5, 6, 7, 8, 9, 0, 1, 2, 3]
    assert net.read == [(2, None), (1, 2), (1, 3), (1, 4), (1, 5),
                        (3, None), (1, 3), (1, 4), (1, 5)]


def test_draws_follow_temperature_top_k_and_top_p():
    logits = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
    random = torch.Generator().manual_seed(0)

    def shares(**settings):
        draws = [drawn(logits, random, **{"temperature": 1.0} | settings) for _ in range(4000)]
        return numpy.bincount(draws, minlength=4) / 4000

    assert shares() == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.03)
    assert shares(top_k=2) == pytest.approx([0, 0, 3 / 7, 4 / 7], abs=0.03)
    assert shares(top_p=0.65) == pytest.approx([0, 0, 3 / 7, 4 / 7], abs=0.03)
    assert shares(temperature=0.5) == pytest.approx([1 / 30, 4 / 30, 9 / 30, 16 / 30], abs=0.03)
