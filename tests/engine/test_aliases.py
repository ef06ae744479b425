"""Option search.aliases: an index's fields are read under the names that prompts, rewards and baselines read."""

from __future__ import annotations

import pytest
from leser_memory import MemoryBackend

from leser.backend import Document
from leser.config.load import load_config
from leser.engine import SearchClient, SearchOptions
from leser.errors import LeserError

SHELF = [Document("1", {"name": "Lamp", "one": "warm", "two": "light", "text": "own"}), Document("2", {"two": "blue"})]


def test_documents_are_fetched_under_the_names_that_are_read() -> None:
    options = load_config(
        None, {}, ["search.aliases.title=name", "search.aliases.text=one,two", 'search.aliases.all=["name", "two"]']
    ).search
    with SearchClient(MemoryBackend.of(SHELF), options) as client:
        found = client.fetch(["1", "2"], ["title", "text", "name"])
        assert {id: dict(d.fields) for id, d in found.items()} == {
            "1": {"title": "Lamp", "text": "warm light", "name": "Lamp"},
            "2": {"text": "blue"},
        }
        assert dict(client.fetch(["1"], ["all"])["1"].fields) == {"all": "Lamp light"}
        assert dict(client.fetch(["1"], ["title", "text", "name"])["1"].fields)["text"] == "warm light", (
            "out of the cache"
        )


def test_without_aliases_nothing_is_renamed() -> None:
    with SearchClient(MemoryBackend.of(SHELF), SearchOptions()) as client:
        assert dict(client.fetch(["1"], ["title", "text"])["1"].fields) == {"text": "own"}


def test_an_alias_needs_a_field() -> None:
    with pytest.raises(LeserError, match=r"aliases\.title"):
        load_config(None, {}, ["search.aliases.title=,"])
