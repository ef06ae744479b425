"""Stores of verified expansions that come with LESER: opening one by its address, SQLite, JSONL and Redis."""

from leser.stores.opening import open_store

__all__ = ["open_store"]
