"""The words of the shop: read from the TOML files beside this module, and a seed's share of them."""

from __future__ import annotations

import random
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

TYPES_A_WORLD = 70
VALUES_A_SLOT = 4
VALUES_OF_COLOUR = 8
PHRASES_A_TYPE = 2
PHRASES_A_NEED = 2
SHARE_SECOND_PHRASE = 0.35  # of attribute values that shoppers call by two phrases, not one
LEAST_NEEDS, MOST_NEEDS = 26, 28


@dataclass(frozen=True, slots=True)
class ProductType:
    """A product type of one world: the catalogue's word, and the phrases of this world's shoppers."""

    name: str
    department: str
    phrases: tuple[str, ...]
    slots: tuple[str, ...]
    sizes: str
    price: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Slot:
    """A kind of attribute: its label in texts, and for each of the catalogue's values the phrases of shoppers."""

    name: str
    label: str
    values: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Need:
    """A vague need: phrases of shoppers, and the types that serve it first (core) or also help (rim)."""

    name: str
    people: tuple[str, ...]
    occasions: tuple[str, ...]
    core: tuple[str, ...]
    rim: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The vocabulary of one world."""

    types: Mapping[str, ProductType]
    slots: Mapping[str, Slot]
    needs: Mapping[str, Need]


@lru_cache
def data(name: str) -> dict[str, Any]:
    """The content of a TOML file of this package."""
    return tomllib.loads(files("leser_catalogue").joinpath(f"{name}.toml").read_text(encoding="utf-8"))


def _some(rng: random.Random, items: Sequence[str], number: int) -> list[str]:
    """`number` of the items (or all), in their old order."""
    chosen = set(rng.sample(list(items), min(number, len(items))))
    return [item for item in items if item in chosen]


def draw(seed: int) -> Vocabulary:
    """This seed's share of the vocabulary: other seeds hold other types, values, phrases and needs."""
    rng = random.Random(f"{seed} vocabulary")
    entries = {
        name: (department, entry) for department, group in data("types").items() for name, entry in group.items()
    }
    types = _types(rng, entries)
    while len(needs := _needs(rng, types)) < LEAST_NEEDS:
        types = _types(rng, entries)
    kept = _some(rng, list(needs), MOST_NEEDS)
    users = Counter(slot for kind in types.values() for slot in kind.slots)
    slots = {name: _slot(rng, name, users[name]) for name in data("attributes") if users[name]}
    return Vocabulary(types, slots, {name: needs[name] for name in kept})


def _slot(rng: random.Random, name: str, users: int) -> Slot:
    """A slot's values in this world: fewer where few types use it, so that shoppers speak of each often enough."""
    entry = data("attributes")[name]
    values = _some(rng, list(entry["values"]), VALUES_OF_COLOUR if name == "colour" else min(users + 1, VALUES_A_SLOT))
    phrases = {}
    for value in values:
        second = users > 3 and rng.random() < SHARE_SECOND_PHRASE
        phrases[value] = tuple(_some(rng, entry["values"][value], 2 if second else 1))
    return Slot(name, entry["label"], phrases)


def _types(rng: random.Random, entries: Mapping[str, tuple[str, Any]]) -> dict[str, ProductType]:
    types = {}
    for name in _some(rng, list(entries), TYPES_A_WORLD):
        department, entry = entries[name]
        phrases = tuple(_some(rng, entry["shopper"], PHRASES_A_TYPE))
        low, high = entry["price"]
        types[name] = ProductType(name, department, phrases, tuple(entry["slots"]), entry["sizes"], (low, high))
    return types


def _needs(rng: random.Random, types: Mapping[str, ProductType]) -> dict[str, Need]:
    """The needs that a world's types can serve: at least two core types, and three in all."""
    needs = {}
    for name, entry in data("needs").items():
        if name == "frames":
            continue
        core = tuple(t for t in entry["core"] if t in types)
        rim = tuple(t for t in entry["rim"] if t in types)
        if len(core) >= 2 and len(core) + len(rim) >= 3:
            phrases = _some(rng, entry.get("people", []) + entry.get("occasions", []), PHRASES_A_NEED)
            people = tuple(phrase for phrase in phrases if phrase in entry.get("people", []))
            occasions = tuple(phrase for phrase in phrases if phrase not in people)
            needs[name] = Need(name, people, occasions, core, rim)
    return needs
