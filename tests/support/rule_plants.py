"""Violations planted on purpose: each entry of a profile's lists and each limit, as it is and disguised, beside clean words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from naive_checker import Forbidden, forms_of, names, words_of
from rule_cases import disguised

Clean = Sequence[tuple[str, str]]
"""Queries, each with an expansion that breaks no rule."""


@dataclass(frozen=True)
class Plant:
    """Expansions of which the one at `at` breaks the rule; without `at` all of them do together."""

    rule: str
    query: str
    texts: tuple[str, ...]
    at: int | None = None
    weight: float = 1.0

    def came_out(self, served: Sequence[str]) -> bool:
        """Whether what was planted is among what is served."""
        return tuple(served) == self.texts if self.at is None else self.texts[self.at] in served


TRICKS = ("case", "parted", "invisible", "marks", "alike", "maths")
CONTACTS = (
    "call 555 123 4567", "me@shop.example", "www.shop.example", "http://a.b", "+49 (0) 30 / 12 34 56", "@handle",
    "me (at) shop (dot) com", "cheap-shop.com", "5-5-5-1-2-3-4", "laden punkt de", "bit.ly/x", "555.123.4567",
)  # fmt: skip
STRANGE = ("диван", "沙发", "ソファ", "sofa😀", "ｓofa", "so\u0301fa", "ʂofa", "ﬁne", "50 €", "tv™", "ñandú", "søfa")
PINNED = {
    False: (
        ("phone 64 gb", "128 gb"), ("phone 64gb", "1 tb"), ("desk 120 cm", "80 cm"), ("tv 55 inch", '65"'),
        ("kettle 1.5 l", "500 ml"), ("shoes size 42", "size 43"), ("shirt xl", "xxl"), ("batteries pack of 8", "4 pack"),
        ("galaxy a55", "a54"), ("iphone 14 case", "iphone 13"), ("sony wh-1000xm4", "wh 1000xm5"),
        ("shoes without leather", "leather boots"), ("sugar-free gum", "sugar"), ("sofa not velvet", "velvet sofa"),
    ),
    True: (
        ("handy 64 gb", "128 gb"), ("handy 64gb", "1 tb"), ("tisch 120 cm", "80 cm"), ("fernseher 55 zoll", "65 zoll"),
        ("karaffe 1,5 l", "2 liter"), ("karaffe 1,5 l", "500 ml"), ("schuhe größe 42", "größe 43"), ("hemd xl", "xxl"),
        ("windeln 24 stück", "12 stück"), ("6er pack wasser", "12er pack"), ("galaxy a55", "a54"),
        ("iphone 14 hülle", "iphone 13"), ("schuhe ohne leder", "leder stiefel"), ("zuckerfrei kaugummi", "zucker"),
    ),
}  # fmt: skip
"""What a query pins down and what contradicts it, in English and (True) in German."""


def planted(rule: str, forbidden: Forbidden, clean: Clean, draw: random.Random) -> list[Plant]:
    """Everything that is planted against one rule; the same for the same `draw`. Raises ValueError for an unknown rule."""
    makers = {
        "banned": _banned,
        "competitor": _competitors,
        "restricted": _restricted,
        "protected": _protected,
        "script": _strange,
        "contact": _contacts,
        "count": _counted,
        "repetition": _repeated,
    }
    if rule not in makers:
        raise ValueError(f"Nothing is planted against the rule '{rule}'. Known: {', '.join(makers)}.")
    return list(makers[rule](forbidden, clean, draw))


def disguises(entry: str, german: bool, draw: random.Random, *, brand: bool) -> Iterator[str]:
    """An entry of a list as it is, in its other forms, under each trick by itself and under several at once.

    A brand's other form is its genitive: its plural is often a word ("swatches").
    """
    entry = entry.lower()
    *head, last = entry.split()
    forms = [last, f"{last}'s", f"{last}\u2019s"] if brand else forms_of(last, german)
    yield from (" ".join([*head, form]) for form in forms)
    for trick in TRICKS:
        yield disguised(entry, draw, [trick])
    yield disguised(entry, draw)


def _among(rule: str, text: str, clean: Clean, draw: random.Random, query: str | None = None) -> Plant:
    """The text at some place among clean expansions."""
    asked, beside = draw.choice(clean)
    texts = [beside] if draw.random() < 0.7 else []
    at = draw.randint(0, len(texts))
    texts.insert(at, text)
    return Plant(rule, query or asked, tuple(texts), at)


def _listed(
    rule: str, entries: Sequence[str], opens: Sequence[str], forbidden: Forbidden, clean: Clean, draw: random.Random
) -> Iterator[Plant]:
    """Each entry in every disguise, beside a clean word, and a phrase spread over two expansions; `opens` would allow it."""
    german = forbidden.german
    closed = [(q, text) for q, text in clean if not any(names(e, words_of(q, german), german) for e in opens)]
    for entry in entries:
        for text in disguises(entry, german, draw, brand=rule == "competitor"):
            yield _among(rule, text, closed, draw)
        yield _among(rule, f"{_word(closed, draw)} {entry}", closed, draw)
        parts = entry.split()
        if len(parts) == 2 and forbidden.one_search:
            yield Plant(rule, draw.choice(closed)[0], tuple(parts))


def _banned(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    yield from _listed("banned", forbidden.banned, (), forbidden, clean, draw)
    for pattern in forbidden.banned_regexes:
        for _ in range(10):
            yield _among("banned", example_of(pattern, draw), clean, draw)


def _competitors(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    yield from _listed("competitor", forbidden.competitors, forbidden.competitors, forbidden, clean, draw)


def _restricted(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    for entries in forbidden.categories.values():
        yield from _listed("restricted", entries, entries, forbidden, clean, draw)


def _protected(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    german = forbidden.german
    clean = [
        (q, text) for q, text in clean if not any(names(b, words_of(text, german), german) for b in forbidden.brands)
    ]
    for brand in forbidden.brands:
        asked = draw.choice(
            [b for b in forbidden.brands if b != brand and not names(brand, words_of(b, german), german)]
        )
        for text in disguises(brand, german, draw, brand=True):
            yield _among("protected", text, clean, draw, f"{asked.lower()} {_word(clean, draw)}")
    for query, text in PINNED[german]:
        yield _among("protected", text, [(query, _word(clean, draw))], draw)
        heavy = _words(clean, draw, 5)
        yield Plant("protected", query, heavy, weight=4.0)


def _strange(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    known = forbidden.letters or ""
    for text in STRANGE:
        if any(not ch.isascii() and ch not in known for ch in text):
            yield _among("script", text, clean, draw)
    for _ in range(100):
        word = _word(clean, draw)
        hidden = disguised(word, draw, [draw.choice(("alike", "maths", "marks", "invisible"))])
        if hidden != word and not set(hidden) <= {*word, *known}:
            yield _among("script", hidden, clean, draw)


def _contacts(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    for text in CONTACTS:
        yield _among("contact", text, clean, draw)
    for _ in range(50):
        digits = "".join(draw.choices("0123456789", k=draw.randint(7, 12)))
        cut = draw.randint(2, 5)
        yield _among("contact", f"{digits[:cut]}{draw.choice(' -/.')}{digits[cut:]}", clean, draw)
        yield _among("contact", f"{_plain_word(clean, draw)}.{draw.choice(('com', 'net', 'de', 'shop'))}", clean, draw)


def _counted(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    for _ in range(40):
        yield _among("count", " ".join(_words(clean, draw, forbidden.most_words + 1)), clean, draw)
        yield _among("count", draw.choice("abxyz258"), clean, draw)
        yield _among("count", _plain_word(clean, draw) * 40, clean, draw)
        many = _words(clean, draw, forbidden.most + 1)
        yield Plant("count", draw.choice(clean)[0], many)


def _repeated(forbidden: Forbidden, clean: Clean, draw: random.Random) -> Iterator[Plant]:
    for _ in range(100):
        query, _ = draw.choice(clean)
        word, other = _words(clean, draw, 2)
        yield Plant("repetition", query, (word, other, word.upper()))
        yield Plant("repetition", query, (f"{word} {other}", word))
        yield Plant("repetition", query, (max(query.split(), key=len),), 0)


def _word(clean: Clean, draw: random.Random) -> str:
    return _words(clean, draw, 1)[0]


def _plain_word(clean: Clean, draw: random.Random) -> str:
    """One of letters from a to z only."""
    return draw.choice([word for _, text in clean for word in text.split() if re.fullmatch("[a-z]{4,}", word)])


def _words(clean: Clean, draw: random.Random, count: int) -> tuple[str, ...]:
    """So many of the catalogue's words, no two alike in their first letters (nor then in their stems)."""
    found: dict[str, str] = {}
    while len(found) < count:
        word = draw.choice(draw.choice(clean)[1].split())
        if word.isalpha() and len(word) > 4:
            found.setdefault(word[:4].lower(), word.lower())
    return tuple(found.values())


