"""Letters and the marks written on them: what belongs to a word in every script.

A combining mark is an accent only on Latin, Greek and Cyrillic letters, where a word without it is still read as the same
word. Vowel signs, tone marks and voicing marks of other scripts (Devanagari, Thai, Kana, ...) make another word.
"""

from __future__ import annotations

import re
import unicodedata

import regex  # type: ignore[import-untyped]

WORD = r"[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}]|[\u200C\u200D](?=[\p{L}\p{M}]))*"
"""A word, for the module `regex`: letters and digits with their marks, and the joiners that some scripts write inside."""
_WORD = regex.compile(WORD)
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+")  # the same, faster
_ACCENTS = regex.compile(r"(?<=[\p{Latin}\p{Greek}\p{Cyrillic}])\p{M}+")


def words_of(text: str) -> list[str]:
    """The words of a text in order, as they are written there."""
    found: list[str] = (_ASCII_WORD if text.isascii() else _WORD).findall(text)
    return found


def without_accents(text: str) -> str:
    """The text in Unicode's compatibility form (NFKC), accents gone, every other mark kept."""
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
