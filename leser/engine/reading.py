"""All documents of an index, read once; a page that failed for the moment is asked for again as a search is."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial

from leser.backend import Backend, Document
from leser.engine.checked import CheckedBackend, failure
from leser.engine.guards import Counts
from leser.engine.options import SearchOptions
from leser.engine.sending import Sender
from leser.errors import EngineDown, LeserError


def check_gives_documents(backend: Backend | type[Backend]) -> None:
    """Raise LeserError for a backend that cannot give all its documents."""
    if "documents" not in backend.capabilities:
        raise LeserError(
            f"Backend '{backend.name}' cannot give its documents: it lacks the capability 'documents'. Export them with the "
            'engine\'s own tools as corpus.jsonl, one line per document: {"_id": "p1", "title": "...", "text": "..."}'
        )


def read_documents(backend: Backend, options: SearchOptions) -> Generator[Document, None, None]:
    """Every document of the backend, as it gives them; asks for each again as `search.retries` and `search.deadline` say.

    Raises LeserError without the capability "documents", EngineDown where the engine stays away.
    """
    check_gives_documents(backend)
    checked = CheckedBackend(backend)
    sender = Sender(checked, options, Counts())
    rows: Iterator[Document] = iter(())
    try:
        rows = sender.ask(checked.documents)
        while (document := _next(checked, sender, rows)) is not None:
            yield document
    except LeserError:
        raise
    except Exception as error:
        raise EngineDown(
            f"The engine '{backend.name}' did not give all its documents: {failure(error, 'engine').message.rstrip('.')}. "
            "Check the engine and give the command again."
        ) from error
    finally:
        sender.close()
        if hasattr(rows, "close"):  # of Pages, and of a generator
            rows.close()


def _next(checked: CheckedBackend, sender: Sender, rows: Iterator[Document]) -> Document | None:
    """The next document; after a failure the same iterator is asked again, unless it is a generator, which would say "end"."""
    try:
        return checked.next_document(rows)
    except LeserError:
        raise
    except Exception:
        if isinstance(rows, Generator):
            raise
        return sender.ask(partial(checked.next_document, rows))
