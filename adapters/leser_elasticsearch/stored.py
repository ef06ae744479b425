"""Where the text of a field is read: in `_source`, or where that is off or leaves the field out, in what else the index keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from leser_elasticsearch.mapping import NUMBER, STRING, TEXT, ElasticsearchFields, field_specs

STORED, DOC_VALUES = "stored", "doc values"


@dataclass(frozen=True)
class KeptText:
    """What an index keeps of a field beside `_source`: a stored field or doc values, under this name; nothing where None."""

    how: str | None = None
    name: str = ""


@dataclass(frozen=True)
class StoredTexts:
    """`hidden` are the fields that `_source` of some index does not give back, each with what is kept instead.

    `off` are the indices without `_source`; `everywhere` says that none has one.
    """

    hidden: Mapping[str, KeptText]
    off: tuple[str, ...] = ()
    everywhere: bool = False

    @classmethod
    def of(cls, indices: Mapping[str, Any]) -> StoredTexts:
        """The texts of all indices behind a name, by their settings and mappings."""
        hidden: dict[str, KeptText] = {}
        off = []
        for name, index in indices.items():
            gone = _is_off(index)
            off += [name] if gone else []
            source = index.get("mappings", {}).get("_source", {})
            for path, spec, kept in _kept(index.get("mappings", {}).get("properties", {})):
                if spec.get("type") not in ("alias", "object", "nested") and (gone or not _included(source, path)):
                    hidden[path] = kept if path not in hidden or kept.how is None else hidden[path]
        return cls(hidden, tuple(off), bool(off) and len(off) == len(indices))

    def request(self, fields: Sequence[str]) -> dict[str, Any]:
        """The parts of a search that bring these fields."""
        ways = [self.hidden[name] for name in fields if name in self.hidden]
        stored = [way.name for way in ways if way.how == STORED]
        values = [way.name for way in ways if way.how == DOC_VALUES]
        asked: dict[str, Any] = {"source": False}
        if fields and not self.everywhere:
            # an index without _source refuses a choice of its fields, and takes the wish for all of them
            asked = {"source": True} if self.off else {"source": None, "source_includes": list(fields)}
        return asked | {"stored_fields": stored or None, "docvalue_fields": values or None}

    def request_all(self) -> dict[str, Any]:
        """The parts of a search that bring every field that is kept: `_source`, and what stands in for it."""
        found = self.request(tuple(self.hidden))
        return {**found, "source": not self.everywhere, "source_includes": None}

    def read(self, row: Mapping[str, Any], name: str) -> str | None:
        """A field's text in a hit; None where it has none."""
        text = text_of(row.get("_source") or {}, name)
        if text is not None or name not in self.hidden:
            return text
        return _text(row.get("fields", {}).get(self.hidden[name].name))

    def is_lost(self, name: str) -> bool:
        """Whether the index has the field and nothing to read its text from."""
        return name in self.hidden and self.hidden[name].how is None

    def lost(self, fields: ElasticsearchFields) -> list[str]:
        """Text fields that nothing can be read from."""
        return sorted(
            n for n, kind in fields.types.items() if kind in TEXT and n not in fields.parents and self.is_lost(n)
        )

    def why(self, name: str) -> str:
        """Why `_source` does not give a field back, in words."""
        if self.off:
            whose = "its mapping" if self.everywhere else f"the mapping of {', '.join(self.off)}"
            return f"{whose} switches _source off, and the index does not store {name} by itself"
        return (
            f"its mapping leaves {name} out of _source (includes, excludes), and the index does not store it by itself"
        )

    def advice(self, fields: ElasticsearchFields) -> str:
        """What to do."""
        readable = [name for name in fields.searchable if not self.is_lost(name)]
        other = (
            f", or read another field that is kept ({', '.join(readable)}): -o task.title_field=NAME"
            if readable
            else ""
        )
        return (
            'Make the index again with the whole "_source" (Elasticsearch\'s default) or with "store": true for these fields'
            f"{other}."
        )


def text_of(source: Mapping[str, Any], name: str) -> str | None:
    """A field's text in a stored document; a dotted name is looked up whole and part by part; a list is joined by spaces."""
    value: Any = source.get(name)
    if value is None and "." in name:
        first, _, rest = name.partition(".")
        inner = source.get(first)
        return text_of(inner, rest) if isinstance(inner, Mapping) else None
    return _text(value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return " ".join(one if isinstance(one, str) else json.dumps(one) for one in value)
    return json.dumps(value, ensure_ascii=False)


def _is_off(index: Mapping[str, Any]) -> bool:
    source = index.get("mappings", {}).get("_source", {})
    setting = index.get("settings", {}).get("index", {}).get("mapping", {}).get("source", {}).get("mode")
    return str(source.get("enabled", True)).lower() == "false" or "disabled" in (source.get("mode"), setting)


def _included(source: Mapping[str, Any], path: str) -> bool:
    """Whether `_source` holds a field; a pattern that fits the object around it holds for it too."""
    parts = path.split(".")
    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]

    def fits(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

    includes = source.get("includes") or ()
    return (not includes or fits(includes)) and not fits(source.get("excludes") or ())


def _kept(properties: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], KeptText]]:
    """Each field with what is kept of it beside `_source`; a text's sub-field of strings keeps what it is short enough for."""
    subs: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    specs = list(field_specs(properties))
    for path, spec, parent in specs:
        if parent is not None:
            subs.setdefault(parent, []).append((path, spec))
    for path, spec, parent in specs:
        if parent is None:
            ways = (_own(name, one) for name, one in ((path, spec), *subs.get(path, ())))
            yield path, spec, next((way for way in ways if way.how is not None), KeptText())


def _own(path: str, spec: Mapping[str, Any]) -> KeptText:
    if spec.get("store"):
        return KeptText(STORED, path)
    if spec.get("type") in STRING | NUMBER and spec.get("doc_values", True):
        return KeptText(DOC_VALUES, path)
    return KeptText()
