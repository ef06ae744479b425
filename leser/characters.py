"""Characters that text from outside may hold and that the way through LESER cannot take: lone surrogates, hidden characters.

A lone surrogate is half a character: JSON's \\ud83d without its other half. UTF-8 has no bytes for it, so that no engine,
tokenizer or file takes it. `well_formed` puts U+FFFD in its place, everywhere.

Hidden characters show nothing and change what a text says or how it is compared. Two of them are letters of some scripts
all the same, and stand where these need them: the joiners U+200C and U+200D (Unicode Standard Annex 31, 2.3; RFC 5892, A.1),
in cursive scripts between two letters (Persian plurals), beside a virama (conjuncts of Indic scripts), and in emoji.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

import regex  # type: ignore[import-untyped]

Value = TypeVar("Value")

SUBSTITUTE = "\x1a"
"""Stands before a completion that holds what no text can say: special tokens."""

UNSEEN = (
    r"\x00-\x1f\x7f-\x9f"  # controls: a terminal obeys them
    r"\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"  # turn or hide text
    r"\U000e0000-\U000e007f"
)
"""The inside of a character class: what no text needs, wherever it stands."""
_CURSIVE = r"[\p{L}&&[\p{scx=Arab}\p{scx=Syrc}\p{scx=Mand}\p{scx=Mong}\p{scx=Nkoo}\p{scx=Adlm}\p{scx=Rohg}]]"
_WRITTEN = r"[\p{L}\p{Nd}]"
JOINER = (
    # "کتاب‌ها", "۱۰‌تایی", "iPhone‌ها": one of the two sides is a cursive letter
    rf"(?:(?<={_CURSIVE}\p{{M}}*)\u200c(?={_WRITTEN})|(?<={_WRITTEN}\p{{M}}*)\u200c(?={_CURSIVE})"
    # "क्‍ष", "ಫೋನ್‌", "র‍্যাম"
    r"|(?<=[\p{L}\p{M}]\p{ccc=9})[\u200c\u200d]|(?<=[\p{L}\p{M}])[\u200c\u200d](?=\p{ccc=9})"
    r"|(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}]\ufe0f?)\u200d(?=\p{Extended_Pictographic}))"
)
"""A joiner that stands where its script needs it."""
_HIDDEN = regex.compile(rf"[{UNSEEN}]|(?!{JOINER})[\u200c\u200d]", regex.V1)


def well_formed(value: Value) -> Value:
    """A text with U+FFFD in place of each lone surrogate; the texts in mappings, lists, tuples and sets likewise.

    What holds none, and every value of another type, comes back as the object it was.
    """
    return value if _is_well_formed(value) else cast("Value", _mended(value))


def _is_well_formed(value: object) -> bool:
    rest = [value]  # no recursion: JSON may be nested deeper than Python calls
    while rest:
        one = rest.pop()
        if isinstance(one, str):
            if not one.isascii() and not _is_utf8(one):
                return False
        elif isinstance(one, Mapping):
            rest += (*one.keys(), *one.values())
        elif isinstance(one, list | tuple | frozenset):
            rest += one
    return True


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _mended(value: object) -> object:
    if isinstance(value, str):
        # by way of UTF-16, where two halves that stand side by side become the character they were cut from
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_mended(key): _mended(item) for key, item in value.items()}
    for kind in (list, tuple, frozenset):
        if isinstance(value, kind):
            return kind(map(_mended, value))
    return value


def hidden_in(text: str) -> str | None:
    """The first hidden character that stands where no script needs it; None where there is none."""
    found = None if text.isascii() and text.isprintable() else _HIDDEN.search(text)
    return found[0] if found else None
