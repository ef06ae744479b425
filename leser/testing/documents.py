"""The kit's own documents: a shop of twelve things, one of them with a long text.

Their titles and texts hold none of the words and signs of the hostile texts, and no stop words, so that what a query must
find does not depend on an engine's analysis.
"""

from __future__ import annotations

from leser.backend import Document
from leser.contract.texts import HOSTILE

__all__ = ["DOCUMENTS", "HOSTILE"]

_CARE = (
    "Wipe spills, oil yearly, store dry, carry upright, tighten bolts, sand scratches, cover overnight, avoid frost. ",
    "Assemble on level ground: unfold, align hinges,\n  insert pegs, screw panels, check gaps. ",
)
_LONG = "Acacia wood, eight guests. " + 30 * "".join(_CARE) + "Comes with trivet"
"""More than 5,000 characters with a word that stands only at their end, and a line's end and spaces that are kept."""


def _document(id: str, title: str, text: str, brand: str, price: str) -> Document:
    return Document(id, {"title": title, "text": text, "brand": brand, "price": price})


DOCUMENTS: tuple[Document, ...] = (
    _document("d01", "Leather sofa", "Brown couch, three seats, wooden legs", "Nordhem", "799"),
    _document("d02", "Corner couch", "Grey fabric, chaise included", "Sofaria", "1299"),
    _document("d03", "Running shoes", "Light trainers: road, track", "Velocity", "89.5"),
    _document("d04", "Trail trainers", "Grip: mud, rock", "Velocity", "120"),
    _document("d05", "Rain jacket", "Waterproof shell, hood", "Peakline", "150"),
    _document("d06", "Office chair", "Swivel seat, lumbar support", "Nordhem", "249"),
    _document("d07", "Desk lamp", "Warm light, reading", "Lumo", "39"),
    _document("d08", "Reading lamp", "Clip, battery", "Lumo", "25"),
    _document("d09", "Garden table", _LONG, "Nordhem", "399"),
    _document("d10", "Water bottle", "Steel bottle keeps drinks cold", "Peakline", "19"),
    _document("d11", "Yoga mat", "Thick mat, stretching", "Velocity", "35"),
    _document("d12", "Café cup", "Porcelain, Zürich design", "Lumo", "12"),
)
"""What `open_backend` must hold: an id, title and text that are searched, brand and price that are filtered by."""
