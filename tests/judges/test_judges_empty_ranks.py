"""An empty rank counts what the original's own documents do: a filler below that costs, and something better still pays."""

from __future__ import annotations

from math import log2
from pathlib import Path

import pytest
from leser_judges import EncoderSimilarity
from leser_judges.encoder import Encoder
from leser_memory import MemoryBackend

from leser.backend import Document
from leser.engine import SearchClient
from leser.environment import Attempt, Environment
from leser.expansion import Code, Expansion, ExpansionOptions
from leser.reward import Outcome, parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split
from leser.testing.reward_contract import ranking

TITLES = {"oven": "microwave grill", "radio": "steel clock radio", "best": "microwave oven", "bare": ""}
DOCUMENTS = {id: Document(id, {"title": title}) for id, title in TITLES.items()}
WEIGHTS = [1.0, 1 / log2(3), 1 / 2]


def reward(cache: Path, empty: str = "") -> EncoderSimilarity:
    return EncoderSimilarity(parse_spec(f"encoder({empty}cache={str(cache)!r})@3"))


def outcome(original: list[str], expanded: list[str]) -> Outcome:
    query = Query("q", "microwave")
    found = ranking(*original), ranking(*expanded)
    return Outcome(query, 0, "", (), *found, {}, Code.OK, documents=DOCUMENTS)


def cosines() -> dict[str, float]:
    encoder = Encoder.of("minilm")
    asked = encoder.encode(["microwave"], query=True)[0]
    return {id: float(asked @ encoder.encode([title])[0]) if title else 0.0 for id, title in TITLES.items()}


def test_what_fills_a_short_list_is_worth_what_it_is_above_the_original_own_documents(tmp_path: Path) -> None:
    near = cosines()
    assert near["radio"] < near["oven"] < near["best"]
    before, filler, better = reward(tmp_path).score(
        [outcome(["oven"], ids) for ids in (["oven"], ["oven", "radio"], ["oven", "best"])]
    )
    assert before == pytest.approx(near["oven"], abs=2e-4)
    change = WEIGHTS[1] / sum(WEIGHTS)
    assert filler - before == pytest.approx((near["radio"] - near["oven"]) * change, abs=2e-4)
    assert better - before == pytest.approx((near["best"] - near["oven"]) * change, abs=2e-4)


def test_with_zero_any_filler_raises_the_score(tmp_path: Path) -> None:
    before, filler = reward(tmp_path, "empty=zero, ").score(
        [outcome(["oven"], ids) for ids in (["oven"], ["oven", "radio"])]
    )
    assert filler > before


def test_a_query_that_finds_nothing_has_no_floor(tmp_path: Path) -> None:
    near = cosines()
    nothing, found = reward(tmp_path).score([outcome([], ids) for ids in ([], ["radio"])])
    assert nothing == 0.0
    assert found == pytest.approx(near["radio"] / sum(WEIGHTS), abs=2e-4)


def test_a_document_without_text_or_gone_from_the_index_is_not_an_empty_rank(tmp_path: Path) -> None:
    near = cosines()
    bare, gone = reward(tmp_path).score([outcome(["oven"], ["oven", other]) for other in ("bare", "gone")])
    assert bare == gone == pytest.approx(near["oven"] * (1 - WEIGHTS[1] / sum(WEIGHTS)), abs=2e-4)


def test_the_original_own_documents_are_at_hand_where_an_expansion_has_replaced_them(tmp_path: Path) -> None:
    radios = [Document(f"r{i}", {"title": "radio radio"}) for i in range(12)]
    radios += [Document(f"l{i}", {"title": "lamp"}) for i in range(400)]
    client = SearchClient(MemoryBackend.of([*DOCUMENTS.values(), *radios]))
    environment = Environment(client, RewardSet([reward(tmp_path)], [1.0]), ExpansionOptions())
    drifted = Attempt(Query("q", "grill"), 0, environment.say([Expansion("radio", 4.0)]))
    (found,) = environment.judge([drifted], Split("train", (), {}))
    assert found.expanded is not None
    assert "oven" not in found.expanded.ids
    assert found.documents["oven"].fields == {"title": "microwave grill"}
