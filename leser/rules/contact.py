"""No way to reach anybody: mail addresses, phone numbers, web addresses."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field

from leser.folding import Folded
from leser.rule import Proposal, Rule, RuleOptions, Site, Violation
from leser.rules.patterns import Patterns

_AT = r"\s*(?:@|[(\[{]\s*(?:at|@)\s*[)\]}]|\sat\s)\s*"
_DOT = r"\s*(?:[.。]|[(\[{]\s*(?:dot|punkt|\.)\s*[)\]}]|\s(?:dot|punkt)\s)\s*"
_MAIL = rf"[a-z0-9._%+-]{_AT}[a-z0-9-]+(?:{_DOT}[a-z0-9-]+)*{_DOT}[a-z]{{2,}}"
_HANDLE = r"(?:^|\s)@[a-z0-9_]{2,}"
_COUNTRIES = (
    "a[cdefgilmoqrstuwxz]|b[abdefghijmnorstwyz]|c[acdfghiklmnoruvwxyz]|d[ejkmoz]|e[cegrstu]|f[ijkmor]|"
    "g[adefghilmnpqrstuwy]|h[kmnrtu]|i[delmnoqrst]|j[emop]|k[eghimnprwyz]|l[abcikrstuvy]|"
    "m[acdeghklmnopqrstuvwxyz]|n[acefgilopruz]|o[m]|p[aefghklmnrstwy]|q[a]|r[eosuw]|s[abcdeghijklmnorstuvxyz]|"
    "t[cdfghjklmnortvwz]|u[agksyz]|v[aceginu]|w[fs]|y[et]|z[amw]"
)
_SURE = "com|net|org|info|biz|xyz"
_ENDS = f"{_SURE}|shop|store|online|site|app|dev|club|link|live|click|deals|sale|example|{_COUNTRIES}"
_SPOKEN = f"{_SURE}|io|de|fr|eu|uk|ch|nl|pl|ru|cn"
"""After a bare "dot" only what is not a word of its own there: "polka dot shop" and "polka dot it" are no addresses."""
_NAME = r"[a-z0-9-]*[a-z][a-z0-9-]*"
_BRACKETED = r"\s*[(\[{]\s*(?:dot|punkt|\.)\s*[)\]}]\s*"
_ADDRESSES = (
    rf"(?:https?|ftp):/|\bwww{_DOT}",
    rf"\b[a-z0-9-]+(?:[.。]|{_BRACKETED})(?:{_ENDS})/",  # with a path even the shortest name is an address
    rf"\b(?:{_NAME}[a-z0-9-]|[a-z0-9-]{_NAME})(?:[.。]|{_BRACKETED})(?:{_ENDS})\b",
    rf"[a-z0-9]\s*[.。]\s*(?:{_SURE})\b",
    rf"[a-z0-9]\s+(?:dot|punkt)\s+(?:{_SPOKEN})\b",
)
_NUMBER = re.compile(r"\d(?:[\s().\-/]{0,3}\d)*")
_YEARS = re.compile(r"(?:19|20)\d\d\s?[-/ ]\s?(?:19|20)\d\d")


class Contact(Rule):
    """No expansion holds a mail address, a phone number or a web address."""

    name = "contact"

    class Options(RuleOptions):
        """Which of them."""

        mail: bool = Field(True, description="no mail addresses and no @handles, nor spelled with (at) and dot")
        phone: bool = Field(True, description="no phone numbers")
        web: bool = Field(True, description="no web addresses")
        digits: int = Field(
            7, ge=4, description="this many digits in a row, however they are separated, are a phone number"
        )

    def __init__(self, options: Any, site: Site) -> None:
        super().__init__(options, site)
        patterns = [*((_MAIL, _HANDLE) if options.mail else ()), *(_ADDRESSES if options.web else ())]
        self._patterns = Patterns(patterns, self.name)

    def sentence(self) -> str | None:
        """Says it in one line."""
        return "Write no mail addresses, phone numbers or web addresses."

    def check(self, proposal: Proposal) -> Violation | None:
        """A long number that the query holds may stand again: it is an article number there."""
        suspected = self._patterns.suspects(proposal.folded)
        for at, folded in enumerate(proposal.folded):
            if suspected and self._patterns.find(folded) is not None:
                return Violation(self.name, "an expansion holds a mail or web address", at)
            if self.options.phone and self._phone(folded, proposal.asked):
                return Violation(self.name, "an expansion holds a phone number", at)
        return None

    def _phone(self, folded: Folded, asked: Folded) -> bool:
        if sum(map(str.isdigit, folded.text)) < self.options.digits:
            return False
        held = {_digits(number) for number in _NUMBER.findall(asked.text)}
        for text in (folded.text, folded.readings[0]):
            for number in _NUMBER.findall(text):
                digits = _digits(number)
                if len(digits) >= self.options.digits and digits not in held and not _YEARS.fullmatch(number):
                    return True
        return False


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
