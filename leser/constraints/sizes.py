"""Sizes of clothes and shoes: "size 42", "Größe 38-40", "EU 42", "in XL". A number without such a word is no size."""

from __future__ import annotations

import re

from leser.backend import Filter
from leser.constraints.amounts import WINDOW, AmountFinder
from leser.constraints.found import Constraint
from leser.constraints.language import Language
from leser.constraints.options import KindOptions
from leser.errors import LeserError

SYSTEMS = ("EU", "UK", "US")
MOST_STEPS = 12
LETTERS = ("XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL", "2XL", "3XL", "4XL", "5XL")
_VALUE = rf"(?:{'|'.join(LETTERS)}|\d{{1,3}}(?:[.,]5)?)"
_NUMBER_BEFORE = re.compile(r"\d\s*$")
_END = r"(?![\w%]|[.,]\d|-\w)"


class Sizes:
    """Reads sizes for one field; `unit` is its system (EU, UK, US), without which sizes that name one are left alone."""

    def __init__(self, kind: str, options: KindOptions, language: Language, amounts: AmountFinder) -> None:
        if options.unit is not None and options.unit not in SYSTEMS:
            raise LeserError(
                f"[constraints.kinds.{kind}] unit '{options.unit}': sizes are {', '.join(SYSTEMS)}, or none named."
            )
        self.kind, self._options, self._language, self._amounts = kind, options, language, amounts
        words = language.either(language.words("size"))
        system = rf"(?P<{{}}>{'|'.join(SYSTEMS)})"
        joins = (
            r"\s?(?:[-–/]|"
            + language.either([w for name in ("joins", "either") for w in language.data["range"][name] if w.isalpha()])
            + r")\s?"
        )
        self._pattern = re.compile(
            rf"(?:(?P<word>{words})[:\s]?\s?(?:{system.format('before')}\s?)?|(?<!\w){system.format('alone')}\s?)"
            rf"(?P<first>{_VALUE})(?:(?P<join>{joins})(?P<second>{_VALUE}))?{_END}(?:\s{system.format('after')}(?!\w))?",
            re.IGNORECASE,
        )
        self._first = re.compile(rf"(?P<first>{_VALUE}){_END}", re.IGNORECASE)
        self._letters = re.compile(r"(?<!\w)in\s(?P<first>[2-5]XL|X{1,3}L|X{1,2}S)(?![\w-])", re.IGNORECASE)
        times, counts = language.either(language.words("times")), language.either(language.words("counts"))
        self._another = re.compile(rf"\s*(?:{times}|[x×])\s*\d|[\s-]*{counts}", re.IGNORECASE)
        no = language.either([*language.words("not_size"), *language.words("not"), *language.words("without")])
        self._refused = re.compile(rf"{no}\s*$", re.IGNORECASE)

    def __call__(self, text: str) -> list[Constraint]:
        """The sizes of a query; a number with a unit after it ("size 60 cm") is not a size."""
        found = [self._read(text, match) for match in self._pattern.finditer(text)]
        found += [
            self._made(text, match.start(), match.end(), [match["first"]]) for match in self._letters.finditer(text)
        ]
        return [constraint for constraint in found if constraint is not None]

    def _read(self, text: str, match: re.Match[str]) -> Constraint | None:
        system = next((match[g].upper() for g in ("before", "alone", "after") if match[g]), None)
        before = text[max(0, match.start() - WINDOW) : match.start()]
        if (system is not None and system != self._options.unit) or self._refused.search(before):
            return None
        if (match["word"] or "").rstrip(".").lower() in self._language.units and _NUMBER_BEFORE.search(before):
            return None  # "500 gr 2 stück"
        if self._another.match(text, match.end()):
            return None  # "frame size 8 x 10", "plus size 3 pack"
        if match["second"] is None or self._amounts.unit.match(text, match.end("second")):
            end = match.end() if match["second"] is None else match.end("first")
            if self._amounts.unit.match(text, match.end("first")):
                return None
            return self._made(text, match.start(), end, [match["first"]])
        if match["join"].strip().lower() in self._language.data["range"]["needs_lead"]:  # "38 and 40" may be two things
            return None
        either = match["join"].strip().lower() in self._language.data["range"]["either"]
        if match["join"].strip() == "/" and len(self._steps(match["first"], match["second"])) != 2:
            return None  # "jeans size 34/32" are a width and a length; "38/39" is either
        values = [match["first"], match["second"]] if either else self._steps(match["first"], match["second"])
        return self._made(text, match.start(), match.end(), values) if values else None

    @staticmethod
    def _steps(first: str, last: str) -> list[str]:
        """The sizes from one to another, where both are whole numbers; else none is known."""
        if not (first.isdigit() and last.isdigit()) or not 0 < int(last) - int(first) <= MOST_STEPS:
            return []
        return [str(n) for n in range(int(first), int(last) + 1)]

    def _made(self, text: str, start: int, end: int, values: list[str]) -> Constraint:
        wanted: list[str | float] = []
        for value in values:
            number = value[:1].isdigit() and not value[-1:].isalpha()
            plain = value.replace(",", ".") if number else value.upper()
            if self._options.formats:
                wanted += [form.replace("{}", plain) for form in self._options.formats]
            else:
                wanted.append(float(plain) if number else plain)
        condition = Filter(self._options.field, "eq", wanted[0])
        if len(wanted) > 1:
            condition = Filter(self._options.field, "in", tuple(dict.fromkeys(wanted)))
        return Constraint(self.kind, text[start:end], start, end, (condition,))
