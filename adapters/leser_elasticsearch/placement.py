"""Where expansions go in a query of the user's own that does not say: beside what is searched, inside what restricts.

Two ideas. Going down: from the top of the query to its searching part, through clauses of which only one asks for `$query`
and all others hold whatever that one finds; the expansions are put there, so filters, exclusions and functions around the
place act on them as on the original. Conditions: where the way ends above a filter (several clauses ask for `$query`), the
expansions' clause carries the conditions that any match of that part meets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

QUERY, EXPANSIONS = "$query", "$expansions"
Clause = Mapping[str, Any]

LEAVES = frozenset(
    {
        "match",
        "multi_match",
        "combined_fields",
        "match_phrase",
        "match_phrase_prefix",
        "match_bool_prefix",
        "query_string",
    }
    | {
        "simple_query_string",
        "more_like_this",
        "semantic",
        "sparse_vector",
        "text_expansion",
        "intervals",
        "match_none",
    }
    | {"term", "terms", "prefix", "fuzzy", "wildcard", "regexp"}
)
"""Clauses that search and hold no other clause."""
WRAPPERS = {
    "function_score": "query",
    "script_score": "query",
    "boosting": "positive",
    "pinned": "organic",
    "rule": "organic",
}
"""Clauses that score what the one clause inside them matches, with the key it stands under."""


class Unplaceable(ValueError):
    """A query whose parts the adapter cannot tell apart, and why."""


def place_expansions(query: Clause, *, rerank: bool) -> dict[str, Any]:
    """The query with `$expansions` in it. Where the user marked the place it stays, for rerank under the original's matches.

    Raises Unplaceable for a clause that is not known.
    """
    if not holds(query, EXPANSIONS):
        return _placed(query, rerank)
    if rerank:
        return {"bool": {"must": [query], "filter": [_without(query)]}}
    return dict(query)


def holds(node: Any, slot: str) -> bool:
    """Whether a slot stands somewhere in this part of the query."""
    if isinstance(node, Mapping):
        return any(holds(value, slot) for value in node.values())
    if isinstance(node, list):
        return any(holds(value, slot) for value in node)
    return bool(node == slot)


def as_list(value: Any) -> list[Any]:
    """What Elasticsearch takes as one clause or a list of them, as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _without(node: Any) -> Any:
    """The same query with nothing in the place of the expansions."""
    if isinstance(node, Mapping):
        return {key: _without(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without(value) for value in node]
    return {"match_none": {}} if node == EXPANSIONS else node


def _placed(clause: Clause, rerank: bool) -> dict[str, Any]:
    name, inner = _only(clause)
    if name in WRAPPERS and holds(inner.get(WRAPPERS[name]), QUERY):
        return {name: {**inner, WRAPPERS[name]: _placed(inner[WRAPPERS[name]], rerank)}}
    if name == "bool":
        return _placed_in_bool(inner, rerank)
    return _beside(clause, rerank)


def _placed_in_bool(inner: Clause, rerank: bool) -> dict[str, Any]:
    must, should = as_list(inner.get("must")), as_list(inner.get("should"))
    asking = [place for place, one in enumerate(must) if holds(one, QUERY)]
    if asking:
        if len(asking) > 1 or (holds(should, QUERY) and not _optional(inner)):
            return _beside({"bool": inner}, rerank)
        (place,) = asking
        return {"bool": {**inner, "must": [*must[:place], _placed(must[place], rerank), *must[place + 1 :]]}}
    if not holds(should, QUERY):  # only a filter asks: it decides what matches, and always holds
        return _beside({"bool": inner}, rerank)
    if _optional(inner):  # everything the filters let through matches already
        return {"bool": {**inner, "should": [*should, EXPANSIONS]}}
    if len(should) == 1:
        return {"bool": {**inner, "should": [_placed(should[0], rerank)]}}
    if rerank or str(inner.get("minimum_should_match", 1)) != "1":
        return _beside({"bool": inner}, rerank)
    return {"bool": {**inner, "should": [*should, _under(_any_of(should))]}}


def _beside(clause: Clause, rerank: bool) -> dict[str, Any]:
    """The clause, with the expansions as an alternative to it (widen) or as a bonus (rerank)."""
    if rerank:
        return {"bool": {"must": [clause], "should": [EXPANSIONS]}}
    return {"bool": {"should": [clause, _under(conditions(clause))], "minimum_should_match": 1}}


def _under(given: list[Clause]) -> Any:
    return {"bool": {"must": [EXPANSIONS], "filter": given}} if given else EXPANSIONS


def conditions(clause: Clause) -> list[Clause]:
    """Clauses that every match of this one meets, whatever `$query` is. Raises Unplaceable."""
    if not holds(clause, QUERY):
        return [clause]
    name, inner = _only(clause)
    if name == "bool":
        given = as_list(inner.get("filter"))
        if "must_not" in inner:
            given = [*given, {"bool": {"must_not": inner["must_not"]}}]
        given += [condition for one in as_list(inner.get("must")) for condition in conditions(one)]
        should = as_list(inner.get("should"))
        if should and not _optional(inner):
            given += (
                _any_of(should) if holds(should, QUERY) else [{"bool": {"minimum_should_match": 1, **_should(inner)}}]
            )
        return given
    if name in WRAPPERS:
        return conditions(inner[WRAPPERS[name]])
    if name == "constant_score":
        return conditions(inner["filter"])
    if name == "dis_max":
        return _any_of(inner["queries"])
    if name == "knn":
        return as_list(inner.get("filter"))
    if name == "nested":
        within = conditions(inner["query"])
        return [{"nested": {"path": inner["path"], "query": _all_of(within)}}] if within else []
    if name in LEAVES:
        return []
    raise Unplaceable(
        f'asks for "{QUERY}" inside a clause of type {name}, whose conditions are not known here. Mark where expansions go '
        f'with "{EXPANSIONS}", e.g. in a bool.should.'
    )


def _any_of(clauses: list[Clause]) -> list[Clause]:
    """What every match of at least one of the clauses meets."""
    each = [conditions(clause) for clause in clauses]
    if not all(each):
        return []
    return [{"bool": {"should": [_all_of(one) for one in each], "minimum_should_match": 1}}]


def _all_of(clauses: list[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else {"bool": {"filter": clauses}}


def _should(inner: Clause) -> dict[str, Any]:
    return {key: inner[key] for key in ("should", "minimum_should_match") if key in inner}


def _optional(inner: Clause) -> bool:
    """Whether a bool's should clauses only score; where nothing else must match, one of them must, whatever is written."""
    others = as_list(inner.get("must")) or as_list(inner.get("filter"))
    return bool(others) and str(inner.get("minimum_should_match", 0)) in ("0", "0%")


def _only(clause: Clause) -> tuple[str, Any]:
    if not isinstance(clause, Mapping) or len(clause) != 1:
        raise Unplaceable(f"has a clause that is not of the form {{type: ...}}: {str(clause)[:100]}")
    return next(iter(clause.items()))
