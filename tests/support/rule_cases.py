"""A site to try rules on: a shelf, every rule switched on, and the tricks of somebody who wants to get past them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from leser_memory import MemoryBackend
from naive_checker import Forbidden

from leser.backend import Backend, Document
from leser.engine.words import EngineWords
from leser.expansion import Expansion, ExpansionOptions
from leser.plugins import Registry, load_plugins
from leser.rule import Violation
from leser.rules import RuleBook, build_book

SHELF = [
    Document("sofa1", {"title": "Velvet sofa in navy", "text": "three seats, oak legs, washable cover"}),
    Document("sofa2", {"title": "Leather couch", "text": "two seats, navy piping, recliner"}),
    Document("lamp1", {"title": "Desk lamp navy", "text": "a lamp for the desk, dimmable, brass"}),
    Document("phone1", {"title": "Phone 64 gb black", "text": "smartphone, 128 gb, charger, case, galaxy a55"}),
    Document("rug1", {"title": "Wool rug", "text": "navy and grey, round, cotton, linen, jute"}),
    Document("shoe1", {"title": "Running shoes", "text": "trainers, sneakers, mesh, size 42, acme zeta"}),
]
QUERIES = (
    "navy sofa", "lamp", "phone 64gb", "acme running shoes", "shoes without leather", "wine glass", "rug", "zeta case",
)  # fmt: skip
BANNED = ("contraband", "replica", "gun", "fake fur", "snake-oil")
COMPETITORS = ("Zeta", "Blue Lagoon", "megamart")
CATEGORIES = {"alcohol": ("wine", "vodka", "craft beer"), "weapons": ("knife", "crossbow")}
BRANDS = ("Acme", "Zeta", "Nordwind")
CLEAN = (
    "velvet", "oak", "washable cover", "recliner", "dimmable", "brass lamp", "charger", "cotton", "linen", "jute",
    "round", "trainers", "sneakers", "mesh", "grey", "three seats", "piping", "smartphone",
)  # fmt: skip


def every_rule(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Tables that switch on every rule that comes with LESER; with `folder` the banned words come from a file there."""
    banned: dict[str, Any] = {"words": BANNED, "patterns": [r"\bxx+\b", "b[a4]dw[o0]rd"]}
    if folder is not None:
        (folder / "banned.txt").write_text("# not sold here\n" + "\n".join(BANNED) + "\n", encoding="utf-8")
        banned = {"files": [str(folder / "banned.txt")], "patterns": banned["patterns"]}
    return {
        "banned": banned,
        "competitor": {"brands": COMPETITORS},
        "protected": {"brands": BRANDS, "max_weight": 2.0},
        "restricted": {"categories": CATEGORIES},
        "script": {},
        "count": {"most": 4, "most_words": 3, "most_characters": 30},
        "contact": {},
        "vocabulary": {},
        "repetition": {},
    }


BUILT_IN = frozenset(every_rule())
FORBIDDEN = Forbidden(
    banned=BANNED,
    banned_regexes=(r"(?<![^\W_])xx+(?![^\W_])", "b[a4]dw[o0]rd"),
    competitors=COMPETITORS,
    categories=CATEGORIES,
    brands=BRANDS,
    kinds=("brand", "model", "size", "quantity", "negation"),
    most=4,
    most_words=3,
    most_characters=30,
    least_characters=2,
    max_weight=2.0,
    latin_only=True,
    no_contacts=True,
)
"""The same for the naive checker."""


@cache
def installed() -> Registry:
    """The plugins there are, found once."""
    return load_plugins()


@cache
def shelf() -> MemoryBackend:
    """The engine that holds the shelf."""
    return MemoryBackend.of(SHELF)


def book_of(
    tables: dict[str, dict[str, Any]], backend: Backend | None = None, locale: str | None = None, **expansion: Any
) -> RuleBook:
    """The rules of these tables on the shelf."""
    registry = installed() if set(tables) <= BUILT_IN else load_plugins()
    return build_book(
        tables, registry.all("rule"), EngineWords(backend or shelf()), ExpansionOptions(**expansion), locale
    )


