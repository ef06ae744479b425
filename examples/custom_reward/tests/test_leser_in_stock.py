"""The reward holds to the whole contract, and counts what it says."""

from dataclasses import replace

import pytest
from leser_in_stock import InStock

from leser.backend import Document
from leser.reward import parse_spec
from leser.testing import RewardContract
from leser.testing.reward_contract import example_outcomes, ranking


class TestInStock(RewardContract):
    @pytest.fixture
    def reward(self):
        return InStock(parse_spec("in_stock@10"))


def test_it_is_the_share_of_the_top_k():
    reward = InStock(parse_spec("in_stock@4"))
    documents = {id: Document(id, {"stock": stock}) for id, stock in {"a": "3", "b": "0", "e": "9"}.items()}
    outcome = replace(example_outcomes(reward)[0], expanded=ranking("a", "b", "c", "d", "e"), documents=documents)
    assert reward.score([outcome]) == [1 / 4]
