"""Products: lines of invented brands, each in a few colours and sizes, with a title, a description and metadata."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from leser.backend import Document
from leser_catalogue.grammar import grammar
from leser_catalogue.vocabulary import ProductType, Vocabulary
from leser_catalogue.words import data

LINES_A_TYPE = 16
BRANDS = 36
SHARE_ALIAS = 0.022  # of products that name a shopper's word for their type, for each such word
SHARE_REVIEW = 0.022  # of products with a review that uses a shopper's word for an attribute, for each attribute
SHARE_NEED = 0.008  # of products that name a need they serve
SHARE_PAIRING = 0.45  # of products that name another type
SHARE_PAIRING_SHOPPER = 0.5  # of those, by a shopper's word

_ONSETS = (*"bdfghjklmnprstvz", "br", "dr", "fl", "gr", "kl", "pr", "qu", "sk", "st", "tr", "vel")
_VOWELS = ("a", "e", "i", "o", "u", "ae", "io")
_CODAS = ("n", "r", "x", "l", "nd", "sk", "rn", "ll", "tt", "ck")
_ENDS = ("a", "o", "is", "en", "ix", "ura", "ano", "eta", "ov")


@dataclass(frozen=True, slots=True)
class Product:
    """One article: what it is (`attributes`: slot to the catalogue's value) and how the shop writes about it."""

    id: str
    type: str
    brand: str
    model: str
    size: str
    attributes: Mapping[str, str]
    document: Document


@dataclass(frozen=True, slots=True)
class Draft:
    """An article before it is written about."""

    kind: ProductType
    brand: str
    model: str
    size: str
    attributes: Mapping[str, str]


def invent_brands(rng: random.Random, number: int) -> list[str]:
    """Names that no shop has: two syllables and an ending, all different."""
    brands: dict[str, None] = {}
    while len(brands) < number:
        name = rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        name += rng.choice(_ONSETS) + rng.choice(_ENDS)
        if len(name) >= 6:
            brands[name.capitalize()] = None
    return list(brands)


def model_names(rng: random.Random, number: int) -> list[str]:
    """Different model names such as "KX-250"; letters and numbers come from small pools, so that each occurs often."""
    letters = rng.sample([a + b for a in "BCDFGHKLMNPRSTVWXZ" for b in "ADEKLNRTX"], 36)
    numbers = rng.sample(range(110, 990, 10), 60)
    names = [f"{a}-{b}" for a in letters for b in numbers]
    return rng.sample(names, number)


def make_products(seed: int, vocabulary: Vocabulary) -> list[Product]:
    """All products of a world, in an order that does not follow the types; ids are p00001, p00002, ..."""
    rng = random.Random(f"{seed} products")
    brands = invent_brands(rng, BRANDS)
    models = iter(model_names(rng, LINES_A_TYPE * len(vocabulary.types)))
    drafts: list[Draft] = []
    for kind in vocabulary.types.values():
        makers = rng.sample(brands, 6)
        for _ in range(LINES_A_TYPE):
            line = {slot: rng.choice(list(vocabulary.slots[slot].values)) for slot in kind.slots}
            drafts += _variants(rng, vocabulary, Draft(kind, rng.choice(makers), next(models), "", line))
    rng.shuffle(drafts)
    return [_write(rng, vocabulary, f"p{number:05d}", draft) for number, draft in enumerate(drafts, start=1)]


def _variants(rng: random.Random, vocabulary: Vocabulary, line: Draft) -> list[Draft]:
    """Two to four articles of one line: the same model in other colours (or another attribute) and sizes."""
    number = rng.randint(2, 4)
    varied = "colour" if "colour" in line.attributes else rng.choice(list(line.attributes))
    possible = list(vocabulary.slots[varied].values)
    values = rng.sample(possible, min(number, len(possible)))
    sizes = grammar(vocabulary.language).sizes[line.kind.sizes]
    chosen = rng.sample(sizes, min(number, len(sizes))) if sizes else [""]
    return [
        replace(line, size=chosen[i % len(chosen)], attributes={**line.attributes, varied: values[i % len(values)]})
        for i in range(min(number, max(len(values), len(chosen))))
    ]


def _write(rng: random.Random, vocabulary: Vocabulary, id_: str, draft: Draft) -> Product:
    kind, brand, size, attributes = draft.kind, draft.brand, draft.size, draft.attributes
    rules = grammar(vocabulary.language)
    in_title = [slot for slot in kind.slots if rng.random() < 0.45][:2]
    named = [vocabulary.slots[slot].attribute(attributes[slot]) for slot in in_title]
    name = rules.title(rng, kind.name, kind.endings[kind.name], named)
    title = f"{brand} {draft.model} {name}" + (f", {size}" if size else "")
    low, high = kind.price
    fields = {
        "title": title,
        "text": _describe(rng, vocabulary, draft),
        "brand": brand,
        "category": f"{kind.department} > {kind.name}",
        "colour": attributes.get("colour", ""),
        "size": size,
        "price": f"{low * (high / low) ** rng.random():.2f}",
        "currency": rules.currency,
    }
    document = Document(id_, {name: value for name, value in fields.items() if value})
    return Product(id_, kind.name, brand, draft.model, size, attributes, document)


def _describe(rng: random.Random, vocabulary: Vocabulary, draft: Draft) -> str:
    kind, size, attributes = draft.kind, draft.size, draft.attributes
    texts, rules = data("texts", vocabulary.language), grammar(vocabulary.language)
    sentences = [rng.choice(texts["intro"]).format(type=kind.name, brand=draft.brand)]
    sentences += [f"{vocabulary.slots[slot].label}: {value}." for slot, value in attributes.items()]
    if size:
        label = rules.size_labels.get(kind.sizes, rules.size_label)
        sentences.append(f"{label}: {size.removeprefix(rules.size_prefix)}.")
    for phrase in kind.phrases:
        if rng.random() < SHARE_ALIAS:
            sentences.append(rng.choice(texts["alias"] + texts["review_type"]).format(word=phrase))
    for slot, value in attributes.items():
        if rng.random() < SHARE_REVIEW:
            sentences.append(
                rng.choice(texts["review_attribute"]).format(word=rng.choice(vocabulary.slots[slot].values[value]))
            )
    needs = [need for need in vocabulary.needs.values() if kind.name in need.core]
    if needs and rng.random() < SHARE_NEED * len(needs):
        need = rng.choice(needs)
        sentences.append(rng.choice(texts["need"]).format(need=rng.choice(need.phrases)))
    if rng.random() < SHARE_PAIRING:
        other = rng.choice([t for t in vocabulary.types.values() if t.name != kind.name])
        word = rng.choice(other.phrases) if rng.random() < SHARE_PAIRING_SHOPPER else other.name
        sentences.append(rng.choice(texts["pairing"]).format(other=word))
    sentences += rng.sample(texts["closing"], rng.randint(1, 3))
    return " ".join(sentences)
