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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pydantic import Field

from leser.backend import SearchError
from leser.errors import EngineDown
from leser.expansion import Expansion, ExpansionOptions
from leser.letters import words_of
from leser.options import Options
from leser.rules.folding import Folded, Folder
from leser.search.checked import CheckedBackend

if TYPE_CHECKING:
    from leser.backend import Backend, Capability

MEMO = 200_000
Key = TypeVar("Key")
Kept = TypeVar("Kept")
Told = TypeVar("Told")


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


class Ask(Protocol):
    """How the engine is asked: SearchClient.ask, with its retries and its breaker."""

    def __call__(self, question: Callable[[], Told], *, queries: int = 1) -> Told | SearchError:
        """The answer, or the failure that counts as that of so many queries."""


class Unanswered(EngineDown):
    """The engine did not say what a rule must know, retries included; `failure` is why. No rule is to blame for it."""

    def __init__(self, failure: SearchError) -> None:
        self.failure = failure
        super().__init__(f"The engine did not analyse a text: {failure.message}. Check it and run again with --resume.")


class EngineWords:
    """What the engine makes of words: its analysis and its document frequencies, each asked once and kept.

    Asked through `ask` where one is given (a SearchClient's): what fails there raises Unanswered. Several threads may ask at
    once.
    """

    def __init__(self, backend: Backend, ask: Ask | None = None) -> None:
        self.backend = backend
        self.ask = ask
        self._checked = CheckedBackend(backend)
        fields = getattr(backend.options, "fields", None)
        self._fields: tuple[str | None, ...] = tuple(fields) if isinstance(fields, Mapping) and fields else (None,)
        self._analysed: dict[str, list[str]] = {}
        self._frequencies: dict[tuple[str, str | None], int] = {}

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the engine can be asked."""
        return self.backend.capabilities

    def analyze(self, texts: Sequence[str]) -> list[list[str]]:
        """The engine's index terms of each text, where it can say them; else lower-cased words."""
        known = {t: w for t in texts if (w := self._analysed.get(t)) is not None}
        missing = [t for t in dict.fromkeys(texts) if t not in known]
        if missing:
            if "analyze" in self.capabilities:
                words = self._answer(lambda: self._checked.analyze(missing), len(missing))
            else:
                words = [words_of(t.casefold()) for t in missing]
            new = dict(zip(missing, words, strict=True))
            self._keep(self._analysed, new)
            known |= new
        return [known[t] for t in texts]

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """Documents that hold each analysed term in this field; without one, the most in any searched field.

        0 says that no searched field holds it. Capability "doc_freq".
        """
        known = {t: n for t in terms if (n := self._frequencies.get((t, field))) is not None}
        missing = [t for t in dict.fromkeys(terms) if t not in known]
        if missing:
            fields = (field,) if field is not None else self._fields
            columns = self._answer(lambda: [self._checked.doc_freq(missing, f) for f in fields], 1)
            new = dict(zip(missing, map(max, zip(*columns, strict=True)), strict=True))
            self._keep(self._frequencies, {(t, field): n for t, n in new.items()})
            known |= new
        return [known[t] for t in terms]

    def _answer(self, question: Callable[[], Told], queries: int) -> Told:
        if self.ask is None:
            return question()
        answer = self.ask(question, queries=queries)
        if isinstance(answer, SearchError):
            raise Unanswered(answer)
        return answer

    @staticmethod
    def _keep(memo: dict[Key, Kept], new: dict[Key, Kept]) -> None:
        if len(memo) > MEMO:  # free text from a policy has no end; a memo must
            memo.clear()
        memo.update(new)


@dataclass(frozen=True, slots=True)
class Site:
    """Where rules work: the engine's words, how expansions are applied, and how text is folded in this locale."""

    words: EngineWords
    expansion: ExpansionOptions
    folder: Folder = field(default_factory=Folder)
    locale: str = "en"


@dataclass(frozen=True)
class Proposal:
    """A query and the expansions that somebody wants to search with; folded and analysed once for all rules."""

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
