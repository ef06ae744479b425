"""The words of the shop: read from the TOML files beside this module, and a seed's share of them."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

TYPES_A_WORLD = 70
VALUES_A_SLOT = 4
PHRASES_A_WORD = 2


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


def _some(rng: random.Random, items: list[str], number: int) -> list[str]:
    """`number` of the items (or all), in their old order."""
    chosen = set(rng.sample(items, min(number, len(items))))
    return [item for item in items if item in chosen]


def draw(seed: int) -> Vocabulary:
    """This seed's share of the vocabulary: other seeds hold other types, values, phrases and needs."""
    rng = random.Random(f"{seed} vocabulary")
    entries = {
        name: (department, entry) for department, group in data("types").items() for name, entry in group.items()
    }
    types = {}
    for name in _some(rng, list(entries), TYPES_A_WORLD):
        department, entry = entries[name]
        phrases = tuple(_some(rng, entry["shopper"], PHRASES_A_WORD))
        low, high = entry["price"]
        types[name] = ProductType(name, department, phrases, tuple(entry["slots"]), entry["sizes"], (low, high))
    slots = {}
    for name, entry in data("attributes").items():
        values = _some(rng, list(entry["values"]), 8 if name == "colour" else VALUES_A_SLOT)
        phrases_of = {value: tuple(_some(rng, entry["values"][value], PHRASES_A_WORD)) for value in values}
        slots[name] = Slot(name, entry["label"], phrases_of)
    return Vocabulary(types, slots, _needs(types))


def _needs(types: Mapping[str, ProductType]) -> dict[str, Need]:
    """The needs that a world's types can serve: at least two core types, and three in all."""
    needs = {}
    for name, entry in data("needs").items():
        core = tuple(t for t in entry["core"] if t in types)
        rim = tuple(t for t in entry["rim"] if t in types)
        if len(core) >= 2 and len(core) + len(rim) >= 3:
            people, occasions = tuple(entry.get("people", ())), tuple(entry.get("occasions", ()))
            needs[name] = Need(name, people, occasions, core, rim)
    return needs
