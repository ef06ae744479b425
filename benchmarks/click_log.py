"""A simulated click log of the demo in UBI's form, out of the true judgments: who saw what, at which rank, and clicked.

The position-based model (Craswell et al., WSDM 2008; Chuklin, Markov and de Rijke, Click Models for Web Search, 2015): a hit is
clicked if it is looked at, which depends on its rank alone, and liked, which depends on its grade alone. Rank r is looked at with
the chance 1 / r. Hits that are not relevant are liked sometimes, too: these are the noise clicks. Each search shows what one of
several versions of the engine finds, as in a shop that tries them beside each other, so that documents stand at several ranks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from leser_memory import MemoryBackend

from leser.backend import ExpandedQuery, Ranking
from leser.engine import SearchClient
from leser.feedback import FeedbackOptions, rm3_terms
from leser.files import write_atomically
from leser.task import Query, Split, Task

VERSIONS: Mapping[str, float] = {"as it is": 0.5, "k1 1.2, b .75": 0.25, "RM3": 0.25}
"""Share of the searches that each version of the engine answers."""


@dataclass(frozen=True, slots=True)
class Shoppers:
    """How often a query is searched, how many hits are shown, and how likely one of each grade is liked once looked at."""

    searches: int = 40
    shown: int = 30
    liked: tuple[float, ...] = (0.05, 0.3, 0.6)


def write_log(task: Task, splits: Sequence[Split], path: Path, shoppers: Shoppers, seed: int) -> dict[str, int]:
    """Write the log of these splits' queries; counts of searches, impressions, clicks, and clicks on what is not relevant."""
    counts = dict.fromkeys(("searches", "impressions", "clicks", "noise_clicks"), 0)
    write_atomically(path, "".join(json.dumps(row) + "\n" for row in _rows(task, splits, shoppers, seed, counts)))
    return counts


def _rows(
    task: Task, splits: Sequence[Split], shoppers: Shoppers, seed: int, counts: dict[str, int]
) -> Iterator[dict[str, object]]:
    queries = [(query, split.qrels[query.id]) for split in splits for query in split.queries]
    shown = _shown(task, [query for query, _ in queries], shoppers.shown)
    looked = 1.0 / np.arange(1, shoppers.shown + 1)
    for number, (query, grades) in enumerate(queries):
        rng = np.random.Generator(np.random.Philox(key=[seed, number]))
        for search in range(shoppers.searches):
            version = rng.choice(len(VERSIONS), p=list(VERSIONS.values()))
            hits = shown[version][number]
            known = [grades.get(document, 0) for document in hits]
            liked = np.array([shoppers.liked[grade] for grade in known])
            clicked = np.flatnonzero(rng.random(len(hits)) < looked[: len(hits)] * liked)
            identifier = f"s{number}-{search}"
            yield {"query_id": identifier, "user_query": query.text, "query_response_hit_ids": list(hits)}
            for rank in clicked.tolist():
                yield {
                    "action_name": "click", "query_id": identifier,
                    "event_attributes": {"object": {"object_id": hits[rank]}, "position": {"ordinal": rank + 1}},
                }  # fmt: skip
            counts["searches"] += 1
            counts["impressions"] += len(hits)
            counts["clicks"] += len(clicked)
            counts["noise_clicks"] += sum(known[rank] == 0 for rank in clicked.tolist())


def _shown(task: Task, queries: Sequence[Query], depth: int) -> list[list[tuple[str, ...]]]:
    """What each version of the engine shows for each query."""
    assert task.documents is not None
    plain = [ExpandedQuery(query.id, query.text) for query in queries]
    with SearchClient(MemoryBackend.of(task.documents(), k1=1.2, b=0.75)) as client:
        other = _ids(client, plain, depth)
    with SearchClient(MemoryBackend.of(task.documents())) as client:
        first = _ids(client, plain, depth)
        field = task.title_field
        documents = client.fetch(sorted({id for row in first for id in row[:10]}), (field,))
        options = FeedbackOptions(docs=10, terms=10, keep_query_words=True)
        wider = [
            ExpandedQuery(
                query.id,
                query.text,
                rm3_terms(query.text, [documents[id].fields.get(field, "") for id in row[:10]], None, options),
            )
            for query, row in zip(queries, first, strict=True)
        ]
        return [first, other, _ids(client, wider, depth)]


def _ids(client: SearchClient, queries: Sequence[ExpandedQuery], depth: int) -> list[tuple[str, ...]]:
    found = client.search(queries, depth)
    return [answer.ids if isinstance(answer, Ranking) else () for answer in found]
