"""verified.confirm needs a reward that reads judgments: to any other both halves of them say the same."""

from __future__ import annotations

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG, Recall
from verified_shop import COUCH, RUG, SPLIT, Shiny, changed, environment_of, shelf, words_of

from leser.backend import SearchError
from leser.errors import LeserError
from leser.reward import Reward, parse_spec
from leser.task import Query, Split
from leser.verified.search import VerifiedSearch

CONFIRM = changed(confirm=True)


def search(*rewards: Reward, split: Split = SPLIT, engine: type[MemoryBackend] = MemoryBackend) -> VerifiedSearch:
    environment = environment_of(engine.of(shelf()), rewards)
    return VerifiedSearch(environment, split.queries, CONFIRM, words_of(environment), split)


def test_a_judge_without_labels_confirms_nothing() -> None:
    with pytest.raises(
        LeserError, match=r"nothing to confirm by: of the rewards shiny@2 none reads .* such as nDCG@10"
    ):
        search(Shiny(parse_spec("shiny@2")))


def test_beside_one_that_reads_them_it_may_judge() -> None:
    search(Shiny(parse_spec("shiny@2")), NDCG(parse_spec("nDCG@5")))


def test_the_first_queries_need_not_show_it() -> None:
    """A reward of high grades has nothing to say of the first queries, and of the last it has."""
    many = (*(Query(f"r{n}", "rug") for n in range(20)), COUCH)
    grades = {query.id: {"rug1": 1} for query in many} | {"q1": {"sofa1": 2, "couch1": 2}}
    strict = Recall(parse_spec("R(rel=2)@5")), Shiny(parse_spec("shiny@2"))
    search(*strict, split=Split("train", many, grades))


class Failing(MemoryBackend):
    """Refuses the couch."""

    def search(self, queries, k, *, total=False):  # type: ignore[no-untyped-def]
        answers = super().search(queries, k, total=total)
        return [
            SearchError("refused", "query") if q.text == "couch" else a for q, a in zip(queries, answers, strict=True)
        ]


def test_a_query_that_fails_says_nothing_of_the_rewards() -> None:
    for queries in ((COUCH, RUG), (COUCH,)):
        search(NDCG(parse_spec("nDCG@5")), split=Split("train", queries, SPLIT.qrels), engine=Failing)
