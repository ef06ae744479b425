"""The world `hits`: what a query means stands in the titles it finds, and in no query of another part."""

from __future__ import annotations

import hashlib

import pytest
from leser_catalogue import Demo
from leser_catalogue.generator import Catalogue, ideal_expansions, make_catalogue
from leser_catalogue.hits import HitsShop
from leser_catalogue.queries import bag
from leser_memory import MemoryBackend

from leser.backend import ExpandedQuery, Ranking, Term
from leser.text import words


@pytest.fixture(scope="module")
def world() -> Catalogue:
    return make_catalogue(4, world="hits")


def test_the_plain_world_is_what_it_was_byte_for_byte() -> None:
    world = make_catalogue(1)
    rows = [product.document.fields for product in world.products]
    asked = [(intent.text, sorted(intent.grades.items())) for intent in world.intents.values()]
    assert hashlib.sha256(repr([*rows, *asked]).encode()).hexdigest() == (
        "5f96216099e5d8d244a92582dc195fa6cd132234249e3a81360a14494d79710f"
    )


def test_a_seed_gives_one_world_and_another_gives_another(world: Catalogue) -> None:
    again = Demo(Demo.Options(seed=4, world="hits")).read()
    assert [q.text for s in again.splits for q in s.queries] == [q.text for s in world.task.splits for q in s.queries]
    assert make_catalogue(5, world="hits").task.test.queries[0].text != world.task.test.queries[0].text
    assert "world hits" in again.notes[0]


def test_the_products_are_the_plain_ones_but_for_their_titles(world: Catalogue) -> None:
    plain = make_catalogue(4)
    for before, after in zip(plain.products, world.products, strict=True):
        assert (before.id, before.type, before.attributes) == (after.id, after.type, after.attributes)
        assert {**before.document.fields, "title": ""} == {**after.document.fields, "title": ""}
        assert set(words(before.document.fields["title"])) <= set(words(after.document.fields["title"]))


def test_no_word_that_says_what_is_meant_stands_in_the_queries_of_two_parts(world: Catalogue) -> None:
    invented = {word.text.lower(): word for word in HitsShop(4, world.vocabulary, make_catalogue(4).products).words}
    assert len(invented) > 1000, "words are different"
    for split in world.task.splits:
        for query in split.queries:
            held = [invented[word] for word in bag(query.text) if word in invented]
            assert len(held) == 1, query.text
            assert (held[0].part, held[0].kind) == (split.name, query.kind)


def test_each_word_stands_in_titles_beside_what_it_means(world: Catalogue) -> None:
    titles = {product.id: set(words(product.document.fields["title"])) for product in world.products}
    products = {product.id: product for product in world.products}
    for word in HitsShop(4, world.vocabulary, make_catalogue(4).products).words:
        held = [products[id_] for id_, title in titles.items() if word.text.lower() in title]
        assert held, word.text
        if word.kind == "shade":
            assert all(product.attributes[word.slot] == word.value for product in held)
            assert all(set(words(word.value)) <= titles[product.id] for product in held)
        else:
            own = sum(product.type == word.type for product in held)
            assert own > len(held) - own, "the type that is meant has the most"
            assert (word.kind == "line") == (own == len(held))


def test_the_query_alone_finds_little_of_what_is_meant_and_the_word_in_its_titles_finds_it(world: Catalogue) -> None:
    backend = MemoryBackend.of([product.document for product in world.products])
    queries = [q for q in world.task.test.queries if q.kind != "shade"][:100]
    terms = [tuple(Term(text, 2.0) for text in ideal_expansions(q.id, 4, world="hits")) for q in queries]
    shares = []
    for given in ([()] * len(queries), terms):
        found = backend.search([ExpandedQuery(q.id, q.text, t) for q, t in zip(queries, given, strict=True)], 10)
        hits = [ranking.ids for ranking in found if isinstance(ranking, Ranking)]
        good = [sum(id_ in world.task.test.qrels[q.id] for id_ in ids) for q, ids in zip(queries, hits, strict=True)]
        shares.append(sum(good) / (10 * len(queries)))
    assert shares[0] < 0.5
    assert shares[1] > 0.9


def test_german_shops_have_the_world_too() -> None:
    task = make_catalogue(2, "de", "hits").task
    assert {query.kind for query in task.test.queries} == {"line", "ambiguous", "shade"}
