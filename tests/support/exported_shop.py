"""A store that verified search has filled on a small shop, and what an export of it brings on an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from settings import small_task

from leser.backend import Backend, Document, ExpandedQuery, Hit, Ranking, Term
from leser.config.build import task_of
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.expansion_store import StoredEntry
from leser.inspect.precomputing import Source, open_job
from leser.offline.blocks import BlockJournal
from leser.offline.frequent import FrequentQuery
from leser.offline.refresh import refresh
from leser.stores import open_store
from leser.task import Split


@dataclass(frozen=True)
class ExportedShop:
    """The shop's documents and train queries, and the served entries of its store."""

    documents: tuple[Document, ...]
    split: Split
    entries: tuple[StoredEntry, ...]

    @property
    def queries(self) -> Split:
        """Only the queries that have an entry."""
        texts = {entry.query for entry in self.entries}
        return Split("train", tuple(q for q in self.split.queries if q.text in texts), self.split.qrels)

    def searched(self, backend: Backend, weighted: bool) -> SystemRun:
        """The queries on an engine, with their entries' weighted expansions or as they are."""
        known = {entry.query: entry.expansions for entry in self.entries}
        asked = [
            ExpandedQuery(q.id, q.text, tuple(Term(e.text, e.weight) for e in known[q.text]) if weighted else ())
            for q in self.queries.queries
        ]
        answers = backend.search(asked, 10)
        return SystemRun(str(weighted), {q.id: answer for q, answer in zip(asked, answers, strict=True)})

    def ndcg(self, run: SystemRun) -> float:
        """Mean nDCG@10."""
        values = Measurer(self.queries, ["nDCG@10"])(run)["nDCG@10"]
        return sum(values.values()) / len(values)

    def kept(self, original: SystemRun, weighted: SystemRun, exported: SystemRun) -> dict[str, float]:
        """The gains, the share of LESER's gain that the export keeps, and how much both top tens have in common."""
        before, leser, own = map(self.ndcg, (original, weighted, exported))
        return {
            "leser": leser - before,
            "export": own - before,
            "share": (own - before) / (leser - before),
            "overlap@10": overlap(weighted, exported),
        }


def overlap(first: SystemRun, second: SystemRun) -> float:
    """Mean share of the first's top ten that stands in the second's."""
    shares = []
    for query in first.rankings:
        a, b = first.ranking(query), second.ranking(query)
        assert a is not None
        assert b is not None
        shares.append(len(set(a.ids[:10]) & set(b.ids[:10])) / len(a.ids[:10]) if a.ids else 1.0)
    return sum(shares) / len(shares)


def ranked(ids: Mapping[str, Sequence[str]]) -> SystemRun:
    """A run of ids in their order."""
    return SystemRun(
        "ids", {q: Ranking(tuple(Hit(d, -float(n)) for n, d in enumerate(given))) for q, given in ids.items()}
    )


def exported_shop(folder: Path) -> ExportedShop:
    """Verified search over the small shop's train queries, on the memory engine, with half of their judgments."""
    task = small_task(folder / "shop")
    source = Source(flags={"task.name": str(task), "backend.name": "memory", "rewards.weights": ("nDCG@10",)})
    config, registry = source.read()
    read = task_of(config, registry)
    assert read.documents is not None
    with (
        open_store(str(folder / "head.jsonl"), registry, create=True) as store,
        open_job(source, "search", "train", (config, registry)) as job,
    ):
        wanted = [FrequentQuery(query.text, 1) for query in read.train.queries]
        refresh(job, store, wanted, BlockJournal(folder / "journal"))
        served = tuple(entry for entry in store.entries() if entry.served)
    return ExportedShop(tuple(read.documents()), read.train, served)
