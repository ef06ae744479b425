"""Contract kits: the tests that any plugin must pass, as classes its author inherits. They need pytest."""

import pytest

pytest.register_assert_rewrite(
    *(f"leser.testing.{name}" for name in ("asking", "backend_basics", "backend_batches", "backend_contract")),
    *(f"leser.testing.backend_{name}" for name in ("expansion", "filters", "hostile", "index", "optional", "words")),
    *(
        f"leser.testing.{name}"
        for name in (
            "baseline_contract",
            "kit",
            "reader_contract",
            "reward_contract",
            "rollout_contract",
            "rule_contract",
        )
    ),
    *(f"leser.testing.{name}" for name in ("rollout_sampling", "store_contract", "store_reading")),
)

from leser.testing.backend_contract import BackendContract  # noqa: E402
from leser.testing.baseline_contract import BaselineContract  # noqa: E402
from leser.testing.documents import DOCUMENTS  # noqa: E402
from leser.testing.one_step import OneStep, train_one_step  # noqa: E402
from leser.testing.reader_contract import ReaderCase, ReaderContract  # noqa: E402
from leser.testing.reward_contract import RewardContract  # noqa: E402
from leser.testing.rollout_contract import RolloutCase, RolloutContract, kit_policy  # noqa: E402
from leser.testing.rule_contract import RuleCase, RuleContract  # noqa: E402
from leser.testing.store_contract import StoreCase, StoreContract  # noqa: E402

__all__ = [
    "DOCUMENTS", "BackendContract", "BaselineContract", "OneStep", "ReaderCase", "ReaderContract", "RewardContract",
    "RolloutCase", "RolloutContract", "RuleCase", "RuleContract", "StoreCase", "StoreContract", "kit_policy", "train_one_step",
]  # fmt: skip
