"""The stores that come with LESER, offered as a third party's are."""

from __future__ import annotations

from leser.expansion_store import Store
from leser.hooks import hookimpl
from leser.stores.jsonl import JsonlStore
from leser.stores.redis_keys import RedisStore
from leser.stores.sqlite import SqliteStore


@hookimpl
def leser_stores() -> list[type[Store]]:
    """SQLite (the default), JSON lines, Redis."""
    return [SqliteStore, JsonlStore, RedisStore]
