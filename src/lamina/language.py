"""A language model of words and of characters, as a search over symbols asks it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from lamina.metrics.ngrams import END, KneserNey

CHARACTERS = 6  # of an n-gram of characters


@dataclass(frozen=True)
class Language:
    """Models counted in texts, of words and of letters, and the words that these have."""

    words: KneserNey
    letters: KneserNey
    known: frozenset[str]


@lru_cache(maxsize=2)
def counted(texts: tuple[str, ...], order: int) -> Language:
    """The language of these texts; order: words of an n-gram."""
    sentences = [text.split() for text in texts]
    return Language(KneserNey(sentences, order), KneserNey(texts, CHARACTERS),
                    frozenset(word for sentence in sentences for word in sentence))


@dataclass(frozen=True)
class Fusion:
    """What a language adds to the score of a prefix of symbols: shallow fusion (Gulcehre et al.
    2015).

    A word is scored when a space or the end follows it. One that training did not have costs as
    much as the unknown word, and as its spelling.
    characters: of each symbol; the first is none. word_weight, character_weight: of the models'
    log-probabilities. bonus: for each word, against their preference for few.
    """

    language: Language
    characters: Sequence[str]
    word_weight: float
    character_weight: float
    bonus: float

    def extension(self, prefix: tuple[int, ...], symbol: int) -> float:
        """What it adds that the symbol follows the prefix."""
        character = self.characters[symbol]
        context = [self.characters[one] for one in prefix[-CHARACTERS + 1 :]]
        found = 0.0
        if self.character_weight:
            found = self.character_weight * self.language.letters.log(context, character)
        return found + (self.last_word(prefix) if character == " " else 0.0)

    def ending(self, prefix: tuple[int, ...]) -> float:
        """What it adds that nothing follows the prefix."""
        text = self.text(prefix)
        found = self.last_word(prefix)
        if self.character_weight:
            found += self.character_weight * self.language.letters.log(text, END)
        return found + self.word_weight * self.language.words.log(text.split(), END)

    def last_word(self, prefix: tuple[int, ...]) -> float:
        """The score of the word that ends where the prefix ends; 0 where none does."""
        text = self.text(prefix)
        if not text or text[-1] == " ":
            return 0.0
        *before, word = text.split()
        found = self.language.words.log(before, word)
        if word not in self.language.known:
            found += sum(self.language.letters.log(word[:i], letter)
                         for i, letter in enumerate(word))
        return self.word_weight * found + self.bonus

    def text(self, prefix: tuple[int, ...]) -> str:
        """What the symbols spell."""
        return "".join(self.characters[symbol] for symbol in prefix)


def nothing(*_: object) -> float:
    """The score of a search without a language."""
    return 0.0
