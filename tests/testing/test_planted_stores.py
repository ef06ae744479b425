"""Faults planted into the store that `leser new store` writes: the kit's first failing test names each cause."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kit_runner import first_failure
from planted.stores import PLANTS, Good

from leser.expansion_store import Store
from leser.testing import StoreCase, StoreContract


def tried(store: Any, folder: Path) -> tuple[str, str] | None:
    """The first test of the kit that a store fails."""
    kit: Any = type("TestPlanted", (StoreContract,), {})
    numbers = count()

    def case() -> StoreCase:
        return StoreCase(store, str(folder / f"{next(numbers)}.one-file"))

    def opened() -> Iterator[Store]:
        with case().open() as found:
            yield found

    return first_failure(kit, {"case": case, "store": opened})


def test_what_leser_new_writes_passes(tmp_path: Path) -> None:
    assert tried(Good, tmp_path) is None


@pytest.mark.parametrize(("store", "test"), PLANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_kit_names_the_cause(store: Any, test: str, tmp_path: Path) -> None:
    failure = tried(store, tmp_path)
    assert failure, "the kit sees nothing"
    assert failure[0] == test, failure[1]


def test_every_test_of_the_kit_says_where_to_look() -> None:
    tests = {name: getattr(StoreContract, name) for name in dir(StoreContract) if name.startswith("test_")}
    assert [name for name, test in tests.items() if not (test.__doc__ or "").startswith("If this fails, ")] == []
    named = {test for _, test in PLANTS}
    assert set(tests) - named == {"test_no_overrides", "test_threads_share_a_store"}
