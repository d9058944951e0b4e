"""BLEU and chrF are those of sacreBLEU; the nearest text is that of scikit-learn's tf-idf."""

import numpy
import pytest

from lamina.metrics import overlap
from lamina.metrics.translation import bleu, bleu_row, chrf, chrf_row

REFERENCES = ["A man in an orange hat, starring at something.", "It's 3.5-4 km to the U.S. border!",
              "Two dogs & a cat (small) play <together>.", "The end", "Ein Öl-Gemälde, 1,000 Euro?",
              "girls play", "x"]
TEXTS = ["A man in an orange hat staring at something", "It is 3.5 - 4 km to the US border.",
         "two dogs &amp; a cat ( small ) play <together> .", "", "Ein Öl-Gemälde , 1,000 Euro ?",
         "boys fight", "y"]


def rows(row, texts, references) -> numpy.ndarray:
    return numpy.array([row(*pair) for pair in zip(texts, references, strict=True)], float)


def lower(texts):
    return [text.lower() for text in texts]


@pytest.mark.parametrize("lowercase", [False, True])
def test_corpus_scores_are_those_of_sacrebleu(lowercase):
    sacrebleu = pytest.importorskip("sacrebleu")
    given, truth = (lower(TEXTS), lower(REFERENCES)) if lowercase else (TEXTS, REFERENCES)
    expected = sacrebleu.corpus_bleu(TEXTS, [REFERENCES], lowercase=lowercase).score
    assert bleu(rows(bleu_row, given, truth)) == pytest.approx(expected, rel=1e-12)
    if not lowercase:
        expected = sacrebleu.corpus_chrf(TEXTS, [REFERENCES]).score
        assert chrf(rows(chrf_row, TEXTS, REFERENCES)) == pytest.approx(expected, rel=1e-12)


def test_scores_of_single_sentences_are_those_of_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    for text in TEXTS:
        for reference in REFERENCES:
            expected = sacrebleu.corpus_bleu([text], [[reference]]).score
            assert bleu(rows(bleu_row, [text], [reference])) == pytest.approx(expected, abs=1e-9)
            expected = sacrebleu.corpus_chrf([text], [[reference]]).score
            assert chrf(rows(chrf_row, [text], [reference])) == pytest.approx(expected, abs=1e-9)


def test_bleu_of_a_hand_worked_case():
    """Precisions 5/6, 4/5, 3/4 and 2/3, no brevity penalty."""
    found = bleu(rows(bleu_row, ["the cat sat on the mat"], ["the cat sat on the rug"]))
    assert found == pytest.approx(100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)


def test_the_same_text_is_worth_100_and_nothing_in_common_0():
    assert bleu(rows(bleu_row, REFERENCES, REFERENCES)) == pytest.approx(100)
    assert chrf(rows(chrf_row, REFERENCES, REFERENCES)) == pytest.approx(100)
    assert bleu(rows(bleu_row, ["q"], ["z"])) == chrf(rows(chrf_row, ["q"], ["z"])) == 0


def test_the_nearest_text_shares_the_rare_words():
    known = ["a dog in a park", "a dog in a boat", "a man rows a boat", "snow"]
    asked = ["a dog rows", "a boat in snow", "nothing known"]
    places = overlap.nearest([text.split() for text in known], [text.split() for text in asked])
    assert places == [2, 3, 0]
