"""Rule: what an expansion may not do, and the plain values it is asked with.

A third party's rule is one class:

    class NoPrices(Rule):
        \"\"\"No expansion names a price.\"\"\"
        name = "no-prices"

        class Options(RuleOptions):
            currency: str = "$"

        def sentence(self):
            return "Never write a price."

        def check(self, proposal):
            for at, expansion in enumerate(proposal.expansions):
                if self.options.currency in expansion.text:
                    return Violation(self.name, f"'{expansion.text}' names a price", at)
            return None

and a hook `leser_rules()` that returns `[NoPrices]`. `[rules.no-prices]` in a configuration makes it active.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field

from leser.engine.words import EngineWords
from leser.expansion import Expansion, ExpansionOptions
from leser.folding import Folded, Folder
from leser.options import Options


@dataclass(frozen=True, slots=True)
class Violation:
    """Which rule is broken, why (in words for the report), and by which expansion.

    `at` is the position of the expansion at fault; None where the expansions break it together: the serving filter then
    takes out the last one and asks again.
    """

    code: str
    reason: str
    at: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Site:
    """Where rules work: the engine's words, how expansions are applied, and how text is folded in this locale."""

    words: EngineWords
    expansion: ExpansionOptions
    folder: Folder = field(default_factory=Folder)
    locale: str = "en"


@dataclass(frozen=True)
class Proposal:
    """A query and the expansions to search with; folded and analysed once for all rules."""

    query: str
    expansions: tuple[Expansion, ...]
    site: Site

    @property
    def one_search(self) -> bool:
        """True when all expansions go into one search (`boost`), False when each is a search of its own (`fuse`)."""
        return self.site.expansion.mode == "boost"

    @cached_property
    def asked(self) -> Folded:
        """The query, folded."""
        return self.site.folder(self.query)

    @cached_property
    def folded(self) -> tuple[Folded, ...]:
        """Each expansion, folded."""
        return tuple(self.site.folder(e.text) for e in self.expansions)

    @cached_property
    def strict(self) -> bool:
        """True when any expansion holds more than the locale's own letters."""
        return any(folded.strict for folded in self.folded)

    @cached_property
    def running_text(self) -> str:
        """All readings of all expansions in one text, for a first look at all of them at once."""
        return "".join(reading for folded in self.folded for reading in folded.readings)

    @cached_property
    def bag(self) -> frozenset[str]:
        """All words of all readings."""
        return frozenset(self.running_text.split())

    @cached_property
    def term_bag(self) -> frozenset[str]:
        """The index terms of all expansions, as they are written and as a reader sees them."""
        read = (terms for readings in self.terms_as_read[1:] for terms in readings)
        return frozenset(term for terms in (*self.terms[1:], *read) for term in terms)

    @cached_property
    def terms(self) -> list[list[str]]:
        """The engine's index terms: of the query first, then of each expansion."""
        return self.site.words.analyze([self.query, *(e.text for e in self.expansions)])

    @cached_property
    def terms_as_read(self) -> list[list[list[str]]]:
        """The index terms of each folded reading that is not what was written: of the query first, then of each expansion.

        The engine does not see a plural in "g.u.n.s", its reader does.
        """
        if not any(self.other_readings):
            return [[] for _ in self.other_readings]
        analysed = iter(self.site.words.analyze([reading for row in self.other_readings for reading in row]))
        return [[next(analysed) for _ in row] for row in self.other_readings]

    @cached_property
    def other_readings(self) -> list[list[str]]:
        """The folded readings that differ from what was written: of the query first, then of each expansion."""
        texts = (self.query, *(e.text for e in self.expansions))
        return [
            [said for reading in folded.readings if (said := reading.strip()) and said != text]
            for text, folded in zip(texts, (self.asked, *self.folded), strict=True)
        ]


class RuleOptions(Options):
    """Options every rule shares."""

    sentence: str | None = Field(
        None, description="what the prompt says of this rule, in place of its own words; an empty text: nothing"
    )


class Rule(ABC):
    """One thing no expansion may do. Built once a run, with everything compiled; `check` is asked of every completion.

    A rule must not depend on anything but its options and what it is asked: the same completion is always judged alike.
    """

    name: ClassVar[str]
    api: ClassVar[int] = 1
    compares_readings: ClassVar[bool] = False
    """True where a rule asks for `Proposal.terms_as_read`: a batch's are then asked of the engine in one request."""

    class Options(RuleOptions):
        """Options of this rule."""

    def __init__(self, options: Any, site: Site) -> None:
        self.options = options
        self.site = site

    def sentence(self) -> str | None:
        """One sentence for the prompt of a policy that reads prose; None where there is nothing to say."""
        return None

    @abstractmethod
    def check(self, proposal: Proposal) -> Violation | None:
        """The first thing that is wrong, or None. Never asked about a completion without expansions."""
