"""From an open engine and judge to a file of verified expansions: which queries, and which candidates there are."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leser.backend import Document
from leser.environment import Environment
from leser.errors import LeserError
from leser.formats.beir import read_queries
from leser.formats.files import numbered_lines
from leser.lesson import prepare, suggesting
from leser.progress import Reporter
from leser.similarity import nearest_of
from leser.task import Query, Split, Task
from leser.text import words
from leser.verified.options import VerifiedOptions
from leser.verified.result import VerifiedAnswer
from leser.verified.search import VerifiedSearch
from leser.verified.sources import CandidateSource, DocumentWords, SuggestedWords, read_dictionary
from leser.verified.spelling import SpellingNeighbours
from leser.verified.writing import write_expansions

ALL = "all"


@dataclass(frozen=True, slots=True)
class QueriesWanted:
    """Which queries to search for, and where the answers go.

    `queries` is a file (BEIR's queries.jsonl, or one query per line); without one the task's `split` is taken: train,
    dev, test or all. `targets` is a file of earlier targets that a dictionary is counted on; `limit` takes the first so
    many queries.
    """

    out: Path
    queries: Path | None = None
    split: str = ALL
    targets: Path | None = None
    limit: int | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True)
class PolicySource:
    """What a policy writes as a source of candidates, and a name that changes with the policy and how it is asked."""

    words: CandidateSource
    name: str


def precompute(
    environment: Environment,
    task: Task | None,
    wanted: QueriesWanted,
    options: VerifiedOptions,
    *,
    seed: int = 0,
    configuration: str = "",
    reporter: Reporter | None = None,
    policy: PolicySource | None = None,
) -> Counter[VerifiedAnswer]:
    """Search for expansions of the wanted queries and write them; how often each kind of answer was given.

    `task` brings the queries unless a file does, and the documents that an encoder compares with; a resume needs the same
    `configuration` text and the same `policy`, whose samples are candidates too, as before. Raises LeserError saying what to do.
    """
    split = _split(wanted, task)
    sources = sources_of(environment, options, task, wanted.targets)
    if policy is not None:
        sources.insert(0, policy.words)
    train = frozenset(query.id for query in task.train.queries) if task else frozenset()
    search = VerifiedSearch(environment, split.queries, options, sources, split, seed, train)
    settings = {"configuration": _digest(configuration.encode()), "targets": _file_digest(wanted.targets)}
    if policy is not None:
        settings["policy"] = policy.name
    with reporter or Reporter() as told:
        prepare(environment.rewards.rewards, told)
        progress = _Progress(told, len(split.queries), environment)
        return write_expansions(search, wanted.out, settings=settings, resume=wanted.resume, progress=progress)


def sources_of(
    environment: Environment, options: VerifiedOptions, task: Task | None = None, targets: Path | None = None
) -> list[CandidateSource]:
    """The sources of candidates that there are: spelling, a dictionary, a reward that suggests words, the documents.

    Spelling needs an engine that knows document frequencies; nearest documents need a reward with an encoder and a task
    that brings its documents.
    """
    sources: list[CandidateSource] = []
    documents = task.documents if task else None
    known = environment.rules.site.words
    if options.spelling and SpellingNeighbours.supported(known):
        titles = _words(documents(), environment.title_field) if documents else None
        sources.append(SpellingNeighbours(known, titles))
    if targets is not None:
        sources.append(read_dictionary(targets, environment.expansion))
    learned = suggesting(environment.rewards.rewards)
    if learned is not None:
        sources.append(SuggestedWords(learned, options))
    nearest = nearest_of(environment.rewards.rewards, documents()) if documents else None
    sources.append(DocumentWords(environment, options, nearest))
    return sources


class _Progress:
    """Tells the reporter of each part that is done."""

    def __init__(self, reporter: Reporter, total: int, environment: Environment) -> None:
        self._reporter, self._total, self._environment = reporter, total, environment
        self._pass = ""
        self._start = (time.monotonic(), 0)

    def __call__(self, name: str, done: int) -> None:
        asked = self._environment.client.stats().asked
        if name != self._pass:
            self._pass, self._start = name, (time.monotonic(), asked)
            self._reporter.phase(f"searching, {name}", self._total, done)
        seconds, before = self._start
        speed = (asked - before) / max(time.monotonic() - seconds, 1e-9)
        if asked > before:
            self._reporter.step(done, {"searches_per_s": speed}, important=done == self._total)


def _split(wanted: QueriesWanted, task: Task | None) -> Split:
    """The queries with their judgments; those of a file have none."""
    if wanted.queries is not None:
        queries, qrels = tuple(_queries(wanted.queries)), {}
    else:
        if task is None:
            raise LeserError("There are no queries to search for. Give a file of queries, or a task.")
        chosen = [s for s in task.splits if wanted.split in (s.name, ALL)]
        queries = tuple(query for split in chosen for query in (*split.queries, *split.no_result))
        qrels = {query: grades for split in chosen for query, grades in split.qrels.items()}
    queries = queries[: wanted.limit]
    if not queries:
        todo = "Write one query per line, or JSON lines with 'text'." if wanted.queries else "Choose another --split."
        raise LeserError(f"There is no query to search for in {wanted.queries or f'the {wanted.split} split'}. {todo}")
    return Split(wanted.split, queries, qrels)


def _queries(path: Path) -> Sequence[Query]:
    """Queries of a file: JSON lines with `_id` and `text`, or one query per line, whose number is its id."""
    if path.suffix in (".jsonl", ".json"):
        return list(read_queries(path).values())
    return [Query(str(number), line.strip()) for number, line in numbered_lines(path)]


def _words(documents: Iterable[Document], field: str) -> Iterator[str]:
    for document in documents:
        yield from words(document.fields.get(field, ""))


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _file_digest(path: Path | None) -> str | None:
    return None if path is None else _digest(path.read_bytes())
