"""Judgments out of clicks: the estimators worked out by hand, a log whose bias is known, and the reward made of them."""

from __future__ import annotations

import json
import random
from math import log2
from pathlib import Path

import pytest
from leser_click_log import Clicks

from leser.errors import LeserError
from leser.expansion import Code
from leser.formats.clicks import ClickOptions, Shown, click_rates, judge_clicks, position_bias
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query
from leser.testing.reward_contract import RewardContract, ranking

COUNTS = {
    ("sofa", "a"): {0: Shown(100, 40)},
    ("sofa", "b"): {1: Shown(100, 20)},
    ("lamp", "c"): {0: Shown(100, 20)},
    ("lamp", "d"): {1: Shown(100, 10)},
    ("lamp", "e"): {1: Shown(5, 5)},
}


def test_coec_by_hand() -> None:
    assert click_rates(COUNTS) == pytest.approx({0: 60 / 200, 1: 35 / 205})
    found = judge_clicks(COUNTS, ClickOptions(model="coec"))
    assert found.keys() == {("sofa", "a"), ("sofa", "b"), ("lamp", "c"), ("lamp", "d")}  # e was shown too rarely
    assert found["sofa", "a"].lift == pytest.approx(40 / 30)
    assert found["sofa", "b"].lift == pytest.approx(20 / (100 * 35 / 205))
    bias = (35 / 205) / (60 / 200)  # no document changed its rank: the rates' ratio
    assert position_bias(COUNTS) == pytest.approx({0: 1.0, 1: bias})
    assert found["sofa", "a"].confidence == pytest.approx(100 / 110)
    assert found["sofa", "b"].confidence == pytest.approx(100 * bias / (100 * bias + 10))


def test_plain_rates_and_ips_by_hand() -> None:
    ctr = judge_clicks(COUNTS, ClickOptions(model="ctr"))
    assert ctr["sofa", "b"].lift == pytest.approx(0.2 / (95 / 405))
    bias = position_bias(COUNTS)[1]
    ips = judge_clicks(COUNTS, ClickOptions(model="ips"))
    average = (60 + 35 / bias) / 405
    assert ips["sofa", "b"].lift == pytest.approx(20 / bias / 100 / average)


def test_least_confidence_leaves_out_what_was_hardly_looked_at() -> None:
    kept = judge_clicks(COUNTS, ClickOptions(min_confidence=0.88))
    assert set(kept) == {("sofa", "a"), ("lamp", "c")}


def test_position_bias_is_found_in_a_log_with_known_bias() -> None:
    draw = random.Random(1)
    looked, appeal = [1.0, 0.5, 0.25], {"a": 0.2, "b": 0.8, "c": 0.4}
    counts: dict[tuple[str, str], dict[int, Shown]] = {}
    for _ in range(6000):
        for rank, document in enumerate(draw.sample(sorted(appeal), 3)):
            shown = counts.setdefault(("q", document), {}).setdefault(rank, Shown())
            shown.impressions += 1
            shown.clicks += draw.random() < looked[rank] * appeal[document]
    assert position_bias(counts) == pytest.approx({0: 1.0, 1: 0.5, 2: 0.25}, abs=0.04)
    lifts = {doc: j.lift for (_, doc), j in judge_clicks(counts, ClickOptions(model="ips")).items()}
    mean = sum(appeal.values()) / 3
    assert lifts == pytest.approx({doc: value / mean for doc, value in appeal.items()}, abs=0.08)


def write_log(path: Path) -> Path:
    """Forty searches for "Red  sofa": a above b; b is clicked in 20, a in 10. One search for a lamp."""
    lines = []
    for number in range(40):
        lines.append({"query_id": f"s{number}", "user_query": "Red  sofa" if number % 2 else "red sofa"})
        for place, document in enumerate("ab"):
            lines.append(event("impression", f"s{number}", document, place))
        clicked = [*(["a"] if number < 10 else []), *(["b"] if number < 20 else [])]
        lines += [event("click", f"s{number}", document, "ab".index(document)) for document in clicked]
    lines += [{"query_id": "l", "user_query": "lamp", "query_response_hit_ids": ["c"]}, event("click", "l", "c", 0)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def event(action: str, search: str, document: str, ordinal: int) -> dict[str, object]:
    attributes = {"object": {"object_id": document}, "position": {"ordinal": ordinal}}
    return {
        "action_name": action,
        "query_id": search,
        "event_attributes": attributes,
        "timestamp": "2026-01-01T00:00:00Z",
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "ubi.ndjson")


def outcome(text: str, *ids: str) -> Outcome:
    return Outcome(Query(text, text), 0, "", (), ranking(), ranking(*ids), {}, Code.OK)


class TestClicks(RewardContract):
    @pytest.fixture(params=["coec", "ips", "ips, unseen=skip"])
    def reward(self, request: pytest.FixtureRequest, tmp_path: Path) -> Reward:
        text = write_log(tmp_path / "ubi.ndjson").read_text().replace("Red  sofa", "Navy couch")
        (tmp_path / "ubi.ndjson").write_text(text)
        return Clicks(parse_spec(f"clicks(log={str(tmp_path)!r}, model={request.param}, min_impressions=5)@3"))


def test_the_reward_is_ndcg_over_lift_times_confidence(log: Path) -> None:
    reward = Clicks(parse_spec(f"clicks(log={str(log)!r}, model=ctr)@2"))
    judged = reward.judgments["red sofa"]
    assert {id: j.impressions for id, j in judged.items()} == {"a": 40, "b": 40}
    assert judged["b"].lift == pytest.approx(2 * judged["a"].lift)  # 20 clicks against 10
    a, b = (judged[id].lift * judged[id].confidence for id in "ab")
    best = max(a, b) + min(a, b) / log2(3)
    values = reward.score([outcome("RED sofa", *ids) for ids in (("b", "a"), ("a", "b"), ("x", "b"), ("x", "y"))])
    assert values == pytest.approx([(b + a / log2(3)) / best, (a + b / log2(3)) / best, b / log2(3) / best, 0.0])
    assert reward.score([outcome("lamp", "c"), outcome("rug", "c")]) == [None, None]  # shown once; never searched


def test_what_was_never_shown_counts_nothing_or_is_left_out(log: Path) -> None:
    zero, skip = (
        Clicks(parse_spec(f"clicks(log={str(log)!r}, model=ctr, unseen={way})@2")) for way in ("zero", "skip")
    )
    assert (zero.depth, skip.depth) == (2, 1000)
    judged = zero.judgments["red sofa"]
    a, b = (judged[id].lift * judged[id].confidence for id in "ab")
    best = b + a / log2(3)
    found = [outcome("red sofa", *ids) for ids in (("x", "b", "y", "a"), ("x", "a", "y", "b"), ("x", "y"))]
    assert zero.score(found) == pytest.approx([b / log2(3) / best, a / log2(3) / best, 0.0])
    assert skip.score(found) == pytest.approx([1.0, (a + b / log2(3)) / best, 0.0])


def test_a_reward_without_a_log_says_how_to_name_it(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match="needs a log"):
        Clicks(parse_spec("clicks@10"))
    with pytest.raises(LeserError, match="No UBI log at"):
        Clicks(parse_spec(f"clicks(log={str(tmp_path)!r})@10"))
