"""The German shop: articles, endings, compounds, umlauts and misspellings as German has them."""

from __future__ import annotations

import random
import re

import pytest
from leser_catalogue.generator import Catalogue, make_catalogue
from leser_catalogue.grammar import Attribute, grammar
from leser_catalogue.queries import bag
from leser_catalogue.typos import misspellings
from leser_catalogue.words import data

GERMAN = grammar("de")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return make_catalogue(1, "de")


def attribute(marked: str, after: str = "", *, adjectives: bool = False) -> Attribute:
    return Attribute(GERMAN.word(marked), after, adjectives)


@pytest.mark.parametrize(
    ("noun", "marked", "expected"),
    [
        ("das Sofa", "dunkelblau*", "dunkelblaues Sofa"),
        ("die Kommode", "dunkelblau*", "dunkelblaue Kommode"),
        ("der Sessel", "dunkelblau*", "dunkelblauer Sessel"),
        ("die Laufschuhe", "gut sichtbar*", "gut sichtbare Laufschuhe"),
        ("der Sessel", "dunkel*", "dunkler Sessel"),
        ("das Tablet", "leise*", "leises Tablet"),
        ("das Tablet", "flexibel*", "flexibles Tablet"),
        ("der Koffer", "Hartschale-n", "Hartschalenkoffer"),
        ("das Sofa", "Leinen-", "Leinensofa"),
        ("die Kommode", "Eiche-n", "Eichenkommode"),
        ("die Bettdecke", "Merino-", "Merino-Bettdecke"),
        ("der Router", "LED-", "LED-Router"),
        ("das Zelt", "2 Personen", "Zelt 2 Personen"),
    ],
)
def test_titles(noun: str, marked: str, expected: str) -> None:
    name, ending = GERMAN.noun(noun)
    assert GERMAN.title(random.Random(0), name, ending, [attribute(marked)]) == expected


def test_titles_of_several_attributes() -> None:
    blue, folding = attribute("dunkelblau*", "in {}", adjectives=True), attribute("klappbar*")
    linen, grey, men = attribute("Leinen-"), attribute("Anthrazit", "in {}"), attribute("Herren", "für {}")
    draw = random.Random(0)
    assert GERMAN.title(draw, "Sofa", "es", [blue, linen]) == "dunkelblaues Leinensofa"
    assert GERMAN.title(draw, "Sofa", "es", [blue, folding]) == "klappbares dunkelblaues Sofa"
    assert GERMAN.title(draw, "Sofa", "es", [folding, attribute("modular*")]) == "klappbares, modulares Sofa"
    assert GERMAN.title(draw, "Weste", "e", [men, grey]) == "Weste in Anthrazit für Herren"


def test_what_follows_the_noun() -> None:
    assert GERMAN.follow(attribute("Samt-", "aus {}")) == "aus Samt"
    assert GERMAN.follow(attribute("mit Schloss", "mit {}")) == "mit Schloss"
    assert GERMAN.follow(attribute("weich*", "aus {}")) == "weich"
    assert GERMAN.follow(attribute("rot*", "in {}", adjectives=True)) == "in rot"


def test_accusative_after_fuer() -> None:
    assert [GERMAN.with_article(n) for n in ("der Umzug", "die Hochzeit", "das Workout", "Oma")] == [
        "den Umzug",
        "die Hochzeit",
        "das Workout",
        "Oma",
    ]


def test_every_noun_has_its_article() -> None:
    for group in data("types", "de").values():
        for noun, entry in group.items():
            for marked in (noun, *entry["shopper"]):
                assert marked.partition(" ")[0] in GERMAN.articles, marked
                assert marked.partition(" ")[2][0].isupper(), marked
    for need in data("needs", "de").values():
        for marked in need.get("occasions", []) if isinstance(need, dict) and "core" in need else []:
            assert marked.partition(" ")[0] in GERMAN.accusative, marked


def test_nouns_that_join_need_no_other_place() -> None:
    """A value that neither inflects nor joins follows the type, so its slot says how."""
    for name, slot in data("attributes", "de").items():
        for value in slot["values"]:
            word = GERMAN.word(value)
            assert word.stem or word.joint or slot.get("after"), (name, value)
            assert slot.get("after", "") in GERMAN.after_order


def test_no_mark_is_left_in_texts(catalogue: Catalogue) -> None:
    texts = [query.text for split in catalogue.task.splits for query in split.queries]
    texts += [value for product in catalogue.products for value in product.document.fields.values()]
    assert not [text for text in texts if re.search(r"\*|\w-(?!\w)|  |[{}]", text)]
    assert all(text == text.lower() for text in texts[:1000])


def test_prices_are_in_euros_and_sizes_metric(catalogue: Catalogue) -> None:
    assert {product.document.fields["currency"] for product in catalogue.products} == {"EUR"}
    sizes = {product.size for product in catalogue.products}
    assert {"Größe 38", "Größe 42", "160 cm", "5 Liter"} <= sizes
    shoe = next(p for p in catalogue.products if p.size == "Größe 42")
    assert "Größe: 42." in shoe.document.fields["text"]
    assert shoe.document.fields["title"].endswith(", Größe 42")


def test_shoppers_write_umlauts_out_and_join_nouns(catalogue: Catalogue) -> None:
    """On test too: such a query counts by its words, which train has seen, so that the form itself may be new."""
    test = [catalogue.intents[query.id] for query in catalogue.task.test.queries]
    plain = [intent for intent in test if intent.kind == "plain"]
    written_out = [i for i in plain if i.text == GERMAN.fold(i.clean) != i.clean]
    joined = [i for i in plain if len(i.text.split()) < len(i.clean.split())]
    assert len(written_out) >= 10
    assert len(joined) >= 20
    for intent in joined:
        apart, together = set(bag(intent.clean)) - set(bag(intent.text)), set(bag(intent.text)) - set(bag(intent.clean))
        (word,) = together
        assert len(apart) == 2
        assert {part for part in apart if word.startswith(part)} | {
            part for part in apart if word.endswith(part)
        } == apart
    assert any(re.search("[äöüß]", i.text) for i in plain)


def test_ideal_expansions_leave_out_what_a_query_says_inflected(catalogue: Catalogue) -> None:
    for query in catalogue.task.test.queries:
        intent = catalogue.intents[query.id]
        said = query.text.split()
        assert not [word for word in intent.ideal if {word, word + "e", word + "er", word + "es"} & set(said)], (
            query.text
        )


def test_one_word_however_it_is_written() -> None:
    assert bag("Größe weiß") == bag("groesse weiss")


def test_misspellings_by_ear() -> None:
    """German letters and sounds: some misspellings of a world are no slips but spelt as heard."""
    sounds = {tuple(pair) for pair in data("grammar", "de")["typos"]["sounds"]}
    heard = 0
    for word in ("staubsauger", "kühlbox", "wäschekorb", "schreibtischlampe", "kissen", "fernseher"):
        for wrong in misspellings(1, word, "de"):
            assert bag(wrong) != bag(word)
            heard += any(word.replace(right, typed, 1) == wrong for right, typed in sounds if right in word)
    assert heard >= 5
    assert set(misspellings(1, "kühlbox", "de")) != set(misspellings(1, "kuehlbox", "de"))


def test_vague_queries_for_people_occasions_and_against_troubles(catalogue: Catalogue) -> None:
    texts = [query.text for query in catalogue.task.train.queries if query.kind == "vague"]
    for pattern in (r"^geschenk f(ü|ue)r \w+", r"^alles f(ü|ue)r (den|die|das) \w+", r"^etwas gegen \w+"):
        assert any(re.match(pattern, text) for text in texts), pattern
