"""Constraints in searches: originals, expansions and baselines are held to them; engines that can't are refused."""

import re
import tomllib
from textwrap import dedent

import numpy as np
import pytest
from constraint_kinds import KINDS
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from places import ROOT

from leser.backend import Backend, Document
from leser.baseline import BaselineContext
from leser.config.load import config_of
from leser.config.tables import RunConfig
from leser.constraints import ConstraintOptions, QueryConstraints
from leser.engine import SearchClient
from leser.environment import Attempt, Environment
from leser.errors import LeserError
from leser.expansion import Code, ExpansionOptions
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split, Task

SHELF = [
    Document("a", {"title": "red shoes", "material": "leather", "price": "40", "size": "42"}),
    Document("b", {"title": "red shoes", "material": "canvas", "price": "45", "size": "42"}),
    Document("c", {"title": "crimson sneakers", "material": "canvas", "price": "80", "size": "42"}),
    Document("d", {"title": "crimson sneakers", "material": "canvas", "price": "30", "size": "41"}),
    Document("e", {"title": "crimson sneakers", "material": "leather", "price": "20", "size": "42"}),
    Document("f", {"title": "crimson sneakers", "material": "canvas", "price": "20", "size": "42"}),
]
OPTIONS = ConstraintOptions.model_validate(
    {
        "enabled": True,
        "kinds": {"price": {"field": "price"}, "size": {"field": "size"}, "material": {"field": "material"}},
    }
)
QUERY = Query("q", "red shoes under $50, size 42, not leather")
SPLIT = Split("train", (QUERY,), {"q": {"b": 1, "f": 1}})
ALLOWED = {"b", "f"}


def environment_of(mode="boost", ask=None, backend=None):
    client = SearchClient(backend or MemoryBackend.of(SHELF, fields={"title": 1.0}))
    return Environment(client, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]), ExpansionOptions(mode=mode), ask=ask)


@pytest.mark.parametrize("mode", ["boost", "fuse"])
def test_originals_and_expansions_respect_what_was_typed(mode):
    environment = environment_of(mode, QueryConstraints(OPTIONS))
    assert environment.originals([QUERY])["q"].ids == ("b",)
    (outcome,) = environment.judge([Attempt(QUERY, 0, "sneakers; crimson")], SPLIT)
    assert set(outcome.expanded.ids) == ALLOWED
    (free,) = environment_of(mode).judge([Attempt(QUERY, 0, "sneakers; crimson")], SPLIT)
    assert set(free.expanded.ids) == set("abcdef")


def test_each_expansion_searched_alone_respects_them_too():
    environment = environment_of(ask=QueryConstraints(OPTIONS))
    expansions = environment.read(Attempt(QUERY, 0, "sneakers; crimson"))[0]
    (result,) = environment.client.search_expansions(
        [(environment.ask(QUERY), expansions)], 10, options=environment.expansion, per_expansion=True
    )
    assert [set(ranking.ids) for ranking in result.per_expansion] == [{"f"}, {"f"}]


def test_baselines_respect_them():
    from leser.backend import Term

    client = SearchClient(MemoryBackend.of(SHELF, fields={"title": 1.0}))
    task = Task("t", SPLIT, SPLIT, SPLIT)
    context = BaselineContext(
        client, task, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]), ask=QueryConstraints(OPTIONS)
    )
    assert set(context.search([QUERY], [(Term("sneakers"),)])[0].ids) == ALLOWED
    assert np.isclose(context.reward(SPLIT, [QUERY], [(Term("sneakers"),)])[0], 1.0)


def test_the_words_stay_unless_they_are_not_to():
    assert QueryConstraints(OPTIONS)(QUERY).text == QUERY.text
    assert QueryConstraints(OPTIONS.model_copy(update={"keep_words": False}))(QUERY).text == "red shoes"


def test_switched_off_a_query_is_what_it_was():
    asked = QueryConstraints()(QUERY)
    assert (asked.id, asked.text, asked.terms, asked.filters) == ("q", QUERY.text, (), ())
    assert "constraints" not in RunConfig().resolved()


