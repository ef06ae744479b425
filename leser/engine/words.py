"""What an engine makes of words: its index terms and document frequencies, each asked for once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from leser.backend import Backend, SearchError
from leser.engine.checked import CheckedBackend
from leser.errors import EngineDown
from leser.letters import words_of

if TYPE_CHECKING:
    from leser.backend import Backend, Capability


MEMO = 200_000


Key = TypeVar("Key")


Kept = TypeVar("Kept")


Told = TypeVar("Told")


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


Analyze = Callable[[Sequence[str]], list[list[str]]]


Unknown = Callable[[Iterable[str]], set[str]]


MOST_REMEMBERED = 200_000


class UnknownWords:
    """Which analysed words stand in no document, by the engine's own count; each word is asked for once."""

    def __init__(self, backend: Backend) -> None:
        self._backend = CheckedBackend(backend)
        fields = getattr(backend.options, "fields", None)
        self._fields: tuple[str | None, ...] = tuple(fields) if isinstance(fields, Mapping) and fields else (None,)
        self._known: dict[str, bool] = {}

    def __call__(self, words: Iterable[str]) -> set[str]:
        """Those of the words that no searched field of any document holds."""
        words = list(words)
        new = sorted(word for word in words if word not in self._known)
        if len(self._known) + len(new) > MOST_REMEMBERED:
            self._known, new = {}, sorted(words)
        if new:
            counts = [self._backend.doc_freq(new, field) for field in self._fields]
            self._known.update((word, any(column)) for word, column in zip(new, zip(*counts, strict=True), strict=True))
        return {word for word in words if not self._known[word]}
