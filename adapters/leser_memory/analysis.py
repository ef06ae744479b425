"""Text to index terms as Lucene's analyzers make them.

english: words, possessives, lower case, stop words, Porter stems (EnglishAnalyzer). german: words, lower case, stop words,
umlauts folded, light stems (GermanAnalyzer). standard: words and lower case (StandardAnalyzer).

Words follow the parts of Unicode's word boundaries (UAX #29) that matter outside South-East Asian scripts. Positions are
kept, with a gap where a stop word stood, because phrases match across it in Lucene too.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import regex  # type: ignore[import-untyped]
import Stemmer

from leser_memory.german import german_term

AnalysisName = Literal["english", "german", "standard"]

# Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET
_STOP_WORDS = """a an and are as at be but by for if in into is it no not of on or such that the their then there these they
    this to was will with"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
MAX_TOKEN = 255  # Lucene's StandardTokenizer cuts longer words into pieces

# One ideograph, kana syllable or emoji is a word; elsewhere letters and digits run together, with the marks and signs that
# UAX #29 allows inside a word (rules WB6, WB7), inside a number (WB11, WB12) and connectors such as _ (WB13a, WB13b).
_WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}]\p{M}*"
    r"|\p{WB=Katakana}[\p{M}\p{WB=Katakana}]*"
    r"|\p{RI}\p{RI}"
    r"|\p{ExtPict}[\uFE0F\p{EMod}]*(?:\u200D\p{ExtPict}[\uFE0F\p{EMod}]*)*"
    r"|\p{LB=SA}[\p{LB=SA}\p{M}]*"
    r"|(?:[\p{WB=ExtendNumLet}\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Numeric}][\p{WB=Extend}\p{WB=Format}\u200D]*"
    r"|(?<=[\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Extend}])[:.'’‘․·\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A]"
    r"(?=[\p{WB=ALetter}\p{WB=Hebrew_Letter}])"
    r"|(?<=\p{WB=Numeric})[,;.'’‘․\u037E\u0589\u060C\uFF0C\uFF1B\uFF07\uFF0E](?=\p{WB=Numeric}))+"
)
_ASCII_WORD = re.compile(
    r"\w+(?:(?:(?<=[A-Za-z])[:.'](?=[A-Za-z])|(?<=\d)[,;.'](?=\d))\w+)*", re.ASCII
)  # the same, faster
_ONLY_CONNECTORS = regex.compile(r"\p{WB=ExtendNumLet}+")
_POSSESSIVE = ("'s", "’s", "＇s", "'S", "’S", "＇S")
_RARE_DOUBLES = ("cc", "hh", "jj", "kk", "qq", "vv", "ww", "xx")
_VOWELS = frozenset("aeiou")


def analyze(text: str, analysis: AnalysisName) -> list[tuple[str, int]]:
    """Index terms of a text with their positions."""
    terms = []
    position = -1
    for word in (_ASCII_WORD if text.isascii() else _WORD).findall(text):
        if _ONLY_CONNECTORS.fullmatch(word):
            continue
        for start in range(0, len(word), MAX_TOKEN):
            position += 1
            term = _term(word[start : start + MAX_TOKEN], analysis)
            if term is not None:
                terms.append((term, position))
    return terms


@lru_cache(maxsize=200_000)
def _term(word: str, analysis: AnalysisName) -> str | None:
    """The index term of one word; None for a stop word."""
    if analysis == "standard":
        return _lower(word)
    if analysis == "german":
        return german_term(_lower(word))
    if word.endswith(_POSSESSIVE):
        word = word[:-2]
    word = _lower(word)
    return None if word in STOP_WORDS else _porter(word)


def _lower(word: str) -> str:
    """Lower case letter by letter, as Java's Character.toLowerCase: a dotted capital I becomes i, a final sigma no other."""
    return word.lower() if word.isascii() else "".join(letter.lower()[:1] for letter in word)


def _porter(word: str) -> str:
    """Porter's stem as Lucene makes it.

    Snowball's version leaves out the two departures of Porter's own later code (-logi to -log, -bli to -ble), and takes one
    of two equal consonants after -ed and -ing only where English doubles them.
    """
    if len(word) <= 2:
        return word
    stemmer = _stemmer()
    stem: str = stemmer.stemWord(word)
    if stem.endswith(_RARE_DOUBLES) and word in (stem + "ed", stem + "ing"):
        return stem[:-1]
    if word[-1] == "e":  # -logie, -blie: the last rule took the e away, the rules above never saw the rest
        return stem
    if stem.endswith("logi") and _measure(stem[:-4]) > 0:
        return stem[:-1]
    if stem.endswith("bli") and _measure(stem[:-3]) > 0:
        return str(stemmer.stemWord(stem[:-1] + "e"))
    return stem


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("porter")


def _measure(stem: str) -> int:
    """Porter's m: how often a vowel run is followed by a consonant run."""
    count, before = 0, False
    for i, letter in enumerate(stem):
        vowel = letter in _VOWELS or (letter == "y" and i > 0 and not before)
        count += before and not vowel
        before = vowel
    return count
