"""A seed's share of the shop's words."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leser_catalogue.grammar import Attribute, Grammar, Word, grammar
from leser_catalogue.words import data

TYPES_A_WORLD = 70
VALUES_A_SLOT = 4
VALUES_OF_COLOUR = 8
PHRASES_A_TYPE = 2
PHRASES_A_NEED = 2
SHARE_SECOND_PHRASE = 0.35  # of attribute values that shoppers call by two phrases, not one
LEAST_NEEDS, MOST_NEEDS = 26, 28


@dataclass(frozen=True, slots=True)
class ProductType:
    """A product type of one world: the catalogue's word, and the phrases of this world's shoppers.

    `endings` are those of an adjective before the name or a phrase.
    """

    name: str
    department: str
    phrases: tuple[str, ...]
    slots: tuple[str, ...]
    sizes: str
    price: tuple[int, int]
    endings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Slot:
    """A kind of attribute: its label in texts, and for each of the catalogue's values the phrases of shoppers."""

    name: str
    label: str
    values: Mapping[str, tuple[str, ...]]
    words: Mapping[str, Word]
    after: str = ""
    after_adjectives: bool = False

    def attribute(self, phrase: str) -> Attribute:
        """A value or phrase with what grammar needs to place it."""
        return Attribute(self.words[phrase], self.after, self.after_adjectives)


@dataclass(frozen=True, slots=True)
class Need:
    """A vague need: phrases of shoppers, and the types that serve it first (core) or also help (rim).

    `frames` says for each phrase which frames fit it; `articles` gives a phrase with its article.
    """

    name: str
    phrases: tuple[str, ...]
    frames: Mapping[str, str]
    articles: Mapping[str, str]
    core: tuple[str, ...]
    rim: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The vocabulary of one world."""

    language: str
    types: Mapping[str, ProductType]
    slots: Mapping[str, Slot]
    needs: Mapping[str, Need]


def _some(rng: random.Random, items: Sequence[str], number: int) -> list[str]:
    """`number` of the items (or all), in their old order."""
    chosen = set(rng.sample(list(items), min(number, len(items))))
    return [item for item in items if item in chosen]


def draw(seed: int, language: str = "en") -> Vocabulary:
    """This seed's share of the vocabulary: other seeds hold other types, values, phrases and needs."""
    rng = random.Random(f"{seed} vocabulary")
    rules = grammar(language)
    entries = {
        name: (department, entry)
        for department, group in data("types", language).items()
        for name, entry in group.items()
    }
    types = _types(rng, rules, entries)
    while len(needs := _needs(rng, rules, types, data("needs", language))) < LEAST_NEEDS:
        types = _types(rng, rules, entries)
    kept = _some(rng, list(needs), MOST_NEEDS)
    users = Counter(slot for kind in types.values() for slot in kind.slots)
    attributes = data("attributes", language)
    slots = {name: _slot(rng, rules, name, attributes[name], users[name]) for name in attributes if users[name]}
    return Vocabulary(language, types, slots, {name: needs[name] for name in kept})


def _slot(rng: random.Random, rules: Grammar, name: str, entry: Mapping[str, Any], users: int) -> Slot:
    """A slot's values in this world: fewer where few types use it, so that shoppers speak of each often enough."""
    values = _some(rng, list(entry["values"]), VALUES_OF_COLOUR if name == "colour" else min(users + 1, VALUES_A_SLOT))
    phrases: dict[str, tuple[str, ...]] = {}
    words: dict[str, Word] = {}
    for value in values:
        second = users > 3 and rng.random() < SHARE_SECOND_PHRASE
        own = rules.word(value)
        said = [rules.word(phrase) for phrase in _some(rng, entry["values"][value], 2 if second else 1)]
        phrases[own.plain] = tuple(word.plain for word in said)
        words |= {word.plain: word for word in (own, *said)}
    return Slot(name, entry["label"], phrases, words, entry.get("after", ""), entry.get("after_adjectives", False))


def _types(rng: random.Random, rules: Grammar, entries: Mapping[str, tuple[str, Any]]) -> dict[str, ProductType]:
    types = {}
    for marked in _some(rng, list(entries), TYPES_A_WORLD):
        department, entry = entries[marked]
        said = _some(rng, entry["shopper"], PHRASES_A_TYPE)
        endings = dict(rules.noun(noun) for noun in (marked, *said))
        name, *phrases = endings
        low, high = entry["price"]
        types[name] = ProductType(
            name, department, tuple(phrases), tuple(entry["slots"]), entry["sizes"], (low, high), endings
        )
    return types


def _needs(
    rng: random.Random, rules: Grammar, types: Mapping[str, ProductType], entries: Mapping[str, Any]
) -> dict[str, Need]:
    """The needs that a world's types can serve: at least two core types, and three in all."""
    needs = {}
    for name, entry in entries.items():
        if name == "frames":
            continue
        core = tuple(t for t in entry["core"] if t in types)
        rim = tuple(t for t in entry["rim"] if t in types)
        if len(core) >= 2 and len(core) + len(rim) >= 3:
            kinds = {phrase: kind for kind in entries["frames"] for phrase in entry.get(kind, [])}
            chosen = {rules.noun(marked)[0]: marked for marked in _some(rng, list(kinds), PHRASES_A_NEED)}
            frames = {phrase: kinds[marked] for phrase, marked in chosen.items()}
            articles = {phrase: rules.with_article(marked) for phrase, marked in chosen.items()}
            needs[name] = Need(name, tuple(chosen), frames, articles, core, rim)
    return needs
