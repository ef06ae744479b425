"""A world of the demo task: products, queries in three splits, judgments, and the ideal expansions as a reference.

The same seed gives the same world, byte for byte; another seed gives other products, brands, models, queries, and other
shares of the vocabulary, in the same grammar.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from leser.backend import Document
from leser.task import Query, Split, Task
from leser_catalogue.hits import HitsShop
from leser_catalogue.products import Product, make_products
from leser_catalogue.queries import Intent, Kind, Shoppers, bag
from leser_catalogue.vocabulary import Vocabulary, draw
from leser_catalogue.words import LANGUAGES, World

__all__ = ["COUNTS", "LANGUAGES", "Catalogue", "generate", "ideal_expansions", "make_catalogue"]

COUNTS: Mapping[Kind, tuple[int, int, int]] = {
    "plain": (3200, 150, 300),
    "misspelt": (500, 45, 90),
    "vague": (800, 45, 90),
    "brand": (450, 60, 120),
}
"""Queries of each kind in train, dev and test."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One world: its task and what the task was made from; `intents` are by query id."""

    seed: int
    vocabulary: Vocabulary
    products: tuple[Product, ...]
    intents: Mapping[str, Intent]
    task: Task


def make_catalogue(seed: int, language: str = "en", world: World = "plain") -> Catalogue:
    """The world of a seed in one of LANGUAGES."""
    return _make(seed, language, world)


@lru_cache(maxsize=4)
def _make(seed: int, language: str, world: World) -> Catalogue:
    vocabulary = draw(seed, language)
    products = tuple(make_products(seed, vocabulary))
    if world == "hits":
        shop = HitsShop(seed, vocabulary, products)
        products, parts = shop.products, shop.parts()
    else:
        parts = _split(seed, Shoppers(seed, vocabulary, products))
    intents = {f"{part}-{n:04d}": intent for part, found in parts.items() for n, intent in enumerate(found, start=1)}
    splits = {part: _as_split(part, intents) for part in parts}

    def documents() -> Iterator[Document]:
        return (product.document for product in products)

    size = f"{len(products)} products of {len(vocabulary.types)} types"
    said = "" if world == "plain" else f", world {world}"
    note = f"Demo catalogue, seed {seed}, language {language}{said}: {size}; judgments complete."
    task = Task(
        "demo", splits["train"], splits["dev"], splits["test"], documents,
        ideal=lambda query_id: intents[query_id].ideal, notes=(note,),
    )  # fmt: skip
    return Catalogue(seed, vocabulary, products, intents, task)


def generate(seed: int = 1, language: str = "en", world: World = "plain") -> Task:
    """The demo task of a seed in one of LANGUAGES."""
    return make_catalogue(seed, language, world).task


def ideal_expansions(query_id: str, seed: int = 1, language: str = "en", world: World = "plain") -> tuple[str, ...]:
    """The catalogue's words for a query's needs that the query itself lacks: a reference, not a system."""
    return make_catalogue(seed, language, world).intents[query_id].ideal


def _split(seed: int, shoppers: Shoppers) -> dict[str, list[Intent]]:
    """Train, dev and test: no two queries of the same words, and every word of dev and test occurs in train."""
    rng = random.Random(f"{seed} queries")
    streams = {
        "plain": shoppers.plain(rng), "misspelt": shoppers.misspelt(rng),
        "vague": shoppers.vague(rng), "brand": shoppers.brand(rng),
    }  # fmt: skip
    taken: set[tuple[str, ...]] = set()
    parts: dict[str, list[Intent]] = {"train": [], "dev": [], "test": []}
    for kind, (train, _, _) in COUNTS.items():
        parts["train"] += _take(streams[kind], train, taken, None)
    known = {word for intent in parts["train"] for word in bag(intent.clean)}
    for kind, (_, dev, test) in COUNTS.items():
        parts["dev"] += _take(streams[kind], dev, taken, known)
        parts["test"] += _take(streams[kind], test, taken, known)
    for found in parts.values():
        rng.shuffle(found)
    return parts


def _take(stream: Iterator[Intent], number: int, taken: set[tuple[str, ...]], known: set[str] | None) -> list[Intent]:
    """The next new intents of a stream; with `known`, only those all of whose (correctly spelt) words are known."""
    found: list[Intent] = []
    for tried, intent in enumerate(stream):
        if len(found) == number:
            break
        if tried > 200 * number:
            raise RuntimeError(f"the grammar has too few different {intent.kind} queries: {len(found)} of {number}")
        bags = {bag(intent.text), bag(intent.clean)}
        if not bags & taken and (known is None or known.issuperset(bag(intent.clean))):
            taken |= bags
            found.append(intent)
    return found


def _as_split(part: str, intents: Mapping[str, Intent]) -> Split:
    own = {id_: intent for id_, intent in intents.items() if id_.startswith(f"{part}-")}
    queries = tuple(Query(id_, intent.text, intent.kind, intent.needs) for id_, intent in own.items())
    return Split(part, queries, {id_: intent.grades for id_, intent in own.items()})
