"""Fields of an index under the names that LESER reads: title, text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leser.backend import Document


class FieldAliases:
    """Reads fields of documents under other names (option search.aliases); without aliases everything stays as it is."""

    def __init__(self, aliases: Mapping[str, Sequence[str]]) -> None:
        self.aliases = aliases

    def own(self, names: Sequence[str]) -> tuple[str, ...]:
        """The index's own names of these fields, for `fetch`."""
        return tuple(dict.fromkeys(field for name in names for field in self.aliases.get(name, (name,))))

    def read(self, document: Document, names: Sequence[str]) -> Document:
        """A document that holds the index's own fields, with these names; a name whose fields it lacks is left out."""
        texts = {name: self._text(document.fields, name) for name in names}
        return Document(document.id, {name: text for name, text in texts.items() if text is not None})

    def whole(self, document: Document) -> Document:
        """A document with all its fields: those that an alias reads under the alias's name, all others under their own."""
        taken = {field for fields in self.aliases.values() for field in fields}
        others = [name for name in document.fields if name not in taken and name not in self.aliases]
        return self.read(document, [*self.aliases, *others])

    def _text(self, fields: Mapping[str, str], name: str) -> str | None:
        own = self.aliases.get(name, (name,))
        if len(own) == 1:
            return fields.get(own[0])
        return " ".join(fields[one] for one in own if fields.get(one)) or None
