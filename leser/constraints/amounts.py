"""Amounts in a query: a number or a range, its unit or currency as typed, and the limit that stands around it.

"under $50", "16 GB or more", "zwischen 20 und 30 €". What an amount is about is not decided here. Amounts that say nothing
firm are left out: "about 2 m", "$20 off", "2 x 4 m", "not 2 m".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from leser.constraints.language import NUMBER, Language

Op = Literal["eq", "in", "lt", "lte", "gt", "gte", "range"]
WINDOW = 60
"""Characters before an amount in which the words of its limit are looked for: none of them is longer."""
_SIZE = re.compile(r"\.?\s*\d")
_NETWORK = re.compile(r"[2-6]\s?g$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Amount:
    """One number (two for a range or an alternative) with its unit, in lower case as typed, and where it stands.

    `start` and `end` hold the limit's words too; `label` says that "price" stands before it.
    """

    start: int
    end: int
    numbers: tuple[float, ...]
    unit: str
    op: Op
    label: bool = False


class AmountFinder:
    """Finds the amounts of one language's queries."""

    def __init__(self, language: Language) -> None:
        self._language = language
        either, words = language.either, language.words
        money = "|".join(re.escape(w) for w in sorted(language.money, key=len, reverse=True))
        plain = "|".join(re.escape(w) for w in sorted(language.units, key=len, reverse=True))
        unit = rf"(?:\s?(?:{plain}|{money}))" + (rf"|(?:{'|'.join(language.glued)})" if language.glued else "")
        self.unit = re.compile(rf"(?:{unit})(?!\w)", re.IGNORECASE)
        joins = [re.escape(j) for j in (*language.data["range"]["joins"], *language.data["range"]["either"])]
        one, two = (
            rf"(?P<pre{i}>(?:{money})\s?)?(?P<n{i}>{NUMBER})(?P<k{i}>k(?!\w))?(?P<unit{i}>{unit})?" for i in (1, 2)
        )
        end = r"(?![\w%°]|[.,]\d|-\w)"
        start = r"(?<![\w#])(?<!\d[.,/–-])(?<!\w-)"
        self._range = re.compile(rf"{start}{one}\s?(?P<join>{'|'.join(joins)})\s?{two}{end}", re.IGNORECASE)
        self._single = re.compile(rf"{start}{one}{end}", re.IGNORECASE)
        self._before = [(op, _at_end(either(said))) for op, said in language.data["before"].items()]
        self._after: list[tuple[Op, re.Pattern[str]]] = [
            (op, re.compile(rf"\s*{either(said)}(?!\s*:?\s*(?:{money})?\s?\d)", re.IGNORECASE))
            for op, said in language.data["after"].items()
        ]
        plus = language.words("plus")  # "500 g plus mug" asks for a mug as well
        self._after.append(
            ("gte", re.compile(rf"\+(?!\w)|\s*{either([*plus, '+'])}(?=\s*(?:$|[^\w\s]))", re.IGNORECASE))
        )
        self._sized = frozenset(word.rstrip(".") for word in words("size"))
        self._sent = re.compile(rf"{either(words('sending'))}\s+(?:\w+\s+){{0,2}}$", re.IGNORECASE)
        self._lead = _at_end(either(language.data["range"]["leads"]))
        self._label = _at_end(either(words("price")))
        self._never = re.compile(rf"{either(words('never'))}\s+(?:\w+\s+){{0,3}}$", re.IGNORECASE)
        refused = either([*words("around"), *words("save"), *words("not"), *words("without")])
        times = either(words("times"))
        self._refused = re.compile(rf"(?:{refused}|\d\s*\w*\s*{times}|\d[x×])\s*$", re.IGNORECASE)
        self._spoilt = re.compile(
            rf"\s*(?:{either(words('off'))}|(?:{times}|[x×])\s*\d)|[ -]{either(words('off'))}", re.IGNORECASE
        )

    def __call__(self, text: str) -> list[Amount]:
        """The amounts of a query from left to right, none overlapping another."""
        found = [a for m in self._range.finditer(text) if (a := self._read(text, m, 2))]
        found += [
            a
            for m in self._single.finditer(text)
            if not any(a.start < m.end() and m.start() < a.end for a in found) and (a := self._read(text, m, 1))
        ]
        return sorted(found, key=lambda amount: amount.start)

    def _read(self, text: str, match: re.Match[str], count: int) -> Amount | None:
        numbers = [self._number(match, i) for i in range(1, count + 1)]
        units = {(match[f"pre{i}"] or match[f"unit{i}"] or "").strip().lower() for i in range(1, count + 1)} - {""}
        if None in numbers or len(units) > 1 or _NETWORK.match(match[0]):
            return None
        values = tuple(n for n in numbers if n is not None)
        amount = Amount(match.start(), match.end(), values, next(iter(units), ""), "eq")
        if amount.unit in self._sized and _SIZE.match(text, amount.end):
            return None  # "air max 90 gr 42"
        limited = self._ranged(text, amount, match["join"].lower()) if count == 2 else self._limited(text, amount)
        if limited is None:
            return None
        before = _window(text, limited.start)
        if limited.op in ("gt", "gte") and self._sent.search(before):
            return None  # "free delivery over $50"
        if self._refused.search(before) or self._spoilt.match(text, match.end()):
            return None
        label = self._label.search(before)
        return replace(limited, label=True, start=limited.start - len(before) + label.start()) if label else limited

    def _number(self, match: re.Match[str], i: int) -> float | None:
        number = self._language.number(match[f"n{i}"])
        return number * 1000 if number is not None and match[f"k{i}"] else number

    def _ranged(self, text: str, amount: Amount, join: str) -> Amount | None:
        if join in self._language.data["range"]["either"]:
            return replace(amount, op="in")
        before = _window(text, amount.start)
        lead = self._lead.search(before)
        rising = amount.numbers[0] < amount.numbers[1]
        if not rising or (lead is None and join in self._language.data["range"]["needs_lead"]):
            return None
        return replace(amount, op="range", start=amount.start - len(before) + lead.start() if lead else amount.start)

    def _limited(self, text: str, amount: Amount) -> Amount | None:
        before = _window(text, amount.start)
        limits = [(m.start(), op) for op, pattern in self._before if (m := pattern.search(before))]
        if limits:
            place, op = min(limits)  # the longest: "not more than" and not "more than"
            if op == "gt" and self._never.search(before[:place]):
                return None  # "must never come to more than $50" says the opposite
            return replace(amount, op=op, start=amount.start - len(before) + place)
        after = self.behind(text, amount.end)
        return replace(amount, op=after[0], end=after[1]) if after else amount

    def behind(self, text: str, end: int) -> tuple[Op, int] | None:
        """The limit whose words stand at this place, after an amount, and where they end."""
        for op, pattern in self._after:
            if after := pattern.match(text, end):
                return op, after.end()
        return None


@lru_cache(maxsize=256)
def _at_end(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{pattern}\s*:?\s*$", re.IGNORECASE)


def _window(text: str, end: int) -> str:
    return text[max(0, end - WINDOW) : end]
