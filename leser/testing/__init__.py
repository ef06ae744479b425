"""Contract kits: the tests that any plugin must pass, as classes its author inherits. They need pytest."""

import pytest

pytest.register_assert_rewrite(
    *(f"leser.testing.{name}" for name in ("asking", "backend_basics", "backend_batches", "backend_contract")),
    *(f"leser.testing.backend_{name}" for name in ("expansion", "filters", "hostile", "index", "optional", "words")),
    "leser.testing.reward_contract",
)

from leser.testing.backend_contract import BackendContract  # noqa: E402
from leser.testing.documents import DOCUMENTS  # noqa: E402
from leser.testing.reward_contract import RewardContract  # noqa: E402

__all__ = ["DOCUMENTS", "BackendContract", "RewardContract"]
