"""alpha_nDCG, marginal, business and agreement: their contract, worked out by hand, and against ir-measures."""

from __future__ import annotations

import json
import random
from math import log2
from pathlib import Path

import ir_measures
import pytest
from leser_sets import Agreement, AlphaNDCG, Business, Marginal

from leser.backend import Document
from leser.errors import LeserError
from leser.expansion import Code, Expansion
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query
from leser.testing.reward_contract import RewardContract, ranking

NEEDS = {"couch": frozenset({"a", "b", "c"}), "bed": frozenset({"c", "d"})}
TITLES = {"a": "red sofa", "b": "navy sofa", "c": "sofa bed", "d": "oak bed"}


def outcome(*ids: str, needs=NEEDS, original=(), each=(), grades=None, documents=None, text="couch") -> Outcome:
    expansions = tuple(Expansion(f"e{n}") for n in range(len(each)))
    return Outcome(
        Query("q", text, subtopics=needs),
        0,
        "",
        expansions,
        ranking(*original),
        ranking(*ids),
        grades or {},
        Code.OK,
        per_expansion=tuple(ranking(*one) for one in each),
        documents=documents or {},
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    rows = [json.dumps({"_id": id, "title": title}) + "\n" for id, title in TITLES.items()]
    (tmp_path / "corpus.jsonl").write_text("".join(rows))
    return tmp_path


class TestAlpha(RewardContract):
    @pytest.fixture(params=["alpha_nDCG@10", "alpha_nDCG(alpha=1.0)@3"])
    def reward(self, request: pytest.FixtureRequest) -> Reward:
        return AlphaNDCG(parse_spec(request.param))


class TestMarginal(RewardContract):
    @pytest.fixture
    def reward(self) -> Reward:
        return Marginal(parse_spec("marginal@10"))


class TestBusiness(RewardContract):
    @pytest.fixture
    def reward(self) -> Reward:
        return Business(parse_spec("business(field='stock', high=50)@5"))


class TestAgreement(RewardContract):
    @pytest.fixture
    def reward(self, shelf: Path) -> Reward:
        return agreement(shelf)


def agreement(shelf: Path, k: int = 2) -> Agreement:
    return Agreement(parse_spec(f"agreement(engine=memory, options={{'documents': {str(shelf)!r}}})@{k}"))


def test_alpha_by_hand() -> None:
    # c serves both needs: 2; then a: 1/2 for the couch; ideal: c, d (1/2), b ... each 1/2 or less
    reward = AlphaNDCG(parse_spec("alpha_nDCG@3"))
    best = 2 + 0.5 / log2(3) + 0.5 / 2  # c, then one of the couch and one of the bed
    expected = {
        ("c", "d", "b"): 1.0,
        ("a", "d", "x"): (1 + 1 / log2(3)) / best,
        ("a", "b", "c"): (1 + 0.5 / log2(3) + (0.25 + 1) / 2) / best,
        ("a", "a", "d"): (1 + 1 / log2(3)) / best,
        (): 0.0,
    }
    assert reward.score([outcome(*ids) for ids in expected]) == pytest.approx(list(expected.values()))
    assert reward.score([outcome("a", needs={}), outcome("a", needs={"none": frozenset()})]) == [None, None]


@pytest.mark.parametrize(
    "name", ["alpha_nDCG@5", "alpha_nDCG@10", "alpha_nDCG(alpha=0.8)@10", "alpha_nDCG(alpha=0.0)@20"]
)
def test_alpha_equals_ir_measures(name: str) -> None:
    draw = random.Random(3)
    reward, measure = AlphaNDCG(parse_spec(name)), ir_measures.parse_measure(name)
    documents = [f"d{n:02}" for n in range(30)]
    for _ in range(60):
        needs = {f"{n}": frozenset(draw.sample(documents, draw.randint(1, 12))) for n in range(draw.randint(2, 5))}
        ids = draw.sample(documents, draw.randint(1, 30))
        qrels = [ir_measures.Qrel("q", d, 1, need) for need, held in needs.items() for d in held]
        run = [ir_measures.ScoredDoc("q", d, float(len(ids) - place)) for place, d in enumerate(ids)]
        theirs = ir_measures.calc_aggregate([measure], qrels, run)[measure]
        assert reward.score([outcome(*ids, needs=needs)]) == [pytest.approx(theirs, abs=1e-9)]


def test_marginal_by_hand() -> None:
    reward = Marginal(parse_spec("marginal@2"))
    grades = {"a": 1, "b": 2, "c": 1, "d": 1, "x": 0}
    common = {"original": ("a", "x"), "grades": grades}  # b, c and d are missing; two fit into a top 2
    cases = {
        (("b", "c"),): 1.0,
        (("b", "x"), ("b", "c")): (1 / 2 + 1 / 2) / 2,  # the second finds c anew, of c and d
        (("b", "c"), ("b", "c")): (1 + 0) / 2,
        (("b", "c"), ("d", "a"), ("d", "b")): (1 + 1 + 0) / 3,  # nothing is missing for the third
        (("x", "b", "c"),): 1 / 2,  # c is third
        (): 0.0,
    }
    found = reward.score([outcome("a", each=each, **common) for each in cases])
    assert found == pytest.approx(list(cases.values()))
    assert reward.score([outcome("a", original=("a",), grades={"a": 1})]) == [None]


def test_business_by_hand() -> None:
    stock = {"a": "50", "b": "12.5", "c": "n/a", "d": "-3", "e": "900", "f": "true"}
    documents = {id: Document(id, {"stock": text}) for id, text in stock.items()}
    weights = 1 + 1 / log2(3)

    def score(name: str, *ids: str) -> float:
        return Business(parse_spec(name)).score([outcome(*ids, documents=documents)])[0]

    name = "business(field='stock', high=50)@2"
    assert score(name, "a", "b") == pytest.approx((1 + 0.25 / log2(3)) / weights)
    assert score(name, "b", "a") == pytest.approx((0.25 + 1 / log2(3)) / weights)
    assert score(name, "c", "d") == 0.0
    assert score(name, "e") == pytest.approx(1 / weights)  # a missing rank counts 0
    assert score("business(field='stock', low=50, high=0)@1", "b") == 0.75  # less is better
    assert score("business(field='stock')@1", "f") == 1.0
    for wrong in ("business@2", "business(field='stock', low=1, high=1)@2"):
        with pytest.raises(LeserError, match="Bad options of reward"):
            Business(parse_spec(wrong))


def test_agreement_by_hand(shelf: Path) -> None:
    reward = agreement(shelf)
    # the second engine finds c and d for "bed", c being shorter or equal; both are its top 2
    values = reward.score([outcome(*ids, text="bed") for ids in (("c", "d"), ("a", "d"), ("a", "b", "c"), ())])
    assert values == [1.0, 0.5, 0.0, 0.0]
    assert reward.score([outcome("a", text="chesterfield")]) == [None], (
        "it found nothing, so there is nothing to agree with"
    )


def test_agreement_names_an_engine_that_has_documents() -> None:
    with pytest.raises(LeserError, match="needs an engine that holds documents already"):
        Agreement(parse_spec("agreement(engine=memory)@10"))
    with pytest.raises(LeserError, match="nowhere"):
        Agreement(parse_spec("agreement(engine=nowhere)@10"))


def test_the_top_of_a_ranking_closes_up_over_repeats() -> None:
    assert ranking("a", "b", "c").top(2) == ["a", "b"]
    assert ranking("a", "a", "b", "a", "c").top(2) == ["a", "b"]
    assert ranking("a", "a").top(3) == ["a"]
    assert ranking().top(3) == []
