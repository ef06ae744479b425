"""How well typed constraints are read, and what they change: `python -m benchmarks.constraints [--phrases unseen]`.

Queries are made from products of the demo catalogue, in English and German: a product type with one to three constraints that
a product meets (price, size, colour, brand), and for a quarter of them a trap that holds none. How they are put is in two
files by the parser's own author: constraints_phrases.toml, which the parser's words were completed with, and
constraints_unseen.toml, written when they were finished. What each query asks for is known, so that precision and recall of
the parse are counted, and violations in the top 10 with and without constraints respected (memory backend). A constraint
counts as found when it is on the same field, in the same direction ("under" and "at most" are one), with the same values
among those the field holds.

Prints JSON: by language and over both the counts, shares with 95 % Wilson intervals, and what was missed or made up.
"""

from __future__ import annotations

import argparse
import json
import random
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

from leser_catalogue.products import Product, make_products
from leser_catalogue.vocabulary import Vocabulary, draw
from leser_memory import MemoryBackend

from leser.backend import Document, ExpandedQuery, Ranking
from leser.cli.console import replace_what_cannot_be_shown
from leser.constraints import ConstraintOptions, Constraints, QueryConstraints
from leser.options import seed_argument
from leser.task import Query

SHARE_TRAPS = 0.25
TOP = 10
LOCALES = {"en": ("en-US", "USD"), "de": ("de-DE", "EUR")}
FILES = {"seen": "constraints_phrases.toml", "unseen": "constraints_unseen.toml"}
Phrases = dict[str, list[str]]
Said = tuple[str, str, frozenset[str]]
"""A constraint to compare: field, relation (max, min, is, not), and values as text."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and what it asks for; nothing for a trap."""

    text: str
    said: frozenset[Said]


class Generator:
    """Makes queries about one language's catalogue."""

    def __init__(
        self, rng: random.Random, phrases: Phrases, vocabulary: Vocabulary, products: Sequence[Product]
    ) -> None:
        self._rng, self._vocabulary, self._products = rng, vocabulary, products
        self._phrases = phrases

    def constrained(self) -> Asked:
        """A product's type with one to three constraints that the product meets."""
        product = self._rng.choice(self._products)
        makers: list[Callable[[Product], tuple[str, set[Said]] | None]] = [
            self._price,
            self._size,
            self._colour,
            self._brand,
        ]
        number = self._rng.choices([1, 2, 3], [0.55, 0.35, 0.1])[0]
        made = [m for maker in self._rng.sample(makers, 4) if (m := maker(product)) is not None][:number]
        text = self._rng.choice(self._phrases["frames"])
        text = text.format(t=self._type(product), c=self._rng.choice([" ", ", "]).join(phrase for phrase, _ in made))
        return Asked(self._cased(text), frozenset(said for _, both in made for said in both))

    def trap(self) -> Asked:
        """A query that looks as if it held a constraint."""
        product = self._rng.choice(self._products)
        colours = self._vocabulary.slots["colour"].values
        text = self._rng.choice(self._phrases["traps"]).format(
            t=self._type(product), m=product.model, brand=product.brand, p=self._rng.randint(10, 90), n=self._rng.randint(2, 12),
            colour=self._rng.choice(list(colours)),
        )  # fmt: skip
        return Asked(self._cased(text), frozenset())

    def _type(self, product: Product) -> str:
        return self._rng.choice([product.type, *self._vocabulary.types[product.type].phrases])

    def _cased(self, text: str) -> str:
        return text.lower() if self._rng.random() < 0.5 else text

    def _phrase(self, name: str, **values: object) -> str:
        return str(self._rng.choice(self._phrases[name]).format(**values))

    def _amount(self, value: float) -> tuple[str, str]:
        """A price as typed, and as it is compared."""
        return str(round(value)), f"{round(value):g}"

    def _price(self, product: Product) -> tuple[str, set[Said]]:
        price = float(product.document.fields["price"])
        low, high = (
            self._amount(price * self._rng.uniform(0.5, 0.9)),
            self._amount(price * self._rng.uniform(1.1, 1.6) + 1),
        )
        kind = self._rng.choices(["price_max", "price_min", "price_range"], [0.6, 0.15, 0.25])[0]
        least, most = ("price", "min", frozenset({low[1]})), ("price", "max", frozenset({high[1]}))
        if kind == "price_range":
            return self._phrase(kind, a=low[0], b=high[0]), {least, most}
        typed, said = (high[0], most) if kind == "price_max" else (low[0], least)
        return self._phrase(kind, p=typed), {said}

    def _size(self, product: Product) -> tuple[str, set[Said]] | None:
        if not product.size:
            return None
        bare = product.size.removeprefix("size ").removeprefix("Größe ")
        letters = bare.isalpha()
        kind = "size_number" if bare.isdigit() else "size_letter" if letters else "measure"
        if kind == "measure" and "GB" not in bare and " kg" not in bare and "m" not in bare.split():
            return (
                None  # "60 cm" may be a width or a height: who types it says which, in no field that the catalogue has
            )
        return self._phrase(kind, n=bare), {("size", "is", frozenset({product.size}))}

    def _colour(self, product: Product) -> tuple[str, set[Said]] | None:
        own = product.attributes.get("colour")
        if own is None:
            return None
        colours = self._vocabulary.slots["colour"].values
        if self._rng.random() < 0.6:
            word = self._rng.choice([own, *colours[own]])
            return self._phrase("colour", v=word), {("colour", "is", self._meant(word))}
        word = self._rng.choice([self._rng.choice([c, *said]) for c, said in colours.items() if c != own])
        return self._phrase("colour_not", v=word), {("colour", "not", self._meant(word))}

    def _meant(self, word: str) -> frozenset[str]:
        colours = self._vocabulary.slots["colour"].values
        return frozenset(value for value, said in colours.items() if word in (value, *said))

    def _brand(self, product: Product) -> tuple[str, set[Said]]:
        if self._rng.random() < 0.65:
            return self._phrase("brand", v=product.brand), {("brand", "is", frozenset({product.brand}))}
        other = self._rng.choice([p.brand for p in self._products if p.brand != product.brand])
        return self._phrase("brand_not", v=other), {("brand", "not", frozenset({other}))}


