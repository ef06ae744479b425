"""Folding: text as a reader sees it, so that no spelling trick gets a word past a list.

Removed: case, what is invisible (zero-width characters, soft hyphens, bidi marks, variation selectors, fillers), accents
and optional points, and the difference between characters that look alike (Unicode Technical Standard 39: a Cyrillic "а" is
an "a").
Compatibility forms (full width, mathematical, circled letters) become plain ones (NFKC), digits of any script 0 to 9.
ASCII is never folded into other ASCII: "rn" looks like "m", but a ban on "bum" must not stop "burn".

Marks need care: where a locale has letters of their own (German ä, ö, ü), a clean text keeps them, for "schön" is not
"schon". A text with anything else unusual in it gets the strict reading, in which no accent counts. The vowel signs, tone
marks and voicing marks of scripts that cannot be read without them (Devanagari, Thai, Kana, ...) are parts of words in both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import regex  # type: ignore[import-untyped]
from confusable_homoglyphs import confusables

from leser.letters import WORD

LETTERS = {
    "cs": "áčďéěíňóřšťúůýž", "da": "æøå", "de": "äöü", "es": "ñ", "et": "äöõü", "fi": "åäö", "hu": "áéíóöőúüű",
    "nb": "æøå", "no": "æøå", "pl": "ąćęłńóśźż", "pt": "ãç", "sk": "áäčďéíĺľňóôŕšťúýž", "sv": "åäö", "tr": "çğıöşü",
}  # fmt: skip
"""Letters with a mark that are letters of their own, by language: never read as their plain letter in a clean text."""

_INVISIBLE = regex.compile(
    r"[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cc}\p{Co}\p{Cs}\u2800--[\t\n\v\f\r\x1c-\x1f\x85]]", regex.V1
)
_NAMED = re.compile(
    r"(?:LATIN|REGIONAL INDICATOR SYMBOL)\b.*?\bLETTER (?:SMALL CAPITAL |DOTLESS |OPEN |LONG |INSULAR |SCRIPT )?([A-Z])"
    r"(?: WITH .*)?$"
)
_WORD = regex.compile(WORD)
_CHUNK_NOISE = regex.compile(r"[^\p{L}\p{N}\p{M}\s]+")
_SPACED_LETTERS = re.compile(r"(?<!\S)\S(?: \S(?!\S))+")
_SPACED_MARKED_LETTERS = regex.compile(r"(?<!\S)\S\p{M}*(?: \S\p{M}*(?!\S))+")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_OPTIONAL_MARK = regex.compile(
    r"[\p{Inherited}\p{Common}\p{Latin}\p{Greek}\p{Cyrillic}\p{Coptic}\p{Arabic}\p{Hebrew}\p{Syriac}]"
)
"""Scripts whose marks a reader can do without: accents, and the points of scripts that are mostly written without them."""
_MARK = regex.compile(r"\p{M}")
_STRAY_MARKS = regex.compile(r"(?<![\p{M}[\p{L}--[\p{Latin}\p{Greek}\p{Cyrillic}]]])\p{M}+", regex.V1)
"""Marks on a letter of another script, or on none: no part of a word, but a trick ("ba" and a Devanagari sign and "n")."""
_TICKS = regex.compile(r"[\p{Block=Spacing_Modifier_Letters}\uA78B\uA78C]")
"""Letters to Unicode, apostrophes and ticks to a reader: "gun\u02bcs" is "gun's"."""
MEMO = 50_000


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text. `strict` says that no mark was kept, because the text held more than the locale's own letters.

    `text` keeps its punctuation; `readings` are the words a reader may take it for, each padded with spaces: punctuation
    parting words ("ban-ned": " ban ned "), and, where it differs, joining them ("ban-ned", "b a n n e d": " banned ").
    `written` is the text with its marks and its look-alikes: without what is invisible, in NFKC and lower case.
    `runs` are single characters in a row, as one word each ("my 2 b-a n": "2ban"): where a word in them begins, nobody says.
    """

    text: str
    readings: tuple[str, ...]
    strict: bool = False
    runs: tuple[str, ...] = ()
    written: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the first reading, in order."""
        return tuple(self.readings[0].split())


def language_of(locale: str) -> str:
    """The language of a locale: "de" of "de-AT" and "de_CH"."""
    return re.split(r"[-_]", locale.casefold())[0]


class Folder:
    """Folds texts of one locale; what it has folded is kept."""

    def __init__(self, letters: str = "") -> None:
        self.letters = frozenset(unicodedata.normalize("NFC", letters.casefold()))
        self._plain = FoldTable(self.letters)
        self._stripped = FoldTable(frozenset())
        self._fold = lru_cache(maxsize=MEMO)(self._folded)

    @classmethod
    def of_locale(cls, locale: str) -> Folder:
        """The folder for a locale such as "de" or "de-AT"."""
        return cls(LETTERS.get(language_of(locale), ""))

    def __call__(self, text: str) -> Folded:
        """The text as a reader sees it."""
        return self._fold(text)

    def both(self, text: str) -> tuple[Folded, Folded]:
        """The text as it is compared with clean texts, and as it is compared with strict ones; for entries of lists."""
        composed = _composed(text)
        return self._read(composed, self._plain, False), self._read(composed, self._stripped, True)

    def _folded(self, text: str) -> Folded:
        if text.isascii():
            return _of_plain_words(text) or self._read(text, self._plain, False)
        composed = _composed(text)
        strict = not all(ch.isascii() or ch.casefold() in self.letters or ch in "ßẞ" for ch in composed)
        return self._read(composed, self._stripped if strict else self._plain, strict)

    @staticmethod
    def _read(composed: str, table: Mapping[int, str], strict: bool) -> Folded:
        text = composed.translate(table)
        marked = not text.isascii() and _MARK.search(text) is not None
        text = " ".join((_STRAY_MARKS.sub("", text) if marked else text).split())
        written = text if composed.isascii() else " ".join(unicodedata.normalize("NFC", composed.lower()).split())
        parted = f" {' '.join(_WORD.findall(text))} "
        joined = " ".join(_CHUNK_NOISE.sub("", text).split())
        spaced = _SPACED_MARKED_LETTERS if marked else _SPACED_LETTERS
        joined = f" {spaced.sub(lambda found: found[0].replace(' ', ''), joined)} "
        runs = tuple(run.replace(" ", "") for run in spaced.findall(parted))
        return Folded(text, (parted,) if joined == parted else (parted, joined), strict, runs, written)


def _of_plain_words(text: str) -> Folded | None:
    """What `_read` makes of ASCII words with spaces between them, which most texts are, in a tenth of its time; else None."""
    words = text.lower().split()
    if (
        not "".join(words).isalnum() or sum(len(word) == 1 for word in words) > 1
    ):  # a row of single letters may be a word
        return None
    plain = " ".join(words)
    return Folded(plain, (f" {plain} ",), written=plain)


def _composed(text: str) -> str:
    """Without what is invisible, in NFKC: the invisible goes first, for it keeps a letter and its mark apart."""
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text).translate(_unstable_look_alikes()))


class FoldTable(dict[int, str]):
    """What each character is folded into, worked out when a character is first met; `letters` keep their marks."""

    def __init__(self, letters: frozenset[str]) -> None:
        self._letters = letters

    def __missing__(self, code: int) -> str:
        ch = chr(code)
        self[code] = ch.casefold() if ch.casefold() in self._letters else _plain(ch)
        return self[code]


def _plain(ch: str) -> str:
    """What one character looks like: ASCII where it can be, nothing for what can't be seen."""
    if ch.isspace():
        return " "
    if ch.isascii():
        return "" if _INVISIBLE.match(ch) else ch.casefold()
    alike = look_alikes()
    if ch in alike:
        return alike[ch]
    if _KANA.match(ch):
        return unicodedata.normalize("NFKC", ch)
    out = []
    for part in unicodedata.normalize("NFKD", ch):
        if unicodedata.category(part) in ("Mn", "Me", "Mc") and _OPTIONAL_MARK.match(part):
            continue
        for letter in part.casefold():
            out.append(_letter(letter))
    return "".join(out)


def _letter(ch: str) -> str:
    if ch.isascii():
        return ch
    alike = look_alikes()
    seen = alike.get(ch) or alike.get(ch.upper())
    if seen:
        return seen
    digit = unicodedata.decimal(ch, None)
    if digit is not None:
        return str(digit)
    if _TICKS.match(ch):
        return "'"
    named = _NAMED.search(unicodedata.name(ch, ""))
    return named[1].lower() if named else ch


@lru_cache(maxsize=1)
def _unstable_look_alikes() -> dict[int, str]:
    """Those that NFKC would first make another character of, such as the lunate sigma, which looks like a c."""
    return {ord(c): seen for c, seen in look_alikes().items() if not unicodedata.is_normalized("NFKC", c)}


@lru_cache(maxsize=1)
def look_alikes() -> dict[str, str]:
    """Characters beyond ASCII that look like an ASCII letter or digit, and that letter in lower case (Unicode's table)."""

    found: dict[str, str] = {}
    for plain in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
        for row in confusables.is_confusable(plain, greedy=True) or ():
            for other in row["homoglyphs"]:
                if len(other["c"]) == 1 and not other["c"].isascii():
                    found.setdefault(other["c"], plain.casefold())
    return found
