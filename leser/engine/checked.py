"""CheckedBackend: a backend held to its contract, the one way in which LESER calls a method of a backend.

What it answers is checked (leser/engine/answers.py), and what it raises has a name. Three things stay apart: a fault of the
plugin is PluginFault, a failure of the engine an exception that a retry may mend or a SearchError value, and what the user
can put right a LeserError of the plugin's own.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from leser.backend import Backend, Document, ExpandedQuery, SearchError, SynonymRule, Transient
from leser.engine import answers
from leser.engine.answers import Answer, Mended
from leser.errors import EngineDown, LeserError, PluginFault

log = logging.getLogger(__name__)
_BUGS = (TypeError, AttributeError, NameError, NotImplementedError)
"""What no retry mends: it says that the code is wrong, not that the engine is in trouble."""


class CheckedBackend:
    """Calls the methods of one backend; `on_mended` is called with what was mended in a batch of rankings."""

    def __init__(self, backend: Backend, on_mended: Callable[[Mended], None] | None = None) -> None:
        self.backend = backend
        self._on_mended = on_mended

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Answer]:
        """`Backend.search`; what it raises is raised, for the sender says which queries it fails."""
        answer = self._call("search", queries, k, total=total, bugs=())
        checked, mended = answers.rankings(self._who("search"), answer, queries, k)
        if self._on_mended and (mended.repeated_ids or mended.rising_scores):
            self._on_mended(mended)
        return checked

    def search_one(self, query: ExpandedQuery, k: int) -> Answer:
        """One query, tried once; whatever is raised, LeserError apart, is a SearchError."""
        try:
            (answer,) = self.search([query], k)
        except LeserError:
            raise
        except Exception as error:
            return failure(error, "engine")
        return answer

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """`Backend.fetch`."""
        return answers.documents(self._who("fetch"), self._call("fetch", ids, fields))

    def fingerprint(self) -> str:
        """`Backend.fingerprint`."""
        return answers.text(self._who("fingerprint"), self._call("fingerprint"))

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:
        """`Backend.analyze`."""
        return answers.terms(self._who("analyze"), self._call("analyze", texts, field), len(texts))

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """`Backend.doc_freq`."""
        return answers.frequencies(self._who("doc_freq"), self._call("doc_freq", terms, field), len(terms))

    def documents(self) -> Iterator[Document]:
        """`Backend.documents`; what comes out of it is asked for by `next_document`."""
        return answers.iterator(self._who("documents"), self._call("documents"))

    def next_document(self, rows: Iterator[Document]) -> Document | None:
        """The next of `documents`; None after the last."""
        row = self._guarded("documents", lambda: next(rows, None), _BUGS)
        return None if row is None else answers.document(self._who("documents"), row)

    def check(self) -> dict[str, Any]:
        """`Backend.check`; whatever it raises becomes a LeserError, EngineDown where the connection fails."""
        return answers.facts(self._who("check"), self._once("check"))

    def index(self, documents: Iterable[Document]) -> int:
        """`Backend.index`; whatever it raises becomes a LeserError."""
        return answers.number_of_documents(self._who("index"), self._once("index", documents))

    def put_synonyms(self, name: str, rules: Sequence[SynonymRule]) -> str:
        """`Backend.put_synonyms`; whatever it raises becomes a LeserError, EngineDown where the connection fails."""
        return answers.text(self._who("put_synonyms"), self._once("put_synonyms", name, rules))

    def load(self, documents: Iterable[Document]) -> None:
        """`Backend.load`; whatever it raises becomes a LeserError."""
        self._once("load", documents)

    def close(self) -> None:
        """`Backend.close`. A failure is only reported: what was done before it is not lost for it."""
        try:
            self._once("close")
        except LeserError as error:
            log.warning("%s Nothing is lost.", error)

    def _once(self, method: str, *values: Any) -> Any:
        """Call what is not tried again: every exception becomes a LeserError."""
        try:
            return self._call(method, *values)
        except LeserError:
            raise
        except (Transient, ConnectionError, TimeoutError) as error:
            said = failure(error, "transient").message.rstrip(".")
            raise EngineDown(
                f"No answer from the engine of backend '{self.backend.name}': {said}. Check that it runs and that its address "
                "is right."
            ) from error
        except Exception as error:
            raise raised(self._who(method), error, type(self.backend)) from error

    def _call(self, method: str, *values: Any, bugs: tuple[type[Exception], ...] = _BUGS, **named: Any) -> Any:
        return self._guarded(method, lambda: getattr(self.backend, method)(*values, **named), bugs)

    def _guarded(self, method: str, ask: Callable[[], Any], bugs: tuple[type[Exception], ...]) -> Any:
        try:
            return ask()
        except LeserError:
            raise
        except SystemExit as error:
            raise raised(self._who(method), error, type(self.backend)) from error
        except bugs as error:
            raise raised(self._who(method), error, type(self.backend)) from error

    def _who(self, method: str) -> str:
        return f"{named(self.backend)}: {method}()"


def failure(error: Exception, kind: Literal["transient", "query", "engine"]) -> SearchError:
    """What a method raised, as a value: what it raised as Transient may pass, in its own words; anything else is of `kind`."""
    if isinstance(error, Transient):
        return SearchError(str(error) or "the engine gave no reason", "transient")
    return SearchError(f"{type(error).__name__}: {error}", kind)


def named(backend: Backend | type[Backend]) -> str:
    """A backend as messages name it: its name, and the class that it is."""
    cls = backend if isinstance(backend, type) else type(backend)
    return f"Backend '{backend.name}' ({cls.__module__}.{cls.__qualname__})"


def raised(who: str, error: BaseException, cls: type[Any]) -> PluginFault:
    """The error of a plugin's method that raised what it should not, with the last line of its class's own file."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    what = "ended the process (SystemExit)" if isinstance(error, SystemExit) else f"raised {type(error).__name__}"
    text = str(error)
    return PluginFault(f"{who} {what}{f': {text}' if text else ''}{at}. Correct the plugin.")


def built(cls: type[Backend], options: Any) -> Backend:
    """A backend of this class, with its options; raises LeserError where its constructor fails or keeps no options."""
    try:
        backend = cls(options)
    except LeserError:
        raise
    except (Exception, SystemExit) as error:
        raise raised(f"{named(cls)}: __init__()", error, cls) from error
    if not isinstance(getattr(backend, "options", None), cls.Options):
        raise PluginFault(
            f"{named(cls)}: __init__() left `options` unset. Call super().__init__(options) in it. Correct the plugin."
        )
    return backend
