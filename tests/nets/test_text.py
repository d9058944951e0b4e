"""Nets that read texts: beside torch's own layers and sums done by hand."""

import pytest
import torch
from torch import nn

from lamina.nets import text

LENGTHS = torch.tensor([7, 3, 1])


@pytest.fixture
def vectors():
    """Three texts of 7 places, (3, 7, 8), with noise where they are over."""
    return torch.randn(3, 7, 8, generator=torch.Generator().manual_seed(0))


class Same(nn.Module):
    """Gives what it is given."""

    def forward(self, vectors, real):
        return vectors


ENCODERS = {"same": lambda: Same(),
            "cnn": lambda: text.Convolutions(8, width=8, sizes=(2, 3)),
            "lstm": lambda: text.BidirectionalLSTM(8, width=4, layers=2, dropout=0.0),
            "attention": lambda: text.Attention(8, layers=2, heads=2, dropout=0.0, longest=8)}


def net_of(name: str, window: int) -> text.TextNet:
    torch.manual_seed(0)
    encoder = ENCODERS[name]()
    return text.TextNet(nn.Identity(), encoder, features=getattr(encoder, "features", 8), labels=5,
                        dropout=0.0, window=window).eval()


@pytest.mark.parametrize("window", [8, 3])
def test_pooling_is_the_maximum_and_the_mean_over_a_whole_text(vectors, window):
    net = net_of("same", window)
    pooled = torch.stack([torch.cat((one[:n].amax(0), one[:n].mean(0)))
                          for one, n in zip(vectors, LENGTHS, strict=True)])
    torch.testing.assert_close(net(vectors, LENGTHS), net.head(pooled))


@pytest.mark.parametrize("window", [8, 3])
@pytest.mark.parametrize("name", ENCODERS)
def test_answers_depend_neither_on_padding_nor_on_the_rest_of_the_batch(name, vectors, window):
    net = net_of(name, window)
    together = net(vectors, LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = net(vectors[row : row + 1, :length], length[None])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-6)


def test_windows_hold_every_real_place_once(vectors):
    cut, real, of = text.windows(vectors, LENGTHS, 3)
    assert of.tolist() == [0, 0, 0, 1, 2] and real.sum().item() == LENGTHS.sum().item()
    torch.testing.assert_close(cut[real], torch.cat([one[:n] for one, n in
                                                     zip(vectors, LENGTHS, strict=True)]))


def test_memories_read_each_text_from_both_its_ends(vectors):
    encoder = ENCODERS["lstm"]()
    real = torch.arange(7) < LENGTHS[:, None]
    found = encoder(vectors, real)
    for row, length in enumerate(LENGTHS):
        alone = encoder.memory(vectors[row, :length])[0]
        torch.testing.assert_close(found[row, :length], alone, rtol=1e-5, atol=1e-6)


def test_attention_is_that_of_torch_over_real_places(vectors):
    block = text.AttentionBlock(8, 2, 0.0)
    real = torch.arange(7) < LENGTHS[:, None]
    nn.init.zeros_(block.contract.weight), nn.init.zeros_(block.contract.bias)
    query, key, value = (part.unflatten(-1, (2, -1)).transpose(1, 2)
                         for part in block.look(text.norm(vectors)).chunk(3, -1))
    expected = nn.functional.scaled_dot_product_attention(query, key, value,
                                                          attn_mask=real[:, None, None])
    found, weights = block(vectors, real)
    torch.testing.assert_close(found, vectors + block.output(expected.transpose(1, 2).flatten(2)))
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 7))
    assert (weights[1, :, :, 3:] == 0).all()


MADE_OF = torch.tensor([[0, 0, 0], [1, 0, 0], [2, 5, 6], [3, 5, 6], [4, 0, 0], [5, 6, 0],
                        [6, 0, 0]])  # words 2 and 3 with the stems 5 and 6, and the word 4


def test_a_vector_is_the_mean_of_a_word_and_its_stems():
    words = text.Words(MADE_OF, width=4, labels=2, hidden=0.3, dropout=0.0).eval()
    nn.init.normal_(words.votes.weight[text.FIRST :].detach())
    both = torch.cat([words.table.weight, words.votes.weight], 1)
    found = words(torch.tensor([[2, 3, 4, 5]]))[0]
    torch.testing.assert_close(found, torch.stack([both[[2, 5, 6]].mean(0), both[[3, 5, 6]].mean(0),
                                                   both[4], both[[5, 6]].mean(0)]))


def test_of_hidden_words_the_stem_is_left_and_padding_is_not_touched():
    words = text.Words(MADE_OF, width=4, labels=2, hidden=0.5, dropout=0.0)
    with torch.no_grad():
        words.table.weight.copy_(torch.arange(7.0)[:, None].expand(7, 4))
    tokens = torch.full((100, 30), 2)
    tokens[:, 10:20], tokens[:, 20:] = 4, text.PADDING
    torch.manual_seed(0)
    seen = words(tokens)[:, :, 0]
    assert (seen[:, 20:] == 0).all()
    for place, whole, left in ((0, (2 + 5 + 6) / 3, (5 + 6) / 2), (10, 4, text.UNKNOWN)):
        part = seen[:, place : place + 10]
        assert ((part == left) | (part - whole).abs().lt(1e-6)).all()
        assert 0.45 < (part == left).float().mean() < 0.55
    assert (words.eval()(tokens)[:, 10:20, :4] == 4).all()


def test_votes_are_a_linear_model_beside_the_net(vectors):
    torch.manual_seed(0)
    encoder = text.Convolutions(5, width=8)
    net = text.TextNet(nn.Identity(), encoder, features=encoder.features, labels=3, dropout=0.0,
                       window=3, votes=3).eval()
    nn.init.zeros_(net.head[1].weight)
    votes = torch.stack([one[:n, 5:].sum(0) / n**0.5 for one, n in
                         zip(vectors, LENGTHS, strict=True)])
    torch.testing.assert_close(net(vectors, LENGTHS), votes + net.head[1].bias)
