"""Contract kits: the tests that any plugin must pass, as classes its author inherits. They need pytest."""

import pytest

pytest.register_assert_rewrite(
    "leser.testing.backend_contract",
    "leser.testing.backend_expansion",
    "leser.testing.backend_hostile",
    "leser.testing.backend_optional",
    "leser.testing.reward_contract",
)

from leser.testing.backend_contract import BackendContract  # noqa: E402
from leser.testing.documents import DOCUMENTS  # noqa: E402
from leser.testing.reward_contract import RewardContract  # noqa: E402

__all__ = ["DOCUMENTS", "BackendContract", "RewardContract"]
