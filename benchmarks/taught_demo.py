"""The demo task as its teacher sees it: a plugin file with the reader `taught-demo` (`--plugin benchmarks/taught_demo.py`).

Test keeps the true judgments, so that every teacher is measured alike. Train and dev have

  true     the judgments, as they are
  none     no judgments at all; rewards that need none teach (task.unjudged=all)
  clicks   what the clicks of a UBI log say: a document's grade is the number of `thresholds` that its lift reaches
  flipped  a share of wrong judgments. Of each query's relevant documents this share, drawn by the seed, becomes not relevant;
           as many documents among the original query's first hits that are not relevant take their grades in turn. So a
           relevant document is missed and a hit that looks alike is taken for one; the number of relevant documents stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Literal

from leser_catalogue.generator import generate
from leser_memory import MemoryBackend
from pydantic import Field

from leser.backend import ExpandedQuery, Ranking
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.formats.clicks import ClickOptions, judge_clicks
from leser.formats.split import split_of
from leser.formats.ubi import log_files, normal_text, read_log
from leser.hooks import hookimpl
from leser.options import Seed
from leser.reader import Reader, ReaderOptions
from leser.task import Qrels, Query, Split, Task, drawn

POOL = 50
"""Hits of the original query among which wrong judgments take documents for relevant."""
THRESHOLDS = (0.5, 1.0, 2.0)


class TaughtDemo(Reader):
    """The demo with other judgments of train and dev than the true ones, or without any; test keeps them."""

    name = "taught-demo"

    class Options(ReaderOptions, ClickOptions):
        """Options of the task."""

        seed: Seed = Field(1, description="seed of the shop, and of what is flipped")
        train: int = Field(2000, ge=1, description="train queries, drawn by the seed")
        labels: Literal["true", "none", "clicks", "flipped"] = Field("true", description="what train and dev know")
        share: float = Field(0.0, ge=0, le=1, description="share of flipped judgments")
        log: Path | None = Field(None, description="UBI log for labels=clicks")

    options: Options

    def read(self) -> Task:
        """Generate the task and exchange its judgments."""
        options = self.options
        task = generate(options.seed)
        kept = drawn(task.train.queries, options.train, options.seed)
        train = Split("train", tuple(kept), {query.id: task.train.qrels[query.id] for query in kept})
        if options.labels == "true":
            return replace(task, train=train)
        parts = [_taught(task, split, options) for split in (train, task.dev)]
        return replace(task, train=parts[0], dev=parts[1], ideal=None)


def _taught(task: Task, split: Split, options: TaughtDemo.Options) -> Split:
    """The split with the teacher's judgments; what queries mean (`needs`) is a judgment, too, and goes."""
    queries = [Query(query.id, query.text, query.kind) for query in split.queries]
    if options.labels == "none":
        return split_of(split.name, queries, {})
    qrels = clicked(queries, options) if options.labels == "clicks" else flipped(task, split, options)
    return split_of(split.name, queries, qrels)


def clicked(queries: Sequence[Query], options: TaughtDemo.Options) -> dict[str, dict[str, int]]:
    """Grades out of the log, of the queries that are in it."""
    if options.log is None:
        raise LeserError("taught-demo with labels=clicks needs a log. Set -o task.log=PATH.")
    by_text: dict[str, dict[str, int]] = {}
    for (text, document), judgment in judge_clicks(read_log(log_files(options.log)), options).items():
        by_text.setdefault(text, {})[document] = sum(judgment.lift >= least for least in THRESHOLDS)
    return {query.id: by_text.get(normal_text(query.text), {}) for query in queries}


def flipped(task: Task, split: Split, options: TaughtDemo.Options) -> Qrels:
    """Each query's judgments with the share of wrong ones."""
    assert task.documents is not None
    with SearchClient(MemoryBackend.of(task.documents())) as client:
        found = client.search([ExpandedQuery(query.id, query.text) for query in split.queries], POOL)
    every = sorted(document.id for document in task.documents())
    qrels: dict[str, dict[str, int]] = {}
    for query, ranking in zip(split.queries, found, strict=True):
        random = Random(f"{options.seed} {query.id} flipped")
        hits = ranking.ids if isinstance(ranking, Ranking) else ()
        qrels[query.id] = _exchanged(split.qrels[query.id], hits, every, options.share, random)
    return qrels


def _exchanged(
    grades: Mapping[str, int], hits: Sequence[str], every: Sequence[str], share: float, random: Random
) -> dict[str, int]:
    relevant = sorted(document for document, grade in grades.items() if grade > 0)
    lost = random.sample(relevant, round(share * len(relevant)))
    near = [document for document in dict.fromkeys(hits) if grades.get(document, 0) <= 0]
    taken = random.sample(near, min(len(near), len(lost)))
    far = [document for document in every if grades.get(document, 0) <= 0 and document not in taken]
    taken += random.sample(far, len(lost) - len(taken))
    return {**grades, **dict.fromkeys(lost, 0), **{new: grades[old] for new, old in zip(taken, lost, strict=True)}}


@hookimpl
def leser_readers() -> list[type[Reader]]:
    """The one reader."""
    return [TaughtDemo]
