"""Misspellings as people type them: a letter swapped, left out, doubled, or hit beside the right key; a wrong vowel.

Where a language's grammar.toml lists sounds that are written in several ways, half of them are spelt by ear.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from leser_catalogue.words import data

VARIANTS = 3  # misspellings of a word in one world: real ones repeat
_MIN_LETTERS = 4
_Slip = Callable[[random.Random, str], str]


def _swap(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _drop(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + word[at + 1 :]


def _double(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + word[at] + word[at:]


def _slip(keys: Mapping[str, str], rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + rng.choice(keys.get(word[at], word[at])) + word[at + 1 :]


def _vowel(vowels: str, rng: random.Random, word: str) -> str:
    at = [i for i, letter in enumerate(word) if letter in vowels and i > 0]
    if not at:
        return word
    chosen = rng.choice(at)
    return word[:chosen] + rng.choice(vowels) + word[chosen + 1 :]


def _by_ear(sounds: Sequence[Sequence[str]], rng: random.Random, word: str) -> str:
    fitting = [pair for pair in sounds if pair[0] in word]
    if not fitting:
        return word
    right, typed = rng.choice(fitting)
    return word.replace(right, typed, 1)


def _patterns(language: str) -> list[_Slip]:
    habits = data("grammar", language)["typos"]
    slips: list[_Slip] = [
        _swap, _drop, _double, partial(_slip, habits["neighbours"]), partial(_vowel, habits["vowels"]),
    ]  # fmt: skip
    by_ear: list[_Slip] = [partial(_by_ear, habits["sounds"])] * len(slips)
    return slips + by_ear if habits["sounds"] else slips


def misspellings(seed: int, word: str, language: str = "en") -> tuple[str, ...]:
    """The ways this world's shoppers misspell a word: up to three, none for words under four letters."""
    if len(word) < _MIN_LETTERS or not word.isalpha():
        return ()
    rng = random.Random(f"{seed} typos {word}")
    found: dict[str, None] = {}
    patterns = _patterns(language)
    for _ in range(20):
        wrong = rng.choice(patterns)(rng, word)
        if wrong != word:
            found[wrong] = None
        if len(found) == VARIANTS:
            break
    return tuple(found)


def misspell(rng: random.Random, seed: int, text: str, language: str = "en") -> str | None:
    """The text with one of its words misspelt; None when it has no word long enough."""
    words = text.split()
    possible = [i for i, word in enumerate(words) if misspellings(seed, word, language)]
    if not possible:
        return None
    at = rng.choice(possible)
    words[at] = rng.choice(misspellings(seed, words[at], language))
    return " ".join(words)
