"""The rule that protects what a query pins down."""

from __future__ import annotations

import pytest
from rule_cases import book_of
from rule_reasons import reason

from leser.expansion import Expansion

# -- protected -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text", "what"),
    [
        ("phone 64gb", "128 GB phone", "storage 128"),
        ("tv 55 inch", "tv 65\"", "length"),
        ("desk 120 cm", "80 cm", "length"),
        ("water 1 l", "500ml bottle", "volume"),
        ("shirt size m", "xl shirt", "letter size xl"),
        ("shoes size 42", "size 43", "size 43"),
        ("boots eu 42", "eu 41 boots", "size 41"),
        ("jacket xxl", "3xl", "letter size"),
        ("aa batteries pack of 8", "4 pack", "count 4"),
        ("6er pack wasser", "12er pack", "count 12"),
        ("iphone 14 case", "iphone 13", "number 13"),
        ("iphone 14 case", "13", "number 13"),
        ("galaxy a55", "a54", "model a54"),
        ("m3 screws", "m4 bolts", "model m4"),
        ("jacke größe 42", "grösse 44", "size 44"),
        ("sony wh-1000xm4", "wh1000xm5 headphones", "model wh1000xm5"),
        ("sony wh-1000xm4", "wh 1000xm5", "model"),
        ("sony wh 1000 xm4", "wh-1000xm5", "model"),
        ("sony wh-1000xm4", "wh 1000 xm5", "model"),
        ("galaxy a55", "a 54 case", "model a54"),
        ("iphone 14 case", "13 pro", "number 13"),
        ("iphone 14 case", "13 case", "number 13"),
        ("iphone 14 case", "iphone13", "number 13"),
        ("trarvelis gr 630", "64", "number 64"),
        ("running shoes size 42", "44", "number 44"),
        ("iphone14 case", "iphone 13 pro", "number 13"),
        ("calendar 2026", "calendar 2025", "number 2025"),
        ("acme shoes", "nordwind trainers", "brand 'Nordwind'"),
        ("shoes without leather", "leather boots", "'leather', which the query rules out"),
        ("not leather or suede shoes", "suede", "'suede'"),
        ("sugar-free gum", "sugar cubes", "'sugar'"),
        ("sleeveless dress", "long sleeve", "'sleeve'"),
        ("schuhe ohne leder", "lederschuhe", "'leder'"),
        ("schuhe ohne leder", "wildleder", "'leder'"),
        ("schuhe ohne leder", "kunstlederschuhe", "'leder'"),
    ],
)  # fmt: skip
def test_what_the_query_pins_down_is_not_contradicted(query: str, text: str, what: str) -> None:
    tables = {"protected": {"brands": ["Acme", "Nordwind"]}}
    assert what in (reason(tables, query, text) or "nothing wrong"), (query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("phone 64gb", "smartphone 64 gb"),
        ("phone 64gb", "6 inch display"),
        ("tv 55 inch", "140 cm"),
        ("desk 120 cm", "120x60 cm"),
        ("1,5 l flasche", "1500 ml"),
        ("shirt xxl", "2xl tee"),
        ("3 in 1 charger", "2 m cable"),
        ("iphone 14", "pro max"),
        ("running shoes size 42", "trainers 42"),
        ("running shoes size 42", "pack 44 grams"),
        ("galaxy a55", "wh1000 earbuds"),
        ("iphone 14 case", "14 pro"),
        ("iphone 14 case", "iphone14 magsafe"),
        ("iphone 14 case", "6 colours"),
        ("sony wh-1000xm4", "wh 1000 xm4"),
        ("sony wh1000xm4", "sony wh-1000xm4 headphones"),
        ("2 seater sofa", "3 cushions"),
        ("acme shoes", "acme trainers"),
        ("shoes without leather", "vegan canvas"),
        ("zuckerfrei kaugummi", "ohne süßstoff"),
        ("kabellose maus", "funkmaus"),
        ("rostfreie gartenschaukel", "frostbeständig"),
        ("rust-free chair", "trusted crust"),
        ("stainless steel kettle", "stain resistant"),
        ("gießschlauch rostfrei", "rostfreier schlauch"),
        ("zeitlose uhr", "zeitmesser"),
        ("lamp", "100 w bulb, 3 pack"),
    ],
)
def test_what_does_not_contradict_passes(query: str, text: str) -> None:
    locale = "de" if "," in query else None
    assert reason({"protected": {"brands": ["Acme", "Nordwind"]}}, query, text, locale=locale) is None


