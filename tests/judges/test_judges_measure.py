"""encoder@k as a measure of the final table, and dev chosen by it where no query is judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from leser_judges import EncoderSimilarity
from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.backend import Document
from leser.engine import SearchClient, SearchOptions
from leser.environment import Attempt, Environment
from leser.errors import LeserError
from leser.evaluation.evaluate import evaluate
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.expansion import ExpansionOptions
from leser.reward import parse_spec
from leser.scoring import RewardSet, mean_of
from leser.task import Query, Split
from leser.testing.reward_contract import ranking

DOCUMENTS = {
    id: Document(id, {"title": title})
    for id, title in {"a": "red settee", "b": "navy couch for two", "c": "floor lamp"}.items()
}
QUERIES = (Query("q1", "couch"), Query("q2", "standing lamp"))
UNJUDGED = Split("test", QUERIES, {})
REWARDS = {"encoder": EncoderSimilarity}
GOOD = SystemRun("leser", {"q1": ranking("b", "a"), "q2": ranking("c")})
BAD = SystemRun("original", {"q1": ranking("c"), "q2": ranking("a", "b")})


@pytest.fixture
def name(tmp_path: Path) -> str:
    return f"encoder(cache={str(tmp_path / 'vectors')!r})@3"


def fetch(ids: object, fields: object) -> dict[str, Document]:
    assert tuple(fields) == ("title",)  # type: ignore[call-overload]
    return {id: DOCUMENTS[id] for id in ids}  # type: ignore[attr-defined]


def test_the_measure_is_the_reward(name: str) -> None:
    result = evaluate(UNJUDGED, [BAD, GOOD], [name, "nDCG@10"], rewards=REWARDS, fetch=fetch, resamples=200)
    values = result.per_query["leser"][name]
    measured = Measurer(UNJUDGED, [name], REWARDS, fetch)(GOOD, BAD)[name]
    assert values == measured
    assert result.systems["leser"][name] > result.systems["original"][name] + 0.1
    assert "nDCG@10" not in result.systems["leser"], "it is not 0 where nobody judged: it does not apply"


def memory() -> MemoryBackend:
    backend = MemoryBackend(MemoryBackend.Options())
    backend.load(DOCUMENTS.values())
    return backend


def test_a_measure_with_fields_wants_documents(name: str) -> None:
    with pytest.raises(LeserError, match="reads the fields title, and no documents are at hand here"):
        Measurer(UNJUDGED, [name], REWARDS)(GOOD)


def test_judged_measures_are_means_over_judged_queries_alone() -> None:
    split = Split("test", QUERIES, {"q1": {"b": 1}, "q2": {"a": 0}})
    result = evaluate(split, [BAD, GOOD], ["nDCG@10", "Judged@10"], resamples=200)
    assert result.per_query["leser"]["nDCG@10"] == {"q1": 1.0}
    assert result.systems["leser"]["nDCG@10"] == 1.0
    assert result.per_query["leser"]["Judged@10"] == {"q1": 0.5, "q2": 0.0}


def test_dev_without_judgments_prefers_what_the_judge_prefers(name: str) -> None:
    zero = name.replace(")@", ", empty='zero')@")  # a ranking that grows is worth more
    rewards = RewardSet([EncoderSimilarity(parse_spec(zero)), NDCG(parse_spec("nDCG@10"))], [1.0, 1.0])
    environment = Environment(SearchClient(memory(), SearchOptions()), rewards, ExpansionOptions())
    dev = Split("dev", QUERIES, {})

    def value(*written: str) -> float:
        attempts = [
            Attempt(query, group, text) for group, (query, text) in enumerate(zip(QUERIES, written, strict=True))
        ]
        return mean_of(environment.score(environment.judge(attempts, dev)).total)

    alone, better = value("none", "none"), value("settee", "none")
    assert 0 < alone < better