def example_of(pattern: str, draw: random.Random) -> str:
    r"""A text that the pattern matches. Reads letters, classes, groups with |, \b \s \d, and ? * +; raises ValueError."""
    for _ in range(50):
        text, _ = _alternatives(pattern, 0, draw)
        if re.search(pattern, text):
            return text
    raise ValueError(f"No text was found that the pattern '{pattern}' matches: it is beyond what example_of reads.")


def _alternatives(pattern: str, at: int, draw: random.Random) -> tuple[str, int]:
    """One of the alternatives from `at` to the end of its group, and where that is."""
    branches = [""]
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            branches.append("")
            at += 1
            continue
        piece, at = _piece(pattern, at, draw)
        if pattern[at : at + 1] in ("?", "*", "+"):
            piece = piece if pattern[at] == "+" else draw.choice(("", piece))
            at += 1
        branches[-1] += piece
    return draw.choice(branches), at


def _piece(pattern: str, at: int, draw: random.Random) -> tuple[str, int]:
    if pattern[at] == "(":
        inner, end = _alternatives(pattern, at + (3 if pattern.startswith("(?:", at) else 1), draw)
        return inner, end + 1
    if pattern[at] == "[":
        end = pattern.index("]", at)
        return draw.choice(pattern[at + 1 : end]), end + 1
    if pattern[at] == "\\":
        meant = {"b": "", "s": " ", "d": draw.choice("0123456789")}
        return meant.get(pattern[at + 1], pattern[at + 1]), at + 2
    return pattern[at], at + 1
