"""encoder-proven: words of nearest documents, each of which was tried alone on the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from encoder_shop import encoder_context
from leser_judges import EncoderProven
from leser_memory import MemoryBackend
from leser_relevance.measures import NDCG

from leser.backend import Document, ExpandedQuery, Ranking, SearchError
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.prompt import PromptOptions
from leser.reward import parse_spec
from leser.scoring import RewardSet
from leser.task import Query, Split, Task

# both settees stand beside the query in meaning; "red" leads to shoes as well, "settee" to settees alone
TITLES = {
    "1": "red settee", "2": "red settee sofa", "3": "red running shoes", "4": "red trainers", "5": "couch cover red",
    "6": "green lamp", "7": "blue lamp",
}  # fmt: skip
DOCUMENTS = [Document(id, {"title": title, "text": ""}) for id, title in TITLES.items()]
QUERIES = (Query("q", "couch"),)
SPLIT = Split("dev", QUERIES, {})  # no judgment anywhere
TASK = Task("shop", SPLIT, SPLIT, SPLIT, documents=lambda: DOCUMENTS)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[BaselineContext]:
    yield from encoder_context(TASK, DOCUMENTS, tmp_path)


def proven(**given: object) -> EncoderProven:
    words = PromptOptions(fields=("text",), nearest=3, lift=0.5, min_documents=1)
    return EncoderProven(EncoderProven.Options(words=words, **given))  # type: ignore[arg-type]


def test_a_word_that_makes_the_results_worse_by_itself_is_left_out(context: BaselineContext) -> None:
    baseline = proven(terms=(3,), weights=(0.2,))
    baseline.fit(context)
    tried = baseline._telling(QUERIES, 16)[0]
    kept = [term.text for term in baseline.terms(QUERIES)[0]]
    assert kept
    assert set(kept) < set(tried), "some word did not pass"
    assert kept == [word for word in tried if word in kept], "the order is that of the words tried"
    original, (seen,) = context.originals(QUERIES), baseline._seen(QUERIES)
    for word in tried:
        (answer,) = context.search(QUERIES, [[replace(baseline.terms(QUERIES)[0][0], text=word, weight=0.5)]])
        (gain,) = baseline._gains(seen, original[0], [answer])
        assert gain is not None
        assert (word in kept) == (gain >= 0), word


def test_dev_chooses_by_the_value_and_reads_no_label(context: BaselineContext) -> None:
    baseline = proven(terms=(0, 1, 2), weights=(0.1, 0.5))
    assert not baseline.tuned, "no reward has to say anything"
    labels = RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0])  # has nothing to say of these queries
    baseline.fit(replace(context, rewards=labels))
    assert baseline.dev_reward > 0
    assert baseline.chosen[0] > 0
    again = proven()
    again.restore(baseline.state(), context)
    assert again.terms(QUERIES) == baseline.terms(QUERIES)
    with pytest.raises(LeserError, match="encoder-proven is tuned on dev"):
        proven().fit(replace(context, task=replace(TASK, dev=Split("dev", (), {}))))


class Failing(MemoryBackend):
    """Answers the query alone, and fails on all that is added."""

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        found = super().search(queries, k, total=total)
        return [SearchError("down") if q.terms else r for q, r in zip(queries, found, strict=True)]


def test_a_search_that_failed_proves_no_word(context: BaselineContext) -> None:
    baseline = proven(terms=(2,), weights=(0.2,))
    baseline.fit(context)
    with SearchClient(Failing.of(DOCUMENTS)) as client:
        baseline._context = replace(context, client=client)
        assert baseline.terms(QUERIES) == [()]
        assert baseline._values(QUERIES, baseline._seen(QUERIES), [[]]) == [0.0]
