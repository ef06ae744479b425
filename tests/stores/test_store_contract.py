"""Every store that comes with LESER passes the contract a third party's store is held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from leser.stores.builtin import leser_stores
from leser.testing import StoreCase, StoreContract

STORES = {store.name: store for store in leser_stores()}
ENDINGS = {"sqlite": "head.db", "jsonl": "head.jsonl"}


class TestBuiltInStores(StoreContract):
    @pytest.fixture(params=sorted(STORES))
    def case(self, request: pytest.FixtureRequest, tmp_path: Path) -> StoreCase:
        store = STORES[request.param]
        if request.param == "redis":
            address = request.getfixturevalue("redis_address")
            return StoreCase(store, address, {"key": tmp_path.name})
        return StoreCase(store, str(tmp_path / ENDINGS[request.param]))


def test_no_store_is_left_out() -> None:
    assert set(STORES) == {*ENDINGS, "redis"}
