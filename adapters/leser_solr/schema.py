"""What an index's schema says: which fields there are, which hold text, and how a filter can compare a field's values."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from leser.adapter import CONTENTS

KEYWORD, NUMBER = "__keyword", "__number"
"""Endings of the fields beside a text that LESER writes for filters: the text as it is, and the number it reads as."""
NAME = re.compile(r"[^\W\d][\w.\-]*")
"""Field names that mean themselves everywhere in Solr's syntax: in qf, fl, sort and local parameters."""

_NUMBERS = frozenset({"IntPointField", "LongPointField", "FloatPointField", "DoublePointField"}) | frozenset(
    {"TrieIntField", "TrieLongField", "TrieFloatField", "TrieDoubleField"}
)
_STRINGS = frozenset({"StrField", "BoolField", "UUIDField", "EnumFieldType", "DatePointField", "TrieDateField"})


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A field (or the pattern of a dynamic one): its type, and what that is: "text", "string", "number" or "other"."""

    name: str
    type: str
    kind: str
    indexed: bool


class SolrFields:
    """An index's schema as Solr's Schema API tells it (`GET /schema`)."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.unique: str = told["uniqueKey"]
        self.digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        self.types: dict[str, Mapping[str, Any]] = {item["name"]: item for item in told["fieldTypes"]}
        self.fields = {item["name"]: self._field(item) for item in told["fields"]}
        dynamic = (self._field(item) for item in told.get("dynamicFields", ()))
        # Solr takes the longest pattern that fits
        self._dynamic = sorted(dynamic, key=lambda field: -len(field.name))

    def _field(self, item: Mapping[str, Any]) -> SchemaField:
        of_type = self.types[item["type"]]
        name = str(of_type["class"]).rpartition(".")[2]
        kind = "number" if name in _NUMBERS else "string" if name in _STRINGS else "other"
        if name.endswith("TextField"):
            kind = "text"
        indexed = item.get("indexed", of_type.get("indexed", True))
        return SchemaField(item["name"], item["type"], kind, str(indexed).lower() == "true")

    @property
    def patterns(self) -> list[str]:
        """Patterns of the dynamic fields."""
        return [field.name for field in self._dynamic]

    def find(self, name: str) -> SchemaField | None:
        """The field of this name, explicit or by the pattern it fits; None where Solr knows none."""
        if name in self.fields:
            return self.fields[name]
        if not NAME.fullmatch(name):
            return None
        for field in self._dynamic:
            pattern = field.name
            if name.startswith(pattern[:-1]) if pattern.endswith("*") else name.endswith(pattern[1:]):
                return field
        return None

    def is_own(self, name: str) -> bool:
        """Whether a field holds something of the documents': neither the id, nor Solr's own, nor a twin of LESER's."""
        return name != self.unique and not name.startswith("_") and not name.endswith((KEYWORD, NUMBER))

    def searchable(self) -> list[str]:
        """Fields declared by name that hold text to search."""
        return sorted(f.name for f in self.fields.values() if f.kind == "text" and f.indexed and f.name[0] != "_")

    def can_search(self, name: str) -> bool:
        """Whether words can be looked up in the field."""
        field = self.find(name)
        return field is not None and field.indexed and NAME.fullmatch(name) is not None

    def twins(self, name: str) -> tuple[str | None, str | None]:
        """The fields a filter compares strings and numbers in: LESER's twins of a text, else the field itself."""
        field = self.find(name)
        if field is None or name == CONTENTS:
            return None, None
        if field.kind == "text":
            kinds = ((KEYWORD, "string"), (NUMBER, "number"))
            found = [(self.find(name + ending), name + ending, kind) for ending, kind in kinds]
            string, number = (full if twin is not None and twin.kind == kind else None for twin, full, kind in found)
            return string, number
        return (name if field.kind == "string" else None), (name if field.kind == "number" else None)

    def filterable(self) -> list[str]:
        """Fields declared by name that a filter can compare."""
        return sorted(name for name in self.fields if name[0] != "_" and any(self.twins(name)))

    def described(self, names: Iterable[str]) -> dict[str, str]:
        """Type of each of these fields."""
        return {name: field.type for name in names if (field := self.find(name)) is not None}
