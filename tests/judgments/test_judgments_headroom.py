"""Head-room is measured fairly: a dictionary is never asked about a query that it was counted on, nor about its twin."""

from __future__ import annotations

from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.backend import Document
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.judgments.headroom import _outside, crossed
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split, Task


def test_twins_stay_on_one_side_of_the_dictionary() -> None:
    """Each thing has two queries that differ in order alone, and a word that only its own document holds.

    Counted on one twin, a dictionary would find the other's document. Nothing that holds can be learned here.
    """
    things = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ro") for b in ("sten", "dar")]
    documents = [Document(thing, {"title": f"secret{thing}"}) for thing in things]
    documents += [Document(f"not-{thing}", {"title": f"{thing} plain"}) for thing in things]
    queries = tuple(
        Query(f"{thing}-{n}", text) for thing in things for n, text in enumerate((f"{thing} blue", f"blue {thing}"))
    )
    qrels = {query.id: {query.id.partition("-")[0]: 1} for query in queries}
    sample = Split("train", queries, qrels)
    dev = Split("dev", (Query("d", "blue"),), {"d": {things[0]: 1}})
    task = Task("twins", sample, dev, Split("test", (), {}), documents=lambda: documents)
    with SearchClient(MemoryBackend.of(documents)) as client:
        context = BaselineContext(client, task, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]))
        found = crossed(context, sample, seed=1)
    assert len(found) == len(queries)
    own = [
        query
        for query, terms in zip(queries, found, strict=True)
        if any(query.id.split("-")[0] in t.text for t in terms)
    ]
    assert own == []


def test_a_dictionary_is_counted_on_the_train_queries_outside_the_sample() -> None:
    """Two sampled queries say "couch", as eight others do: what these prove, a half of the sample alone could not."""
    documents = [Document(f"sofa{n}", {"title": "sofa"}) for n in range(3)]
    documents += [Document(f"other{n}", {"title": f"lamp item{n}"}) for n in range(10)]
    texts = [f"couch item{n}" for n in range(10)]
    queries = tuple(Query(f"q{n}", text) for n, text in enumerate(texts))
    qrels = {query.id: {f"sofa{n}": 1 for n in range(3)} for query in queries}
    train = Split("train", queries, qrels)
    dev = Split("dev", (Query("d", "couch"),), {"d": {"sofa0": 1}})
    task = Task("couches", train, dev, Split("test", (), {}), documents=lambda: documents)
    sample = Split("train", queries[:2], qrels)
    with SearchClient(MemoryBackend.of(documents)) as client:
        context = BaselineContext(client, task, RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]))
        assert [[term.text for term in terms] for terms in crossed(context, sample, seed=1)] == [["sofa"], ["sofa"]]
        twins = Split("train", (Query("q0", "couch item0"), Query("t", "item9 couch")), {**qrels, "t": qrels["q9"]})
        others = {query.id for query in _outside(train, twins, 1)}
    assert others == {f"q{n}" for n in range(1, 9)}, "a near-duplicate of a sampled query is not counted on"
