"""Backends with one fault each in documents() (see planted_faults.py)."""

from __future__ import annotations

from typing import Any

from planted_faults import Planted, fault

from leser.backend import Document


@fault("test_documents")
class DocumentLeftOut(Planted):
    def documents(self) -> Any:
        return iter(list(super().documents())[:-1])


@fault("test_documents")
class DocumentTwice(Planted):
    def documents(self) -> Any:
        found = list(super().documents())
        return iter([*found, found[0]])


@fault("test_documents")
class TitlesAlone(Planted):
    def documents(self) -> Any:
        return (Document(d.id, {"title": d.fields["title"]}) for d in super().documents())


@fault("test_documents")
class FieldOfItsOwn(Planted):
    """Gives a field that fetch() does not know."""

    def documents(self) -> Any:
        return (Document(d.id, {**d.fields, "boost": "1"}) for d in super().documents())


@fault("test_documents")
class ReadOnce(Planted):
    """Is at its end when it is called again."""

    def documents(self) -> Any:
        if not hasattr(self, "_rows"):
            self._rows = super().documents()
        return self._rows
