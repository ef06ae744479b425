"""The kinds of typed constraints that tests map."""

from __future__ import annotations

KINDS = {
    "price": {"field": "price"},
    "size": {"field": "size"},
    "length": {"field": "length", "unit": "cm"},
    "width": {"field": "width", "unit": "cm"},
    "weight": {"field": "weight", "unit": "kg"},
    "volume": {"field": "volume", "unit": "liter"},
    "memory": {"field": "ram", "unit": "GB"},
    "material": {"field": "text"},
    "colour": {"field": "colour", "values": {"crimson": ["red", "rot"], "black": ["schwarz"], "navy blue": ["navy"]}},
    "brand": {"field": "brand", "values": ["Acme", "Nord Wind"]},
}
