"""Misspellings as people type them: a letter swapped, left out, doubled, or hit beside the right key; a wrong vowel."""

from __future__ import annotations

import random
from collections.abc import Callable

VARIANTS = 3  # misspellings of a word in one world: real ones repeat
_MIN_LETTERS = 4
_VOWELS = "aeiou"
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip


def _swap(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _drop(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + word[at + 1 :]


def _double(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + word[at] + word[at:]


def _slip(rng: random.Random, word: str) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + rng.choice(_NEIGHBOURS.get(word[at], word[at])) + word[at + 1 :]


def _vowel(rng: random.Random, word: str) -> str:
    at = [i for i, letter in enumerate(word) if letter in _VOWELS and i > 0]
    if not at:
        return word
    chosen = rng.choice(at)
    return word[:chosen] + rng.choice(_VOWELS) + word[chosen + 1 :]


_PATTERNS: tuple[Callable[[random.Random, str], str], ...] = (_swap, _drop, _double, _slip, _vowel)


def misspellings(seed: int, word: str) -> tuple[str, ...]:
    """The ways this world's shoppers misspell a word: up to three, none for words under four letters."""
    if len(word) < _MIN_LETTERS or not word.isalpha():
        return ()
    rng = random.Random(f"{seed} typos {word}")
    found: dict[str, None] = {}
    for _ in range(20):
        wrong = rng.choice(_PATTERNS)(rng, word)
        if wrong != word:
            found[wrong] = None
        if len(found) == VARIANTS:
            break
    return tuple(found)


def misspell(rng: random.Random, seed: int, text: str) -> str | None:
    """The text with one of its words misspelt; None when it has no word long enough."""
    words = text.split()
    possible = [i for i, word in enumerate(words) if misspellings(seed, word)]
    if not possible:
        return None
    at = rng.choice(possible)
    words[at] = rng.choice(misspellings(seed, words[at]))
    return " ".join(words)