def options_of(language: str, vocabulary: Vocabulary, products: Sequence[Product]) -> ConstraintOptions:
    """The catalogue's mapping: what a shop would write. A product has one size, so that measures need no word for it."""
    locale, currency = LOCALES[language]
    word = {"en": "size {}", "de": "Größe {}"}[language]
    kinds = {
        "price": {"field": "price", "unit": currency},
        "size": {"field": "size", "formats": [word, "{}"]},
        "length": {"field": "size", "unit": "m", "formats": ["{} m"], "bare": True},
        "weight": {"field": "size", "unit": "kg", "formats": ["{} kg"]},
        "memory": {"field": "size", "unit": "GB", "formats": ["{} GB"], "bare": True},
        "colour": {"field": "colour", "values": dict(vocabulary.slots["colour"].values)},
        "brand": {"field": "brand", "values": sorted({p.brand for p in products}), "bare": True},
    }
    return ConstraintOptions.model_validate({"enabled": True, "locale": locale, "kinds": kinds})


def said_in(found: Constraints, held: dict[str, set[str]]) -> frozenset[Said]:
    """What was read, to compare; values that the field never holds are left out."""
    relations = {"lt": "max", "lte": "max", "gt": "min", "gte": "min", "eq": "is", "in": "is"}
    said: list[Said] = []
    for condition in found.filters:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        texts = frozenset(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
        exact = relations[condition.op] == "is"
        said.append((condition.field, relations[condition.op], texts & held[condition.field] if exact else texts))
    for field in {term.field or "" for term in found.excluded}:
        said.append((field, "not", frozenset(t.text for t in found.excluded if t.field == field)))
    return frozenset(said)


def violated(document: Document, said: Iterable[Said]) -> bool:
    """Whether a document breaks anything that was asked."""
    for field, relation, values in said:
        value = document.fields.get(field)
        if relation == "not":
            if value in values:
                return True
        elif value is None:
            return True
        elif relation == "is":
            if value not in values:
                return True
        elif (float(value) - float(next(iter(values)))) * (1 if relation == "max" else -1) > 0:
            return True
    return False


def measure(language: str, phrases: Phrases, count: int, seed: int) -> tuple[Counter[str], dict[str, list[str]]]:
    """Counts over one language's queries, and examples of what went wrong."""
    rng = random.Random(f"{seed} constraints {language}")
    vocabulary = draw(seed, language)
    products = make_products(seed, vocabulary)
    documents = {p.id: p.document for p in products}
    held = {f: {d.fields[f] for d in documents.values() if f in d.fields} for f in ("size", "colour", "brand")}
    generator = Generator(rng, phrases, vocabulary, products)
    ask = QueryConstraints(options_of(language, vocabulary, products))
    backend = MemoryBackend.of(documents.values(), analysis={"en": "english", "de": "german"}[language])
    ask.check(backend)
    counts: Counter[str] = Counter()
    wrong: dict[str, list[str]] = {"missed": [], "made_up": []}
    for number in range(count):
        asked = generator.trap() if number < count * SHARE_TRAPS else generator.constrained()
        found = ask.constraints(asked.text)
        read = said_in(found, held)
        counts.update(
            queries=1, traps=not asked.said, asked=len(asked.said), read=len(read), right=len(asked.said & read)
        )
        counts.update(exact=asked.said == read, traps_left_alone=not asked.said and not read)
        wrong["missed"] += [f"{asked.text} | {f} {r} {', '.join(sorted(v))}" for f, r, v in asked.said - read]
        wrong["made_up"] += [f"{asked.text} | {f} {r} {', '.join(sorted(v))}" for f, r, v in read - asked.said]
        if asked.said:
            query = Query(str(number), asked.text)
            for name, sent in (("without", ExpandedQuery(query.id, query.text)), ("with", ask(query))):
                (answer,) = backend.search([sent], TOP)
                assert isinstance(answer, Ranking), answer
                broken = sum(violated(documents[hit], asked.said) for hit in answer.ids)
                counts.update({f"hits_{name}": len(answer.ids), f"violations_{name}": broken})
                counts.update({f"read_exactly_{name}": broken if asked.said == read else 0})
                counts.update({f"empty_{name}": not answer.ids, f"fitting_{name}": len(answer.ids) - broken})
    return counts, wrong


def share(part: int, whole: int) -> dict[str, float | list[float] | None]:
    """A share with its 95 % Wilson interval."""
    if not whole:
        return {"share": None}
    p, z = part / whole, 1.959964
    middle, half = p + z * z / (2 * whole), z * sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole))
    scale = 1 + z * z / whole
    return {"share": round(p, 4), "interval": [round((middle - half) / scale, 4), round((middle + half) / scale, 4)]}


