"""Which characters a locale is written with: Unicode's Script_Extensions of the scripts that CLDR names for its language.

Script_Extensions (Unicode Standard Annex 24) say of a character that several scripts share which ones these are: the long
vowel of Katakana and Hiragana is "Common" as a Script, and those two by its extensions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import regex  # type: ignore[import-untyped]
from babel import Locale
from babel.core import get_global

from leser.characters import JOINER
from leser.folding import language_of

SEVERAL: dict[str, tuple[str, ...]] = {
    "Jpan": ("Han", "Hiragana", "Katakana"), "Kore": ("Hangul",), "Hans": ("Han",), "Hant": ("Han",),
    "Hrkt": ("Hiragana", "Katakana"),
}  # fmt: skip
"""Unicode's scripts in CLDR's codes that stand for more than a script or for a style of one."""
_ACCENTED = frozenset({"latin", "latn", "greek", "grek", "cyrillic", "cyrl"})
"""Scripts whose marks are accents: they stand composed with their letter, never loose."""
_NOT_WORDS = r"\u0250-\u02FF\u1D00-\u1DBF\u2C60-\u2C7F\uA700-\uA7FF\uAB30-\uAB6F"
"""Signs of phonetic notation: no language of a shop is written with them, but they look like letters that are."""
_REWRITTEN = regex.compile(r"[\u0587\u0E33\u0EB3\u0EDC\u0EDD\u3131-\u3163\u3165-\u318E]")
"""Everyday letters that NFKC writes as others: Armenian ew, the vowel am of Thai and Lao, Lao hn and hm, single Hangul."""
_NEVER = rf"{_NOT_WORDS}\p{{Default_Ignorable_Code_Point}}\p{{Cf}}\p{{Cc}}"


def scripts_of(locale: str) -> dict[str, str]:
    """The scripts that a locale is written with beside Latin, as people call them, and as Unicode names their property."""
    language, *rest = re.split(r"[-_]", locale)
    code = next((part.title() for part in rest if len(part) == 4 and part.isalpha()), None)
    if code is None:
        likely = get_global("likely_subtags")
        regions = [part.upper() for part in rest if len(part) == 2]
        known = [f"{language_of(language)}_{region}" for region in regions] + [language_of(language)]
        code = next((str(likely[name]).split("_")[1] for name in known if name in likely), "Latn")
    found = SEVERAL.get(code)
    if found is not None:
        return dict(zip(found, found, strict=True))
    return {} if code == "Latn" else {Locale("en").scripts.get(code, code): code}


def one_character(scripts: Iterable[str], letters: str | None, others: str) -> Any:
    """The pattern of one character that may stand: of these scripts, or of `letters` and a to z; 0 to 9; or of `others`.

    Its look around knows the text beside it: a vowel sign stands on a letter of its own script, a joiner where its script
    needs it. Raises regex.error for a script that Unicode does not know.
    """
    if letters is None:
        scripts = list(scripts)
        own = "".join(rf"\p{{scx={name}}}" for name in scripts)
        marks = [
            rf"(?<=\p{{scx={name}}}[\u200c\u200d]?)[[\p{{scx={name}}}&&\p{{M}}]--[{_NEVER}]]"
            for name in scripts
            if name.casefold() not in _ACCENTED
        ]
        allowed = [rf"[[{own}0-9]--[{_NEVER}\p{{M}}]]", *marks]
    else:
        own = "a-zA-Z" + regex.escape(letters + letters.upper(), special_only=False)
        allowed = [rf"[[{own}0-9]--[{_NEVER}]]"]
    return "|".join([*allowed, *map(regex.escape, others), JOINER])


def is_ordinary(character: str) -> bool:
    """Whether a character is what people write, not a form of it: full width, circled, mathematical, a compatibility one."""
    return bool(
        unicodedata.is_normalized("NFKC", character) or _REWRITTEN.match(character) or _is_never_composed(character)
    )


def is_taken_apart(text: str) -> bool:
    """Whether letters stand apart from their marks that Unicode composes; those that it never composes stand either way."""
    return not unicodedata.is_normalized("NFC", "".join(_as_composed(ch) for ch in text))


def _as_composed(character: str) -> str:
    return unicodedata.normalize("NFD", character) if _is_never_composed(character) else character


def _is_never_composed(character: str) -> bool:
    """A letter with a mark that NFC takes apart, such as Bengali ya: keyboards write it whole."""
    parts = unicodedata.decomposition(character).split()
    return len(parts) == 2 and not parts[0].startswith("<") and not unicodedata.is_normalized("NFC", character)
