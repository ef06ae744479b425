"""The dry run's look at what rewards can see: feedback terms as completions, worked out by hand on a small shop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from bad_input import run_cli, shop, write
from leser_memory import MemoryBackend
from leser_relevance import NDCG, Recall
from verified_shop import SPLIT, Shiny, environment_of, shelf

from leser.backend import ExpandedQuery, Ranking, SearchError
from leser.errors import EngineDown
from leser.prompt import PromptOptions
from leser.reward import parse_spec
from leser.run.diagnosis import diagnose, lines

SHINY = Shiny(parse_spec("shiny@3"))


def test_each_reward_is_said_to_move_or_to_be_silent() -> None:
    """In the shop "couch" moves with sofa: nDCG@5 and R@5 see terms of some queries, nothing is ever shiny."""
    environment = environment_of(rewards=[NDCG(parse_spec("nDCG@5")), Recall(parse_spec("R@5")), SHINY])
    with environment.client:
        found = diagnose(environment, SPLIT, PromptOptions(), seed=1)
    assert found is not None
    assert found.queries == 3
    sights = {sight.reward: sight for sight in found.sights}
    assert list(sights) == ["nDCG@5", "R@5", "shiny@3", "total"]
    assert sights["shiny@3"].moves == 0.0
    assert sights["shiny@3"].silent == 1.0
    assert sights["nDCG@5"].moves > 0
    assert 0 <= sights["nDCG@5"].silent < 1
    assert sights["total"].like["nDCG@5"] > 0.5
    assert math.isnan(sights["nDCG@5"].like["shiny@3"])
    assert "shiny" not in "".join(line.partition("correlation")[2] for line in lines(found))


def test_the_share_of_judged_documents_before_and_after_is_said() -> None:
    environment = environment_of()
    with environment.client:
        found = diagnose(environment, SPLIT, PromptOptions(), seed=1)
    assert found is not None
    before, after = found.judged
    # couch finds couch1, couch2 and couch3, two of them judged; rug finds two of two; desk finds lamp1 and lamp2, one judged
    assert before == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)
    assert after is not None
    assert 0 < after < 1


class Away(MemoryBackend):
    """An engine that has gone."""

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        return [SearchError("connection refused")] * len(queries)


def test_an_engine_that_has_gone_takes_the_diagnosis_away_and_nothing_else() -> None:
    environment = environment_of(Away.of(shelf()))
    with environment.client, pytest.raises(EngineDown, match="connection refused"):
        diagnose(environment, SPLIT, PromptOptions(), seed=1)


def test_a_dry_run_says_it_and_names_the_primary_measure(tmp_path: Path) -> None:
    write(tmp_path / "shop", shop({}))
    usual = ["--task", str(tmp_path / "shop"), "--backend", "memory", "--policy", "tiny", "--dry-run"]
    code, out, said = run_cli(
        [*usual, "--out", str(tmp_path / "run"), "-o", 'evaluation.baselines=["original"]', "--reward", "nDCG@10"]
    )
    assert code == 0
    said = " ".join(said.split())
    assert "What the rewards see of" in said
    assert "nDCG@10 moves on" in said
    assert "Primary measure: nDCG@10 (" in said
    assert 'primary = "nDCG@10"' in out
