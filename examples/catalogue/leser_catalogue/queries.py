"""Queries and what they ask for: every query is made from an intent, and its judgments follow from the intent.

Grades. plain and misspelt: 2 when type and all attributes match, 1 when the type and all attributes but one match (so
for one attribute: the type). vague: 2 for core types, 1 for rim types. brand: 2 for the model, or for brand, type and
what else is asked; 1, unless a model is asked, for the same brand and type.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from leser_catalogue.grammar import grammar
from leser_catalogue.products import Product
from leser_catalogue.typos import misspell
from leser_catalogue.vocabulary import Need, ProductType, Vocabulary
from leser_catalogue.words import data

Kind = Literal["plain", "misspelt", "vague", "brand"]
HitsKind = Literal["line", "ambiguous", "shade"]
"""Kinds of the world `hits`."""
SHARE_SHOPPER_TYPE = 0.8  # of plain queries that use a shopper's word for the type
SHARE_SHOPPER_VALUE = 0.75  # of attributes in plain queries that use a shopper's word
SHARE_SHOPPER_BRAND = 0.25  # of brand queries with a type that use a shopper's word for it
ATTRIBUTES = ((1, 0.42), (2, 0.50), (3, 0.08))  # number of attributes in a plain query, and its share
SHARE_BALANCED = 0.5  # of plain queries that ask for what was asked least so far


@dataclass(frozen=True, slots=True)
class Intent:
    """What one query asks for, and its judgments.

    `clean` is the text before misspelling, joining of nouns and writing out of umlauts. `ideal` are the catalogue's words
    for its needs that the text lacks.
    """

    kind: Kind | HitsKind
    text: str
    clean: str
    ideal: tuple[str, ...]
    grades: Mapping[str, int]
    needs: Mapping[str, frozenset[str]]
    used: tuple[str, ...] = field(default=(), compare=False)
    """Shoppers' phrases in the text."""


def bag(text: str) -> tuple[str, ...]:
    """The words of a text in alphabetical order, with repetitions; ä and ae are the same letter."""
    return tuple(sorted(re.findall(r"[^\W_]+", grammar("de").fold(text.lower()))))


