"""The kits' shop: `leser.testing.DOCUMENTS` as a task with queries and judgments, and an engine that holds them.

The engine is the one in process that comes with LESER. It can be made to lack capabilities and to fail, which a real one
does not do on demand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from leser.backend import Backend, Capability, Document, ExpandedQuery, Ranking, SearchError
from leser.plugins import Registry, load_plugins
from leser.reward import RewardOptions
from leser.scoring import RewardSet
from leser.task import Query, Split, Task
from leser.testing.documents import DOCUMENTS

ENGINE = "memory"

_SPLITS: dict[str, dict[str, dict[str, int]]] = {
    "train": {
        "sofa": {"d01": 2, "d02": 1},
        "couch": {"d01": 2, "d02": 2},
        "running trainers": {"d03": 2, "d04": 1},
        "shoes": {"d03": 2, "d04": 1},
        "lamp": {"d07": 2, "d08": 1},
        "reading light": {"d08": 2, "d07": 1},
        "bottle": {"d10": 1},
        "garden wood": {"d09": 1, "d01": 0},
    },
    "dev": {"leather sofa": {"d01": 2, "d02": 1}, "trail shoes": {"d04": 2, "d03": 1}, "desk": {"d07": 2, "d08": 1}},
    "test": {"chaise": {"d02": 2, "d01": 1}, "clip light": {"d08": 2, "d07": 2}, "yoga": {"d11": 1}},
}
NO_RESULT = "hammock"
"""A test query without a relevant document, which finds nothing either."""


@cache
def registry() -> Registry:
    """The plugins that are installed, loaded once."""
    return load_plugins()


def shop_split(name: str) -> Split:
    """One split of the shop's task."""
    queries = [Query(f"{name}-{number}", text) for number, text in enumerate(_SPLITS[name], 1)]
    qrels = {query.id: _SPLITS[name][query.text] for query in queries}
    return Split(name, tuple(queries), qrels, (Query("test-none", NO_RESULT),) if name == "test" else ())


def shop_task() -> Task:
    """The shop's task: 8 train, 3 dev and 3 test queries on DOCUMENTS, and one that nothing is relevant to."""
    return Task("shop", shop_split("train"), shop_split("dev"), shop_split("test"), lambda: iter(DOCUMENTS))


def shop_rewards() -> RewardSet:
    """The rewards that a run has by default."""
    return RewardSet.from_specs(RewardOptions().weights, registry().all("reward"))


def write_shop(folder: Path) -> Path:
    """Write the shop's task as a BEIR folder, and return the folder."""
    (folder / "qrels").mkdir(parents=True)
    queries = []
    for name in _SPLITS:
        split = shop_split(name)
        queries += [*split.queries, *split.no_result]
        rows = [
            f"{query}\t{document}\t{grade}" for query, own in split.qrels.items() for document, grade in own.items()
        ]
        rows += [f"{query.id}\t{DOCUMENTS[0].id}\t0" for query in split.no_result]
        _write_lines(folder / "qrels" / f"{name}.tsv", ["query-id\tcorpus-id\tscore", *rows])
    _write_lines(folder / "queries.jsonl", [json.dumps({"_id": query.id, "text": query.text}) for query in queries])
    corpus = [json.dumps({"_id": document.id, **document.fields}, ensure_ascii=False) for document in DOCUMENTS]
    _write_lines(folder / "corpus.jsonl", corpus)
    return folder


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


class ShopEngine(Backend):
    """An engine that holds DOCUMENTS.

    It declares `capabilities` (none given: all that the engine in process has). Searches for which `fails` is true come
    back as SearchErrors; with `mute` whatever else it is asked raises ConnectionError. `searched` keeps every query.
    """

    name = ENGINE

    def __init__(
        self,
        capabilities: Collection[Capability] | None = None,
        fails: Callable[[ExpandedQuery], bool] | None = None,
        *,
        mute: bool = False,
    ) -> None:
        cls: type[Backend] = registry().get("backend", ENGINE)
        self._engine = cls(cls.Options())
        self._engine.load(DOCUMENTS)
        super().__init__(self._engine.options)
        held = cls.capabilities if capabilities is None else frozenset(capabilities)
        self.capabilities = held  # type: ignore[misc] # of the instance: what it declares is what is tried
        self._fails = fails or (lambda _: False)
        self.mute = mute
        self.searched: list[ExpandedQuery] = []

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        """Search; a failure stands in the place of its query."""
        self.searched += queries
        answers = self._engine.search(queries, k, total=total)
        failure = SearchError("this search fails on purpose", "engine")
        return [failure if self._fails(query) else answer for query, answer in zip(queries, answers, strict=True)]

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Fields of documents."""
        return self._engine.fetch(ids, fields)

    def check(self) -> dict[str, Any]:
        """The engine's own facts."""
        return self._engine.check()

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:
        """Index terms of each text."""
        self._speak()
        return self._engine.analyze(texts, field)

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        """Documents that hold each index term."""
        self._speak()
        return self._engine.doc_freq(terms, field)

    def _speak(self) -> None:
        if self.mute:
            raise ConnectionError("the engine does not answer, on purpose")
