"""Ordinary shop queries that a filter would ruin, and the same words where they do say what a result must be."""

from functools import cache

import pytest

from leser.constraints import ConstraintOptions, QueryConstraints

MEASURES = {
    "length": {"field": "length", "unit": "cm"},
    "width": {"field": "width", "unit": "cm"},
    "height": {"field": "height", "unit": "cm"},
    "depth": {"field": "depth", "unit": "cm"},
    "screen": {"field": "screen", "unit": "inch"},
    "weight": {"field": "weight", "unit": "g"},
    "volume": {"field": "volume", "unit": "liter"},
}
KINDS = {
    "size": {"field": "size"},
    "material": {"field": "text"},
    "memory": {"field": "ram", "unit": "GB"},
    **MEASURES,
}
COLOURS = {"white": ["weiß"], "olive": ["oliv"], "red": ["rot"], "gold": []}


@cache
def asker(locale, *kinds):
    mapped = {
        "price": {"field": "price"},
        "colour": {"field": "colour", "values": COLOURS},
        **{kind: KINDS[kind] for kind in kinds},
    }
    options = ConstraintOptions.model_validate({"enabled": True, "locale": locale, "kinds": mapped})
    return QueryConstraints(options)


def conditions(text, ask):
    return [(f.field, f.op, f.value) for f in ask.constraints(text).filters]


@pytest.mark.parametrize("mapped", [tuple(KINDS), *((kind,) for kind in KINDS)], ids="+".join)
@pytest.mark.parametrize(
    ("locale", "text"),
    [
        *(
            ("en-US", text)
            for text in (
                "iphone 15 plus 128 gb", "over the knee boots 40 cm", "128 gb memory card", "20 kg heavy duty hooks",
                "dog crate 50 lbs", "picture frame size 8 x 10", "plus size 3 pack leggings", "stand for 27 inch monitor",
                "glass free standing mirror", "tuna in olive oil", "ring in white gold", "free shipping over $50",
                "3m command strips", "jeans size 34/32", "6 pint glasses", "watch 100 m water resistant", "tv stand 55 inch",
                "4 g router", "20 cm deep fryer basket", "aa size 4 batteries", "cable box 40 cm",
                "case for 13 inch screen",
            )
        ),
        *(
            ("de-DE", text)
            for text in (
                "iphone 15 plus 128 gb", "overknee stiefel 40 cm", "waschmaschine 8 kg", "kindersitz 9-18 kg",
                "kindersitz ab 9 kg", "bettlaken größe 90 x 200", "jeans größe 34/32", "versandkostenfrei ab 50 €",
                "uhr 100 m wasserdicht", "hülle für 13 zoll display", "metall regal frei stehend", "ring in weiß gold",
                "t-shirt größe 6 jahre", "air max 90 gr 42", "babywindeln größe 3 stück 50", "tv halterung 55 zoll",
            )
        ),
    ],
)  # fmt: skip
def test_ordinary_queries_are_no_filters_whatever_is_mapped(text, locale, mapped):
    assert asker(locale, *mapped).constraints(text).found == ()


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("laptop 16 gb ram", "en-US", [("ram", "eq", 16.0)]),
        ("laptop 16 gb ram or more", "en-US", [("ram", "gte", 16.0)]),
        ("laptop with at least 16 GB of memory", "en-US", [("ram", "gte", 16.0)]),
        ("laptop 16+ gb ram", "en-US", []),
        ("laptop 16gb+ ram", "en-US", [("ram", "gte", 16.0)]),
        ("2 m usb c cable", "en-US", [("length", "eq", 200.0)]),
        ("cable 2 m black", "en-US", [("length", "eq", 200.0)]),
        ("table 2 m long", "en-US", [("length", "eq", 200.0)]),
        ("55 inch tv", "en-US", [("screen", "eq", 55.0)]),
        ("27 inch monitor", "en-US", [("screen", "eq", 27.0)]),
        ("coffee 500 g plus mug", "en-US", [("weight", "eq", 500.0)]),
        ("coffee 500 g plus", "en-US", [("weight", "gte", 500.0)]),
        ("$50 plus", "en-US", [("price", "gte", 50.0)]),
        ("backpack 30 l", "en-US", [("volume", "eq", 30.0)]),
        ("frame size 8", "en-US", [("size", "eq", 8.0)]),
        ("free shipping under $50", "en-US", [("price", "lt", 50.0)]),
        ("shoes size 38/39", "en-US", [("size", "in", (38.0, 39.0))]),
        ("kaffee 500 gr 2 stück", "de-DE", []),
        ("kaffee 500 gr", "de-DE", [("weight", "eq", 500.0)]),
        ("schuhe gr 42", "de-DE", [("size", "eq", 42.0)]),
        ("hdmi-kabel 2 m", "de-DE", [("length", "eq", 200.0)]),
        ("ladekabel mindestens 2 m", "de-DE", [("length", "gte", 200.0)]),
        ("fernseher 55 zoll", "de-DE", [("screen", "eq", 55.0)]),
        ("laptop 16 gb arbeitsspeicher oder mehr", "de-DE", [("ram", "gte", 16.0)]),
        ("kurzhantel 2 kg", "de-DE", [("weight", "eq", 2000.0)]),
        ("lampe ab 50 €", "de-DE", [("price", "gte", 50.0)]),
        ("kleid in weiß", "de-DE", [("colour", "eq", "white")]),
    ],
)
def test_the_same_words_are_filters_where_they_say_what_is_meant(text, locale, expected):
    assert conditions(text, asker(locale, *KINDS)) == expected


def test_a_shop_may_trust_measures_without_a_word():
    kinds = {"memory": {"field": "ram", "unit": "GB", "bare": True}}
    trusting = QueryConstraints(ConstraintOptions.model_validate({"enabled": True, "kinds": kinds}))
    assert conditions("laptop 16 GB", trusting) == [("ram", "eq", 16.0)]
    kinds["storage"] = {"field": "disk", "unit": "GB", "bare": True}
    both = QueryConstraints(ConstraintOptions.model_validate({"enabled": True, "kinds": kinds}))
    assert conditions("laptop 16 GB", both) == []
    assert conditions("128 gb memory card", both) == [("disk", "eq", 128.0)]
