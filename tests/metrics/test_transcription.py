"""Word and character error rates by hand, and Kneser-Ney by hand."""

from types import SimpleNamespace

import numpy
import pytest

from lamina.metrics import ngrams
from lamina.metrics.ngrams import END, START, KneserNey
from lamina.metrics.transcription import CER, WER, edits


@pytest.mark.parametrize("found, truth, expected", [
    ("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0),
    ("intention", "execution", 5), ("ab", "ba", 2), ("aaaa", "aa", 2)])
def test_edits_worked_by_hand(found, truth, expected):
    assert edits(found, truth) == expected


def test_edits_are_those_of_the_recursion():
    random = numpy.random.default_rng(0)

    def slow(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0]))

    for _ in range(30):
        a, b = (random.integers(0, 3, random.integers(0, 6)).tolist() for _ in range(2))
        assert edits(a, b) == slow(a, b)


def test_error_rates_are_over_all_words_not_the_mean_of_each():
    answers = [SimpleNamespace(text=text) for text in ("the cat", "a b c d", "")]
    truth = ["the cat sat", "a b c d", "no"]
    rows = {metric.name: numpy.array([metric.row(*pair) for pair in zip(answers, truth)])
            for metric in (WER, CER)}
    assert rows["wer"].tolist() == [[1, 3], [0, 4], [1, 1]]
    assert WER.score(rows["wer"]) == 2 / 8
    assert rows["cer"].tolist() == [[4, 11], [0, 7], [2, 2]]
    assert CER.score(rows["cer"]) == 6 / 20


def test_error_rates_agree_with_jiwer():
    jiwer = pytest.importorskip("jiwer")
    truth, found = ["one five two one", "enter six"], ["one five five two one", "center"]
    rows = numpy.array([WER.row(SimpleNamespace(text=a), b) for a, b in zip(found, truth)])
    assert WER.score(rows) == pytest.approx(jiwer.wer(truth, found))


def test_kneser_ney_of_two_sentences_worked_by_hand():
    """Sentences "a b" and "a c". Bigrams: <s> a twice, a b, a c, b </s>, c </s> once: n1 = 4,
    n2 = 1, discount 4/6. Different tokens before: a 1, b 1, c 1, </s> 2: n1 = 3, n2 = 1, discount
    3/5, five in all. Uniform: a, b, c, the end, unknown: 1/5.
    """
    model = KneserNey([("a", "b"), ("a", "c")], 2)
    assert model.discounts == [pytest.approx(3 / 5), pytest.approx(2 / 3)]
    rest = 3 / 5 * 4 / 5 / 5  # what the lowest order gives to the uniform chance of each
    b, end, unknown = (1 - 3 / 5) / 5 + rest, (2 - 3 / 5) / 5 + rest, rest
    assert model.chance((), "a") == pytest.approx((2 - 2 / 3) / 2 + 2 / 3 / 2 * b)
    assert model.chance(("a",), "b") == pytest.approx((1 - 2 / 3) / 2 + 2 / 3 * b)
    assert model.chance(("a",), END) == pytest.approx(2 / 3 * end)
    assert model.chance(("a",), "z") == pytest.approx(2 / 3 * unknown)
    assert model.chance(("z",), "b") == pytest.approx(b)  # never seen: the lower order as it is


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_chances_after_any_context_sum_to_one(order):
    model = KneserNey([line.split() for line in ("a b c", "a b a", "c", "b a b a", "a b c d")],
                      order)
    for context in ((), ("a",), ("b", "a"), ("z",), ("a", "b", "c"), (START,)):
        total = sum(model.chance(context, word) for word in [*model.vocabulary, "unknown"])
        assert total == pytest.approx(1)


def test_a_longer_context_foretells_better():
    text = ["the cat sat on the mat", "the dog sat on the rug"] * 20
    held = "the cat sat on the rug".split()
    costs = [-sum(KneserNey([line.split() for line in text], order).log(held[:i], word)
                  for i, word in enumerate(held)) for order in (1, 2, 3)]
    assert costs[0] > costs[1] > costs[2]


def test_discount_needs_no_counts_of_two():
    assert ngrams.discount(ngrams.Counter({("a",): 1})) == 0.95
    assert ngrams.discount(ngrams.Counter({("a",): 5})) == 0.5
