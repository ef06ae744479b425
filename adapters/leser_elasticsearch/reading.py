"""All documents of an index, as they are at the first page: a point in time, read in the order of its shards."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leser.adapter import without_joined
from leser.backend import Document, Transient
from leser.errors import LeserError
from leser_elasticsearch.engine import ElasticsearchEngine, clusters_missing
from leser_elasticsearch.failures import error_of
from leser_elasticsearch.mapping import TEXT
from leser_elasticsearch.options import ElasticsearchOptions

if TYPE_CHECKING:
    from elastic_transport import ObjectApiResponse
    from elasticsearch import Elasticsearch

PAGE = 500  # documents in one answer
KEPT_ALIVE = "10m"  # from one page to the next: a retry's pauses and a slow disk are within it
NO_TEXT = frozenset({"dense_vector", "sparse_vector", "rank_vectors", "rank_feature", "rank_features", "binary"})
"""Types of fields whose values nobody reads: vectors would make most of a file of documents."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageStart:
    """Where a page begins: the point in time's latest id, and the last document before the page."""

    point: str
    after: list[Any] | None = None


class ElasticsearchDocuments:
    """Reads an index that is open. Raises LeserError for one whose texts cannot be read, and the client's errors."""

    def __init__(self, engine: ElasticsearchEngine, options: ElasticsearchOptions) -> None:
        self._engine, self._options = engine, options
        self._client: Elasticsearch = engine.client
        self._point: str | None = None
        fields, lost = engine.fields, engine.texts.lost(engine.fields)
        texts = [name for name, kind in fields.types.items() if kind in TEXT and name not in fields.parents]
        if lost and (engine.texts.off or len(lost) == len(texts)):
            raise LeserError(
                f"The index '{options.index}' at {options.place} does not give its documents: {engine.texts.why(lost[0])}. "
                'Make it again with the whole "_source" (Elasticsearch\'s default), or export the documents from where they '
                "came from as corpus.jsonl."
            )
        excluded = [name for name, kind in engine.fields.types.items() if kind in NO_TEXT]
        self._wanted: dict[str, Any] = {**engine.texts.request_all(), "source_excludes": excluded or None}

    def page(self, place: PageStart | None) -> tuple[list[Document], PageStart | None]:
        """The documents of one page, and where the next begins."""
        if place is None:
            place = PageStart(self._opened())
        answer = self._asked(
            pit={"id": place.point, "keep_alive": KEPT_ALIVE},
            size=PAGE,
            sort=["_shard_doc"],
            search_after=place.after,
            track_total_hits=False,
            allow_partial_search_results=False,
            filter_path="pit_id,hits.hits._id,hits.hits._source,hits.hits.fields,hits.hits.sort,_clusters",
            **self._wanted,
        )
        if missing := clusters_missing(answer.body.get("_clusters") or {}):
            raise Transient(missing)
        rows = answer.body.get("hits", {}).get("hits", ())
        self._point = answer.body.get("pit_id", place.point)
        return [self._document(row) for row in rows], PageStart(self._point, rows[-1]["sort"]) if rows else None

    def _asked(self, **wanted: Any) -> ObjectApiResponse[Any]:
        from elasticsearch import NotFoundError

        try:
            return self._client.search(**wanted)
        except NotFoundError as error:
            if error_of(error)[0] != "search_context_missing_exception":
                raise
            raise LeserError(
                f"Elasticsearch at {self._options.place} has given up the point in time at which '{self._options.index}' was "
                f"read: over {KEPT_ALIVE} passed between two pages, or a node was restarted. Give the command again."
            ) from error

    def finish(self) -> None:
        """Close the point in time, which the server would keep for minutes; it closes one that this fails for by itself."""
        from elasticsearch import ApiError, TransportError

        point, self._point = self._point, None
        if point is None:
            return
        try:
            self._client.close_point_in_time(id=point)
        except (ApiError, TransportError) as error:
            _log.info("The point in time of '%s' was not closed: %s", self._options.index, error)

    def _opened(self) -> str:
        if self._point is None:
            answer = self._client.open_point_in_time(
                index=self._options.index, keep_alive=KEPT_ALIVE, preference=self._options.preference or None
            )
            self._point = str(answer.body["id"])
        return self._point

    def _document(self, row: Mapping[str, Any]) -> Document:
        texts = self._engine.texts
        if "_source" not in row and not texts.everywhere and not self._engine.state.indices:
            raise LeserError(
                f"The index '{self._options.index}' at {self._options.place} keeps no _source to read documents from. Make it "
                'again with the "_source" on (Elasticsearch\'s default).'
            )
        source = row.get("_source") or {}
        names = dict.fromkeys([*leaves(source), *texts.hidden])
        read = {name: text for name in names if (text := texts.read(row, name))}
        return Document(row["_id"], without_joined(read, self._options.contents))


def leaves(source: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of a document's values; a list of objects is one value."""
    for name, value in source.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name
