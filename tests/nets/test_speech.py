"""Nets that hear speech: padding, frames, the decoder's search."""

import itertools

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lamina.language import nothing
from lamina.nets import speech
from lamina.nets.spectrogram import LogMel, SpecAugment, within

RATE = 16_000


def net(encoder: torch.nn.Module, *, decoder: bool = False) -> speech.Recognizer:
    torch.manual_seed(0)
    return speech.Recognizer(
        LogMel(RATE, 16), SpecAugment(1, bands=2), speech.Subsampling(16, width=8, channels=4),
        encoder, symbols=5, dropout=0.1, decoder=speech.Decoder(
            5, features=encoder.features, width=8, dropout=0.1) if decoder else None).eval()


def encoders() -> list[torch.nn.Module]:
    torch.manual_seed(1)
    return [speech.BidirectionalLSTM(8, layers=2, dropout=0.1),
            speech.Conformer(8, layers=2, heads=2, dropout=0.1, kernel=5)]


@pytest.mark.parametrize("kind", [0, 1])
def test_a_recording_is_heard_alike_alone_and_beside_a_longer_one(kind):
    made = net(encoders()[kind], decoder=True)
    samples = torch.randint(-9000, 9000, (2, 12_000), dtype=torch.int16)
    length = torch.tensor([5000, 12_000])
    both, alone = made(samples, length), made(samples[:1, :5000], length[:1])
    assert both.frames.tolist() == [8, 19]  # 29 and 73 frames of 10 ms, a quarter of them
    torch.testing.assert_close(both.log_chances[:1, :8], alone.log_chances, atol=1e-5, rtol=1e-4)
    symbols = torch.tensor([[1, 2], [3, 0]])
    spelled = made.decoder(both.encoded, both.frames, symbols)
    torch.testing.assert_close(spelled[:1], made.decoder(alone.encoded, alone.frames, symbols[:1]),
                               atol=1e-5, rtol=1e-4)


def test_the_lstm_is_that_of_torch_over_packed_recordings():
    torch.manual_seed(0)
    made = speech.BidirectionalLSTM(6, layers=2, dropout=0.0)
    x, frames = torch.randn(3, 9, 6), torch.tensor([4, 9, 7])
    expected = x
    for layer in range(2):
        torchs = torch.nn.LSTM(expected.shape[2], 6, batch_first=True, bidirectional=True)
        with torch.no_grad():
            for own, ending in ((made.ahead, ""), (made.back, "_reverse")):
                for name, values in own[layer].named_parameters():
                    getattr(torchs, name + ending).copy_(values)
        packed = pack_padded_sequence(made.norms[layer](expected), frames, batch_first=True,
                                      enforce_sorted=False)
        expected, _ = pad_packed_sequence(torchs(packed)[0], batch_first=True)
    real = within(frames, 9)
    torch.testing.assert_close(made(x, frames)[real], made.norms[2](expected)[real])


def test_a_tenth_of_a_second_has_frames():
    made = net(encoders()[0])
    assert made(torch.zeros(1, 1600, dtype=torch.int16), torch.tensor([1600])).frames == 2


def test_wrong_heads_are_named():
    with pytest.raises(ValueError, match="width 10 and heads 4"):
        speech.Conformer(10, layers=1, heads=4, dropout=0.0)


def test_spelling_with_a_wide_beam_finds_the_likeliest_of_all():
    made = net(encoders()[0], decoder=True)
    encoded = torch.randn(1, 6, 16)
    frames = torch.tensor([6])

    def chance(symbols):
        logits = made.decoder(encoded, frames, torch.tensor([symbols], dtype=torch.long))
        goal = torch.tensor([*symbols, speech.END])
        return float(logits[0].log_softmax(1)[torch.arange(len(goal)), goal].sum())

    with torch.no_grad():
        every = {symbols: chance(symbols) for size in range(4)
                 for symbols in itertools.product(range(1, 5), repeat=size)}
        found = speech.spell(made.decoder, encoded, beam=80, most=4, extension=nothing,
                             ending=nothing)
    best = max(every, key=every.get)
    assert found[0][0] == best
    assert found[0][1] == pytest.approx(every[best], abs=1e-4)


def test_spelling_loss_counts_the_end_and_no_padding():
    logits = torch.randn(2, 4, 5)
    symbols, spelled = torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([3, 1])
    chances = logits.log_softmax(2)
    expected = -(chances[0, [0, 1, 2, 3], [1, 2, 3, 0]].sum() + chances[1, [0, 1], [4, 0]].sum())
    torch.testing.assert_close(speech.spelling_loss(logits, symbols, spelled), expected / 6)