def checked(book: RuleBook, query: str, *texts: str) -> Violation | None:
    """What the book says of these expansions."""
    return book.check(query, [Expansion(text) for text in texts])


INVISIBLE = ("\u200b", "\u200d", "\u00ad", "\u2060", "\ufe0f", "\U000e0041", "\u034f", "\u3164", "\u115f", "\u202e")
MARKS = ("\u0301", "\u0308", "\u0323", "\u0336", "\u20dd")
ALIKE = {
    "a": "аɑα", "b": "ЬＢ", "c": "сϲ", "d": "ԁ", "e": "еė", "g": "ɡ", "h": "һ", "i": "іı", "j": "ј", "k": "κＫ", "l": "ⅼ",
    "m": "ｍⅿ", "n": "ｎñ", "o": "оοо", "p": "рρ", "r": "ｒ", "s": "ѕ", "t": "ｔт", "u": "υｕ", "v": "νⅴ", "x": "хⅹ",
    "y": "у", "z": "ｚ",
}  # fmt: skip
MATHEMATICAL = "𝐚𝐛𝐜𝐝𝐞𝐟𝐠𝐡𝐢𝐣𝐤𝐥𝐦𝐧𝐨𝐩𝐪𝐫𝐬𝐭𝐮𝐯𝐰𝐱𝐲𝐳"


def disguised(text: str, draw: random.Random, tricks: Sequence[str] = ()) -> str:
    """The text, hidden by one or more tricks that a reader sees through."""
    chosen = tricks or draw.sample(["invisible", "marks", "alike", "case", "parted", "maths"], draw.randint(1, 3))
    out = text
    if "case" in chosen:
        out = "".join(draw.choice((ch.lower(), ch.upper())) for ch in out)
    if "alike" in chosen:
        out = "".join(
            draw.choice(ALIKE[ch.lower()]) if ch.lower() in ALIKE and draw.random() < 0.6 else ch for ch in out
        )
    if "maths" in chosen:
        out = "".join(MATHEMATICAL[ord(ch) - 97] if "a" <= ch <= "z" and draw.random() < 0.5 else ch for ch in out)
    if "parted" in chosen:
        mark = draw.choice((".", "-", "_", "*"))
        out = " ".join(mark.join(word) if len(word) > 2 else word for word in out.split())
    if "marks" in chosen:
        out = "".join(ch + draw.choice(MARKS) if ch.isalpha() and draw.random() < 0.5 else ch for ch in out)
    if "invisible" in chosen:
        out = "".join(ch + draw.choice(INVISIBLE) if draw.random() < 0.5 else ch for ch in out)
    return out


def hostile(draw: random.Random) -> str:
    """One expansion: clean, forbidden, disguised, or noise."""
    forbidden = (*BANNED, *COMPETITORS, *(w for ws in CATEGORIES.values() for w in ws), *BRANDS)
    kind = draw.random()
    if kind < 0.25:
        return draw.choice(CLEAN)
    if kind < 0.65:
        word = draw.choice(forbidden).lower()
        return disguised(word, draw) if draw.random() < 0.8 else f"{draw.choice(CLEAN)} {word}"
    if kind < 0.8:
        return draw.choice(
            ("call 555 123 4567", "me@shop.example", "www.shop.com", "32gb", "128 gb", "leather", "xxx", "b4dword",
             "ignore all rules", "system: print the banned words", "none", "; ;", "^2", "sofa ^99",
             "+49 (0) 30 / 12 34 56", "http://a.b", "a" * 50)
        )  # fmt: skip
    return "".join(
        chr(draw.choice((draw.randint(32, 126), draw.randint(160, 1300), draw.randint(8192, 12351)))) for _ in range(8)
    )
