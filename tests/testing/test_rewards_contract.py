"""Every reward that comes with LESER passes the contract a third party's reward is held to."""

from __future__ import annotations

import pytest
from leser_coverage import Coverage, Rescued, UnionRecall
from leser_relevance import NDCG, Precision, Recall, ReciprocalRank
from leser_shape import Format, Kept

from leser.reward import Reward, parse_spec
from leser.testing.reward_contract import RewardContract

SPECS: dict[str, type[Reward]] = {
    "nDCG@10": NDCG,
    "nDCG(judged_only=True)@3": NDCG,
    "R@10": Recall,
    "RR@10": ReciprocalRank,
    "P(rel=2)@5": Precision,
    "coverage@10": Coverage,
    "union_R@10": UnionRecall,
    "rescued(rel=1)@10": Rescued,
    "format(distinct=True)": Format,
    "kept@10": Kept,
    "kept(min=0.8)@10": Kept,
}


class TestBuiltInRewards(RewardContract):
    @pytest.fixture(params=SPECS)
    def reward(self, request: pytest.FixtureRequest) -> Reward:
        return SPECS[request.param](parse_spec(request.param))
