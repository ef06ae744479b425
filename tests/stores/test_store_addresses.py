"""Addresses with options: a store on a server is named whole in one text, for every command alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from served import entry

from leser.errors import LeserError
from leser.expansion import Expansion
from leser.offline.blocks import journal_of
from leser.stores import open_store


def test_options_of_a_store_stand_in_its_address(redis_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    with open_store(f"{redis_address}?key=shop&timeout_s=2", create=True) as store:
        assert (store.options.place, store.options.key, store.options.timeout_s) == (redis_address, "shop", 2.0)
        store.write([entry("red sofa", "couch")])
    with open_store(redis_address) as other:
        assert other.current() is None, "another key is another store"
    with open_store(redis_address, options={"key": "shop"}) as same:
        assert same.get("red sofa") is not None
    with pytest.raises(LeserError, match=r"named by password_env \(now EMPTY\) is not set"):
        open_store(f"{redis_address}?password_env=EMPTY")


def test_what_is_not_an_option_of_the_store_is_left_to_its_client(redis_address: str) -> None:
    with open_store(f"{redis_address}?socket_timeout=3&key=shop") as store:
        assert store.options.place == f"{redis_address}?socket_timeout=3"


def test_a_file_may_have_a_question_mark_in_its_name(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path / 'a?key=b'}", create=True) as store:
        assert store.options.place == str(tmp_path / "a?key=b")


def test_a_journal_lies_beside_a_file_and_is_named_by_any_other_address() -> None:
    assert journal_of("sqlite:shop/head", "shop/head") == Path("shop/head.precompute.jsonl")
    assert journal_of("shop/head.db", "shop/head.db") == Path("shop/head.db.precompute.jsonl")
    address = "redis://cache:6379/0"
    assert journal_of(f"{address}?key=shop", address) == Path("redis-cache-6379-0-key-shop.precompute.jsonl")
    assert journal_of(f"{address}?key=other", address).name == "redis-cache-6379-0-key-other.precompute.jsonl"


@pytest.mark.parametrize("ending", ["db", "jsonl"])
def test_a_whole_number_comes_back_as_it_was_counted(tmp_path: Path, ending: str) -> None:
    whole = replace(entry("red sofa"), expansions=(Expansion("couch", 1),), scores={"count": 7})
    with open_store(str(tmp_path / f"head.{ending}"), create=True) as store:
        store.write([whole])
        store.verify()
        assert list(store.entries()) == [whole]
