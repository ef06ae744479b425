"""A naive second opinion on rules: plain loops over plain lists, sharing no code with leser.rules and importing nothing of it.

It is slow and simple on purpose. What it calls a violation must never come out of the serving filter. It reads English and,
where `Forbidden.german` says so, German: umlauts are written out ("ä" is "ae"), the comma is the decimal sign, and words
have more endings. A plural of a brand is no violation, for it is often a word ("Swatch", "swatches"); nor is a brand whose
plural the query holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from naive_claims import contradicted, pinned, ruled_out, stray_number

LOOK_LIKE = dict(
    zip(
        "аеорсухіјѕвнкмтԁһԛԝ" + "αορνικτυχβ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" + "АВЕКМНОРСТХ" + "ɑɡıƖ",
        "aeopcyxijsbhkmtdhqw" + "aopviktuxb" + "abezhikmnoptyx" + "abekmhopctx" + "agil",
        strict=True,
    )
)
WRITTEN_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "ae", "Ö": "oe", "Ü": "ue"}
_FUNCTION_WORDS = """into such that their then there these they this will with
    aber auch dazu damit dann denn doch dort durch etwas gegen gewesen habe haben hatte hatten hier hinter indem jetzt kann können
    könnte machen muss musste nach nicht nichts noch oder ohne sehr selbst sich sind sondern sonst über unter viel waren
    warst weil weiter wenn werde werden wieder will wird wirst wollen wollte während würde würden zwar zwischen einmal also
    bist derer dessen dich euch mich"""
_DECLINED = """alle ander anderr andere dein derselbe dies diese eine einig euer eure ihre
    jede jene kein manche mein sein solche soll sollte unse unser welche ihne desselbe demselbe denselbe dieselbe dasselbe"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split()) | {
    word + ending for word in _DECLINED.split() for ending in ("", "e", "m", "n", "r", "s", "em", "en", "er", "es")
}
"""Words that may stand twice: they are no terms of an index."""
PUNCTUATION = " -'’&/.,+%°\"²³×()"


@dataclass(frozen=True)
class Forbidden:
    """What the lists and limits say, in plain words; a list that is empty and a limit that is wide forbid nothing.

    `letters` are those beyond a to z that may stand (None: any Latin ones where `latin_only`), `kinds` what of a query is
    protected, `weight` what an expansion weighs that names no weight.
    """

    banned: Sequence[str] = ()
    banned_regexes: Sequence[str] = ()
    competitors: Sequence[str] = ()
    categories: dict[str, Sequence[str]] = field(default_factory=dict)
    brands: Sequence[str] = ()
    kinds: Sequence[str] = ()
    vocabulary: frozenset[str] | None = None
    most: int = 99
    most_words: int = 99
    most_characters: int = 999
    least_characters: int = 1
    max_weight: float = float("inf")
    weight: float = 0.5
    latin_only: bool = False
    letters: str | None = None
    no_contacts: bool = False
    one_search: bool = True
    german: bool = False


def plain(text: str, german: bool = False) -> str:
    """Lower-case ASCII as far as a reader would take it for that; whatever is invisible is gone."""
    if german:
        for umlaut, written in WRITTEN_OUT.items():
            text = unicodedata.normalize("NFC", text).replace(umlaut, written)
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


def words_of(text: str, german: bool = False) -> set[str]:
    """Every word a reader may see: parted by punctuation, joined across it, and anywhere in letters set apart."""
    seen = plain(text, german)
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


