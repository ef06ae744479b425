"""Which kind a measure in a query is of: a word beside it says it ("80 cm wide"), or the thing that is asked for ("2 m cable").

Most measures could be of several kinds, or of another thing altogether: "stand for 27 inch monitor" and "128 gb memory card"
say nothing of the stand's screen or the card's memory.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from leser.constraints.amounts import WINDOW, Amount
from leser.constraints.language import Language

NOUNS = frozenset({"screen", "memory", "storage"})
"""Kinds whose words are things themselves: "monitor 27 inch arm" is about an arm."""


@dataclass(frozen=True, slots=True)
class Named:
    """The kind that a measure is said to be of, if any is said, and the span with the word beside it."""

    kind: str | None
    start: int
    end: int


class Naming:
    """Reads in one language what measures are of; `kinds` may be names that the language has no words for."""

    def __init__(self, language: Language, kinds: Collection[str]) -> None:
        either, words, data = language.either, language.words, language.data
        self.known = frozenset(data["labels"])
        self._labels = [
            (kind, re.compile(rf"{p}\s*:?\s*$", re.IGNORECASE), re.compile(rf"\s*{p}", re.IGNORECASE))
            for kind in dict.fromkeys((*data["labels"], *kinds))
            for p in (either((*data["labels"].get(kind, ()), kind)),)
        ]
        self._things = {
            kind: re.compile(rf"{either(said)}(?![\w-])", re.IGNORECASE) for kind, said in data["things"].items()
        }
        self._loads = {kind: re.compile(either(said), re.IGNORECASE) for kind, said in data["loads"].items()}
        self._meant_for = re.compile(rf"{either(words('meant_for'))}\s*$", re.IGNORECASE)
        self._another = re.compile(rf"[\s-]*{either(words('not_label'))}", re.IGNORECASE)
        self._ends = re.compile(rf"\s*(?:$|[^\w\s]|{either(words('clause_ends'))})", re.IGNORECASE)
        self._or = re.compile(rf"\s*{either(data['range']['either'])}\s*", re.IGNORECASE)

    def __call__(self, text: str, amount: Amount, kinds: Collection[str], last: Named | None) -> Named | None:
        """What this amount is of, where these are the kinds it could be; None where it is another thing's.

        `last` is the measure before it: "16 gb ram or 32 gb" says it for both.
        """
        beside = self._beside(text, amount)
        if self._meant_for.search(text[max(0, beside.start - WINDOW) : beside.start]):
            return None
        thing = next((kind for kind in kinds if self._asked_for(kind, text, amount)), None)
        adjective = beside.kind is not None and beside.kind not in NOUNS and beside.end == amount.end
        if not adjective and self._another.match(text, beside.end):  # not of "width 80 cm cabinet"
            return Named(thing, amount.start, amount.end) if thing and beside.kind else None
        if beside.kind is not None:
            return beside
        if last is not None and last.kind in kinds and self._or.fullmatch(text, last.end, amount.start):
            return Named(last.kind, amount.start, amount.end)
        return Named(thing, amount.start, amount.end)

    def carried(self, kind: str, text: str) -> bool:
        """Whether the query is about a thing of which such a measure says what it takes: a washing machine's 8 kg."""
        return kind in self._loads and self._loads[kind].search(text) is not None

    def _beside(self, text: str, amount: Amount) -> Named:
        for kind, _, behind in self._labels:
            if match := behind.match(text, amount.end):
                return Named(kind, amount.start, match.end())
        before = text[max(0, amount.start - WINDOW) : amount.start]
        for kind, ahead, _ in self._labels:
            if match := ahead.search(before):
                return Named(kind, amount.start - len(before) + match.start(), amount.end)
        return Named(None, amount.start, amount.end)

    def _asked_for(self, kind: str, text: str, amount: Amount) -> bool:
        """Whether the query asks for a thing of this kind, and not for one that is named after it: a "cable box 40 cm"."""
        if kind not in self._things:
            return False
        return any(
            self._ends.match(text, match.end()) or text[: amount.start].rstrip() == text[: match.end()]
            for match in self._things[kind].finditer(text)
            if not self._meant_for.search(text[max(0, match.start() - WINDOW) : match.start()])
        )
