"""Claims: what a text pins down, so that two texts can be seen to contradict each other.

A claim is a kind and a value: "length" 1.2 (metres), "storage" 64 (GB), "count" 6, "size eu" "42", "letter size" "xl",
"model wh#xm#" "wh1000xm4" (a model number, by its letters), "number iphone" "14" (a name with a number after it).
Values of measured kinds are held in one unit, so "1 l" is "1000 ml"; within 2 % they count as equal, as inches and
centimetres of one product do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import regex  # type: ignore[import-untyped]

from leser.folding import language_of
from leser.letters import WORD

Value = float | str
TOLERANCE = 0.02

_UNITS: dict[str, dict[str, float]] = {
    "length": {
        "mm": 0.001, "cm": 0.01, "m": 1, "meter": 1, "meters": 1, "metre": 1, "metres": 1, "km": 1000,
        "in": 0.0254, "inch": 0.0254, "inches": 0.0254, "zoll": 0.0254, '"': 0.0254, "''": 0.0254, "″": 0.0254,
        "”": 0.0254, "ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "yd": 0.9144, "yard": 0.9144, "yards": 0.9144,
    },
    "volume": {
        "ml": 0.001, "cl": 0.01, "dl": 0.1, "l": 1, "liter": 1, "liters": 1, "litre": 1, "litres": 1,
        "gal": 3.785, "gallon": 3.785, "gallons": 3.785, "qt": 0.946, "quart": 0.946, "pint": 0.473, "fl oz": 0.02957,
    },
    "mass": {
        "mg": 1e-6, "g": 0.001, "gram": 0.001, "grams": 0.001, "gramm": 0.001, "kg": 1, "kilo": 1, "kilos": 1,
        "kilogramm": 1, "oz": 0.02835, "ounce": 0.02835, "ounces": 0.02835, "lb": 0.4536, "lbs": 0.4536,
        "pound": 0.4536, "pounds": 0.4536,
    },
    "storage": {"kb": 1e-6, "mb": 0.001, "gb": 1, "tb": 1000},
    "power": {"w": 1, "watt": 1, "watts": 1, "kw": 1000},
    "voltage": {"v": 1, "volt": 1, "volts": 1},
    "charge": {"mah": 0.001, "ah": 1},
    "frequency": {"hz": 1, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "light": {"lm": 1, "lumen": 1, "lumens": 1},
    "resolution": {"mp": 1, "megapixel": 1, "megapixels": 1},
}  # fmt: skip
_UNIT = {unit: (kind, factor) for kind, units in _UNITS.items() for unit, factor in units.items()}
_DIGITS = r"\d+(?:[.,]\d+)*"
_MEASURE = re.compile(
    rf"(?<![\w.,])({_DIGITS}(?:\s?[x×*]\s?{_DIGITS})*)[\s-]?"
    rf"({'|'.join(sorted(map(re.escape, _UNIT), key=len, reverse=True))})(?!\w)"
)
_COUNT = re.compile(
    r"(?<!\w)(?:(?:pack|set|box|case|lot|bundle|packung)\s(?:of|mit|von)\s(\d+)"
    r"|(\d+)[\s-]?(?:er[\s-]?(?:pack|set|box)|packs?|pcs?|pieces?|count|ct|st(?:ü|u|ue)cke?|x(?!\s?\d)))(?!\w)"
)
_SIZE = re.compile(r"(?<!\w)(size|sz|gr(?:ö|o|oe)sse|gr|eu|uk|us)[\s.:]{0,2}(\d+(?:[.,]5)?|[sml])(?!\w)")
_LETTER_SIZE = re.compile(r"(?<!\w)([2-6]x|x{1,4})(s|l)(?!\w)")
_MODEL = re.compile(r"(?<![\w])[a-z0-9]+(?:[-/][a-z0-9]+)*(?!\w)")
_PIECES = re.compile(r"(?<!\w)[a-z0-9]+(?:[\s/-][a-z0-9]+)*(?!\w)")
_MOST_PIECES = 4
_NUMBERED = regex.compile(r"(?<!\w)([^\W\d_]{2,})[\s-]?(\d{1,4})(?![\w.,]*\d)(?!\w)")
_WORD = regex.compile(WORD)
_VARIANTS = frozenset(
    {
        "air",
        "edition",
        "fe",
        "gen",
        "generation",
        "lite",
        "max",
        "mini",
        "neo",
        "plus",
        "pro",
        "se",
        "series",
        "slim",
        "ultra",
    }
)
"""What stands after a model's number: "13 pro" names another phone than "iphone 14" does."""
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\d{1,4}")
_COMMA_DECIMALS = frozenset({"da", "de", "es", "fi", "fr", "it", "nb", "nl", "no", "pl", "pt", "ru", "sv", "tr"})

Claims = dict[str, set[Value]]


