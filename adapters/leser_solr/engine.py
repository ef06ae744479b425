"""An open index: its schema was read and its options fit; searches batches, fetches documents, tells facts."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Lock
from typing import TYPE_CHECKING, Any

from leser.adapter import Refused, well_formed, without_joined
from leser.backend import Document, ExpandedQuery, Hit, Ranking, SearchError, Transient
from leser.errors import LeserError
from leser_solr.connection import Line, Params, Pool
from leser_solr.failures import FAILURES, request_error, search_error
from leser_solr.opening import check_ties, open_schema, server
from leser_solr.query import SolrQueryBuilder
from leser_solr.schema import NAME
from leser_solr.searched import searched
from leser_solr.template import SolrTemplate, read_template

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions

IDS_AT_ONCE = 500
FIRST_MARK = "*"
"""The cursorMark of the first page."""
FRESH = 30.0  # seconds for which the index's state is taken for known
NOTHING = Ranking((), total=0)


class SolrEngine:
    """An open index. Raises LeserError when it cannot be used, Transient where trying again later may help."""

    def __init__(self, options: SolrOptions) -> None:
        self._options = options
        template = read_template(options.template, rerank=options.match == "rerank") if options.template else None
        self._pool = Pool(options)
        self.schema = open_schema(options, self._pool)
        named = searched(options, template, self.schema, lambda: self._handler_params(template))
        self._fields = named.fields
        check_ties(options, self.schema)
        self._template = template
        self._by_score = template is None or template.by_score
        self._builder = SolrQueryBuilder(self.schema, named, template, options)
        self._threads = ThreadPoolExecutor(options.threads, thread_name_prefix="leser-solr")
        self._lock = Lock()
        self._state = ("", 0.0)

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool) -> list[Ranking | SearchError]:
        """Search a batch, `threads` requests at a time."""
        waiting = deque(enumerate(queries))
        found: dict[int, Ranking | SearchError] = {}

        def work() -> None:
            # handing each query to a thread and a line of its own would cost a good part of what its request does
            with self._pool.lend() as line:
                for place, query in _turns(waiting):
                    found[place] = self._search_one(line, query, k, total)

        workers = [self._threads.submit(work) for _ in range(min(self._options.threads, len(queries)))]
        try:
            wait(workers, return_when=FIRST_EXCEPTION)
        finally:
            waiting.clear()  # after an exception or Ctrl-C the rest is not asked any more
        for worker in workers:
            worker.result()
        return [found[place] for place in range(len(queries))]

    def request(self, query: ExpandedQuery, k: int) -> dict[str, Any] | None:
        """Parameters for one query; None where no clause could match anything. Raises LeserError for what is refused."""
        try:
            params = self._builder.params(query, k)
        except Refused as refusal:
            raise LeserError(str(refusal)) from refusal
        return None if params is None else dict(params)

    def _search_one(self, line: Line, query: ExpandedQuery, k: int, total: bool) -> Ranking | SearchError:
        try:
            params = self._builder.params(query, k)
        except Refused as refusal:
            return SearchError(str(refusal), "query")
        if params is None:
            return NOTHING if total else Ranking(())
        try:
            answer = line.ask(self._options.handler, params)
        except FAILURES as error:
            return search_error(error, self._options.timeout)
        try:
            return self._ranking(answer, total)
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # damaged on its way, and JSON all the same
            return SearchError(f"Solr returned an unexpected response: {type(error).__name__} {error}", "transient")

    def _ranking(self, answer: Mapping[str, Any], total: bool) -> Ranking | SearchError:
        header = answer.get("responseHeader", {})
        # what some shards or a part of the time gave is no ranking: its rewards would not be the query's
        if header.get("partialResults"):
            return SearchError("Solr gave partial results only (timeAllowed, or a shard is missing)", "transient")
        found = answer.get("response")
        if found is None:
            return SearchError(f"The answer of {self._options.handler} holds no response with documents", "engine")
        key = self.schema.unique
        if self._by_score:
            hits = tuple(Hit(str(row[key]), row["score"]) for row in found["docs"])
        else:  # hits in an order of the template's own have no scores that fall: their places stand for them
            hits = tuple(Hit(str(row[key]), -float(place)) for place, row in enumerate(found["docs"]))
        return Ranking(
            hits,
            total=found["numFound"] if total else None,
            total_exact=found.get("numFoundExact", True),
            took_ms=float(header["QTime"]) if "QTime" in header else None,
        )

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Stored fields of the documents with these ids. Raises Transient or LeserError."""
        wanted = list(dict.fromkeys(ids))
        known = [name for name in dict.fromkeys(fields) if NAME.fullmatch(name)]
        chunks = [wanted[start : start + IDS_AT_ONCE] for start in range(0, len(wanted), IDS_AT_ONCE)]
        found: dict[str, Document] = {}
        for documents in self._threads.map(lambda chunk: self._fetch_some(chunk, known), chunks):
            found.update((document.id, document) for document in documents)
        return {id: found[id] for id in wanted if id in found}

    def _fetch_some(self, ids: Sequence[str], fields: Sequence[str]) -> list[Document]:
        key = self.schema.unique
        params = {**self._by_ids(ids), "fl": [key, *fields], "rows": str(len(ids))}
        answer = self._asked(self._options.handler, params)
        if answer["response"]["numFound"] > len(ids):  # several documents of one id would take the place of others
            answer = self._asked(self._options.handler, {**params, "rows": str(answer["response"]["numFound"])})
        if answer.get("responseHeader", {}).get("partialResults"):
            raise Transient("Solr gave some of the documents only")
        rows = answer["response"]["docs"]
        return [
            Document(str(row[key]), {name: _text(row[name]) for name in fields if row.get(name) is not None})
            for row in rows
        ]

    def page(self, mark: str | None) -> tuple[list[Document], str | None]:
        """The documents of one page of the whole index, and the mark of the next. Raises Transient or LeserError."""
        key, mark = self.schema.unique, mark or FIRST_MARK
        asked = {
            "q": "{!lucene v='*:*'}",
            "fl": "*",
            "sort": f"{key} asc",
            "rows": str(IDS_AT_ONCE),
            "cursorMark": mark,
        }
        answer = self._asked(self._options.handler, asked)
        if answer.get("responseHeader", {}).get("partialResults"):
            raise Transient("Solr gave some of the documents only")
        following = answer.get("nextCursorMark")
        if following is None or "response" not in answer:
            raise LeserError(
                f"The handler {self._options.handler} of '{self._options.index}' does not page through its documents: its answer "
                "has no nextCursorMark. Name one that searches as /select does: -o handler=/select"
            )
        found = [self._whole(row) for row in answer["response"]["docs"]]
        return found, None if following == mark else following

    def _whole(self, row: Mapping[str, Any]) -> Document:
        """A document with all that its row holds, without Solr's own fields and the twins that LESER writes for filters."""
        texts = {name: _text(value) for name, value in row.items() if self.schema.is_own(name) and value is not None}
        return Document(str(row[self.schema.unique]), without_joined(texts, self._options.contents))

    def _by_ids(self, ids: Sequence[str]) -> dict[str, str]:
        """The parameters of a query for documents by their ids, with a separator that none of them holds."""
        separator = next(sign for sign in map(chr, range(31, 0, -1)) if not any(sign in id for id in ids))
        return {
            "q": f"{{!terms f={self.schema.unique} separator=$leser.separator v=$leser.ids cache=false}}",
            "leser.separator": separator,
            "leser.ids": separator.join(map(well_formed, ids)),
        }

    def analyze(self, texts: Sequence[str], field: str | None) -> list[list[str]]:
        """Terms of each text, as the field's query analyser makes them."""
        name = field or next(iter(self._fields))
        return list(self._threads.map(lambda text: self._analyze_one(text, name), texts))

    def _analyze_one(self, text: str, field: str) -> list[str]:
        if not text:
            return []
        asked = {"analysis.fieldname": field, "analysis.query": well_formed(text), "json.nl": "flat"}
        answer = self._asked("/analysis/field", asked)
        # class and tokens of every stage in turn; the last stage's are what is searched for
        stages = answer["analysis"]["field_names"][field]["query"]
        return [token["text"] for token in stages[-1]]

    def doc_freq(self, terms: Sequence[str], field: str | None) -> list[int]:
        """Documents that hold each index term, deleted ones not counted."""
        name = field or next(iter(self._fields))
        counts: list[int] = []
        for start in range(0, len(terms), IDS_AT_ONCE):
            chunk = terms[start : start + IDS_AT_ONCE]
            params: dict[str, str | Sequence[str]] = {f"leser.t{n}": well_formed(term) for n, term in enumerate(chunk)}
            asked = [f"{{!term f={name} v=$leser.t{n} key=k{n} cache=false}}" for n in range(len(chunk))]
            everything = {"q": "{!lucene v='*:*'}", "rows": "0", "facet": "true"}
            answer = self._asked(self._options.handler, {**params, **everything, "facet.query": asked})
            found = answer["facet_counts"]["facet_queries"]
            counts += [found[f"k{n}"] for n in range(len(chunk))]
        return counts

    def _asked(self, handler: str, params: Params) -> dict[str, Any]:
        try:
            return self._pool.ask(handler, params)
        except FAILURES as error:
            raise request_error(error, self._options) from error

    def _handler_params(self, template: SolrTemplate | None) -> Mapping[str, str | list[str]]:
        """What the request handler adds to the template's parameters, with these."""
        asked: Params = {
            **(template.params if template else {}),
            "q": "{!lucene v='*:*'}",
            "rows": "0",
            "echoParams": "all",
        }
        told: Mapping[str, str | list[str]] = self._asked(self._options.handler, asked)["responseHeader"]["params"]
        return told

    def facts(self) -> dict[str, Any]:
        """What `check` tells."""
        documents = self._asked(self._options.handler, {"q": "{!lucene v='*:*'}", "rows": "0"})["response"]["numFound"]
        version, cloud = server(self._options)
        warnings = [*(self._template.warnings if self._template else ()), *self._repeated_ids()]
        facts = {
            "documents": documents,
            "index": self._options.index,
            "version": version,
            "mode": "unknown" if cloud is None else "SolrCloud" if cloud else "one server",
            "fields": self.schema.searchable(),
            "filters": self.schema.filterable(),
            "analysis": self.schema.described(self._fields),
        }
        return {**facts, "warnings": warnings} if warnings else facts

    def _repeated_ids(self) -> Iterator[str]:
        """A warning where documents share an id, as those do that were added with overwrite=false."""
        key = self.schema.unique
        asked: Params = {"q": "{!lucene v='*:*'}", "fl": key, "rows": str(IDS_AT_ONCE)}
        rows = self._asked(self._options.handler, asked)["response"]["docs"]
        ids = list(dict.fromkeys(str(row[key]) for row in rows))
        if not ids:
            return
        answer = self._asked(self._options.handler, {**self._by_ids(ids), "fl": key, "rows": str(2 * IDS_AT_ONCE)})
        counts = Counter(str(row[key]) for row in answer["response"]["docs"])
        if repeated := sorted(id for id, count in counts.items() if count > 1):
            yield (
                f"{len(repeated)} of {len(ids)} ids looked at (e.g. {repeated[0]!r}) stand for several documents of the index "
                f"'{self._options.index}', which has them in spite of its uniqueKey (overwrite=false): a ranking keeps the best "
                "place of an id and so has fewer hits, and one document's text speaks for all"
            )

    def state(self) -> str:
        """A string that changes with the template, the schema and the documents; asked for again after half a minute."""
        with self._lock:
            state, known_at = self._state
            if not state or time.monotonic() - known_at > FRESH:
                try:
                    state = self._current_state()
                except (Transient, LeserError) as error:
                    if not state:  # a run goes on with what was known: its searches will say what is wrong
                        raise Transient(str(error)) from error
                self._state = state, time.monotonic()
            return state

    def _current_state(self) -> str:
        params = {"q": "{!lucene v='*:*'}", "rows": "0"}
        if "_version_" in self.schema.fields:
            # as `json`, since with expandMacros=false a handler without defaults leaves json.facet unread
            params["json"] = json.dumps({"facet": {"newest": "max(_version_)"}})
        answer = self._asked(self._options.handler, params)
        newest = answer.get("facets", {}).get("newest")
        template = self._template.digest if self._template else "-"
        return f"{template} {self.schema.digest} {answer['response']['numFound']} {newest}"

    def close(self) -> None:
        """Finish what is under way and close all connections."""
        self._threads.shutdown()
        self._pool.close()


def _turns(waiting: deque[tuple[int, ExpandedQuery]]) -> Iterator[tuple[int, ExpandedQuery]]:
    """What waits, from the left, until nothing does; several threads may take turns."""
    while True:
        try:
            yield waiting.popleft()
        except IndexError:
            return


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