class Shoppers:
    """Makes the intents of one world; the least used phrases come first, so that all are used about equally often."""

    def __init__(self, seed: int, vocabulary: Vocabulary, products: Sequence[Product]) -> None:
        self._seed = seed
        self._vocabulary = vocabulary
        self._grammar = grammar(vocabulary.language)
        self._products = products
        self._of_type: dict[str, list[Product]] = {name: [] for name in vocabulary.types}
        for product in products:
            self._of_type[product.type].append(product)
        self._used: dict[str, int] = {}

    def plain(self, rng: random.Random) -> Iterator[Intent]:
        """Attributes and a type, e.g. "navy velvet couch"; every type comes equally often."""
        while True:
            for name in rng.sample(list(self._of_type), len(self._of_type)):
                yield self._plain(rng, name)

    def misspelt(self, rng: random.Random) -> Iterator[Intent]:
        """Plain queries with one word misspelt."""
        for intent in self.plain(rng):
            text = misspell(rng, self._seed, intent.clean, self._vocabulary.language)
            if text is not None:
                ideal = self._lacking(intent.needs, text)
                yield Intent("misspelt", text, intent.clean, ideal, intent.grades, intent.needs, intent.used)

    def vague(self, rng: random.Random) -> Iterator[Intent]:
        """A person or an occasion, e.g. "gift for a runner"; every need comes equally often."""
        needs = list(self._vocabulary.needs.values())
        while True:
            for need in rng.sample(needs, len(needs)):
                yield self._vague(rng, need)

    def brand(self, rng: random.Random) -> Iterator[Intent]:
        """A brand with a type, a size or an attribute, or a model: what must not be expanded away."""
        while True:
            yield self._brand(rng, rng.choice(self._products))

    def _phrase(self, rng: random.Random, key: str, phrases: Sequence[str]) -> str:
        """One of the phrases, the least used first."""
        chosen = min(phrases, key=lambda phrase: (self._used.get(f"{key} {phrase}", 0), rng.random()))
        self._used[f"{key} {chosen}"] = self._used.get(f"{key} {chosen}", 0) + 1
        return chosen

    def _plain(self, rng: random.Random, name: str) -> Intent:
        kind = self._vocabulary.types[name]
        wish, slots = self._wish(rng, kind)
        words, used = [], []
        for slot in slots:
            value, phrases = wish[slot], self._vocabulary.slots[slot].values[wish[slot]]
            shopper = rng.random() < SHARE_SHOPPER_VALUE
            words.append(self._phrase(rng, slot, phrases) if shopper else value)
            used += [words[-1]] if shopper else []
        shopper = rng.random() < SHARE_SHOPPER_TYPE
        head = self._phrase(rng, name, kind.phrases) if shopper else name
        said = [self._vocabulary.slots[slot].attribute(word) for slot, word in zip(slots, words, strict=True)]
        text, clean = self._grammar.query(rng, head, kind.endings[head], said)
        text = self._grammar.type_without_umlauts(rng, text)
        asked = {slot: wish[slot] for slot in slots}
        grades = self._grade_plain(name, asked)
        needs = {name: frozenset(grades)} | {
            value: frozenset(p.id for p in self._of_type[name] if p.attributes[slot] == value)
            for slot, value in asked.items()
        }
        ideal = self._lacking((name, *asked.values()), text)
        return Intent("plain", text, clean, ideal, grades, needs, tuple(used + ([head] if shopper else [])))

    def _lacking(self, phrases: Iterable[str], text: str) -> tuple[str, ...]:
        """Those of the catalogue's phrases that a query does not say, in whatever inflection."""
        said = set(bag(text))
        said |= {word.removesuffix(ending) for word in said for ending in self._grammar.articles.values()}
        return tuple(phrase.lower() for phrase in phrases if not said.issuperset(bag(phrase)))

    def _wish(self, rng: random.Random, kind: ProductType) -> tuple[Mapping[str, str], list[str]]:
        """A product's attributes and the slots a shopper names of them; half the time those named least so far."""
        number = rng.choices([n for n, _ in ATTRIBUTES], [share for _, share in ATTRIBUTES])[0]
        options = []
        for product in rng.sample(self._of_type[kind.name], 5):
            slots = rng.sample(kind.slots, min(number, len(kind.slots)))
            if rng.random() < SHARE_BALANCED:
                slots = sorted(kind.slots, key=lambda slot: self._asked(slot, product.attributes[slot]))[:number]
            options.append((product.attributes, slots))
        if rng.random() < SHARE_BALANCED:
            return min(options, key=lambda option: sum(self._asked(s, option[0][s]) for s in option[1]))
        return options[0]

    def _asked(self, slot: str, value: str) -> int:
        """How often the least used phrase of an attribute was used."""
        return min(self._used.get(f"{slot} {phrase}", 0) for phrase in self._vocabulary.slots[slot].values[value])

    def _grade_plain(self, name: str, asked: Mapping[str, str]) -> dict[str, int]:
        grades = {}
        for product in self._of_type[name]:
            missing = sum(product.attributes[slot] != value for slot, value in asked.items())
            if missing <= 1:
                grades[product.id] = 2 - missing
        return grades

    def _vague(self, rng: random.Random, need: Need) -> Intent:
        phrase = self._phrase(rng, need.name, need.phrases)
        frame: str = rng.choice(data("needs", self._vocabulary.language)["frames"][need.frames[phrase]])
        clean = frame.format(phrase, the=need.articles[phrase]).lower()
        text = self._grammar.type_without_umlauts(rng, clean)
        grades = {p.id: 1 for name in need.rim for p in self._of_type[name]}
        grades |= {p.id: 2 for name in need.core for p in self._of_type[name]}
        needs = {name: frozenset(p.id for p in self._of_type[name]) for name in need.core + need.rim}
        ideal = tuple(name.lower() for name in (need.core + need.rim)[:5])
        return Intent("vague", text, clean, ideal, grades, needs, (phrase,))

    def _brand(self, rng: random.Random, product: Product) -> Intent:
        kind = self._vocabulary.types[product.type]
        shopper = rng.random() < SHARE_SHOPPER_BRAND
        noun = rng.choice(kind.phrases) if shopper else product.type
        head, brand, model = noun.lower(), product.brand.lower(), product.model.lower()
        pattern = rng.choices(
            ["model", "brand model", "model type", "brand type", "size", "attribute"], [15, 25, 15, 20, 15, 10]
        )[0]
        same = [p for p in self._of_type[product.type] if p.brand == product.brand]
        exact, need = same, f"{product.brand} {product.type}"
        if "model" in pattern:
            model = rng.choice([model, model.replace("-", " ")])
            text = {"model": model, "brand model": f"{brand} {model}", "model type": f"{model} {head}"}[pattern]
            exact, need = [p for p in same if p.model == product.model], f"{product.brand} {product.model}"
        elif pattern == "size" and product.size:
            text = f"{brand} {head} {product.size.lower()}"
            exact, need = [p for p in same if p.size == product.size], f"{need} {product.size}"
        elif pattern == "attribute":
            slot = rng.choice(kind.slots)
            value = product.attributes[slot]
            asked = self._vocabulary.slots[slot].attribute(value)
            text = f"{brand} {self._grammar.around(noun, kind.endings[noun], [asked])}"
            exact, need = [p for p in same if p.attributes[slot] == value], f"{need} {value}"
        else:
            text = f"{brand} {head}"
        near = [] if "model" in pattern else same
        grades = {p.id: 1 for p in near} | {p.id: 2 for p in exact}
        ideal = (product.type.lower(),) if noun != product.type and head in text else ()
        needs, used = {need: frozenset(p.id for p in exact)}, (noun,) if ideal else ()
        typed = self._grammar.type_without_umlauts(rng, text)
        return Intent("brand", typed, text, ideal, grades, needs, used)
