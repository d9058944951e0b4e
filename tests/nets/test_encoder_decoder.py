"""Encoder-decoders: caches, padding and beams change nothing; attention is what is summed."""

import pytest
import torch

from lamina.nets.encoder_decoder import RNN, Transformer

VOCABULARY = 30


@pytest.fixture(params=["rnn", "transformer"])
def net(request):
    torch.manual_seed(3)
    shape = dict(layers=2, width=16, dropout=0.1)
    made = RNN(VOCABULARY, **shape) if request.param == "rnn" else \
        Transformer(VOCABULARY, heads=2, **shape)
    return made.eval()


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sources (3, 7) of different lengths, the lengths, and targets (3, 5)."""
    random = torch.Generator().manual_seed(0)
    return (torch.randint(VOCABULARY, (3, 7), generator=random), torch.tensor([7, 2, 4]),
            torch.randint(VOCABULARY, (3, 5), generator=random))


@torch.no_grad()
def test_padding_and_the_rest_of_the_batch_change_nothing(net):
    source, length, target = batch()
    together = net(source, length, target)
    for row, size in enumerate(length.tolist()):
        alone = net(source[row : row + 1, :size], length[row : row + 1], target[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_token_at_a_time_gives_what_all_at_once_gives(net):
    source, length, target = batch()
    memory = net.encode(net.embed(source), length)
    state, found = None, []
    for place in range(target.shape[1]):
        logits, state = net.decode(target[:, place : place + 1], memory, state)
        found.append(logits[:, 0])
    torch.testing.assert_close(torch.stack(found, 1), net(source, length, target), rtol=1e-4,
                               atol=1e-5)


@torch.no_grad()
def test_rows_of_one_source_share_its_memory(net):
    source, length, target = batch()
    several = torch.cat((target, target.flip(1)), 1).view(6, 5)  # two rows for each source
    shared, _ = net.decode(several, net.encode(net.embed(source), length))
    twice = net(source.repeat_interleave(2, 0), length.repeat_interleave(2), several)
    torch.testing.assert_close(shared, twice, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_attention_sums_to_one_over_the_source_and_never_sees_padding(net):
    source, length, target = batch()
    found = net.attention(target, net.encode(net.embed(source), length))
    assert found.shape == (3, 5, 7)
    torch.testing.assert_close(found.sum(2), torch.ones(3, 5))
    assert not found[1, :, 2:].any() and not found[2, :, 4:].any()


@torch.no_grad()
def test_no_token_sees_a_later_one(net):
    source, length, target = batch()
    changed = target.clone()
    changed[:, 3:] = (changed[:, 3:] + 1) % VOCABULARY
    one, other = (net(source, length, given)[:, :3] for given in (target, changed))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_first_logits_are_about_one(net):
    """So that the first loss is not far from that of the uniform answer."""
    source, length, target = batch()
    assert 0.05 < net(source, length, target).std().item() < 3


def test_an_odd_head_is_refused():
    with pytest.raises(ValueError, match="width 18 and heads 6"):
        Transformer(VOCABULARY, layers=1, width=18, heads=6, dropout=0.0)
