"""The user's own search body, from a JSON file: `$query` stands for the user's text, `$expansions` for the expansions' clause.

    {"query": {"bool": {
        "should": [{"multi_match": {"query": "$query", "fields": ["title^3", "text"]}}, "$expansions"],
        "minimum_should_match": 1,
        "filter": [{"term": {"in_stock": true}}]}}}

Slots are filled in the parsed tree: a text is one JSON string, whatever it says. Without `$expansions` its place is found
(placement.py) such that the template's filters hold for what expansions match.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.textfile import read_text
from leser_elasticsearch.options import FieldsType
from leser_elasticsearch.placement import EXPANSIONS, QUERY, as_list, holds, place_expansions

NOTHING: dict[str, Any] = {"match_none": {}}
OURS = frozenset({"size", "from", "_source", "track_total_hits"})
"""Set by the adapter for every search, whatever the template says."""
DROPPED = frozenset(
    {"aggs", "aggregations", "highlight", "suggest", "fields", "stored_fields", "docvalue_fields", "script_fields"}
    | {"explain", "profile", "version", "seq_no_primary_term"}
)
"""Costly and not looked at: searching asks for ids and scores alone."""
SYNTAX = ("query_string", "simple_query_string")
REORDERS = ("rescore", "rank")
"""Parts of a body that Elasticsearch refuses together with a sort."""
ONE_FIELD = (
    "match",
    "match_phrase",
    "match_phrase_prefix",
    "match_bool_prefix",
    "intervals",
    "term",
    "prefix",
    "fuzzy",
)
"""Clauses of the form {type: {field: ...}}."""
TYPES: tuple[FieldsType, ...] = ("most_fields", "best_fields", "cross_fields")


@dataclass(frozen=True)
class ElasticsearchTemplate:
    """A search body with slots; `fields` and `type` say where and how its `$query` is searched, as far as it tells.

    `asks_default_fields`: a clause that reads `$query` names no fields, and so searches the index's default ones. `reorders`
    names the part (rescore, rank) that Elasticsearch takes only without a sort.
    """

    plain: Mapping[str, Any]
    expanded: Mapping[str, Any]
    fields: Mapping[str, float] = field(default_factory=dict)
    type: FieldsType | None = None
    warnings: tuple[str, ...] = ()
    sorted_by_score: bool = True
    asks_default_fields: bool = False
    reorders: str | None = None

    def body(self, text: str, added: list[dict[str, Any]]) -> dict[str, Any]:
        """The body for a text and the clauses of its expansions; without any it is the template as it was written."""
        clause = {"bool": {"should": added, "minimum_should_match": 1}} if len(added) > 1 else (added or [NOTHING])[0]
        body: dict[str, Any] = _filled(self.expanded if added else self.plain, text, clause)
        return body


def read_template(path: Path, *, rerank: bool) -> ElasticsearchTemplate:
    """Read and check a template. Raises LeserError that says what is wrong with it and where."""

    def bad(what: str) -> LeserError:
        return LeserError(f"Option template of backend 'elasticsearch': {path} {what}")

    try:
        body = json.loads(read_text(path))
    except OSError as error:
        raise bad(f"cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise bad(f"is not valid JSON: {error}.") from None
    if not isinstance(body, dict) or not isinstance(body.get("query"), dict):
        raise bad(
            'has no "query". Give a whole search body: {"query": {... "$query" ...}} (retrievers are not supported).'
        )
    body = {key: value for key, value in body.items() if key not in OURS | DROPPED}
    if complaint := _complaint(body):
        raise bad(complaint)
    query = body["query"]
    try:
        placed = place_expansions(query, rerank=rerank)
        fields, type, default = _searched(query)
    except ValueError as error:
        raise bad(str(error)) from None
    plain = {**body, "query": _filled(query, QUERY, NOTHING)}
    return ElasticsearchTemplate(
        plain,
        {**body, "query": placed},
        fields,
        type,
        tuple(_warnings(body, rerank=rerank)),
        _by_score(body.get("sort")),
        default,
        next((part for part in REORDERS if part in body), None),
    )


def _filled(node: Any, text: str, clause: Mapping[str, Any]) -> Any:
    """A copy of the tree with its slots filled; what was put in is not looked at again."""
    if isinstance(node, str):
        return text if node == QUERY else clause if node == EXPANSIONS else node
    if isinstance(node, Mapping):
        return {key: _filled(value, text, clause) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, text, clause) for value in node]
    return node


def _walk(node: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value below a node with the keys that lead to it."""
    yield above, node
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _walk(value, (*above, key))
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value, above)