def row(c: Counter[str]) -> dict[str, Any]:
    """One line of the table."""
    searched = c["queries"] - c["traps"]
    sides = {
        f"top_{TOP}_{name}_constraints": {
            "violations": c[f"violations_{name}"],
            "violations_of_queries_read_exactly": c[f"read_exactly_{name}"],
            "of_hits": share(c[f"violations_{name}"], c[f"hits_{name}"]),
            "fitting_hits_per_query": round(c[f"fitting_{name}"] / searched, 3),
            "queries_without_hits": c[f"empty_{name}"],
        }
        for name in ("without", "with")
    }
    return {
        "queries": c["queries"],
        "constraints_asked": c["asked"],
        "constraints_read": c["read"],
        "precision": share(c["right"], c["read"]),
        "recall": share(c["right"], c["asked"]),
        "queries_read_exactly": share(c["exact"], c["queries"]),
        "traps_left_alone": share(c["traps_left_alone"], c["traps"]),
        **sides,
    }


def main() -> None:
    """Measure both languages and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=300, help="queries over both languages (default: 300)")
    parser.add_argument("--seed", type=seed_argument, default=1, help="seed of catalogue and queries (default: 1)")
    parser.add_argument("--phrases", choices=sorted(FILES), default="seen", help="which phrases (default: seen)")
    given = parser.parse_args()
    phrases = tomllib.loads(Path(__file__).with_name(FILES[given.phrases]).read_text("utf-8"))
    total: Counter[str] = Counter()
    result: dict[str, Any] = {"seed": given.seed, "phrases": given.phrases}
    for language in LOCALES:
        counts, wrong = measure(language, phrases[language], given.queries // len(LOCALES), given.seed)
        total += counts
        result[language] = {**row(counts), **wrong}
    result["all"] = row(total)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
