"""The shapes of a backend's answers. Each function gives the first fault in words, with what was expected, or None.

What a run refuses is checked by the same code (leser/engine/answers.py). A kit and the doctor are stricter than that: what a
run converts or mends (numbers of another library, a document that comes twice, rising scores) is a fault of the backend here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import get_args

from leser.backend import Capability, Ranking, SearchError
from leser.engine import answers

CAPABILITIES: tuple[str, ...] = get_args(Capability)


def fault_in_capabilities(declared: object) -> str | None:
    """`capabilities` of a backend's class: a frozenset of the words that leser.backend.Capability lists."""
    if not isinstance(declared, frozenset):
        return f"capabilities is {_a(declared)}; write capabilities = frozenset({{...}})"
    for name in sorted(declared, key=str):
        if name not in CAPABILITIES:
            near = get_close_matches(str(name), CAPABILITIES, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            return f"capability {name!r} is not known: {hint}Available: {', '.join(sorted(CAPABILITIES))}"
    return None


def fault_in_answers(given: object, queries: int, k: int) -> str | None:
    """What search() returned for so many queries: a list with one Ranking or SearchError for each."""
    if wrong := _wrong("search", lambda: answers.batch("", given, queries)):
        return wrong
    assert isinstance(given, list)
    return next((fault for answer in given if (fault := fault_in_answer(answer, k))), None)


def fault_in_answer(answer: object, k: int) -> str | None:
    """One query's answer: a Ranking of at most `k` different documents with scores that don't rise, or a SearchError."""
    if wrong := _wrong("search", lambda: answers.exact("", answer, k)):
        return wrong
    if isinstance(answer, SearchError):
        said = answer.message.strip()
        return None if said else "SearchError.message is empty; expected a sentence that says what the engine refused"
    assert isinstance(answer, Ranking)
    for hit in answer.hits:
        if type(hit.id) is not str or type(hit.score) is not float:
            return f"search() answered {hit!r}; expected Hit(id, score) with a str and a float of Python's own"
    if repeated := {id for id in answer.ids if answer.ids.count(id) > 1}:
        return f"the document {min(repeated)!r} is in one ranking twice; expected each document once"
    scores = [hit.score for hit in answer.hits]
    if scores != sorted(scores, reverse=True):
        return (
            "scores rise within a ranking; expected the best hit first, and scores that are higher for better documents"
        )
    return _fault_in_numbers(answer)


def fault_in_documents(given: object, ids: Sequence[str], fields: Sequence[str]) -> str | None:
    """What fetch() returned: a dict from the ids it knows to Documents that hold texts of the fields that were named."""
    if wrong := _wrong("fetch", lambda: answers.documents("", given)):
        return wrong
    assert isinstance(given, dict)
    for id, document in given.items():
        if id not in ids:
            return f"fetch() returned the id {id!r}, which was not requested; expected requested ids only"
        if more := [name for name in document.fields if name not in fields]:
            return f"fetch() returned the field {more[0]!r} of {id!r}, which was not requested; expected only {list(fields)}"
    return None


def fault_in_facts(given: object) -> str | None:
    """What check() returned: a dict of facts; `documents` is a number and `warnings` are sentences where they are given."""
    if wrong := _wrong("check", lambda: answers.facts("", given)):
        return wrong
    assert isinstance(given, dict)
    documents = given.get("documents")
    if documents is not None and (type(documents) is not int or documents < 0):
        return f"'documents' of check() is {documents!r}; expected the number of documents, as int"
    warnings = given.get("warnings", ())
    if isinstance(warnings, str) or not isinstance(warnings, Sequence) or any(not isinstance(w, str) for w in warnings):
        return f"'warnings' of check() is {warnings!r}; expected a list of sentences"
    return None


def fault_in_fingerprint(given: object) -> str | None:
    """What fingerprint() returned: a text that is not empty."""
    return _wrong("fingerprint", lambda: answers.text("", given)) or (
        None if given else "fingerprint() returned an empty text; expected one that is not"
    )


def fault_in_analysis(given: object, texts: int) -> str | None:
    """What analyze() returned for so many texts: a list of terms for each."""
    return _wrong("analyze", lambda: answers.terms("", given, texts))


def fault_in_counts(given: object, terms: int) -> str | None:
    """What doc_freq() returned for so many terms: a number of documents for each."""
    if wrong := _wrong("doc_freq", lambda: answers.frequencies("", given, terms)):
        return wrong
    assert isinstance(given, list)
    odd = [count for count in given if type(count) is not int]
    return f"doc_freq() returned {odd[0]!r} for a term; expected an int of Python's own" if odd else None


def _wrong(method: str, check: Callable[[], object]) -> str | None:
    """What a run would refuse as well, in words."""
    try:
        check()
    except answers.WrongAnswer as wrong:
        return f"{method}() answered {wrong.came}; expected {wrong.wanted}"
    return None


def _fault_in_numbers(answer: Ranking) -> str | None:
    """Numbers that a run converts or lets pass, and that a backend should give as they are meant."""
    if answer.total is not None and (type(answer.total) is not int or answer.total < len(answer.hits)):
        return f"Ranking.total is {answer.total!r} with {len(answer.hits)} hits; expected the number of all matches, as int"
    if type(answer.total_exact) is not bool:
        return f"Ranking.total_exact is {answer.total_exact!r}; expected True or False"
    if answer.took_ms is not None and not answer.took_ms >= 0:
        return f"Ranking.took_ms is {answer.took_ms!r}; expected milliseconds or None"
    return None


def _a(value: object) -> str:
    """A value's type, in words."""
    return "None" if value is None else f"a value of type {type(value).__name__}"