def _complaint(body: Mapping[str, Any]) -> str | None:
    """What makes a template unusable, or None."""
    if "terminate_after" in body:
        return (
            'has "terminate_after", with which a shard stops at the first documents that match, not the best: what it finds '
            "is not a complete ranking. Take it out; -o timeout=SECONDS bounds how long a search may take."
        )
    places = 0
    for keys, value in _walk(body):
        at = ".".join(keys)
        if isinstance(value, str) and value not in (QUERY, EXPANSIONS) and (QUERY in value or EXPANSIONS in value):
            return f"has a slot inside a longer string, at {at}: {value!r}. A slot is a whole string of its own."
        if keys and (QUERY in keys[-1] or EXPANSIONS in keys[-1]):
            return f"has a slot in a key, at {at}. Slots are values."
        if value == EXPANSIONS:
            places += 1
            if keys[0] != "query" or keys[-1] in ("must", "filter", "must_not"):
                return f'has "{EXPANSIONS}" at {at}. Put it where one clause of several may match, as in bool.should.'
    if not holds(body["query"], QUERY):
        old = " Its {{placeholders}} are of search templates: write" if "{{" in json.dumps(body) else " Write"
        return f'has no "{QUERY}" in its query.{old} "{QUERY}" where the user\'s text goes.'
    return f'has "{EXPANSIONS}" {places} times; one place is enough.' if places > 1 else None


def _warnings(body: Mapping[str, Any], *, rerank: bool) -> Iterator[str]:
    if not _by_score(body.get("sort")):
        yield "the template sorts by something other than the score: expansions add documents and do not move them"
    for keys, value in _walk(body):
        if value == QUERY and (syntax := next((name for name in SYNTAX if name in keys), None)):
            yield (
                f"the template puts {QUERY} into {syntax}, which reads query syntax: users' signs such as - and \" act there. "
                "multi_match takes text as text."
            )
        if rerank or keys[-1:] != ("bool",) or not isinstance(value, Mapping):
            continue
        required = holds(value.get("must"), QUERY) or holds(value.get("filter"), QUERY)
        if required and EXPANSIONS in as_list(value.get("should")):
            yield f"{EXPANSIONS} stands beside a clause that must match {QUERY}: there expansions rerank and find nothing new"


def _by_score(sort: Any) -> bool:
    """Whether hits come in the order of their scores."""
    keys = [key for one in as_list(sort) for key in (one.items() if isinstance(one, Mapping) else [(one, "desc")])]
    if not keys:
        return True
    name, how = keys[0]  # of an object's keys, too, the first one decides
    order = how.get("order", "desc") if isinstance(how, Mapping) else how
    return bool((name == "_score" and order == "desc") or name == "_score:desc")


def read_weights(fields: Any, where: str) -> dict[str, float]:
    """Fields as Elasticsearch's own requests write them (one or a list, `title^3`); raises ValueError that says where."""
    weights: dict[str, float] = {}
    for one in as_list(fields):
        if not isinstance(one, str):
            raise ValueError(f"has a field in {where} that is not a string: {one!r}.")
        name, mark, weight = one.partition("^")
        try:
            weights[name] = weights.get(name, 0.0) + (float(weight) if mark else 1.0)
        except ValueError:
            raise ValueError(f"has a field '{one}' in {where}, and '{weight}' is not a weight.") from None
    return weights


def _searched(query: Mapping[str, Any]) -> tuple[dict[str, float], FieldsType | None, bool]:
    """Fields and weights that `$query` is searched in, how they are joined, and whether a clause leaves them to the index.

    Over all full-text clauses that score; where there are none, over those that only decide what matches.
    """
    found = _fields_of(query, {"filter", "must_not", "nested", "functions"}, scoring=True)
    if found[0] or found[2]:
        return found
    return _fields_of(query, {"must_not", "nested", "functions"}, scoring=False)


def _fields_of(
    query: Mapping[str, Any], left_out: set[str], *, scoring: bool
) -> tuple[dict[str, float], FieldsType | None, bool]:
    fields: dict[str, float] = {}
    type: FieldsType | None = None
    default = False

    def add(more: Mapping[str, float]) -> None:
        for name, weight in more.items():
            fields[name] = fields.get(name, 0.0) + weight

    for keys, value in _walk(query):
        if not isinstance(value, Mapping) or left_out & set(keys):
            continue
        for name in ("multi_match", "combined_fields", *SYNTAX):
            inner = value.get(name)
            if not isinstance(inner, Mapping) or inner.get("query") != QUERY:
                continue
            if scoring and "phrase" in str(inner.get("type")):
                continue
            named = inner.get("fields") or inner.get("default_field")
            default |= not named
            add(read_weights(named, name))
            if name == "combined_fields":
                type = "combined_fields"
            elif name == "multi_match":
                type = next((known for known in TYPES if known == inner.get("type", "best_fields")), "most_fields")
        for name in ONE_FIELD[:1] if scoring else ONE_FIELD:
            add(_of_one_field(value.get(name)))
    return fields, type, default


def _of_one_field(clause: Any) -> dict[str, float]:
    """The field of a clause {field: ...} that reads `$query`, with its boost."""
    found = {}
    for name, inner in clause.items() if isinstance(clause, Mapping) else ():
        if holds(inner, QUERY):
            found[name] = float(inner.get("boost", 1.0)) if isinstance(inner, Mapping) else 1.0
    return found
