"""The world `hits`: what a query means stands in the titles that it finds, and in no query that was seen before.

Products are those of the plain world; their titles hold further invented words of three kinds, one kind of query each.

    line       names one product line. Its shopper wants the type, from whatever line: "zorvexa navy" means sofas
    ambiguous  two lines of one type and one line of another carry it. Its shopper means what the shop has more of
    shade      a maker's name for an attribute's value, beside that value: "marvo sofa" means a navy one

The words of train, dev and test queries are different ones. What a word means cannot be learned by heart from train, only
read off the hits: types and values are the same in all three. Grades are those of plain queries: 2 where type and all
attributes match, 1 where all attributes but one do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from leser.backend import Document
from leser_catalogue.products import Product, invent_brands
from leser_catalogue.queries import HitsKind, Intent, bag
from leser_catalogue.vocabulary import Vocabulary

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")
LINES: Mapping[Part, int] = {"train": 9, "dev": 1, "test": 3}
"""Lines of each type that have a word of their own; the others share ambiguous words."""
AMBIGUOUS: Mapping[Part, float] = {"train": 0.65, "dev": 0.1, "test": 0.25}
SHADES: Mapping[Part, int] = {"train": 3, "dev": 1, "test": 1}
"""Words for each value of an attribute."""
PRODUCTS_A_SHADE = 4
QUERIES: Mapping[Part, int] = {"train": 3, "dev": 1, "test": 1}
"""Queries that hold each word."""
SHARE_ALONE = 0.3  # of queries for a line or an ambiguous word that ask for no attribute


@dataclass(frozen=True, slots=True)
class Invented:
    """An invented word: in which part's queries it stands, and the type or value that it means."""

    text: str
    kind: HitsKind
    part: Part
    type: str = ""
    slot: str = ""
    value: str = ""


class HitsShop:
    """The plain world's products with invented words in their titles, and the queries that hold these words."""

    def __init__(self, seed: int, vocabulary: Vocabulary, products: Sequence[Product]) -> None:
        self._rng = random.Random(f"{seed} hits")
        self._vocabulary = vocabulary
        self._of_type: dict[str, list[Product]] = {name: [] for name in vocabulary.types}
        for product in products:
            self._of_type[product.type].append(product)
        self._names = self._invent({product.brand for product in products})
        self._titles = {product.id: product.document.fields["title"] for product in products}
        self.words = (*self._name_lines(), *self._name_shades(products))
        self.products = tuple(self._titled(product) for product in products)

    def parts(self) -> dict[str, list[Intent]]:
        """The intents of train, dev and test; no two queries have the same words."""
        taken: set[tuple[str, ...]] = set()
        return {part: self._intents(part, taken) for part in PARTS}

    def _invent(self, brands: Iterable[str]) -> Iterator[str]:
        """Words that are neither a brand nor each other."""
        used = set(brands)
        while True:
            for name in invent_brands(self._rng, 500):
                if name not in used:
                    used.add(name)
                    yield name

    def _name_lines(self) -> list[Invented]:
        """A word for most lines before their model; the last lines of types share words two by two and one."""
        found: list[Invented] = []
        lines = {name: _lines(products) for name, products in self._of_type.items()}
        for name, own in lines.items():
            parts = [part for part in PARTS for _ in range(LINES[part])]
            for part, line in zip(parts, own, strict=False):
                found.append(Invented(next(self._names), "line", part, type=name))
                self._mark(line, found[-1].text)
        names = self._rng.sample(list(lines), len(lines))
        shares = [part for part in PARTS for _ in range(round(AMBIGUOUS[part] * len(names)))]
        for part, name, other in zip(shares, names, [*names[1:], names[0]], strict=False):
            found.append(Invented(next(self._names), "ambiguous", part, type=name))
            for line in (*lines[name][-3:-1], lines[other][-1]):
                self._mark(line, found[-1].text)
        return found

    def _mark(self, line: Iterable[Product], word: str) -> None:
        for product in line:
            self._titles[product.id] = self._titles[product.id].replace(product.model, f"{word} {product.model}", 1)

    def _name_shades(self, products: Sequence[Product]) -> list[Invented]:
        """Words for each value of each attribute, beside it in the titles of a few products of whatever types."""
        found: list[Invented] = []
        for name, slot in self._vocabulary.slots.items():
            for value in slot.values:
                holders = [product for product in products if product.attributes.get(name) == value]
                for part in PARTS:
                    for _ in range(SHADES[part]):
                        found.append(Invented(next(self._names), "shade", part, slot=name, value=value))
                        chosen = self._rng.sample(holders, min(PRODUCTS_A_SHADE, len(holders)))
                        for product in chosen:
                            self._titles[product.id] += f", {found[-1].text} ({value})"
        return found

    def _titled(self, product: Product) -> Product:
        fields = {**product.document.fields, "title": self._titles[product.id]}
        return replace(product, document=Document(product.id, fields))

    def _intents(self, part: Part, taken: set[tuple[str, ...]]) -> list[Intent]:
        found: list[Intent] = []
        for word in (word for word in self.words if word.part == part):
            for _ in range(QUERIES[part]):
                intent = self._shade(word) if word.kind == "shade" else self._line(word)
                if bag(intent.text) not in taken:
                    taken.add(bag(intent.text))
                    found.append(intent)
        self._rng.shuffle(found)
        return found

    def _line(self, word: Invented) -> Intent:
        """The word alone, or with the value of an attribute that some product of the type has."""
        product = self._rng.choice(self._of_type[word.type])
        slot = self._rng.choice(list(product.attributes))
        asked = {} if self._rng.random() < SHARE_ALONE else {slot: product.attributes[slot]}
        said = self._rng.sample([word.text, *asked.values()], 1 + len(asked))
        return self._intent(word, said, word.type, asked, word.type)

    def _shade(self, word: Invented) -> Intent:
        """The word before a type that comes in what it means."""
        types = sorted(
            name
            for name, own in self._of_type.items()
            if sum(product.attributes.get(word.slot) == word.value for product in own) >= 2
        )
        chosen = self._rng.choice(types)
        return self._intent(word, [word.text, chosen], chosen, {word.slot: word.value}, word.value)

    def _intent(self, word: Invented, said: Sequence[str], type_: str, asked: Mapping[str, str], meant: str) -> Intent:
        text = " ".join(said).lower()
        missing = {
            product.id: sum(product.attributes.get(slot) != value for slot, value in asked.items())
            for product in self._of_type[type_]
        }
        grades = {id_: 2 - count for id_, count in missing.items()}
        needs = {type_: frozenset(grades)} | {
            value: frozenset(id_ for id_, count in missing.items() if not count) for value in asked.values()
        }
        return Intent(word.kind, text, text, (meant.lower(),), grades, needs)


def _lines(products: Iterable[Product]) -> list[list[Product]]:
    """The products of a type, line by line."""
    lines: dict[str, list[Product]] = {}
    for product in products:
        lines.setdefault(product.model, []).append(product)
    return list(lines.values())
