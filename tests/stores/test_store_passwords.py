"""A password in a store's address is refused before anything is opened, written or named after it."""

from __future__ import annotations

import pytest

from leser.errors import LeserError
from leser.stores import open_store


@pytest.mark.parametrize(
    "address",
    [
        "redis://:sesame@cache:6379/0",
        "redis://cache:6379/0?password=sesame",
        "redis://cache:6379/0?key=shop&username=u&password=sesame",
        "redis:rediss://cache:6379/0?password=sesame",
    ],
)
def test_a_password_in_an_address_is_refused(address: str) -> None:
    with pytest.raises(LeserError, match="may not hold a password") as caught:
        open_store(address)
    assert "sesame" not in str(caught.value)
