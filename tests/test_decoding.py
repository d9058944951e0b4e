"""Beam search: against every sequence there is, against a plain one, and in any batch."""

import itertools
import math

import pytest
import torch

from lamina.decoding import beam_search
from lamina.nets.encoder_decoder import RNN, Transformer

END, WORDS = 0, 4


class Table(torch.nn.Module):
    """A net whose next token depends on the source and on the last token alone."""

    def __init__(self, sources: int):
        super().__init__()
        random = torch.Generator().manual_seed(7)
        self.logits = 2 * torch.randn(sources, WORDS, WORDS, generator=random)

    def decode(self, tokens, memory, state=None):
        each = len(tokens) // len(memory[0])
        return self.logits[memory[0].repeat_interleave(each), tokens[:, -1]][:, None], (tokens,)


def score(net: Table, source: int, tokens: tuple[int, ...], penalty: float) -> float:
    """Of a sequence, its end included."""
    chances = net.logits[source].double().log_softmax(1)
    steps = zip((END, *tokens), (*tokens, END), strict=True)
    return sum(float(chances[a, b]) for a, b in steps) / (len(tokens) + 1) ** penalty


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_a_beam_that_holds_all_finds_the_best_of_all_sequences(penalty):
    net, limit = Table(6), 4
    every = [one for size in range(limit) for one in itertools.product(range(1, WORDS), repeat=size)]
    found = beam_search(net, (torch.arange(6),), start=END, end=END, penalty=penalty,
                        limits=torch.full((6,), limit), beam=64)
    for source, one in enumerate(found):
        best = max(every, key=lambda tokens: score(net, source, tokens, penalty))
        assert tuple(one.tokens) == best
        assert one.score == pytest.approx(score(net, source, best, penalty))


@pytest.fixture(scope="module", params=["rnn", "transformer"])
def net(request):
    torch.manual_seed(1)
    made = RNN(40, layers=1, width=16, dropout=0.0) if request.param == "rnn" else \
        Transformer(40, layers=2, width=16, heads=2, dropout=0.0)
    for values in made.parameters():
        values.data.mul_(2)  # so that the net is sure of something
    return made.eval()


def sources() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    return torch.randint(1, 40, (8, 9), generator=random), torch.tensor([9, 1, 3, 5, 9, 2, 7, 4])


def searched(net, chosen, beam: int):
    source, length = (values[chosen] for values in sources())
    with torch.no_grad():
        memory = net.encode(net.embed(source[:, : int(length.max())]), length)
    return beam_search(net, memory, start=END, end=END, limits=2 * length + 3, beam=beam,
                       penalty=1.0)


@torch.no_grad()
def plain(net, source, beam: int, limit: int):
    """The same for one source, without a cache, in plain lists."""
    going, done = [(0.0, [])], []
    for length in range(1, limit + 1):
        candidates = []
        for sum_, tokens in going:
            logits = net(source[None], torch.tensor([len(source)]), torch.tensor([[END, *tokens]]))
            chances = logits[0, -1].double().log_softmax(0).tolist()
            candidates += [(sum_ + chance, [*tokens, token]) for token, chance in enumerate(chances)
                           if length < limit or token == END]
        candidates.sort(key=lambda one: -one[0])
        done += [(sum_ / length, tokens[:-1]) for sum_, tokens in candidates[:beam]
                 if tokens[-1] == END]
        going = [one for one in candidates if one[1][-1] != END][:beam]
        if len(done) >= beam:
            break
    return max(done)


@pytest.mark.parametrize("beam", [1, 4])
def test_search_in_batches_finds_what_a_plain_one_finds(net, beam):
    source, length = sources()
    for row, one in enumerate(searched(net, torch.arange(4), beam)):
        size = int(length[row])
        value, tokens = plain(net, source[row, :size], beam, 2 * size + 3)
        assert one.tokens == tokens
        assert one.score == pytest.approx(value, rel=1e-5)


def test_answers_do_not_depend_on_the_batch(net):
    together = searched(net, torch.arange(8), 3)
    backwards = searched(net, torch.arange(7, -1, -1), 3)[::-1]
    alone = [searched(net, torch.tensor([row]), 3)[0] for row in range(8)]
    assert [one.tokens for one in together] == [one.tokens for one in backwards] \
        == [one.tokens for one in alone]


def test_no_sequence_is_longer_than_its_limit(net):
    length = sources()[1]
    found = searched(net, torch.arange(8), 2)
    assert all(len(one.tokens) <= 2 * size + 2 and math.isfinite(one.score)
               for one, size in zip(found, length.tolist(), strict=True))
