"""A reward with fields reads what was found and what is judged for the queries at hand, and no more of the split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.backend import Document
from leser.engine import SearchClient
from leser.environment import Attempt, Environment
from leser.expansion import ExpansionOptions
from leser.reward import Outcome, Reward, parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split

QUERIES = tuple(Query(f"q{n}", f"sofa{n}") for n in range(50))
SPLIT = Split("train", QUERIES, {q.id: {f"judged{n}": 1} for n, q in enumerate(QUERIES)})
SHELF = [Document(f"found{n}", {"title": f"sofa{n}", "stock": "1"}) for n in range(50)]
JUDGED = [Document(f"judged{n}", {"title": "settee", "stock": "0"}) for n in range(50)]


class InStock(Reward):
    """Share of judged documents that are in stock."""

    name, fields = "in_stock", ("stock",)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        return [sum(o.documents[d].fields["stock"] != "0" for d in o.grades) / len(o.grades) for o in outcomes]


class Noting(MemoryBackend):
    """Keeps the ids it was asked to fetch."""

    fetched: list[str]

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> Any:
        self.fetched += ids
        return super().fetch(ids, fields)


def test_only_the_batch_s_documents_are_fetched() -> None:
    backend = Noting.of([*SHELF, *JUDGED])
    backend.fetched = []
    rewards = RewardSet([NDCG(parse_spec("nDCG@10")), InStock(parse_spec("in_stock@10"))], [0.5, 0.5])
    environment = Environment(SearchClient(backend), rewards, ExpansionOptions())
    outcomes = environment.judge([Attempt(QUERIES[3], 0, "none"), Attempt(QUERIES[3], 0, "lamp")], SPLIT)
    assert environment.score(outcomes).total.tolist() == [0.0, 0.0]
    assert sorted(backend.fetched) == ["found3", "judged3"], "50 judged documents of other queries are of no use here"
