"""What a text says in figures and what it rules out, read naively: plain tables and loops, sharing no code with leser.rules.

Texts come in lower case, with German umlauts written out ("groesse"), as naive_checker.plain makes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

UNITS = {
    "length": {"mm": 0.1, "cm": 1.0, "m": 100.0, "inch": 2.54, "inches": 2.54, "zoll": 2.54, '"': 2.54},
    "volume": {"ml": 1.0, "cl": 10.0, "l": 1000.0, "liter": 1000.0, "litre": 1000.0, "litres": 1000.0},
    "mass": {"g": 1.0, "gramm": 1.0, "kg": 1000.0},
    "storage": {"mb": 0.001, "gb": 1.0, "tb": 1000.0},
    "power": {"w": 1.0, "watt": 1.0, "kw": 1000.0},
    "charge": {"mah": 1.0, "ah": 1000.0},
}
AMOUNT = re.compile(r"(?<![\w.,])(\d[\d.,]*(?:\s?[x×]\s?\d[\d.,]*)*)[\s-]?([a-z]+|\")(?!\w)")
COUNT = re.compile(
    r"\b(?:pack|set|box) of (\d+)\b|(?<!\w)(\d+)[\s-]?(?:packs?|pcs?|pieces?|er[\s-]?pack|er[\s-]?set|stuecke?)\b"
)
SIZE = re.compile(r"(?<!\w)(size|groesse|eu) (\d+|[sml])(?![\w.,])")
LETTERS = re.compile(r"(?<!\w)(x{1,4}|[2-6]x)(s|l)(?!\w)")
NUMBERED = re.compile(r"(?<!\w)([a-z]{2,})[ -]?(\d{1,4})(?![\w.,])")
PASSED = "a|an|any|the|of|made|ein|eine|einen|einem|der|die|das|den|mit|aus"
RULED_OUT = re.compile(rf"\b(?:without|not|no|ohne|nicht|kein|keine|keinen) (?:(?:{PASSED}) )*([a-z]+)")
FREE = re.compile(r"\b([a-z]{4,}(?<!kosten))(?:-free|frei)\b")
"""What is "kostenfrei" is a delivery that may well be about costs."""

Pinned = dict[str, set[object]]


def number(text: str, comma: bool) -> float | None:
    """1,000.5 or 1.000,5 (`comma`: the comma is the decimal one); None for what is no number."""
    thousands, point = (".", ",") if comma else (",", ".")
    text = text.strip(".,")
    whole = text.split(point)[0]
    if re.fullmatch(r"\d{1,3}(\D\d{3})+", whole) and set(re.sub(r"\d", "", whole)) == {thousands}:
        text = text.replace(thousands, "")
    text = text.replace(",", ".")
    return float(text) if text.count(".") <= 1 else None


def pinned(text: str, *, comma: bool) -> Pinned:
    """Kinds and their values: "length" in cm, "count", "size", "letter size", "model rl-#", "name iphone"."""
    found: Pinned = {}
    for match in AMOUNT.finditer(text):
        for kind, units in UNITS.items():
            if match[2] in units:
                for said in re.split(r"\s?[x×]\s?", match[1]):
                    value = number(said, comma)
                    found.setdefault(kind, set()).update(() if value is None else {value * units[match[2]]})
    rest = AMOUNT.sub(lambda match: " ; " if any(match[2] in units for units in UNITS.values()) else match[0], text)
    for match in COUNT.finditer(rest):
        found.setdefault("count", set()).add(match[1] or match[2])
    rest = COUNT.sub(" ; ", rest)
    for match in SIZE.finditer(rest):
        kind = "letter size" if match[2] in "sml" else "eu size" if match[1] == "eu" else "size"
        found.setdefault(kind, set()).add(match[2])
    rest = SIZE.sub(" ; ", rest)
    for match in LETTERS.finditer(rest):
        times = int(match[1][0]) if match[1][0].isdigit() else len(match[1])
        found.setdefault("letter size", set()).add("x" * times + match[2])
    rest = LETTERS.sub(" ; ", rest)
    for kind, value in _names(rest):
        found.setdefault(kind, set()).add(value)
    return found


def _names(text: str) -> Iterator[tuple[str, str]]:
    """Model numbers by their letters, and names with a number behind them."""
    for word in text.split():
        model = word.strip(".,;:()\"'").replace("-", "").replace("/", "")
        if re.fullmatch(r"[a-z0-9]+", model) and re.search(r"[a-z]", model) and re.search(r"\d", model):
            yield "model " + re.sub(r"\d+", "#", model), model
    for match in NUMBERED.finditer(text):
        yield f"name {match[1]}", match[2]


def contradicted(asked: Pinned, said: Pinned) -> Iterator[str]:
    """Every kind of which `said` states another value than `asked`; of lengths one in common is enough."""
    for kind, wanted in asked.items():
        values = said.get(kind, set())
        strangers = [value for value in values if not any(_same(value, want) for want in wanted)]
        if strangers and wanted and (kind != "length" or len(strangers) == len(values)):
            yield f"{kind} {strangers[0]} where the query says {wanted}"


def stray_number(asked: Pinned, text: str, query: str) -> str | None:
    """The number of a text that holds nothing else but words of the query, where the query has a name with another."""
    known = {value for kind, values in asked.items() if kind.startswith("name ") for value in values}
    words = re.findall(r"[^\W_]+", text)
    numbers = [word for word in words if word.isdecimal() and len(word) <= 4]
    others = set(words) - set(numbers) - set(re.findall(r"[^\W_]+", query))
    return numbers[0] if known and len(numbers) == 1 and not others and numbers[0] not in known else None


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 0.02 * max(one, other)  # inches and centimetres of one product
    return one == other


def ruled_out(text: str) -> set[str]:
    """The words a query does not want."""
    return {word for pattern in (RULED_OUT, FREE) for word in pattern.findall(text)}
