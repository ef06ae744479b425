"""The kit's own documents: a shop of twelve things.

Their titles and texts hold none of the words and signs of the hostile texts, and no stop words, so that what a query must
find does not depend on an engine's analysis.
"""

from __future__ import annotations

from leser.backend import Document


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
    _document("d09", "Garden table", "Acacia wood, eight guests", "Nordhem", "399"),
    _document("d10", "Water bottle", "Steel bottle keeps drinks cold", "Peakline", "19"),
    _document("d11", "Yoga mat", "Thick mat, stretching", "Velocity", "35"),
    _document("d12", "Café cup", "Porcelain, Zürich design", "Lumo", "12"),
)
"""What `open_backend` must hold: an id, title and text that are searched, brand and price that are filtered by."""

HOSTILE: tuple[str, ...] = (
    '" OR 1:1 ({!func}  ${x} <script> AND *:* /**/ _query_:',
    '" OR 1=1',
    "*:*",
    "*",
    " * ",
    "\x00*\x1f",
    "sof*",
    "lam?",
    "/.*/",
    "[* TO *]",
    "brand:Nordhem",
    "id:d01",
    '+ - && || ! ( ) { } [ ] ^ " ~ * ? : \\ /',
    "(((((((",
    '"unbalanced',
    "{!func}1",
    "{!parent which=*:*}",
    "_val_:1 _query_:1",
    "${jndi:ldap://x} #{1+1} {{7*7}} $query $expansions",
    "<script>alert(1)</script> <!--",
    "'; DROP INDEX docs; --",
    '{"match_all": {}}',
    "qqq^99999 qqq~9",
    "AND",
    "NOT",
    "NEAR",
    "\x00\x07\x1b[31m",
    "\u202egnirts \u200b\ufeff",
    "🛋️🔥👩‍👩‍👧",
    "日本語 ไทย العربية",
    "%s%n %00 ../../etc",
    "q" * 10_000,
    "qqq " * 2_500,
)
"""Texts that are syntax somewhere; as data none of them has a word in common with a document."""
