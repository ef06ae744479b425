"""What an index is when it is opened: there, open, filled to the end, not red; its settings, mapping and number of documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leser.errors import LeserError
from leser_elasticsearch.failures import index_missing
from leser_elasticsearch.options import ElasticsearchOptions

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

MAY_NOT_ASK = "unknown: the login lacks the privilege monitor"


@dataclass(frozen=True)
class IndexState:
    """`indices` maps the indices behind a name to their settings and mappings; None where the login may only search."""

    indices: Mapping[str, Any] | None
    documents: int
    health: str
    warnings: tuple[str, ...] = ()


def read_state(client: Elasticsearch, options: ElasticsearchOptions) -> IndexState:
    """Ask the server. Raises IndexMissing, LeserError for an index that is red or unfinished, and the client's errors."""
    indices = _indices(client, options)
    health, warnings = _health(client, options)
    documents = int(client.count(index=options.index).body["count"])
    return IndexState(indices, documents, health, warnings)


def _indices(client: Elasticsearch, options: ElasticsearchOptions) -> Mapping[str, Any] | None:
    from elasticsearch import AuthorizationException

    try:
        found: Mapping[str, Any] = client.indices.get(index=options.index).body
    except AuthorizationException:
        return None
    if not found:  # a pattern that nothing fits
        raise index_missing(options, client)
    if unfinished(found):
        raise LeserError(
            f"The index '{options.index}' at {options.place} was not filled to the end. Build it again with: leser index "
            f"--backend elasticsearch --task DIR {options.as_flags()} -o existing=recreate"
        )
    return found


def mark(*, complete: bool) -> dict[str, Any]:
    """What `leser index` notes in the mapping (`_meta`) of an index that it makes."""
    return {"leser": {"complete": complete}}


def unfinished(indices: Mapping[str, Any]) -> bool:
    """Whether one of the indices was made by `leser index` and not filled to the end."""
    metas = [index.get("mappings", {}).get("_meta", {}) for index in indices.values()]
    return any(meta.get("leser", {}).get("complete") is False for meta in metas)


def _health(client: Elasticsearch, options: ElasticsearchOptions) -> tuple[str, tuple[str, ...]]:
    """Health of the index. A cluster that is red elsewhere is only worth a warning."""
    from elasticsearch import AuthorizationException

    try:
        whole = str(client.cluster.health().body["status"])
        own = str(client.cluster.health(index=options.index).body["status"])
    except AuthorizationException:
        return MAY_NOT_ASK, ()
    if own == "red":
        raise LeserError(
            f"The index '{options.index}' at {options.place} is red: primary shards are missing, and searches would see only "
            "a part of it. Ask the server why: GET /_cluster/allocation/explain"
        )
    warning = "the cluster is red, though not this index: other indices miss primary shards"
    return own, (warning,) if whole == "red" else ()