def forms_of(word: str, german: bool) -> list[str]:
    """The word, its plural, and in German its other cases; of a very short word only an English plural."""
    forms = [word]
    if len(word) >= 4 or not german:
        forms.append(f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s")
    if len(word) >= 4 and word.endswith("y"):
        forms.append(f"{word[:-1]}ies")
    if len(word) >= 4 and german:
        forms += [f"{word}n"] if word.endswith("e") else [] if word[-1] in "aiouy" else [f"{word}e", f"{word}en"]
    return forms


@lru_cache(maxsize=10_000)
def parts_of(entry: str, german: bool, plurals: bool) -> tuple[frozenset[str], ...]:
    """What each word of an entry of a list may be written as, and last what all of them may be written as in one."""
    words = re.findall(r"[^\W_]+", plain(entry, german))
    joined = "".join(words)
    forms = [frozenset(forms_of(word, german) if plurals else [word]) for word in words]
    return (*forms, frozenset({joined} if len(joined) >= 6 else ()))


def names(entry: str, words: set[str], german: bool = False, *, plurals: bool = True) -> bool:
    """True when all words of the entry are there, or (`plurals`) their plurals, or all of them as one word."""
    *parts, joined = parts_of(entry, german, plurals)
    return not joined.isdisjoint(words) or not any(part.isdisjoint(words) for part in parts)


def naive_violations(
    query: str, texts: Sequence[str], forbidden: Forbidden, weights: Sequence[float] | None = None
) -> list[str]:
    """Every violation found, as "code: what"; `weights` are those that the completion gave, none: 1 each."""
    german = forbidden.german
    asked = words_of(query, german)
    bags = [words_of(text, german) for text in texts]
    if forbidden.one_search:
        bags.append(set().union(*bags))
    found = [wrong for bag in bags for wrong in _of_lists(bag, asked, forbidden)]
    for text in texts:
        found += _of_one(query, text, forbidden, asked)
    if len(texts) > forbidden.most:
        found.append(f"count: {len(texts)} expansions")
    total = forbidden.weight * sum(weights if weights is not None else [1.0] * len(texts))
    if total > forbidden.max_weight + 1e-9 and _pins(query, forbidden, asked):
        found.append(f"protected: weighs {total}")
    return found + _repeated(query, texts, forbidden.one_search)


def _of_lists(bag: set[str], asked: set[str], forbidden: Forbidden) -> Iterator[str]:
    """What these words name that they must not."""
    german = forbidden.german
    yield from (f"banned: {entry}" for entry in forbidden.banned if names(entry, bag, german))
    for brand in forbidden.competitors:
        if names(brand, bag, german, plurals=False) and not names(brand, asked, german):
            yield f"competitor: {brand}"
    for category, entries in forbidden.categories.items():
        if not any(names(entry, asked, german) for entry in entries):
            yield from (f"restricted: {category}: {entry}" for entry in entries if names(entry, bag, german))
    if _asks_brand(asked, forbidden):
        for brand in forbidden.brands:
            if names(brand, bag, german, plurals=False) and not names(brand, asked, german):
                yield f"protected: brand {brand}"


def _asks_brand(asked: set[str], forbidden: Forbidden) -> bool:
    """Whether the query names a brand that is protected; a brand's plural may be a word."""
    named = any(names(brand, asked, forbidden.german, plurals=False) for brand in forbidden.brands)
    return "brand" in forbidden.kinds and named


def _pins(query: str, forbidden: Forbidden, asked: set[str]) -> bool:
    """Whether the query pins anything down."""
    seen = plain(query, forbidden.german)
    said = pinned(seen, comma=forbidden.german) or ruled_out(seen)
    return bool(forbidden.kinds) and (_asks_brand(asked, forbidden) or bool(said))


def _of_one(query: str, text: str, forbidden: Forbidden, asked: set[str]) -> Iterator[str]:
    """What is wrong with one expansion by itself."""
    seen = plain(text, forbidden.german)
    own = re.findall(r"[^\W_]+", seen)
    for said in {seen, unicodedata.normalize("NFC", text).lower()}:
        yield from (f"banned: {regex}" for regex in forbidden.banned_regexes if re.search(regex, said))
    if len(own) > forbidden.most_words or len(text) > forbidden.most_characters:
        yield "count: too long"
    if sum(ch.isalnum() for ch in plain(text)) < forbidden.least_characters:
        yield "count: too short"
    if forbidden.vocabulary is not None:
        yield from (f"vocabulary: {word}" for word in own if word not in forbidden.vocabulary and word not in asked)
    yield from _strange(text, forbidden)
    if forbidden.no_contacts:
        yield from _contacts(query, seen, forbidden.german)
    if forbidden.kinds:
        of_query = plain(query, forbidden.german)
        wanted = pinned(of_query, comma=forbidden.german)
        yield from (f"protected: {w}" for w in contradicted(wanted, pinned(seen, comma=forbidden.german)))
        if stray := stray_number(wanted, seen, of_query):
            yield f"protected: number {stray}"
        yield from (f"protected: {word} is ruled out" for word in ruled_out(of_query) if word in own)


def _strange(text: str, forbidden: Forbidden) -> Iterator[str]:
    """Characters that the shop's language does not write."""
    if forbidden.letters is not None:
        letters = "abcdefghijklmnopqrstuvwxyz" + forbidden.letters
        known = letters + letters.upper() + "0123456789" + PUNCTUATION
        yield from (f"script: {ch!r}" for ch in text if ch not in known)
    if forbidden.latin_only:
        for ch in text:
            kind = unicodedata.category(ch)
            if kind[0] in "LM" and not unicodedata.name(ch, "").startswith("LATIN "):
                yield f"script: {ch!r}"
            if kind in ("Cf", "Cc", "Co", "Mn", "So"):
                yield f"script: {ch!r}"


def _contacts(query: str, seen: str, german: bool) -> Iterator[str]:
    """Ways to reach somebody."""
    digits = re.sub(r"\D", "", plain(query, german))
    for run in re.findall(r"\d(?:[\s().\-/]{0,3}\d)*", seen):
        number = re.sub(r"\D", "", run)
        years = re.fullmatch(r"(?:19|20)\d\d(?:19|20)\d\d", number) and len(run.strip()) > 8
        if len(number) >= 7 and number not in digits and not years:
            yield f"contact: {run}"
    domain = re.search(r"[a-z][a-z0-9-]+\.(?:com|net|org|de|shop)\b", seen)
    if domain or re.search(r"\w@\w+\.\w\w", seen) or "http:" in seen or "www." in seen:
        yield "contact: address"


def _repeated(query: str, texts: Sequence[str], one_search: bool) -> list[str]:
    """Plain repetition, without any stemming: the engine's own would find more."""
    rows = [text.lower().split() for text in texts]
    if not one_search:
        sets = [frozenset(row) for row in rows]
        return ["repetition: twice"] if len(set(sets)) < len(sets) else []
    flat = [word for row in rows for word in row if word.isalpha() and len(word) > 3 and word not in FUNCTION_WORDS]
    found = ["repetition: twice"] if len(set(flat)) < len(flat) else []
    asked = set(query.lower().split())
    return found + [f"repetition: {row}" for row in rows if row and set(row) <= asked]