@pytest.mark.parametrize("locale", ["de", "de-AT"])
def test_german_says_in_any_case_what_is_lacking(locale: str) -> None:
    tables = {"protected": {}}
    for query, text in (
        ("kabelloses headset", "kabel"), ("kabellose maus", "kabel"), ("fettlose creme", "fett"), ("fettfreie creme", "fett"),
        ("ohne kosten", "versandkosten"), ("seife ohne cellulose", "cellulose schwamm"), ("ohne rost", "rostlöser"),
        ("ohne rost", "rostlоser"),
    ):  # fmt: skip
        assert "which the query rules out" in (reason(tables, query, text, locale=locale) or ""), (query, text)
    for query, text in (
        ("headset ohne kabel", "kabelloser kopfhörer"), ("kabellos headset", "kabelloses"), ("ohne kosten", "kostenlos"),
    ):  # fmt: skip
        assert reason(tables, query, text, locale=locale) is None, (query, text)


@pytest.mark.parametrize("locale", ["de", "en", "fr"])
def test_words_that_only_look_as_if_they_said_what_is_lacking_rule_nothing_out(locale: str) -> None:
    tables = {"protected": {"max_weight": 0.1}}
    for query, text in (
        ("kostenlose lieferung", "versandkosten"), ("versandkostenfreie lampe", "versandkosten"),
        ("cellulose schwamm", "cellulitis"), ("zellulosen", "zellulitis"), ("herbstzeitlose", "herbstzeit"),
        ("rubbellose", "rubbelkarten"), ("rostlöser", "rost entferner spray"), ("Fettlöser", "fett"),
        ("backofenfettlöser", "backofen fett"), ("kalklöser für nescafé", "kalk"), ("rostloser reiniger", "rostentferner"),
        ("klebstofflöser", "klebstoff"),
    ):  # fmt: skip
        assert reason(tables, query, text, locale=locale) is None, (query, text)
    assert "weigh" in (reason(tables, "rostfreie lampe", "spray", locale=locale) or ""), "what does is weighed"


def test_only_german_has_words_that_say_with_an_ending_of_los_what_is_lacking() -> None:
    for query, text in (("disclose agreement", "disc"), ("weightloser", "weight"), ("allulose", "allure")):
        assert reason({"protected": {}}, query, text, locale="en") is None, (query, text)
    assert "'kabel'" in (reason({"protected": {}}, "headset ohne kabel", "kabelloser kopfhörer", locale="en") or "")
    assert "'kabel'" in (reason({"protected": {}}, "headset kabellos", "kabel", locale="en") or "")


@pytest.mark.parametrize("locale", ["de", "en"])
def test_a_word_with_hardly_a_stem_before_the_ending_says_nothing_lacks(locale: str) -> None:
    for query, text in (("tee nicht lose", "loser tee"), ("tee nicht lose", "lose"), ("not freie", "freie")):
        assert "rules out" in (reason({"protected": {}}, query, text, locale=locale) or ""), (query, text)


def test_numbers_are_read_as_the_locale_writes_them() -> None:
    from leser.rules.claims import claims

    assert claims("1,5 l", "de") == {"volume": {1.5}}
    assert claims("1.5 l", "en") == {"volume": {1.5}}
    assert claims("1,000 ml", "en") == {"volume": {1.0}}
    assert claims("1.000 ml", "de") == {"volume": {1.0}}
    assert sorted(claims("120 x 60 cm")["length"]) == pytest.approx([0.6, 1.2])


def test_expansions_must_not_outweigh_what_is_pinned_down() -> None:
    book = book_of({"protected": {"max_weight": 2.0}}, weight=0.5)
    heavy = [Expansion("charger", 2.0), Expansion("black case", 3.0)]  # 1.0 + 1.5
    assert "weigh 2.5 together" in str(book.check("phone 64gb", heavy))
    assert book.check("phone", heavy) is None, "nothing is pinned down"
    assert book.check("phone 64gb", heavy[:1]) is None


def test_kinds_can_be_left_out() -> None:
    assert reason({"protected": {"kinds": ["brand"]}}, "phone 64gb", "128gb") is None
