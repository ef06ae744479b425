"""Which fields of an index are a document's title and text: as they are called, or as the user says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from leser.backend import Document
from leser.errors import LeserError, unknown_name

TITLES = ("title", "name", "headline", "heading", "label", "subject")
TEXTS = ("text", "description", "body", "content", "summary", "abstract", "overview", "plot", "contents")
"""What fields are called that hold one or the other, the likeliest first."""
_OF = r"(?:(?:product|item|article|document|doc|page|display|full|long|short|main)[_.\-]?)?"
_TYPE = r"(?:[_.\-](?:t|s|txt|text|string|en|english|general|stored|display|raw)){0,3}"
LISTED = 40  # field names in a message


@dataclass(frozen=True)
class ChosenFields:
    """The fields that become `title` and `text`, and the others of the documents that were looked at."""

    title: tuple[str, ...]
    text: tuple[str, ...]
    others: tuple[str, ...] = field(default=())

    @property
    def aliases(self) -> dict[str, tuple[str, ...]]:
        """As option search.aliases has them: without a field that has the name already."""
        named = {"title": self.title, "text": self.text}
        return {name: fields for name, fields in named.items() if fields and fields != (name,)}


def choose_fields(documents: Iterable[Document], title: Sequence[str], text: Sequence[str]) -> ChosenFields:
    """The fields for title and text among those of the documents; what is given is taken.

    Raises LeserError for a field that no document has, and where no field is called like a title.
    """
    names = sorted({name for document in documents for name in document.fields})
    for option, given in (("--title", title), ("--text", text)):
        if unknown := [name for name in given if name not in names]:
            raise LeserError(f"{option}: {unknown_name('field', unknown[0], names, 'the documents')}")
    titles = tuple(title) or _called(names, TITLES)
    if not titles:
        raise LeserError(
            "No field of the documents is called like a title (title, name). Say which one is, with --title FIELD, and which "
            f"hold the text, with --text FIELD. Their fields: {listed(names)}."
        )
    texts = tuple(text) or _called([name for name in names if name not in titles], TEXTS)
    others = tuple(name for name in names if name not in (*titles, *texts))
    return ChosenFields(titles, texts, others)


def listed(names: Sequence[str]) -> str:
    """Names of fields for a message, cut where there are very many."""
    rest = len(names) - LISTED
    return (", ".join(names[:LISTED]) or "none") + (f" and {rest} more" if rest > 0 else "")


def _called(names: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The field called like the first of the wanted names that any is called like; the name itself before others like it."""
    for one in wanted:
        like = re.compile(f"{_OF}{one}{_TYPE}", re.IGNORECASE)
        found = [name for name in names if like.fullmatch(name)]
        if found:
            return (min(found, key=lambda name: (name != one, name.casefold() != one, len(name), name)),)
    return ()
