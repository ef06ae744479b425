"""What backends answer beside searches, and what they raise: faults of a plugin are never an engine in trouble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from leser_memory import MemoryBackend
from sick_answers import Change, sick

from leser.backend import Document, ExpandedQuery, Ranking
from leser.engine import SearchClient, SearchOptions
from leser.engine.checked import CheckedBackend, built
from leser.engine.words import EngineWords
from leser.errors import EngineDown, PluginFault
from leser.indexing import index_task
from leser.task import Split, Task
from leser.testing import DOCUMENTS

QUERY = ExpandedQuery("q", "lamp")


@pytest.mark.parametrize(
    ("method", "change", "said"),
    [
        (
            "fetch",
            lambda found: list(found.values()),
            r"fetch\(\) answered \[Document.*type list\)\. Wanted: a dictionary",
        ),
        ("fetch", lambda _: None, r"fetch\(\) answered None"),
        (
            "fetch",
            lambda found: {int(id[1:]): d for id, d in found.items()},
            r"key 1 \(type int\)\. Wanted: .*ids as text",
        ),
        ("fetch", lambda found: {id: d.fields for id, d in found.items()}, r"type dict\) for the document 'd01'"),
        ("fetch", lambda found: {id: Document("d02", {}) for id in found}, r"'d02' \(type str\) under the id 'd01'"),
        (
            "fetch",
            lambda found: {id: Document(id, {"title": 7}) for id in found},
            r"7 \(type int\) in the field 'title'",
        ),
        (
            "fetch",
            lambda found: {id: Document(id, {"title": None}) for id in found},
            r"None in the field 'title' of 'd01'",
        ),
        ("fingerprint", lambda _: 17, r"fingerprint\(\) answered 17 \(type int\)\. Wanted: a text"),
    ],
)
def test_a_wrong_answer_to_a_fetch_is_no_engine_in_trouble(method: str, change: Change, said: str) -> None:
    with (
        SearchClient(sick(method, change), SearchOptions(deadline=30)) as client,
        pytest.raises(PluginFault, match=said) as told,
    ):
        client.fetch(["d01"], ["title"])
    assert not isinstance(told.value, EngineDown)


@pytest.mark.parametrize(
    ("method", "change", "said"),
    [
        ("analyze", lambda _: None, r"analyze\(\) answered None\. Wanted: a list of 2 lists of index terms"),
        ("analyze", lambda rows: rows[:1], r"analyze\(\) answered 1 lists for 2 texts"),
        ("analyze", lambda rows: [" ".join(row) for row in rows], r"analyze\(\) answered 'red sofa' \(type str\)"),
        ("analyze", lambda rows: [[(term, 0) for term in row] for row in rows], r"type list\) for a text"),
        ("doc_freq", lambda counts: dict(enumerate(counts)), r"doc_freq\(\) answered \{0: .*Wanted: a list of 2 whole"),
        ("doc_freq", lambda counts: counts[1:], r"doc_freq\(\) answered 1 numbers for 2 terms"),
        ("doc_freq", lambda counts: [str(n) for n in counts], r"doc_freq\(\) answered '0' \(type str\) for a term"),
        ("doc_freq", lambda counts: [-1 for _ in counts], r"-1 \(type int\) for a term"),
    ],
)
def test_a_wrong_answer_about_words_is_no_engine_in_trouble(method: str, change: Change, said: str) -> None:
    with SearchClient(sick(method, change)) as client:
        words = EngineWords(client.backend, client.ask)
        with pytest.raises(PluginFault, match=said):
            getattr(words, method)(["red sofa", "lamps"])


def test_numpys_counts_are_counts() -> None:
    counts = EngineWords(sick("doc_freq", lambda counts: [np.int64(n) for n in counts])).doc_freq(["sofa"])
    assert counts == [1]
    assert type(counts[0]) is int


def test_wrong_facts_and_wrong_counts_are_told(tmp_path: Path) -> None:
    with pytest.raises(PluginFault, match=r"check\(\) answered None\. Wanted: a dictionary of facts"):
        CheckedBackend(sick("check", lambda _: None)).check()

    class Counting(MemoryBackend):
        name = "counting"
        capabilities = MemoryBackend.capabilities | {"index"}

        def index(self, documents: Any) -> int:
            list(documents)
            return None  # type: ignore[return-value]

    empty = Split("train", (), {})
    task = Task("shelf", empty, empty, empty, documents=lambda: DOCUMENTS)
    with pytest.raises(PluginFault, match=r"index\(\) answered None\. Wanted: the number of documents"):
        index_task(Counting(Counting.Options()), task)


@pytest.mark.parametrize("method", ["fetch", "analyze", "doc_freq", "fingerprint", "check", "load"])
def test_a_bug_and_a_process_that_ends_are_told_with_their_line(method: str) -> None:
    def bug(_: Any) -> Any:
        return None + 1  # type: ignore[operator]

    def leave(_: Any) -> Any:
        raise SystemExit(3)

    values: dict[str, tuple[Any, ...]] = {
        "fetch": (["d01"], ["title"]),
        "analyze": (["sofa"],),
        "doc_freq": (["sofa"],),
    }
    given = values.get(method, (DOCUMENTS,) if method == "load" else ())
    engine = type("Ours", (MemoryBackend,), {"__module__": __name__}).of(DOCUMENTS)
    for change, said in (
        (bug, r"raised TypeError: .* \(test_answers_methods\.py, line \d+\)"),
        (leave, r"ended the process"),
    ):
        setattr(engine, method, lambda *_, change=change: change(None))
        with pytest.raises(PluginFault, match=rf"{method}\(\) {said}"):
            getattr(CheckedBackend(engine), method)(*given)


def test_a_connection_that_fails_at_the_start_is_an_engine_that_is_down() -> None:
    def refuse(_: Any) -> Any:
        raise ConnectionRefusedError("connection refused")

    with pytest.raises(EngineDown, match=r"No answer from the engine of backend 'sick': ConnectionRefusedError"):
        CheckedBackend(sick("check", refuse)).check()


def test_a_constructor_that_fails_or_keeps_no_options_is_told() -> None:
    class Failing(MemoryBackend):
        name = "failing"

        def __init__(self, options: Any) -> None:
            raise KeyError("SHOP_URL")

    class Forgetful(MemoryBackend):
        name = "forgetful"

        def __init__(self, options: Any) -> None:
            self.url = options.match

    with pytest.raises(PluginFault, match=r"'failing' .*__init__\(\) raised KeyError: 'SHOP_URL'"):
        built(Failing, Failing.Options())
    with pytest.raises(PluginFault, match=r"'forgetful' .*Call super\(\)\.__init__\(options\)"):
        built(Forgetful, Forgetful.Options())


def test_a_close_that_fails_is_reported_and_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("closed already")

    client = SearchClient(sick("close", fail))
    assert isinstance(client.search([QUERY], 2)[0], Ranking)
    client.close()
    assert "close() raised RuntimeError: closed already" in caplog.text
    assert "Nothing is lost" in caplog.text
