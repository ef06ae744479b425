"""Faults planted into the example of a third party's backend, which has a file, connections and an index of its own."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from kit_runner import first_failure
from places import ROOT

from leser.backend import Backend, Hit, Ranking
from leser.testing import DOCUMENTS, BackendContract

SPEC = spec_from_file_location("planted_sqlite", ROOT / "examples" / "custom_backend" / "leser_sqlite.py")
assert SPEC
assert SPEC.loader
SQLITE: Any = module_from_spec(SPEC)
SPEC.loader.exec_module(SQLITE)
Sqlite: Any = SQLITE.SqliteBackend
PLANTS: list[tuple[type[Backend], str]] = []


def fault(test: str) -> Callable[[Any], Any]:
    """List a class with the first test that must fail for it."""

    def listed(cls: Any) -> Any:
        cls.__doc__ = "A fault."
        PLANTS.append((cls, test))
        return cls

    return listed


class Searched(Sqlite):  # type: ignore[misc]
    """Searches as the example does, with parts to change."""

    statement = SQLITE.SEARCH

    def quoted(self, text: str) -> str:
        return str(SQLITE.quoted(text))

    def search(self, queries: Sequence[Any], k: int, *, total: bool = False) -> Any:
        with self._open() as db:
            rows = [db.execute(self.statement, (self.quoted(q.text), k)).fetchall() for q in queries]
        return [Ranking(tuple(Hit(*row) for row in found)) for found in rows]


@fault("test_opens_lazily")
class ConnectsAtOnce(Searched):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.db = sqlite3.connect(options.path)


@fault("test_opens_lazily")
class ReadsAtOnce(Searched):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        if options.path.exists():
            self.head = options.path.read_bytes()[:16]


@fault("test_missing_index_opens")
class LooksAtOnce(Searched):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        if not options.path.exists():
            raise FileNotFoundError(options.path)


@fault("test_threads_at_once")
class OneConnection(Searched):
    line: Any = None

    def _open(self) -> Any:
        self.line = self.line or super()._open().thing
        return _Kept(self.line)


class _Kept:
    def __init__(self, line: Any) -> None:
        self.line = line

    def __enter__(self) -> Any:
        return self.line

    def __exit__(self, *_: object) -> None:
        pass


@fault("test_hits_are_well_formed")
class RanksAsTheyAre(Searched):
    statement = SQLITE.SEARCH.replace("-rank", "rank")


@fault("test_at_most_k")
class NoSecondOrder(Searched):
    statement = SQLITE.SEARCH.replace("rank, rowid", "round(rank, 3), random()")


@fault("test_hits_are_well_formed")
class OnePhrase(Searched):
    def quoted(self, text: str) -> str:
        return '"' + text.replace('"', '""').replace("\0", " ") + '"'


@fault("test_hits_are_well_formed")
class AllWords(Searched):
    def quoted(self, text: str) -> str:
        return super().quoted(text).replace(" OR ", " ")


@fault("test_nothing_to_find")
class NotQuoted(Searched):
    def quoted(self, text: str) -> str:
        return " OR ".join(text.split())


@fault("test_signs_are_no_syntax")
class QuotesNotDoubled(Searched):
    def quoted(self, text: str) -> str:
        return " OR ".join(f'"{word}"' for word in text.replace("\0", " ").split()) or '""'


@fault("test_hostile_ids_are_unknown")
class IdsAsPattern(Searched):
    def fetch(self, ids: Any, fields: Any) -> Any:
        with self._open() as db:
            held = {id for (id,) in db.execute("SELECT id FROM docs")}
        known = [id for id in ids if id.upper() in {one.upper() for one in held}]
        return {k: super(IdsAsPattern, self).fetch([k.lower()], fields)[k.lower()] for k in known}


@fault("test_missing_index_fails_searches")
class NothingIsMissing(Searched):
    def search(self, queries: Sequence[Any], k: int, *, total: bool = False) -> Any:
        if not self.options.path.is_file():
            return [Ranking(()) for _ in queries]
        return super().search(queries, k, total=total)


@fault("test_index")
class CountsNothing(Searched):
    def index(self, documents: Any) -> Any:
        super().index(documents)


@fault("test_index")
class IndexesTwice(Searched):
    def index(self, documents: Any) -> Any:
        return super().index(document for document in documents for _ in range(2))


@fault("test_index_many")
class LosesTheLastPart(Searched):
    def index(self, documents: Any) -> Any:
        parts, held = [], list(documents)
        while len(held) > 12 and len(held) >= 1000:
            parts += held[:1000]
            held = held[1000:]
        return super().index(parts or held)


@fault("test_index_odd_texts")
class TextsEscaped(Searched):
    def fetch(self, ids: Any, fields: Any) -> Any:
        found = super().fetch(ids, fields)
        return {id: type(d)(id, {n: t.replace("&amp;", "&") for n, t in d.fields.items()}) for id, d in found.items()}


@fault("test_index_again")
class IndexAdds(Searched):
    def index(self, documents: Any) -> Any:
        if not self.options.path.exists():
            return super().index(documents)
        rows = ((d.id, d.fields.get("title"), d.fields.get("text"), json.dumps(dict(d.fields))) for d in documents)
        with closing(sqlite3.connect(self.options.path)) as db, db:
            return db.executemany("INSERT INTO docs VALUES (?, ?, ?, ?)", rows).rowcount


def tried(backend: Any, folder: Path) -> tuple[str, str] | None:
    """The first test of the kit that a backend like the example fails."""
    kit: Any = type(
        "TestPlanted", (BackendContract,), {"backend": backend, "open_missing": pytest.fixture(lambda _: None)}
    )
    path = folder / "documents.db"
    Sqlite(Sqlite.Options(path=path)).index(DOCUMENTS)
    numbers = iter(range(100))

    def open_backend(**options: Any) -> Any:
        return backend(backend.Options(path=path, **options))

    def missing() -> Callable[..., Any]:
        nowhere = folder / f"nowhere-{next(numbers)}.db"
        return lambda **options: backend(backend.Options(path=nowhere, **options))

    def engine() -> Iterator[Any]:
        opened = open_backend()
        yield opened
        opened.close()

    made: dict[str, Callable[[], Any]] = {
        "engine": engine,
        "open_backend": lambda: open_backend,
        "open_missing": missing,
    }
    return first_failure(kit, {**made, "monkeypatch": pytest.MonkeyPatch})


def test_the_example_passes(tmp_path: Path) -> None:
    assert tried(Searched, tmp_path) is None


@pytest.mark.parametrize(("backend", "test"), PLANTS, ids=lambda value: getattr(value, "__name__", ""))
def test_the_kit_names_the_cause(backend: Any, test: str, tmp_path: Path) -> None:
    failure = tried(backend, tmp_path)
    assert failure, "the kit sees nothing"
    assert failure[0] == test, failure[1]
