"""A naive second opinion on rules: plain loops over plain lists, sharing no code with leser.rules and importing nothing of it.

It is slow and simple on purpose. What it calls a violation must never come out of the serving filter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

LOOK_LIKE = dict(
    zip(
        "аеорсухіјѕвнкмтԁһԛԝ" + "αορνικτυχβ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" + "АВЕКМНОРСТХ" + "ɑɡıƖ",
        "aeopcyxijsbhkmtdhqw" + "aopviktuxb" + "abezhikmnoptyx" + "abekmhopctx" + "agil",
        strict=True,
    )
)
SIZE = re.compile(r"(\d+)\s*gb")


@dataclass(frozen=True)
class Forbidden:
    """What the lists say, as plain words in lower case."""

    banned: Sequence[str] = ()
    banned_regexes: Sequence[str] = ()
    competitors: Sequence[str] = ()
    categories: dict[str, Sequence[str]] = field(default_factory=dict)
    brands: Sequence[str] = ()
    vocabulary: frozenset[str] | None = None
    most: int = 99
    most_words: int = 99
    most_characters: int = 999
    least_characters: int = 1
    max_weight: float = float("inf")
    latin_only: bool = False
    no_contacts: bool = False
    one_search: bool = True


def plain(text: str) -> str:
    """Lower-case ASCII as far as a reader would take it for that; whatever is invisible is gone."""
    out = []
    for whole in text:
        for ch in unicodedata.normalize("NFKD", whole):
            if ch.isspace():
                out.append(" ")
            elif unicodedata.category(ch) in ("Mn", "Me", "Cf", "Cc", "Co") or ch in "\u115f\u1160\u3164\u2800":
                continue
            elif ch in LOOK_LIKE:
                out.append(LOOK_LIKE[ch])
            elif ch.lower() in LOOK_LIKE:
                out.append(LOOK_LIKE[ch.lower()])
            else:
                out.append(ch.casefold())
    return "".join(out)


def words_of(text: str) -> set[str]:
    """Every word a reader may see: parted by punctuation, joined across it, and anywhere in letters set apart."""
    seen = plain(text)
    words = set(re.findall(r"[^\W_]+", seen))
    for chunk in seen.split():
        words.add("".join(ch for ch in chunk if ch.isalnum()))
    run = ""
    for piece in [*re.findall(r"[^\W_]+", seen), "end"]:
        if len(piece) == 1:
            run += piece
            continue
        words |= {run[start:end] for start in range(len(run)) for end in range(start + 2, len(run) + 1)}
        run = ""
    return words


def names(entry: str, words: set[str]) -> bool:
    """True when all words of the entry are there, or their plurals."""
    return all(part in words or f"{part}s" in words for part in re.findall(r"[^\W_]+", plain(entry)))


def naive_violations(
    query: str, texts: Sequence[str], forbidden: Forbidden, weights: Sequence[float] | None = None
) -> list[str]:
    """Every violation found, as "code: what"; `weights` are the clauses' weights as they are searched with."""
    found: list[str] = []
    asked = words_of(query)
    bags = [words_of(text) for text in texts]
    if forbidden.one_search:
        bags.append(set().union(*bags))
    for bag in bags:
        found += [f"banned: {entry}" for entry in forbidden.banned if names(entry, bag)]
        found += [f"competitor: {b}" for b in forbidden.competitors if names(b, bag) and not names(b, asked)]
        for category, entries in forbidden.categories.items():
            if not any(names(e, asked) for e in entries):
                found += [f"restricted: {category}: {e}" for e in entries if names(e, bag)]
        if any(names(b, asked) for b in forbidden.brands):
            found += [f"protected: {b}" for b in forbidden.brands if names(b, bag) and not names(b, asked)]
    for text in texts:
        found += _of_one(query, text, forbidden, asked)
    if len(texts) > forbidden.most:
        found.append(f"count: {len(texts)} expansions")
    pinned = any(names(b, asked) for b in forbidden.brands) or SIZE.search(plain(query)) or "without" in asked
    if pinned and weights is not None and sum(weights) > forbidden.max_weight + 1e-9:
        found.append(f"protected: weighs {sum(weights)}")
    return found + _repeated(query, texts, forbidden.one_search)


def _of_one(query: str, text: str, forbidden: Forbidden, asked: set[str]) -> list[str]:
    found = []
    seen = plain(text)
    own = re.findall(r"[^\W_]+", seen)
    found += [f"banned: {r}" for r in forbidden.banned_regexes if re.search(r, seen)]
    if len(own) > forbidden.most_words or len(text) > forbidden.most_characters:
        found.append("count: too long")
    if sum(map(len, own)) < forbidden.least_characters:
        found.append("count: too short")
    if forbidden.vocabulary is not None:
        found += [f"vocabulary: {w}" for w in own if w not in forbidden.vocabulary and w not in asked]
    if forbidden.latin_only:
        letters = [ch for ch in text if unicodedata.category(ch)[0] in "LM"]
        found += [f"script: {ch!r}" for ch in letters if not unicodedata.name(ch, "").startswith("LATIN ")]
        found += [f"script: {ch!r}" for ch in text if unicodedata.category(ch) in ("Cf", "Cc", "Co", "Mn", "So")]
    if forbidden.no_contacts:
        digits = re.sub(r"\D", "", plain(query))
        for run in re.findall(r"\d[\d\s().\-/]*", seen):
            number = re.sub(r"\D", "", run)
            years = re.fullmatch(r"(?:19|20)\d\d(?:19|20)\d\d", number) and len(run.strip()) > 8
            if len(number) >= 7 and number not in digits and not years:
                found.append(f"contact: {run}")
        if re.search(r"\w@\w+\.\w\w", seen) or "http:" in seen or "www." in seen:
            found.append("contact: address")
    sizes, said = set(SIZE.findall(plain(query))), set(SIZE.findall(seen))
    if sizes and said - sizes and forbidden.max_weight != float("inf"):
        found.append(f"protected: {said} for {sizes}")
    for ruled_out in re.findall(r"\bwithout ([a-z]+)", plain(query)):
        if ruled_out in own and forbidden.max_weight != float("inf"):
            found.append(f"protected: {ruled_out} is ruled out")
    return found


def _repeated(query: str, texts: Sequence[str], one_search: bool) -> list[str]:
    """Plain repetition, without any stemming: the engine's own would find more."""
    rows = [text.lower().split() for text in texts]
    if not one_search:
        sets = [frozenset(row) for row in rows]
        return ["repetition: twice"] if len(set(sets)) < len(sets) else []
    flat = [word for row in rows for word in row if word.isalpha() and len(word) > 3]
    found = ["repetition: twice"] if len(set(flat)) < len(flat) else []
    asked = set(query.lower().split())
    return found + [f"repetition: {row}" for row in rows if row and set(row) <= asked]
