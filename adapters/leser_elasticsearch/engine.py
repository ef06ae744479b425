"""A connection in use: one msearch per batch and what it answers, stored fields, analysis and counts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from leser.adapter import Refused, well_formed
from leser.backend import Document, ExpandedQuery, Hit, Ranking, SearchError, Transient
from leser.errors import LeserError
from leser_elasticsearch.failures import error_of, is_transient, search_error
from leser_elasticsearch.mapping import ElasticsearchFields
from leser_elasticsearch.options import ElasticsearchOptions
from leser_elasticsearch.query import ElasticsearchQueryBuilder
from leser_elasticsearch.searched import analysed, searched
from leser_elasticsearch.state import IndexState
from leser_elasticsearch.stored import StoredTexts
from leser_elasticsearch.template import ElasticsearchTemplate

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

ANSWERED = ",".join(
    f"responses.{part}"
    for part in (
        *("status", "error", "took", "timed_out", "terminated_early", "_shards", "_clusters"),
        *("hits.total", "hits.hits._id", "hits.hits._score"),
    )
)
"""Parts of an answer that are read; the server leaves out the rest (an index's name with each hit)."""
FETCHED = 1000  # ids asked for at once
WINDOW = 10_000  # hits that an index gives in one answer
COPIES = 10  # documents of one id that are made room for where the indices behind a name are not known
COUNTED = 500  # terms counted in one request
VectorFunction = Callable[[Sequence[str]], Sequence[Sequence[float]]]


class ElasticsearchEngine:
    """An index that is there, with the mapping it had when it was opened."""

    def __init__(
        self,
        client: Elasticsearch,
        options: ElasticsearchOptions,
        state: IndexState,
        template: ElasticsearchTemplate | None,
    ) -> None:
        self.client = client
        self.state = state
        self.fields = ElasticsearchFields.of(index.get("mappings", {}) for index in (state.indices or {}).values())
        weights = searched(options, template, self.fields, state)
        _check_sort(options, template)
        self.builder = ElasticsearchQueryBuilder(options, self.fields, template, weights)
        self.analysed = analysed(weights, self.fields)
        self.texts = StoredTexts.of(state.indices or {})
        self.fingerprint = _digest(state, template)
        self._options = options
        self._by_score = template is None or template.sorted_by_score
        self._vectors = _vector_function(options.vector_function)
        self._header = {"index": options.index, "search_type": options.search_type}
        if options.preference:
            self._header["preference"] = options.preference

    def search(self, queries: Sequence[ExpandedQuery], k: int, total: bool) -> list[Ranking | SearchError]:
        """Search a batch in one request; what can't be sent is refused in its place."""
        vectors = self._vectors([query.text for query in queries]) if self._vectors else [None] * len(queries)
        answers: list[Ranking | SearchError] = []
        sent: list[tuple[int, dict[str, Any]]] = []
        for query, vector in zip(queries, vectors, strict=True):
            try:
                sent.append((len(answers), self.builder.body(query, k, total, vector)))
                answers.append(_UNASKED)
            except Refused as error:
                answers.append(SearchError(str(error), "query"))
        for (place, _), answer in zip(sent, self._ask([body for _, body in sent]), strict=True):
            answers[place] = answer
        return answers

    def request(self, query: ExpandedQuery, k: int) -> dict[str, Any]:
        """The body for one query. Raises LeserError for what is refused."""
        try:
            return self.builder.body(query, k, total=False)
        except Refused as refusal:
            raise LeserError(str(refusal)) from refusal

    def _ask(self, bodies: list[dict[str, Any]]) -> list[Ranking | SearchError]:
        """Send one msearch. A body that cannot be read, or a batch too large, fails it whole: then each half goes alone."""
        from elasticsearch import ApiError, SerializationError, TransportError

        if not bodies:
            return []
        try:
            responses = self._msearch(bodies, ANSWERED if self._by_score else None)
        except ApiError as error:
            if error.status_code in (400, 413) and len(bodies) > 1:
                half = len(bodies) // 2
                return self._ask(bodies[:half]) + self._ask(bodies[half:])
            type, reason = error_of(error)
            body = error.body if isinstance(error.body, Mapping) else {}
            known = body.get("error") if isinstance(body.get("error"), Mapping) else {"type": type, "reason": reason}
            return [search_error(error.status_code, known or {})] * len(bodies)
        except (TransportError, SerializationError) as error:
            message = f"No answer from Elasticsearch at {self._options.place}: {error}"
            said = SearchError(message, "transient" if is_transient(error) else "engine")
            return [said] * len(bodies)
        if len(responses) != len(bodies):
            said = SearchError(f"Elasticsearch gave {len(responses)} answers to {len(bodies)} searches", "transient")
            return [said] * len(bodies)
        return [self._read(response) for response in responses]

    def _msearch(self, bodies: Sequence[Mapping[str, Any]], parts: str | None) -> list[Any]:
        searches = [line for body in bodies for line in (self._header, body)]
        most = self._options.max_concurrent_searches
        answer = self.client.msearch(searches=searches, filter_path=parts, max_concurrent_searches=most)
        body: Any = answer.body
        responses: list[Any] = body.get("responses") or [] if isinstance(body, Mapping) else []
        return responses

    def _read(self, response: Mapping[str, Any]) -> Ranking | SearchError:
        """One search's answer; one that lacks its parts was damaged on its way, and the next may not be."""
        try:
            return self._answer(response)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return SearchError(f"Elasticsearch's answer cannot be read ({type(error).__name__}: {error})", "transient")

    def _answer(self, response: Mapping[str, Any]) -> Ranking | SearchError:
        """One search's answer. A part of the hits is no ranking: the query failed for the moment."""
        if "error" in response:
            return search_error(response.get("status", 500), response["error"])
        shards = response.get("_shards", {})
        if response.get("status") != 200 or response.get("timed_out", True) or "failed" not in shards:
            return SearchError(
                f"Elasticsearch gave an unfinished answer (status {response.get('status')})", "transient"
            )
        if shards["failed"]:
            why = next((str(one.get("reason", {}).get("reason", "")) for one in shards.get("failures", ())), "")
            said = f"{shards['failed']} of {shards.get('total', '?')} shards did not answer: {why or 'no reason given'}"
            return SearchError(said, "transient")
        if missing := clusters_missing(response.get("_clusters") or {}):
            return SearchError(missing, "transient")
        if response.get("terminated_early"):  # by something between us and the shards: the next answer is cut as well
            return SearchError("Elasticsearch stopped searching before it had seen all matches (terminated_early)")
        found = response.get("hits", {})
        rows = found.get("hits", ())
        if self._by_score:
            hits = tuple([Hit(row["_id"], float(row["_score"])) for row in rows])
        else:  # hits in an order of the template's own have no scores that fall: their places stand for them
            hits = tuple(Hit(row["_id"], -float(place)) for place, row in enumerate(rows))
        if len({hit.id for hit in hits}) < len(hits):  # several indices may hold an id: its best place counts
            best: dict[str, Hit] = {}
            for hit in hits:
                best.setdefault(hit.id, hit)
            hits = tuple(best.values())
        count = found.get("total", {})
        exact = count.get("relation", "eq") == "eq"
        return Ranking(hits, count.get("value"), exact, took_ms=float(response["took"]))

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Stored text of documents. A search for ids, not mget, which knows neither patterns nor an alias's filter.

        Raises LeserError where the index holds the fields, and keeps the text of none of them.
        """
        self._check_readable(fields)
        documents: dict[str, Document] = {}
        for row in self._rows(ids, **self.texts.request(fields)):
            texts = {name: text for name in fields if (text := self.texts.read(row, name)) is not None}
            documents.setdefault(row["_id"], Document(row["_id"], texts))
        return documents

    def _check_readable(self, fields: Sequence[str]) -> None:
        known = [name for name in fields if name in self.fields.types]
        if known and all(self.texts.is_lost(name) for name in known):
            raise LeserError(
                f"The index '{self._options.index}' at {self._options.place} keeps no text of {', '.join(known)} to read: "
                f"{self.texts.why(known[0])}. {self.texts.advice(self.fields)}"
            )

    def repeated(self, sample: int = 500) -> tuple[int, list[str]]:
        """How many ids of a sample were looked up, and those of them that several documents behind the name have."""
        if len(self.state.indices or {}) < 2:
            return 0, []
        index, preference = self._options.index, self._options.preference or None
        answer = self.client.search(
            index=index,
            size=sample,
            sort=["_doc"],
            source=False,
            preference=preference,
            filter_path="hits.hits._id",
        )
        ids = list(dict.fromkeys(row["_id"] for row in answer.body.get("hits", {}).get("hits", ())))
        counts = Counter(row["_id"] for row in self._rows(ids, source=False))
        return len(ids), sorted(id for id, count in counts.items() if count > 1)

    def _rows(self, ids: Sequence[str], **wanted: Any) -> Iterator[Mapping[str, Any]]:
        """Every document with one of the ids, of each part of the ids by the name of its index."""
        unique = [id for id in dict.fromkeys(ids) if id]  # an empty id is an error to Elasticsearch
        copies = len(self.state.indices) if self.state.indices else COPIES
        step = max(1, min(FETCHED, WINDOW // copies))
        for start in range(0, len(unique), step):
            part = unique[start : start + step]
            answer = self.client.search(
                index=self._options.index,
                query={"ids": {"values": [well_formed(id) for id in part]}},
                size=min(WINDOW, len(part) * copies),
                sort=["_doc"],
                preference=self._options.preference or None,
                allow_partial_search_results=False,
                filter_path="hits.hits._index,hits.hits._id,hits.hits._source,hits.hits.fields,_clusters",
                **wanted,
            )
            if missing := clusters_missing(answer.body.get("_clusters") or {}):
                raise Transient(missing)
            yield from sorted(answer.body.get("hits", {}).get("hits", ()), key=lambda row: str(row.get("_index")))

    def doc_freq(self, terms: Sequence[str], field: str | None) -> list[int]:
        """Documents that hold each index term in `field`, or in the first searched field."""
        name = field or self.analysed
        counts: list[int] = []
        for start in range(0, len(terms), COUNTED):
            bodies = [
                {"query": {"term": {name: {"value": well_formed(term)}}}, "size": 0, "track_total_hits": True}
                for term in terms[start : start + COUNTED]
            ]
            for response in self._msearch(bodies, ANSWERED):
                answer = self._read(response)
                if isinstance(answer, SearchError) and answer.kind == "transient":
                    raise Transient(answer.message)
                if isinstance(answer, SearchError):
                    raise LeserError(f"Elasticsearch cannot count a term in the field '{name}': {answer.message}")
                counts.append(answer.total or 0)
        return counts


_UNASKED = SearchError("not sent yet", "transient")


def clusters_missing(clusters: Mapping[str, Any]) -> str | None:
    """Which remote clusters a search across clusters went without, in words; None if all of them answered in full."""
    absent = {state: clusters[state] for state in ("skipped", "partial", "failed", "running") if clusters.get(state)}
    if not absent:
        return None
    which = [
        name for name, one in (clusters.get("details") or {}).items() if one.get("status", "successful") != "successful"
    ]
    counts = ", ".join(f"{count} {state}" for state, count in absent.items())
    return f"Not all of {clusters.get('total', '?')} clusters answered in full: {counts}" + (
        f" ({', '.join(which)})" if which else ""
    )


def _check_sort(options: ElasticsearchOptions, template: ElasticsearchTemplate | None) -> None:
    """Refuse a sort of ours beside what Elasticsearch takes without one only."""
    if options.sort_field is not None and template is not None and template.reorders:
        raise LeserError(
            f"Option ties of backend 'elasticsearch' sorts the hits, and Elasticsearch takes no sort together with "
            f'"{template.reorders}", which the template {options.template} has. Leave out -o ties (now '
            f"{options.ties}), or take {template.reorders} out of the template."
        )


def _digest(state: IndexState, template: ElasticsearchTemplate | None) -> str:
    """What decides scores, as far as it is cheap to ask: which index it is, settings, mapping, number of documents, template."""
    decisive = {
        name: {part: index.get(part) for part in ("settings", "mappings")}
        for name, index in (state.indices or {}).items()
    }
    text = json.dumps([decisive, state.documents, template and dict(template.expanded)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _vector_function(name: str | None) -> VectorFunction | None:
    if name is None:
        return None
    module, _, attribute = name.partition(":")
    try:
        function: Any = import_module(module)
        for part in attribute.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError) as error:
        raise LeserError(
            f"Option vector_function of backend 'elasticsearch': {name} cannot be loaded ({error})."
        ) from None
    vectors: VectorFunction = function
    return vectors
