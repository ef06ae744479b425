"""encoder-rerank and encoder-alone on the memory engine, the index of vectors, and rankings as what a baseline answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import leser_judges.documents
import leser_judges.vectors
import numpy as np
import pytest
from leser_judges import EncoderAlone, EncoderRerank, EncoderSimilarity
from leser_judges.documents import DocumentIndex
from leser_judges.encoder import Encoder
from leser_judges.options import EncoderOptions
from leser_judges.similarity import open_vectors
from leser_judges.vectors import Vectors
from leser_memory import MemoryBackend

from benchmarks.judged_pairs import judged_pairs, pairs_of_query
from leser.api import configure
from leser.backend import Document, ExpandedQuery, Ranking, SearchError
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.environment import Attempt
from leser.errors import LeserError
from leser.evaluation.builtin import Original, run_baseline
from leser.evaluation.evaluate import evaluate
from leser.reward import parse_spec
from leser.run.final_evaluation import baseline_runs
from leser.scoring import RewardSet
from leser.session import open_session
from leser.similarity import EncodingFailed, NearestDocuments
from leser.task import Query, Split, Task

TITLES = {
    "1": "red settee", "2": "red floor lamp", "3": "red running shoes", "4": "notebook computer", "5": "red settee", "6": ""
}  # fmt: skip
DOCUMENTS = [Document(id, {"title": title, "text": "red"}) for id, title in TITLES.items()]
TEST = Split("test", (Query("q", "red couch"), Query("r", "laptop")), {"q": {"1": 1, "5": 1}, "r": {"4": 1}})
TASK = Task("shop", TEST, TEST, TEST, documents=lambda: DOCUMENTS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture
def context(cache: Path) -> Iterator[BaselineContext]:
    """A shop whose run rewards similarity, with its vectors in a folder of the test's."""
    reward = EncoderSimilarity(parse_spec(f"encoder(cache={str(cache)!r})@10"))
    with SearchClient(MemoryBackend.of(DOCUMENTS)) as client:
        yield BaselineContext(client, TASK, RewardSet([reward], [1.0]), k=10)


@pytest.fixture
def index(cache: Path) -> DocumentIndex:
    return DocumentIndex.of(DOCUMENTS, cache=cache)


def cosines(query: str) -> dict[str, float]:
    encoder = Encoder.of("minilm")
    near = encoder.encode([query], query=True)[0] @ encoder.encode(list(TITLES.values())).T
    return {id: float(value) for id, value in zip(TITLES, near, strict=True) if TITLES[id]}


def test_the_nearest_documents_are_those_of_the_highest_cosine(index: DocumentIndex) -> None:
    nearest: NearestDocuments = index
    expected = sorted(cosines("red couch").items(), key=lambda item: (-round(item[1], 4), item[0]))
    found = nearest.nearest("red couch", 4)
    assert found.ids == tuple(id for id, _ in expected[:4])
    assert found.ids[:2] == ("1", "5")  # equal, the lower id first
    assert [hit.score for hit in found.hits] == pytest.approx([value for _, value in expected[:4]], abs=1e-3)
    assert set(nearest.nearest("red couch", 100).ids) == {"1", "2", "3", "4", "5"}  # not what has no text
    assert nearest.nearest("red couch", 1).ids == ("1",)


