"""Backends with one fault each in fetch(), check() and others, in large batches, or between calls (see planted_faults.py)."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from typing import Any

from leser_memory import MemoryBackend
from planted_faults import Planted, fault

from leser.backend import Document, SearchError


@fault("test_fingerprint")
class FingerprintOfNothing(Planted):
    def fingerprint(self) -> str:
        return "planted"


@fault("test_fingerprint", "fingerprint", "changes")
class FingerprintOfTheMoment(Planted):
    def fingerprint(self) -> str:
        return str(time.perf_counter_ns())


@fault("test_check_reports_facts", "check", "None")
class NoFacts(Planted):
    def check(self) -> Any:
        super().check()


@fault("test_check_reports_facts", "check", "documents")
class CountAsText(Planted):
    def check(self) -> dict[str, Any]:
        return {**super().check(), "documents": str(super().check()["documents"])}


@fault("test_opens_lazily")
class ConnectsAtOnce(Planted):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        with socket.socket() as line:
            line.settimeout(0.1)
            line.connect_ex(("127.0.0.1", 9))


@fault("test_closed_twice", "close", "ValueError")
class ClosesOnce(Planted):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise ValueError("closed already")
        self.closed = True


@fault("test_capabilities_are_known", "capabilities", "term_weights")
class CapabilityMisspelt(Planted):
    capabilities = frozenset({"term_weigths", "filters"})  # type: ignore[assignment]


@fault("test_capabilities_are_known", "capabilities", "frozenset")
class CapabilitiesAsText(Planted):
    capabilities = "term_weights"  # type: ignore[assignment]


class Fetches(MemoryBackend):
    """Changes what is fetched."""

    def changed(self, documents: dict[str, Document], ids: Any, fields: Any) -> Any:
        return documents

    def fetch(self, ids: Any, fields: Any) -> Any:
        return self.changed(super().fetch(ids, fields), ids, fields)


@fault("test_fetch", "fetch", "list")
class DocumentsInAList(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        return list(documents.values())


@fault("test_fetch", "fetch", "no document has")
class UnknownIdsFilledIn(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        return {id: documents.get(id, Document(id)) for id in ids}


@fault("test_fetch", "fetch", "KeyError")
class UnknownIdsRaise(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        return {id: documents[id] for id in ids}


@fault("test_fetch", "fetch", "not requested")
class EveryFieldAlways(Fetches):
    def fetch(self, ids: Any, fields: Any) -> Any:
        return super().fetch(ids, ("title", "text", "brand", "price"))


@fault("test_fetch", "fetch", "None")
class UnknownFieldsAreNone(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        return {id: replace(d, fields={f: d.fields.get(f) for f in fields}) for id, d in documents.items()}


@fault("test_fetch_all")
class NumbersAsNumbers(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        number = {"price": float}
        return {i: Document(i, {f: number.get(f, str)(t) for f, t in d.fields.items()}) for i, d in documents.items()}


@fault("test_fetch_all")
class TextsCutOff(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        return {i: Document(i, {f: t[:1000] for f, t in d.fields.items()}) for i, d in documents.items()}


@fault("test_fetch", "fetch", "under")
class AnothersId(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        return {id: Document(id.upper(), d.fields) for id, d in documents.items()}


@fault("test_fetch_all")
class OneDocumentLost(Fetches):
    def changed(self, documents: Any, ids: Any, fields: Any) -> Any:
        return {id: d for id, d in documents.items() if id != "d06"}


@fault("test_many_ids", "fetch", "ids at once")
class IdsCutOff(Fetches):
    def fetch(self, ids: Any, fields: Any) -> Any:
        return super().fetch(ids[:1000], fields)


@fault("test_large_batch", "load", "500 answers to 512 queries")
class FiveHundredAtMost(Planted):
    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        return super().search(queries[:500], k, total=total)


@fault("test_large_batch", "in batches", "place")
class LargeBatchesTurned(Planted):
    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        found = super().search(queries, k, total=total)
        return found[1:] + found[:1] if len(found) > 128 else found


@fault("test_threads_at_once", "at once", "not those")
class NotSafeBetweenThreads(Planted):
    asked: Any = ()

    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        self.asked = queries
        time.sleep(0.0005)
        return super().search(self.asked, k, total=total)


@fault("test_threads_at_once", "example search", "another thread")
class OneThreadOnly(Planted):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.owner = 0

    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        self.owner = self.owner or threading.get_ident()
        if self.owner != threading.get_ident():
            raise RuntimeError("ProgrammingError: made in another thread")
        return super().search(queries, k, total=total)


@fault("test_searches_leave_nothing_behind")
class RemembersByText(Planted):
    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.known: dict[Any, Any] = {}

    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        for query in queries:
            if (query.text, k, total) not in self.known:
                (self.known[query.text, k, total],) = super().search([query], k, total=total)
        return [self.known[query.text, k, total] for query in queries]


@fault("test_errors_leave_nothing_behind")
class BrokenByAnError(Planted):
    broken = False

    def search(self, queries: Any, k: int, *, total: bool = False) -> Any:
        if self.broken:
            return [SearchError("the transaction is aborted", "query") for _ in queries]
        self.broken = any("(((" in query.text for query in queries)
        return super().search(queries, k, total=total)
