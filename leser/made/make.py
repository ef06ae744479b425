"""Made queries: types, attributes' values, maker and type, and titles cut to what people type.

Queries made of documents stand in for those that nobody kept (known-item simulation: Azzopardi, de Rijke and Balog, SIGIR
2007). Here they are made without a model, so that their words are the catalogue's own: what a policy learns from them is what
the engine and the judge say of them, never what was made of which document.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log, sqrt

from leser.backend import Document
from leser.formats.split import near_duplicates
from leser.made.catalogue import Catalogue, Product, read_catalogue
from leser.made.options import MakingOptions
from leser.made.phrases import Cohesion, is_word, phrases_of
from leser.task import Query

KINDS = ("type", "attribute", "maker", "title")
"""Which kinds there are: a type's words; an attribute's value; a maker and a type; the start of a title."""
NAMED = 0.1
"""Share of an attribute value's documents whose titles hold it, so that it names products: "notebook", not "made in mexico"."""
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MadeQuery:
    """A made query, its kind, and (some of) the documents it was made of."""

    query: Query
    documents: tuple[str, ...]


def make_queries(
    documents: Iterable[Document], options: MakingOptions, taken: Sequence[Query] = (), title_field: str = "title"
) -> list[MadeQuery]:
    """At most `count` queries, as many of each kind as there are, none a near-duplicate of another or of `taken`."""
    catalogue = read_catalogue(documents, title_field, options.max_words)
    found = {kind: _drawn(rows, kind, options.seed) for kind, rows in _candidates(catalogue, options).items()}
    free = _not_taken({text for ranked in found.values() for text, _ in ranked}, taken)
    kept: dict[str, tuple[str, list[str]]] = {}
    ranked = {kind: iter([row for row in rows if row[0] in free]) for kind, rows in found.items()}
    while ranked and len(kept) < options.count:
        for kind in list(ranked):
            row = next((row for row in ranked[kind] if row[0] not in kept), None)
            if row is None:
                del ranked[kind]
            elif len(kept) < options.count:
                kept[row[0]] = (kind, row[1])
    return [
        MadeQuery(Query(f"made-{number}", text, kind), tuple(ids[: options.documents]))
        for number, (text, (kind, ids)) in enumerate(kept.items(), 1)
    ]


def _candidates(catalogue: Catalogue, options: MakingOptions) -> dict[str, dict[Words, list[str]]]:
    """By kind: words of a query, and the documents that they were made of."""
    cohesion = Cohesion(product.title for product in catalogue.products)
    found: dict[str, dict[Words, list[str]]] = {kind: defaultdict(list) for kind in KINDS}
    phrases = [phrases_of(product.title, cohesion, options.cohesion) for product in catalogue.products]
    for product, own in zip(catalogue.products, phrases, strict=True):
        for phrase in own:
            found["type"][phrase].append(product.id)
        for name, value in product.attributes.items():
            if name in catalogue.sorting and all(map(is_word, value)):
                found["attribute"][value].append(product.id)
        if cut := _cut(product, options.max_words):
            found["title"][cut].append(product.id)
    found["type"] = {words: ids for words, ids in found["type"].items() if len(words) > 1 or len(words[0]) > 2}
    titles = {product.id: set(product.title) for product in catalogue.products}
    found["attribute"] = {
        words: ids
        for words, ids in found["attribute"].items()
        if sum(titles[id].issuperset(words) for id in ids) >= NAMED * len(ids)
    }
    most = options.most_share * len(catalogue.products)
    for kind in ("type", "attribute"):
        found[kind] = {words: ids for words, ids in found[kind].items() if options.least <= len(ids) <= most}
    for product, own in zip(catalogue.products, phrases, strict=True):
        for maker in {product.attributes[name] for name in catalogue.makers & product.attributes.keys()}:
            for phrase in own & found["type"].keys():
                if len(maker) + len(phrase) <= options.max_words and not set(maker) & set(phrase):
                    found["maker"][*maker, *phrase].append(product.id)
    found["maker"] = {words: ids for words, ids in found["maker"].items() if len(ids) >= options.least}
    return found


def _cut(product: Product, max_words: int) -> Words | None:
    """The first words of a title, without model numbers and what follows a first one after two words."""
    kept: list[str] = []
    for word in product.title:
        if is_word(word) and word not in kept:
            kept.append(word)
        elif len(kept) > 1 and not word.isalpha():
            break
        if len(kept) == max_words:
            break
    return tuple(kept) if len(kept) > 1 else None


def _drawn(rows: dict[Words, list[str]], kind: str, seed: int) -> list[tuple[str, list[str]]]:
    """The rows in an order drawn by the seed, without replacement, those of many documents more likely to come early.

    A key of log(u) / weight, the greatest first, draws in proportion to the weights (Efraimidis and Spirakis, 2006);
    the weight is the root of the number of documents, so that the tail is heard too.
    """

    def key(words: Words) -> float:
        digest = hashlib.blake2b(repr((seed, kind, words)).encode(), digest_size=8).digest()
        return log((int.from_bytes(digest) + 1) / 2**64) / sqrt(len(rows[words]))

    return [(" ".join(words), rows[words]) for words in sorted(rows, key=lambda words: (-key(words), words))]


def _not_taken(texts: set[str], taken: Sequence[Query]) -> set[str]:
    """The texts, one of each group of near-duplicates, without those alike to a query that is taken."""
    listed = [Query(f"made {text}", text) for text in sorted(texts)]
    held = [Query(f"held {number}", query.text) for number, query in enumerate(taken)]
    free = set()
    for group in near_duplicates([*listed, *held]):
        if not any(query.id.startswith("held ") for query in group):
            free.add(min(group, key=lambda query: (len(query.text), query.text)).text)
    return free
