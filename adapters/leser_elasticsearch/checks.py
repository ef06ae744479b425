"""Facts for start-up: the server's version, the fields that are searched, a first search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from leser.backend import ExpandedQuery, SearchError
from leser.errors import LeserError, unknown_name
from leser_elasticsearch.engine import ElasticsearchEngine
from leser_elasticsearch.options import ElasticsearchOptions
from leser_elasticsearch.state import MAY_NOT_ASK
from leser_elasticsearch.template import ElasticsearchTemplate

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


def facts_of(
    engine: ElasticsearchEngine, options: ElasticsearchOptions, template: ElasticsearchTemplate | None
) -> dict[str, Any]:
    """What there is to know at start-up. Raises LeserError with what to do."""
    _check_fields(engine, options)
    probe = engine.search([ExpandedQuery("probe", "leser")], 1, False)[0]
    if isinstance(probe, SearchError):
        whose = f"the template {options.template}" if template else f"the index '{options.index}'"
        raise LeserError(f"A first search with {whose} fails: {probe.message}")
    searched = " ".join(f"{name}^{weight:g}" for name, weight in engine.builder.weights.items())
    facts: dict[str, Any] = {
        "server": f"Elasticsearch at {options.place}",
        "version": _version(engine.client),
        "index": options.index,
        "health": engine.state.health,
        "documents": engine.state.documents,
        "fields": engine.fields.searchable,
        "filters": engine.fields.filterable,
        "searched": f"{searched} ({engine.builder.type})" if len(engine.builder.weights) > 1 else searched,
    }
    warnings = [*engine.state.warnings, *(template.warnings if template else ())]
    warnings += [*_repeated_ids(engine, options), *_lost_texts(engine)]
    return {**facts, "warnings": warnings} if warnings else facts


def _repeated_ids(engine: ElasticsearchEngine, options: ElasticsearchOptions) -> Iterator[str]:
    """A warning where indices behind one name hold documents of one id: to LESER an id is a document."""
    looked_up, repeated = engine.repeated()
    if repeated:
        yield (
            f"{len(repeated)} of {looked_up} ids looked at (e.g. {repeated[0]!r}) stand for several documents behind "
            f"'{options.index}': a ranking keeps the best place of an id and so has fewer hits, and one document's text "
            "speaks for all"
        )


def _lost_texts(engine: ElasticsearchEngine) -> Iterator[str]:
    """A warning of texts that are searched and cannot be read back: prompts and rewards go without them."""
    if lost := engine.texts.lost(engine.fields):
        yield (
            f"the text of {', '.join(lost)} cannot be read: {engine.texts.why(lost[0])}. Prompts do not show it, and rewards "
            f"do not see it. {engine.texts.advice(engine.fields)}"
        )


def _version(client: Elasticsearch) -> str:
    """The version of the nodes; not from `GET /`, which some distributions and proxies do not answer."""
    from elasticsearch import AuthorizationException

    try:
        nodes: Mapping[str, Any] = client.nodes.info(filter_path="nodes.*.version").body.get("nodes", {})
    except AuthorizationException:
        return MAY_NOT_ASK
    return ", ".join(sorted({str(node.get("version")) for node in nodes.values()}))


def _check_fields(engine: ElasticsearchEngine, options: ElasticsearchOptions) -> None:
    if engine.state.indices is None:
        return
    others = [name for name in (options.sort_field, options.vector_field) if name]
    for name in (*engine.builder.weights, *others):
        if "*" not in name and name not in engine.fields.types:
            available = engine.fields.types if name in others else engine.fields.searchable
            raise unknown_name("field", name, available, f"the index '{options.index}'")
