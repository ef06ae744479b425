"""What an engine makes of words: its index terms and document frequencies, each asked for once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from leser.backend import Backend, SearchError
from leser.engine.checked import CheckedBackend
from leser.errors import EngineDown
from leser.letters import words_of

if TYPE_CHECKING:
    from leser.backend import Backend, Capability


MEMO = 200_000
"""Most words kept: free text from a policy has no end."""
Key = TypeVar("Key")
Remembered = TypeVar("Remembered")
Answered = TypeVar("Answered")


class Ask(Protocol):
    """How the engine is asked: SearchClient.ask, with its retries and its breaker."""

    def __call__(self, question: Callable[[], Answered], *, queries: int = 1) -> Answered | SearchError:
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

    def _answer(self, question: Callable[[], Answered], queries: int) -> Answered:
        if self.ask is None:
            return question()
        answer = self.ask(question, queries=queries)
        if isinstance(answer, SearchError):
            raise Unanswered(answer)
        return answer

    @staticmethod
    def _keep(memo: dict[Key, Remembered], new: dict[Key, Remembered]) -> None:
        if len(memo) > MEMO:
            memo.clear()
        memo.update(new)


class WordsOffline(EngineWords):
    """The words of an engine that must not be contacted: texts are split at blanks, and no term is known to be held."""

    def __init__(self, backend: type[Backend]) -> None:
        self._offered = backend.capabilities

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the engine could be asked."""
        return self._offered

    def analyze(self, texts: Sequence[str]) -> list[list[str]]:
        """Lower-cased words."""
        return [text.casefold().split() for text in texts]

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:  # noqa: ARG002
        """0 for every term."""
        return [0] * len(terms)
