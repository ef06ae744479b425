"""What a catalogue says of its products: titles, and attributes with values that several products share."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from leser.backend import Document
from leser.text import words

_PAIR = re.compile(r"(?:^|[|;\n])\s*([^\W\d_][\w /&()-]{0,39}?)\s*:\s*([^|;\n]{1,60}?)\s*(?=[|;\n]|$)")
"""An attribute inside a text: "Brand: HP | product type: Notebook"."""
_CATEGORY = re.compile(r"\s*[>/]\s*")
MOST_VALUES = 0.5
"""An attribute with more distinct values per document than this names products, it does not sort them."""
LEADS = 0.5
"""An attribute whose values begin this share of its documents' titles names who made the product."""


@dataclass(frozen=True, slots=True)
class Product:
    """A document's id, its title's words, and its attributes: name to the words of the value."""

    id: str
    title: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All products; `sorting` are the attributes whose values several products share, `makers` those that begin titles."""

    products: tuple[Product, ...]
    sorting: frozenset[str]
    makers: frozenset[str] = field(default_factory=frozenset)


def read_catalogue(documents: Iterable[Document], title_field: str, max_words: int) -> Catalogue:
    """Products with the attributes of their own fields and of texts that list them; values of more words are left out."""
    products = tuple(_product(document, title_field, max_words) for document in documents)
    held: Counter[str] = Counter()
    values: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    leads: Counter[str] = Counter()
    for product in products:
        for name, value in product.attributes.items():
            held[name] += 1
            values[name].add(value)
            leads[name] += product.title[: len(value)] == value
    sorting = frozenset(name for name, count in held.items() if len(values[name]) <= MOST_VALUES * count)
    makers = frozenset(name for name in sorting if leads[name] >= LEADS * held[name])
    return Catalogue(products, sorting, makers)


def _product(document: Document, title_field: str, max_words: int) -> Product:
    found: dict[str, str] = {}
    for name, text in document.fields.items():
        if name == title_field:
            continue
        pairs = _PAIR.findall(text)
        found |= {key.lower(): value for key, value in pairs}
        if not pairs:
            # of a path of categories the last one says what the product is
            found[name.lower()] = _CATEGORY.split(text)[-1] if len(text) <= 200 else text
    attributes = {name: words(value) for name, value in found.items() if len(value) <= 60}
    kept = {name: value for name, value in attributes.items() if 0 < len(value) <= max_words}
    return Product(document.id, words(document.fields.get(title_field, "")), kept)
