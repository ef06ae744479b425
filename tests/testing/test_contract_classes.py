"""What a plugin's class declares is checked when it is loaded: a feature is never switched off without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leser_memory import MemoryBackend

from leser.backend import Backend, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.contract.classes import fault_of
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.evaluation.builtin import Original
from leser.formats.beir import Beir
from leser.plugin_offers import BASES
from leser.plugins import load_plugins
from leser.reward import Reward, parse_spec
from leser.reward_calls import make_reward
from leser.rules.repetition import Repetition
from leser.testing import DOCUMENTS


class Measure(Reward):
    """A reward in order."""

    name = "measure"

    def score(self, outcomes: Any) -> list[float | None]:
        return [0.5 for _ in outcomes]


class Bare(Backend):
    """A backend in order, with nothing but the two methods it must have."""

    name = "bare"

    def search(self, queries: Any, k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        return [Ranking(()) for _ in queries]

    def fetch(self, ids: Any, fields: Any) -> dict[str, Any]:
        return {}


async def later(*_: Any, **__: Any) -> list[Any]:
    return []


IN_ORDER = {"backend": Bare, "reward": Measure, "rule": Repetition, "reader": Beir, "baseline": Original}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("backend", {"capabilities": frozenset({"term_weigths"})}, "Unknown capability 'term_weigths'. Did you mean 'term_weights'?"),
    ("backend", {"capabilities": frozenset({"filters", 3})}, "Unknown capability '3'"),
    ("backend", {"capabilities": ["filters"]}, "capabilities must be a frozenset, it is ['filters'] (type list)"),
    ("backend", {"capabilities": "filters"}, "capabilities must be a frozenset, it is 'filters' (type str)"),
    ("backend", {"capabilities": {"filters"}}, "(type set)"),
    ("backend", {"capabilities": None}, "it is None"),
    ("backend", {"capabilities": frozenset({"analyze"})}, "declares the capability 'analyze', but has no method analyze()"),
    ("backend", {"capabilities": frozenset({"doc_freq"})}, "but has no method doc_freq()"),
    ("backend", {"capabilities": frozenset({"index"})}, "but has no method index()"),
    ("backend", {"takes_documents": True}, "says takes_documents, but has no method load()"),
    ("backend", {"takes_documents": "yes"}, "takes_documents must be True or False, it is 'yes'"),
    ("backend", {"name": "my engine"}, "has the name 'my engine'"),
    ("backend", {"name": "../engine"}, "has the name '../engine'"),
    ("backend", {"name": None}, "has no class attribute `name`"),
    ("backend", {"api": "1"}, "declares api = '1'"),
    ("backend", {"api": True}, "declares api = True"),
    ("backend", {"Options": dict}, "Options must be a class that inherits from leser.backend.BackendOptions"),
    ("backend", {"search": lambda self, queries, k: []}, "search cannot be called as search(..., ..., total=...): "),
    ("backend", {"fetch": lambda self, ids: {}}, "fetch cannot be called as fetch(..., ...): "),
    ("backend", {"search": later}, "search is async, and is called without await"),
    ("reward", {"range": 1.0}, "range must be two numbers"),
    ("reward", {"range": (1.0, 0.0)}, "it is (1.0, 0.0)"),
    ("reward", {"range": (0.0, float("inf"))}, "it is (0.0, inf)"),
    ("reward", {"fields": "price"}, "fields must be a tuple of field names, it is 'price'. Write ('price',)"),
    ("reward", {"fields": ["price"]}, "it is ['price']"),
    ("reward", {"requires": {"per_expansion"}}, "requires must be a frozenset"),
    ("reward", {"requires": frozenset({"per_expansions"})}, "Did you mean 'per_expansion'?"),
    ("reward", {"gate": 1}, "gate must be True or False"),
    ("reward", {"unsearched": "no"}, "unsearched must be True or False"),
    ("reward", {"name": "in-stock"}, "which no reward's text can hold"),
    ("reward", {"score": lambda self: []}, "score cannot be called as score(...)"),
    ("rule", {"compares_readings": "no"}, "compares_readings must be True or False"),
    ("rule", {"name": "locale"}, "which LESER uses itself"),
    ("rule", {"check": lambda self, query, expansions: None}, "check cannot be called as check(...)"),
    ("reader", {"read": later}, "read is async"),
    ("baseline", {"name": "leser"}, "which LESER uses itself"),
    ("baseline", {"name": "best-of-8"}, "which LESER uses itself"),
    ("baseline", {"terms": lambda self: []}, "terms cannot be called as terms(...)"),
]  # fmt: skip


@pytest.mark.parametrize("kind", IN_ORDER)
def test_a_class_in_order_has_no_fault_and_one_of_another_kind_has(kind: str) -> None:
    assert fault_of(kind, "hook", IN_ORDER[kind], BASES[kind]) == ""
    other = IN_ORDER["reward" if kind != "reward" else "rule"]
    assert "must inherit from leser." in fault_of(kind, "hook", other, BASES[kind])


@pytest.mark.parametrize(("kind", "changed", "said"), WRONG)
def test_what_is_wrong_with_a_class_is_said(kind: str, changed: dict[str, Any], said: str) -> None:
    sick = type("Sick", (IN_ORDER[kind],), changed)
    assert said in fault_of(kind, "hook", sick, BASES[kind])


def test_a_class_with_a_fault_is_broken_where_it_is_asked_for(install: Callable[..., Path]) -> None:
    code = (
        "from leser.hooks import hookimpl\nfrom leser_memory import MemoryBackend\n"
        "class Engine(MemoryBackend):\n    '''Ours.'''\n    name = 'acme'\n    capabilities = frozenset({'term_weigths'})\n"
        "@hookimpl\ndef leser_backends(): return [Engine]\n"
    )
    install("acme-search", "2.3", "acme", code)
    registry = load_plugins()
    assert next(offer for offer in registry.offers() if offer.name == "acme").broken
    with pytest.raises(LeserError, match=r"'acme' of acme-search 2.3 cannot be used: .*Did you mean 'term_weights'"):
        registry.get("backend", "acme")
    assert registry.get("backend", "memory") is MemoryBackend


def test_what_a_reward_says_of_itself_once_it_is_made_is_checked_too() -> None:
    class Made(Measure):
        def __init__(self, spec: Any) -> None:
            super().__init__(spec)
            self.fields = "price"  # type: ignore[assignment]

    class Bottomless(Measure):
        @property
        def depth(self) -> int:
            return 0

    class Specless(Measure):
        def __init__(self, spec: Any) -> None:
            self.k = spec.cutoff

    for cls, said in ((Made, "fields must be a tuple"), (Bottomless, "depth 0"), (Specless, "super().__init__(spec)")):
        with pytest.raises(LeserError, match=said.replace("(", r"\(").replace(")", r"\)")):
            make_reward(cls, parse_spec("measure@10"))


@pytest.mark.parametrize(
    ("capability", "query"),
    [
        ("fields", ExpandedQuery("q", "sofa", (Term("lamp", field="title"),))),
        ("phrases", ExpandedQuery("q", "sofa", (Term("floor lamp", match="phrase"),))),
        ("filters", ExpandedQuery("q", "sofa", filters=(Filter("brand", "eq", "Nordhem"),))),
    ],
)
def test_a_search_that_needs_what_the_engine_lacks_is_refused(capability: Any, query: ExpandedQuery) -> None:
    kind = type("Lacking", (MemoryBackend,), {"capabilities": MemoryBackend.capabilities - {capability}})
    with SearchClient(kind.of(DOCUMENTS)) as client:
        refused, plain = client.search([query, ExpandedQuery("p", "sofa")], 5)
    assert isinstance(refused, SearchError)
    assert refused.kind == "query"
    assert f"'memory' lacks the capability '{capability}'" in refused.message
    assert isinstance(plain, Ranking)
    with SearchClient(MemoryBackend.of(DOCUMENTS)) as able:
        assert isinstance(able.search([query], 5)[0], Ranking)


@pytest.mark.parametrize("term", [Term("lamp", field="title"), Term("floor lamp", match="phrase")])
def test_clauses_that_fusion_cannot_keep_are_refused_not_searched_as_plain_text(term: Term) -> None:
    kind = type("Weightless", (MemoryBackend,), {"capabilities": MemoryBackend.capabilities - {"term_weights"}})
    with SearchClient(kind.of(DOCUMENTS)) as client:
        refused, fused = client.search_terms(
            [ExpandedQuery("a", "sofa", (term,)), ExpandedQuery("b", "sofa", (Term("lamp"),))], 5
        )
    assert isinstance(refused, SearchError)
    assert "'term_weights'" in refused.message
    assert isinstance(fused, Ranking)
