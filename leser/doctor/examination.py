"""The examination: connect, ask the backend about itself, then try out what a training run rests on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from leser.backend import Backend, ExpandedQuery, SearchError
from leser.config.build import backend_of
from leser.config.tables import RunConfig
from leser.doctor.answers import answered, checked_facts, declared, fingerprint
from leser.doctor.asking import CORRECT, Broken, called
from leser.doctor.checks import checked
from leser.doctor.finding import Finding, of_error, of_message
from leser.doctor.sample import TriedQuery, as_stored, candidates_of, find_sample
from leser.doctor.subject import Subject
from leser.doctor.throughput import CONCURRENCY, load
from leser.doctor.typed import typed
from leser.engine import SearchClient
from leser.errors import EngineDown, IndexMissing, LeserError
from leser.plugins import Registry
from leser.session import check_judged, open_backend
from leser.task import Task

NO_BREAKER = 1_000_000
"""A breaker's window that is never full: the doctor reports failures, it doesn't give up over them."""


def examine(
    config: RunConfig, registry: Registry, task: Task | None = None, query: str | None = None
) -> Iterator[Finding]:
    """Examine the configured backend, one finding after the other; stops where what follows would make no sense.

    `task` gives queries, judgments and, to a backend that works in process, its documents; without one, or with `query`,
    words of the index's own documents are searched. Writes nothing.
    """
    topic = "connection"
    try:
        backend = open_backend(config, registry, task) if task else backend_of(config, registry)
        with ExitStack() as stack:
            stack.callback(backend.close)
            topic = "capabilities"
            declared(backend)
            topic = "connection"
            started = time.perf_counter()
            facts = _connect(backend)
            took = 1000 * (time.perf_counter() - started)
            yield Finding(topic, f"The backend '{backend.name}' answers, in {took:.0f} ms.")
            topic = "check"
            yield from _facts(backend, checked_facts(facts), config)
            topic = "fingerprint"
            fingerprint(backend)
            topic = "answers"
            yield answered(backend, candidates_of(task, query))
            quiet = {"cache_size": 0, "breaker_window": NO_BREAKER}
            client = stack.enter_context(SearchClient(backend, config.search.model_copy(update=quiet)))
            topic = "fetch"
            sample, findings = find_sample(client, facts, task, query)
            yield from findings
            if sample is None:
                return
            yield _title(sample, task)
            if task is not None:
                yield _judged(backend, task)
                yield from as_stored(sample, task)
            topic = "examination"
            subject = Subject(config, backend, client, sample.without(config.search.aliases))
            yield from checked(subject)
            topic = "constraints"
            yield from typed(subject)
            topic = "load"
            single = quiet | {"batch_size": 1, "concurrency": max(CONCURRENCY)}
            caller = stack.enter_context(SearchClient(backend, config.search.model_copy(update=single)))
            yield from load(subject, caller)
            topic = "close"
            for _ in range(2):
                called("close", backend.close)
    except Broken as broken:
        yield broken.finding(topic)
    except IndexMissing as error:
        yield of_error(topic, LeserError(error.message(config.task.name if task else "DIR")))
    except LeserError as error:
        yield of_error(topic, error)
    except Exception as error:  # what close() raises where the engine is left
        if topic != "close":
            raise
        yield Broken(f"close() raised {type(error).__name__}: {error}", CORRECT.format(method="close")).finding(topic)


def _connect(backend: Backend) -> Any:
    """The backend's facts; EngineDown where neither check() nor a search gets through, which may pass by itself."""
    try:
        return called("check", backend.check)
    except (EngineDown, IndexMissing, Broken):
        raise
    except LeserError as error:
        if _unreachable(backend):
            raise EngineDown(str(error)) from error
        raise


def _unreachable(backend: Backend) -> bool:
    try:
        answers = called("search", lambda: backend.search([ExpandedQuery("doctor", "a")], 1))
    except LeserError:
        return False
    answer = answers[0] if isinstance(answers, list) and answers else None
    return isinstance(answer, SearchError) and answer.kind == "transient"


def _facts(backend: Backend, facts: Mapping[str, Any], config: RunConfig) -> Iterator[Finding]:
    """What check() says of the engine, each fact by its name; `warnings` are the backend's own."""
    for name, value in facts.items():
        if name not in ("warnings", "documents"):
            yield Finding(name, _text(value), "note")
    documents = facts.get("documents")
    if documents is None:
        advice = "Let the backend's check() report 'documents'; the kit (leser.testing) tests it."
        yield Finding("documents", "check() does not say how many there are", "warning", advice)
    elif documents == 0:
        yield Finding("documents", "0", "problem", "The index is empty: fill it, or build it with `leser index`.")
    else:
        yield Finding("documents", str(documents))
    warnings = facts.get("warnings") or ()
    for warning in (warnings,) if isinstance(warnings, str) else warnings:
        yield of_message("configuration", str(warning), "warning")
    yield Finding("capabilities", ", ".join(sorted(backend.capabilities)) or "none but searching", "note")
    if "term_weights" not in backend.capabilities and config.expansion.mode == "boost":
        seen = "no term weights: expansions can't be clauses of one search (mode boost)"
        yield Finding("expansions", seen, "warning", "Run with -o expansion.mode=fuse: one search for each expansion.")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def _title(sample: TriedQuery, task: Task | None) -> Finding:
    """Prompts show the hits' titles: is there such a field?"""
    name = task.title_field if task else "title"
    held = sum(bool(document.fields.get(name)) for document in sample.documents.values())
    if not sample.documents:
        advice = "Let the engine store the documents' fields: prompts, rewards and judgments look them up by id."
        return Finding("documents", "none of the documents found can be fetched", "problem", advice)
    if held == 0:
        advice = f"Prompts show titles of hits. Store a field '{name}', or name yours with -o task.title_field=NAME."
        return Finding("titles", f"no document found has a text in '{name}'", "warning", advice)
    return Finding("titles", f"{held} of {len(sample.ranking.hits)} documents found come with a '{name}'")


def _judged(backend: Backend, task: Task) -> Finding:
    try:
        lacking = check_judged(backend, task)
    except LeserError as error:
        return of_error("judgments", error)
    if lacking:
        return Finding("judgments", lacking, "warning", "Index the missing documents, or judge those that are there.")
    return Finding("judgments", f"the index holds the judged documents of the task {task.name} that were looked up")
