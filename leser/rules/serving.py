"""ServingFilter: what a policy wrote, less everything that breaks a rule.

It lets nothing out that the rule book was not asked about in exactly that form: after taking an expansion out it asks again
about what is left, until nothing is wrong or nothing is left. Where a rule cannot be asked (the engine is down, its analysis
fails, a plugin raises) no expansion leaves at all, and the query is searched as its user typed it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from leser.expansion import Expansion, ParseError, parse, render
from leser.rule import Violation
from leser.rules.book import RuleBook

PARSE = "parse_error"
UNCHECKED = "unchecked"
log = logging.getLogger("leser.rules")


@dataclass(frozen=True, slots=True)
class RefusedExpansion:
    """An expansion that was taken out, the code of the rule it breaks (or parse_error, unchecked), and why."""

    expansion: Expansion
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Filtered:
    """What may be served, in its order, and what was refused.

    `error` says why nothing could be read or checked at all, where that is so.
    """

    expansions: tuple[Expansion, ...]
    refused: tuple[RefusedExpansion, ...] = ()
    error: str = ""


class ServingFilter:
    """Takes out of a completion whatever breaks a rule; `filter(query, expansions)` or `filter.completion(query, text)`.

    Guaranteed: the rule book finds nothing in what it answers, and filtering an answer again changes nothing.
    """

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        # one expansion by itself must be readable, without reasoning around it and in any number
        self._form = book.site.expansion.model_copy(update={"reasoning": False})

    def __call__(self, query: str, expansions: Sequence[Expansion]) -> Filtered:
        """The expansions that may be served beside this query."""
        kept: list[Expansion] = []
        refused: list[RefusedExpansion] = []
        for expansion in expansions:
            wrong = self._unreadable(expansion)
            if wrong:
                refused.append(RefusedExpansion(expansion, PARSE, wrong))
            else:
                kept.append(expansion)
        limit = self.book.site.expansion.max_expansions
        refused += [RefusedExpansion(e, PARSE, f"more than {limit} expansions") for e in kept[limit:]]
        del kept[limit:]
        while kept:
            try:
                broken = self.book.check(query, tuple(kept))
            except Exception as error:  # whatever it is: what cannot be checked is not served
                log.exception("Expansions could not be checked, and none is served")
                reason = f"could not be checked: {error}"
                return Filtered((), (*refused, *(RefusedExpansion(e, UNCHECKED, reason) for e in kept)), reason)
            if broken is None:
                break
            refused.append(RefusedExpansion(kept.pop(_place(broken, len(kept))), broken.code, broken.reason))
        return Filtered(tuple(kept), tuple(refused))

    def completion(self, query: str, text: str, *, finished: bool = True) -> Filtered:
        """The expansions of a completion that may be served; one that cannot be read serves none."""
        parsed = parse(text, self.book.site.expansion, finished=finished)
        if isinstance(parsed, ParseError):
            return Filtered((), (), f"{PARSE}: {parsed.reason}")
        return self(query, parsed.expansions)

    def _unreadable(self, expansion: Expansion) -> str:
        """Why these words could not have been read out of a completion: a store or a caller may hand over anything."""
        read = parse(render([expansion]), self._form)
        if isinstance(read, ParseError):
            return read.reason
        if [e.text for e in read.expansions] != [expansion.text]:
            return "it does not read back as one expansion"
        return ""


def _place(broken: Violation, count: int) -> int:
    """Which expansion goes: the one at fault, else the last."""
    return broken.at if broken.at is not None and 0 <= broken.at < count else count - 1
