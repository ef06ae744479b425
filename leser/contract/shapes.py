"""The shapes of a backend's answers. Each function gives the first fault in words, with what was expected, or None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from leser.backend import Capability, Document, Hit, Ranking, SearchError

CAPABILITIES: tuple[str, ...] = get_args(Capability)
KINDS = ("transient", "query", "engine")


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


def fault_in_answers(answers: object, queries: int, k: int) -> str | None:
    """What search() returned for so many queries: a list with one Ranking or SearchError for each."""
    if not isinstance(answers, list):
        return f"search() returned {_a(answers)}; expected a list with one Ranking or SearchError for each query"
    if len(answers) != queries:
        return f"search() returned {len(answers)} answers to {queries} queries; expected one for each, in their order"
    return next((fault for answer in answers if (fault := fault_in_answer(answer, k))), None)


def fault_in_answer(answer: object, k: int) -> str | None:
    """One query's answer: a Ranking of at most `k` different documents with scores that don't rise, or a SearchError."""
    if isinstance(answer, SearchError):
        return _fault_in_error(answer)
    if not isinstance(answer, Ranking):
        return f"search() answered a query with {_a(answer)}; expected a Ranking or a SearchError"
    if not isinstance(answer.hits, tuple):
        return f"Ranking.hits is {_a(answer.hits)}; expected a tuple of Hit"
    for hit in answer.hits:
        if not isinstance(hit, Hit):
            return f"Ranking.hits holds {_a(hit)}; expected Hit(id, score)"
        if type(hit.id) is not str:
            return f"a hit's id is {hit.id!r}, {_a(hit.id)}; expected the document's own id, as str"
        if type(hit.score) is not float or not math.isfinite(hit.score):
            return f"the score of {hit.id!r} is {hit.score!r}, {_a(hit.score)}; expected a finite float"
    if len(answer.hits) > k:
        return f"{len(answer.hits)} hits came back where k is {k}; expected at most k"
    if repeated := {id for id in answer.ids if answer.ids.count(id) > 1}:
        return f"the document {min(repeated)!r} is in one ranking twice; expected each document once"
    scores = [hit.score for hit in answer.hits]
    if scores != sorted(scores, reverse=True):
        return (
            "scores rise within a ranking; expected the best hit first, and scores that are higher for better documents"
        )
    return _fault_in_numbers(answer)


def fault_in_documents(documents: object, ids: Sequence[str], fields: Sequence[str]) -> str | None:
    """What fetch() returned: a dict from the ids it knows to Documents that hold texts of the fields that were named."""
    if not isinstance(documents, dict):
        return f"fetch() returned {_a(documents)}; expected a dict from each known id to its Document"
    for id, document in documents.items():
        if id not in ids:
            return f"fetch() returned the id {id!r}, {_a(id)}, which was not requested; expected requested ids only, as str"
        if not isinstance(document, Document):
            return f"fetch() returned {_a(document)} for {id!r}; expected a Document"
        if document.id != id:
            return f"fetch() returned a Document with id {document.id!r} under {id!r}; expected the same id"
        if not isinstance(document.fields, Mapping):
            return f"fields of {id!r} is {_a(document.fields)}; expected a dict from field names to texts"
        for name, text in document.fields.items():
            if name not in fields:
                return f"fetch() returned the field {name!r} of {id!r}, which was not requested; expected only {list(fields)}"
            if not isinstance(text, str):
                hint = "leave the field out" if text is None else "give its text, as stored"
                return f"the field {name!r} of {id!r} is {text!r}, {_a(text)}; expected str: {hint}"
    return None


def fault_in_facts(facts: object) -> str | None:
    """What check() returned: a dict of facts; `documents` is a number and `warnings` are sentences where they are given."""
    if not isinstance(facts, dict):
        return f"check() returned {_a(facts)}; expected a dict of facts, such as {{'documents': 12}}"
    documents = facts.get("documents")
    if documents is not None and (type(documents) is not int or documents < 0):
        return f"'documents' of check() is {documents!r}; expected the number of documents, as int"
    warnings = facts.get("warnings", ())
    if isinstance(warnings, str) or not isinstance(warnings, Sequence) or any(not isinstance(w, str) for w in warnings):
        return f"'warnings' of check() is {warnings!r}; expected a list of sentences"
    return None


def fault_in_fingerprint(fingerprint: object) -> str | None:
    """What fingerprint() returned: a text that is not empty."""
    if isinstance(fingerprint, str) and fingerprint:
        return None
    return f"fingerprint() returned {fingerprint!r}; expected a str that is not empty"


def fault_in_analysis(analysed: object, texts: int) -> str | None:
    """What analyze() returned for so many texts: a list of terms for each."""
    if not isinstance(analysed, list) or len(analysed) != texts:
        return (
            f"analyze() returned {_sized(analysed)} for {texts} texts; expected a list with one list of terms for each"
        )
    for terms in analysed:
        if not isinstance(terms, list) or any(not isinstance(term, str) for term in terms):
            return f"analyze() returned {terms!r} for a text; expected a list of terms, each a str"
    return None


def fault_in_counts(counts: object, terms: int) -> str | None:
    """What doc_freq() returned for so many terms: a number of documents for each."""
    if not isinstance(counts, list) or len(counts) != terms:
        return f"doc_freq() returned {_sized(counts)} for {terms} terms; expected a list with one number for each"
    for count in counts:
        if type(count) is not int or count < 0:
            return f"doc_freq() returned {count!r}, {_a(count)}; expected a number of documents, as int"
    return None


def _fault_in_error(error: SearchError) -> str | None:
    if error.kind not in KINDS:
        return f"SearchError.kind is {error.kind!r}; expected one of {', '.join(KINDS)}"
    if not isinstance(error.message, str) or not error.message.strip():
        return f"SearchError.message is {error.message!r}; expected a sentence that says what the engine refused"
    return None


def _fault_in_numbers(answer: Ranking) -> str | None:
    if answer.total is not None:
        if type(answer.total) is not int:
            return f"Ranking.total is {answer.total!r}, {_a(answer.total)}; expected int or None"
        if answer.total < len(answer.hits):
            return f"Ranking.total is {answer.total} with {len(answer.hits)} hits; expected the number of all matches"
    if type(answer.total_exact) is not bool:
        return f"Ranking.total_exact is {answer.total_exact!r}; expected True or False"
    took: Any = answer.took_ms
    if took is not None and (isinstance(took, bool) or not isinstance(took, int | float) or not took >= 0):
        return f"Ranking.took_ms is {took!r}; expected milliseconds or None"
    return None


def _a(value: object) -> str:
    """A value's type, in words."""
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _sized(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else _a(value)