def test_the_configuration_is_read_and_written_back():
    given = {"constraints": OPTIONS.model_dump(exclude_none=True)}
    config = config_of(given)
    assert config_of(tomllib.loads(config.resolved())).constraints == OPTIONS
    with pytest.raises(LeserError, match="field"):
        config_of({"constraints": {"kinds": {"price": {}}}})


def test_the_look_up_says_what_searches_are_held_to():
    from io import StringIO

    from rich.console import Console

    from leser.cli.expand import _tell
    from leser.inspect.lookup import Looked

    held = tuple(map(str, QueryConstraints(OPTIONS).constraints(QUERY.text).found))
    out = StringIO()
    _tell(
        Console(file=out, width=200),
        Looked(QUERY, False, "1", (), 0, 9, "none", (), Code.NONE, "", 1.0, (), (), constraints=held),
    )
    assert 'held to     "under $50": price < 50\n            "size 42": size = 42' in out.getvalue()


def test_the_page_keeps_its_promises():
    page = (ROOT / "docs" / "constraints.md").read_text(encoding="utf-8")
    blocks = [dedent(block) for block in re.findall(r"(?:^(?:    .*)?\n)+", page, re.MULTILINE) if block.strip()]
    tables, code = blocks[0], blocks[-1]
    options = config_of(tomllib.loads(tables)).constraints
    ask = QueryConstraints(options)
    assert ask.constraints("acme shoes in navy under $50, size 42, not leather").remainder == "shoes"
    told, names = [], {"print": lambda *said: told.append(" ".join(map(str, said)))}
    exec(compile(code, "docs/constraints.md", "exec"), names)
    assert told == ['"under $50": price < 50\n"not leather": text without leather']
    assert names["found"].found[0].start == 10
    assert names["found"].remainder == "red shoes"
    options = options.model_copy(
        update={"kinds": {**ConstraintOptions.model_validate({"kinds": KINDS}).kinds, **options.kinds}}
    )
    ask = QueryConstraints(options)
    left_alone = page.partition("## What is left alone")[2].partition("A colour or material")[0]
    for example in re.findall(r'"([^"]+)"', left_alone):
        if example != "16 gb or 32 gb":
            assert ask.constraints(example).found == (), example
    misses = page.partition("known to miss")[2].partition("What it is")[0]
    for example in re.findall(r'"([^"]+)"', misses):
        locale = "de-DE" if "ß" in example or "ü" in example or "sein" in example else "en-US"
        assert QueryConstraints(options.model_copy(update={"locale": locale})).constraints(example).found == (), example


class Lacking(MemoryBackend):
    """The memory backend with fewer capabilities: what an engine does that has none to lose."""

    name = "lacking"


@pytest.mark.parametrize("capability", ["filters", "term_weights", "fields", "phrases"])
def test_an_engine_that_lacks_what_is_needed_is_refused_at_the_start(capability):
    kind = type("Lacking", (Lacking,), {"capabilities": MemoryBackend.capabilities - {capability}})
    backend: Backend = kind.of(SHELF)
    with pytest.raises(LeserError, match=f"'lacking' lacks the capability '{capability}'"):
        QueryConstraints(OPTIONS).check(backend)


def test_a_field_that_the_index_lacks_is_told_at_the_start():
    QueryConstraints(OPTIONS).check(MemoryBackend.of(SHELF))
    wrong = ConstraintOptions.model_validate({"enabled": True, "kinds": {"price": {"field": "cost"}}})
    with pytest.raises(LeserError, match=r"kinds.price\] field 'cost'"):
        QueryConstraints(wrong).check(MemoryBackend.of(SHELF))


def test_without_term_weights_conditions_hold_and_terms_are_fused():
    from leser.backend import Term

    kind = type("Weightless", (MemoryBackend,), {"capabilities": MemoryBackend.capabilities - {"term_weights"}})
    client = SearchClient(kind.of(SHELF, fields={"title": 1.0}))
    no_words = ConstraintOptions.model_validate({"enabled": True, "kinds": {"price": {"field": "price"}}})
    asked = QueryConstraints(no_words)(QUERY, (Term("sneakers"),))
    assert set(client.search_terms([asked], 10)[0].ids) == set("abdef")