def test_documents_in_several_blocks_are_ranked_as_in_one(
    index: DocumentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = index.rank(["red couch", "laptop"], 3)
    monkeypatch.setattr(leser_judges.documents, "_BLOCK", 2)
    assert [r.ids for r in index.rank(["red couch", "laptop"], 3)] == [r.ids for r in whole]


def test_similarity_of_given_documents(index: DocumentIndex) -> None:
    near, values = cosines("laptop"), index.similarity("laptop", ["4", "6", "2", "unknown"])
    assert values[[0, 2]].tolist() == pytest.approx([near["4"], near["2"]], abs=1e-3)
    assert np.isnan(values[[1, 3]]).all()


def test_rerank_orders_the_engines_hits_by_similarity(context: BaselineContext) -> None:
    rerank = EncoderRerank()
    rerank.fit(context)
    assert rerank.encoder.cache is not None, "it takes the encoder of the run's reward"
    (original,) = context.originals([TEST.queries[0]])
    assert isinstance(original, Ranking)
    (found,) = rerank.rankings([TEST.queries[0]], 10)
    assert isinstance(found, Ranking)
    assert set(found.ids) == set(original.ids)
    near = cosines("red couch") | {"6": -1.0}
    assert [near[id] for id in found.ids] == sorted((near[id] for id in original.ids), reverse=True)
    assert found.ids[-1] == "6"
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    (short,) = rerank.rankings([TEST.queries[0]], 2)
    assert isinstance(short, Ranking)
    assert short.ids == found.ids[:2]


def test_rerank_reads_no_deeper_than_its_depth(context: BaselineContext) -> None:
    (reward,) = context.rewards.rewards
    assert isinstance(reward, EncoderSimilarity)
    shallow = EncoderRerank(EncoderRerank.Options(encoder=reward.options, depth=2))
    shallow.fit(context)
    (original,) = context.originals([TEST.queries[0]])
    (found,) = shallow.rankings([TEST.queries[0]], 10)
    assert isinstance(original, Ranking)
    assert isinstance(found, Ranking)
    assert set(found.ids) == set(original.ids[:2])


def test_alone_finds_what_shares_no_word_with_the_query(context: BaselineContext) -> None:
    runs = [run_baseline(baseline, context, TEST) for baseline in (Original(), EncoderRerank(), EncoderAlone())]
    systems = evaluate(TEST, runs, ["nDCG@10"], resamples=200).systems
    assert systems["original"]["zero_results"] == 0.5  # no title says laptop
    assert systems["encoder-rerank"]["nDCG@10"] == 0.5
    assert systems["encoder-alone"]["nDCG@10"] == 1.0
    # neither writes anything, so nothing is said of what it wrote
    assert "left_alone" in systems["original"]
    assert "left_alone" not in systems["encoder-alone"]


def test_alone_without_documents_says_what_to_do(context: BaselineContext) -> None:
    with pytest.raises(LeserError, match="encoder-alone needs all documents, and the task shop brings none"):
        EncoderAlone().fit(replace(context, task=replace(TASK, documents=None)))


def test_a_failed_search_stays_a_failure(context: BaselineContext) -> None:
    class Fails(MemoryBackend):
        def search(
            self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False
        ) -> list[Ranking | SearchError]:
            found = super().search(queries, k, total=total)
            return [
                SearchError("refused", "query") if q.text == "laptop" else r
                for q, r in zip(queries, found, strict=True)
            ]

    with SearchClient(Fails.of(DOCUMENTS)) as client:
        rerank = EncoderRerank()
        rerank.fit(replace(context, client=client, _originals={}))
        couch, laptop = rerank.rankings(TEST.queries, 10)
    assert isinstance(couch, Ranking)
    assert laptop == SearchError("refused", "query")


class Broken(Encoder):
    def encode(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        raise EncodingFailed("Out of memory.")


def test_where_the_model_fails_there_is_no_ranking(context: BaselineContext, tmp_path: Path) -> None:
    rerank, alone = EncoderRerank(), EncoderAlone()
    for baseline in (rerank, alone):
        baseline.fit(context)
        options = EncoderOptions(cache=tmp_path)
        baseline.vectors = Vectors.of(Broken(options), options)
    alone.documents.vectors = alone.vectors
    for baseline in (rerank, alone):
        assert all(isinstance(answer, SearchError) for answer in baseline.rankings(TEST.queries, 10))


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """The shop as a folder in BEIR layout, with the same queries in each split."""
    folder = tmp_path / "shop"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": d.id, **d.fields} for d in DOCUMENTS]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    queries = [{"_id": f"{part}{q.id}", "text": q.text} for part in ("train", "dev", "test") for q in TEST.queries]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in queries))
    for part in ("train", "dev", "test"):
        lines = [f"{part}{q}\t{doc}\t{g}" for q, grades in TEST.qrels.items() for doc, g in grades.items()]
        (folder / "qrels" / f"{part}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n")
    return str(folder)


def test_both_stand_in_the_final_table(shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a run evaluates them, found by name through their plugin; without an encoder reward they read the task's titles."""
    open_vectors.cache_clear()
    monkeypatch.setattr(leser_judges.vectors.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    names = ["original", "encoder-rerank", "encoder-alone"]
    given = {"task": shop, "backend": "memory", "policy": "tiny", "rewards": ("nDCG@10",)}
    config, registry = configure(given, {"evaluation.baselines": names})
    with open_session(config, registry) as session:
        runs = baseline_runs(session, session.task.test, print)
    assert [run.name for run in runs] == names
    assert list((tmp_path / "leser" / "encoder").glob("minilm-*-float16/vectors.bin"))
    open_vectors.cache_clear()
    figures = evaluate(session.task.test, runs, ["nDCG@10"], resamples=200).systems
    assert [figures[name]["nDCG@10"] for name in names[1:]] == [0.5, 1.0]


def test_a_run_rewards_the_expansion_that_brings_similar_documents_up(shop: str, cache: Path) -> None:
    """As training judges completions: searched, titles fetched, compared; one that cannot be read is no similarity."""
    given = {"task": shop, "backend": "memory", "rewards": (f"encoder(model=minilm, cache={str(cache)!r})@1",)}
    config, registry = configure(given)
    with open_session(config, registry) as session:
        laptop = next(q for q in session.task.train.queries if q.text == "laptop")
        said = ["notebook", "lamp", "none", "; ;"]
        attempts = [Attempt(laptop, 0, completion) for completion in said]
        scores = session.environment.score(session.environment.judge(attempts, session.task.train))
    near = cosines("laptop")
    values = scores.values[:, 0]
    assert values[:3].tolist() == pytest.approx([near["4"], near["2"], 0.0], abs=1e-3)
    assert near["4"] > 2 * near["2"]
    assert np.isnan(values[3])
    assert scores.gated.tolist() == [False, False, False, True]


def test_pairs_ordered_rightly_by_hand(index: DocumentIndex) -> None:
    assert pairs_of_query({"a": 0.9, "b": 0.5, "c": 0.5, "d": 0.1}, {"a": 2, "b": 1, "c": 0, "d": 0}) == {
        (1, 0): (1.5, 2),
        (2, 0): (2.0, 2),
        (2, 1): (1.0, 1),
    }
    assert pairs_of_query({"a": 0.9}, {"a": 2, "gone": 0}) == {}
    judged = Split("test", TEST.queries[:1], {"q": {"1": 1, "4": 0, "2": 0}})
    shares = judged_pairs(replace(TASK, train=Split("t", (), {}), dev=Split("d", (), {}), test=judged), index)
    near = cosines("red couch")
    assert near["1"] > max(near["2"], near["4"])
    assert (shares["pairs"], shares["share"], shares["ci95"]) == (2, 1.0, [1.0, 1.0])


def test_one_encoder_serves_all_who_use_the_same(context: BaselineContext) -> None:
    rerank = EncoderRerank()
    rerank.fit(context)
    (reward,) = context.rewards.rewards
    assert isinstance(reward, EncoderSimilarity)
    assert rerank.vectors is reward.vectors is open_vectors(reward.options.encoder)