def claims(text: str, locale: str = "en") -> Claims:
    """What a folded text (lower case) pins down, by kind."""
    found: Claims = {}
    if not _DIGIT.search(text):  # letter sizes are all that can be there
        for pattern, read in ((_SIZE, _sizes), (_LETTER_SIZE, _letter_sizes)):
            text = _take(text, pattern, read, found)
        return found
    comma = language_of(locale) in _COMMA_DECIMALS
    for match in _MEASURE.finditer(text):
        if match[2] == "in" and text[match.end() :].lstrip()[:1].isdigit():
            continue  # "3 in 1"
        kind, factor = _UNIT[match[2]]
        found.setdefault(kind, set()).update(_number(n, comma) * factor for n in re.findall(_DIGITS, match[1]))
    text = _MEASURE.sub(" ; ", text)
    for pattern, read in ((_COUNT, _counts), (_SIZE, _sizes), (_LETTER_SIZE, _letter_sizes)):
        text = _take(text, pattern, read, found)
    for model in _models(text):
        found.setdefault(f"model {re.sub('[0-9]+', '#', model)}", set()).add(model)
    for match in _NUMBERED.finditer(text):
        found.setdefault(f"number {match[1]}", set()).add(match[2])
    return found


def _models(text: str) -> Iterator[str]:
    """Words of letters and digits, also those whose parts stand apart: "wh-1000xm4", "wh 1000xm4", "a 55"."""
    for match in _MODEL.finditer(text):
        model = match[0].replace("-", "").replace("/", "")
        if len(model) >= 2 and _mixed(model):
            yield model
    for match in _PIECES.finditer(text):
        pieces = re.split(r"[\s/-]", match[0])
        for start, joined in enumerate(pieces):
            for piece in pieces[start + 1 : start + _MOST_PIECES]:
                if not _belong(joined, piece):
                    break
                joined += piece
                if not re.fullmatch("[a-z]{2,}[0-9]+", joined):  # that is a name with a number
                    yield joined


def _belong(before: str, piece: str) -> bool:
    """Whether two pieces may be one model number: letters meet digits, and a long word is no part behind digits."""
    if before[-1].isdigit() == piece[0].isdigit():
        return False
    return piece[0].isdigit() or len(piece) <= 3 or _mixed(piece)


def _mixed(text: str) -> bool:
    return bool(re.search("[a-z]", text) and re.search("[0-9]", text))


def contradiction(asked: Claims, said: Claims, text: str = "", query: str = "") -> str | None:
    """What `said` states otherwise than `asked`, in words; None when nothing.

    A value that the query does not hold contradicts the query's values of that kind; of lengths one in common is enough,
    for "120 x 60 cm" completes "120 cm". `text` is what was said, `query` what was asked: a number beside nothing but words
    of the query and such as "pro" stands against every numbered name and size.
    """
    for kind, values in said.items():
        wanted = asked.get(kind)
        if not wanted:
            continue
        strangers = [v for v in values if not _among(v, wanted)]
        if strangers and (kind != "length" or len(strangers) == len(values)):
            return f"{_label(kind)} {_shown(strangers[0])} where the query says {_shown(min(wanted, key=str))}"
    # a size is a number behind a name, too: "gr 630" may be a model's
    numbers = {v for kind, values in asked.items() if kind.startswith(("number ", "size")) for v in values}
    bare = _bare_number(text, query) if numbers else None
    if bare is not None and bare not in numbers:
        return f"number {bare} where the query says {_shown(min(numbers, key=str))}"
    return None


def _bare_number(text: str, query: str) -> str | None:
    """The one number of a text that holds, beside it, only words of the query and variants of a model."""
    words = _WORD.findall(text)
    numbers = [word for word in words if _NUMBER.fullmatch(word)]
    known = _VARIANTS.union(_WORD.findall(query), numbers)
    return numbers[0] if len(numbers) == 1 and known.issuperset(words) else None


def _take(text: str, pattern: re.Pattern[str], read: object, found: Claims) -> str:
    assert callable(read)
    match = None
    for match in pattern.finditer(text):
        for kind, value in read(match):
            found.setdefault(kind, set()).add(value)
    return pattern.sub(" ; ", text) if match else text


def _counts(match: re.Match[str]) -> Iterator[tuple[str, Value]]:
    yield "count", float(match[1] or match[2])


def _sizes(match: re.Match[str]) -> Iterator[tuple[str, Value]]:
    system = match[1] if match[1] in ("eu", "uk", "us") else ""
    if match[2] in ("s", "m", "l"):
        yield "letter size", match[2]
    else:
        yield f"size {system}".strip(), match[2].replace(",", ".")


def _letter_sizes(match: re.Match[str]) -> Iterator[tuple[str, Value]]:
    times = int(match[1][0]) if match[1][0].isdigit() else len(match[1])
    yield "letter size", "x" * times + match[2]


def _number(text: str, comma: bool) -> float:
    """A number as its locale writes it: 1,000.5 or 1.000,5; one separator with other than three digits after it is decimal."""
    grouping, decimal = (".", ",") if comma else (",", ".")
    if not re.fullmatch(rf"\d{{1,3}}(?:\{grouping}\d{{3}})+(?:\{decimal}\d+)?", text):
        grouping = "" if text.count(grouping) == 1 and decimal not in text else grouping
    if grouping:
        text = text.replace(grouping, "")
    head, _, tail = text.replace(",", ".").rpartition(".")
    return float(f"{head.replace('.', '')}.{tail}" if head else tail)


def _among(value: Value, wanted: Collection[Value]) -> bool:
    if isinstance(value, str):
        return value in wanted
    return any(isinstance(w, float) and abs(value - w) <= TOLERANCE * max(value, w) for w in wanted)


def _label(kind: str) -> str:
    """The kind without what distinguishes it: "size" of "size eu", "model" of "model wh#xm#"."""
    head = kind.partition(" ")[0]
    return head if head in ("model", "number", "size") else kind


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"
