"""The words of a locale's language (words/*.toml) and its numbers and money (Babel), ready for patterns."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import NumberFormatError, get_currency_symbol, get_territory_currencies, parse_decimal

from leser.errors import LeserError

NUMBER = r"\d(?:[\d.,]*\d)?"
CODES = ("USD", "EUR", "GBP", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY", "CNY", "INR")
_SHORT_DECIMALS = re.compile(r"(\d+)[.,](\d{1,2})$")


class Language:
    """What a locale's queries are read with. Built once for each locale by `language_of`."""

    def __init__(self, locale: Locale, data: Mapping[str, Any]) -> None:
        self.locale = locale
        self.territory: str = locale.territory or data["locale"]["territory"]
        own = data.get("territory", {}).get(self.territory, {})
        self.data = {key: {**table, **own.get(key, {})} for key, table in data.items()}
        self.units: Mapping[str, str] = self.data["units"]
        self.glued: Mapping[str, str] = self.data["glued"]

    @cached_property
    def money(self) -> dict[str, str]:
        """How currencies are typed, in lower case, with their codes: symbols as the locale writes them, codes, words."""
        symbols = {get_currency_symbol(code, self.locale).lower(): code for code in CODES}
        plain = {"$": "USD", "us$": "USD", "€": "EUR", "£": "GBP"}
        return {**plain, **symbols, **{code.lower(): code for code in CODES}, **self.data["money"]}

    @property
    def currency(self) -> str:
        """The currency of the locale's territory."""
        return str(get_territory_currencies(self.territory)[-1])

    def words(self, name: str) -> list[str]:
        """One list of the table [words]."""
        listed: list[str] = self.data["words"][name]
        return listed

    def number(self, text: str) -> float | None:
        """A number as the locale writes it; None where its marks say nothing clear ("1.2.3", in German "1.25" euros is read)."""
        try:
            return float(parse_decimal(text, locale=self.locale, strict=True))
        except NumberFormatError:
            short = _SHORT_DECIMALS.match(text)  # no locale groups one or two digits
            return float(f"{short[1]}.{short[2]}") if short else None

    def either(self, words: Iterable[str]) -> str:
        """A pattern for any of the words, the longest first; "breit*" takes an adjective's endings, "*kabel" ends a compound."""
        listed = sorted(set(words), key=len, reverse=True)
        return "(?:" + "|".join(map(self._pattern, listed)) + ")" if listed else r"(?!)"

    def _pattern(self, word: str) -> str:
        endings = f"(?:{'|'.join(self.data['words']['endings'])})?" if self.data["words"]["endings"] else ""
        body = r"\s+".join(map(re.escape, word.strip("*").split()))
        inflected = body + (endings if word.endswith("*") else "")
        first, last = word[0], word.removesuffix("*")[-1]
        return (r"(?<!\w)" if first.isalnum() else "") + inflected + (r"(?!\w)" if last.isalnum() else "")


@lru_cache(maxsize=8)
def language_of(name: str) -> Language:
    """The language of a locale such as "en-GB" or "de_DE"; raises LeserError for one that LESER has no words of."""
    try:
        locale = Locale.parse(name.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError):
        raise LeserError(f"[constraints] locale '{name}' is not valid. Write it like en-US, en-GB or de-DE.") from None
    folder = files("leser.constraints") / "words"
    known = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    if locale.language not in known:
        raise LeserError(
            f"[constraints] locale '{name}': LESER knows no words for limits in '{locale.language}'. "
            f"Languages it knows: {', '.join(known)}."
        )
    return Language(locale, tomllib.loads((folder / f"{locale.language}.toml").read_text(encoding="utf-8")))
