"""What an index's mapping says: which fields can be searched as text, and which compare strings and numbers in filters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from leser.adapter import unknown_field
from leser.backend import Filter

TEXT = frozenset({"text", "match_only_text", "search_as_you_type", "annotated_text", "semantic_text"})
STRING = frozenset({"keyword", "constant_keyword", "wildcard", "boolean", "ip", "version", "counted_keyword"})
NUMBER = frozenset(
    {
        "long",
        "integer",
        "short",
        "byte",
        "double",
        "float",
        "half_float",
        "scaled_float",
        "unsigned_long",
        "date",
        "date_nanos",
    }
)


@dataclass(frozen=True)
class ElasticsearchFields:
    """The fields of an index by their full names, sub-fields included, with their types."""

    types: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    """Sub-field (title.keyword) to the field that it belongs to."""

    @classmethod
    def of(cls, mappings: Iterable[Mapping[str, Any]]) -> ElasticsearchFields:
        """The fields of all indices behind a name."""
        types: dict[str, str] = {}
        parents: dict[str, str] = {}
        for mapping in mappings:
            _collect(mapping.get("properties", {}), types, parents)
            types.update({name: str(spec.get("type")) for name, spec in mapping.get("runtime", {}).items()})
        return cls(types, parents)

    @property
    def searchable(self) -> list[str]:
        """Fields that hold text, or strings compared whole; sub-fields are left out."""
        return sorted(n for n, kind in self.types.items() if kind in TEXT | STRING and n not in self.parents)

    @property
    def filterable(self) -> list[str]:
        """Fields that filters can compare, by themselves or through a sub-field."""
        own = {n for n, kind in self.types.items() if kind in STRING | NUMBER}
        return sorted({self.parents.get(name, name) for name in own})

    def knows(self, name: str) -> bool:
        """Whether a search may name this field; a pattern may, and so may any field while the mapping is unknown."""
        return not self.types or "*" in name or name in self.types

    def twin(self, name: str, kinds: frozenset[str]) -> str | None:
        """The field itself if its type is one of `kinds`, else its first such sub-field."""
        if self.types.get(name) in kinds:
            return name
        return next((sub for sub, parent in self.parents.items() if parent == name and self.types[sub] in kinds), None)


def _collect(properties: Mapping[str, Any], types: dict[str, str], parents: dict[str, str]) -> None:
    for path, spec, parent in field_specs(properties):
        if parent is not None:
            types[path] = spec.get("type", "object")
            parents[path] = parent
        elif "type" in spec and spec["type"] not in ("object", "nested"):
            types[path] = spec["type"]


def field_specs(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any], str | None]]:
    """Each field's full name and what the mapping says of it; for a sub-field also the field it belongs to."""
    for name, spec in properties.items():
        path = prefix + name
        yield path, spec, None
        for sub, inner in spec.get("fields", {}).items():
            yield f"{path}.{sub}", inner, path
        if spec.get("type") != "nested":  # those need a nested query around them
            yield from field_specs(spec.get("properties", {}), f"{path}.")


def search_analyzers(index: Mapping[str, Any]) -> dict[str, str]:
    """Analyzers that an index reads queries with where they are not those it reads documents with, by field.

    Elasticsearch takes the field's search_analyzer, then its analyzer, then the index's analyzer called default_search; a field
    without an analyzer of its own comes back with the one called default.
    """
    analysis = index.get("settings", {}).get("index", {}).get("analysis", {})
    default = "default_search" if "default_search" in analysis.get("analyzer", {}) else None
    found: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for path, spec, _ in field_specs(index.get("mappings", {}).get("properties", {})):
        if spec.get("type") == "alias":
            aliases[path] = spec["path"]
        elif spec.get("type") in TEXT and (
            name := spec.get("search_analyzer") or (default if spec.get("analyzer", "default") == "default" else None)
        ):
            found[path] = name
    found.update({alias: found[path] for alias, path in aliases.items() if path in found})
    return found


def filter_clause(condition: Filter, fields: ElasticsearchFields) -> dict[str, Any]:
    """A clause for the `filter` part of a bool query. Raises Refused for an unknown field."""
    strings, numbers = fields.twin(condition.field, STRING), fields.twin(condition.field, NUMBER)
    if fields.types and strings is None and numbers is None:
        raise unknown_field(condition.field, fields.filterable, "filter by")
    strings, numbers = strings or numbers or condition.field, numbers or strings or condition.field
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    if condition.op not in ("eq", "in"):
        (bound,) = values
        return {"range": {strings if isinstance(bound, str) else numbers: {condition.op: bound}}}
    texts = [value for value in values if isinstance(value, str)]
    amounts = [value for value in values if not isinstance(value, str)]
    clauses = [{"terms": {name: held}} for name, held in ((strings, texts), (numbers, amounts)) if held]
    if len(clauses) == 1:
        return clauses[0]
    return {"bool": {"should": clauses, "minimum_should_match": 1}} if clauses else {"match_none": {}}
