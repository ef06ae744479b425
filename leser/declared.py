"""Documents as rewards may read them: each reward the fields that it declares, and no other.

The documents of a batch hold the fields of all rewards, or none. A reward that reads a field it did not declare would find
it beside another reward, and nothing by itself: it is an error instead, from the first outcome on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from leser.backend import Document
from leser.errors import PluginFault


class Documents(Mapping[str, Document]):
    """Documents by id; while a reward reads them (`read_by`), what it does not declare raises PluginFault."""

    def __init__(self, held: Mapping[str, Document]) -> None:
        self._held = held
        self._made: dict[str, Document] = {}
        self._who = ""
        self._declared: frozenset[str] | None = None

    @contextmanager
    def read_by(self, who: str, fields: Sequence[str]) -> Iterator[None]:
        """A reward that declares these fields reads; `who` names it in errors."""
        self._who, self._declared = who, frozenset(fields)
        try:
            yield
        finally:
            self._declared = None

    def may_read(self, field: str) -> bool:
        """Whether the present reader declares this field."""
        return self._declared is None or field in self._declared

    def allow(self, what: str, field: object = None) -> None:
        """Raise PluginFault where the reading reward declares no field, or not this one."""
        declared = self._declared
        if declared is None or (declared if field is None else field in declared):
            return
        names = [*sorted(declared), "title" if field is None else str(field)]
        wanted = ", ".join(map(repr, names)) + ("," if len(names) == 1 else "")
        raise PluginFault(
            f"{self._who} reads {what} that it does not declare. Write `fields = ({wanted})` in its class."
        )

    def __getitem__(self, id: str) -> Document:
        self.allow("documents")
        made = self._made.get(id)
        if made is None:
            held = self._held[id]
            made = self._made[id] = replace(held, fields=_Fields(held.fields, self))
        return made

    def __contains__(self, id: object) -> bool:
        self.allow("documents")
        return id in self._held

    def __iter__(self) -> Iterator[str]:
        self.allow("documents")
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return f"<{len(self)} documents>"


class _Fields(Mapping[str, str]):
    """A document's texts by field, as far as its documents' present reader declares them."""

    def __init__(self, held: Mapping[str, str], documents: Documents) -> None:
        self._held = held
        self._documents = documents

    def __getitem__(self, name: str) -> str:
        self._documents.allow(f"the field {name!r} of a document", name)
        return self._held[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The field's text, or `default` where the document lacks it."""
        self._documents.allow(f"the field {name!r} of a document", name)
        return self._held.get(name, default)

    def __contains__(self, name: object) -> bool:
        self._documents.allow(f"the field {name!r} of a document", name)
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return filter(self._documents.may_read, self._held)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self._held))
