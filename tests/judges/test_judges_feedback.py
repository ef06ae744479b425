"""encoder-feedback: words of the documents that are nearest to a query, searched for beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from encoder_shop import encoder_context
from leser_judges import EncoderFeedback
from leser_memory import MemoryBackend

from leser.backend import Document, ExpandedQuery, Ranking, SearchError, Term
from leser.baseline import BaselineContext
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.evaluation.builtin import Original, run_baseline
from leser.evaluation.evaluate import evaluate
from leser.options import validate_options
from leser.prompt import PromptOptions
from leser.task import Query, Split, Task
from leser.verified.anchor import agreement

TITLES = {
    "1": "red settee", "2": "red floor lamp", "3": "red running shoes", "4": "notebook computer", "5": "portable computer"
}  # fmt: skip
DOCUMENTS = [Document(id, {"title": title, "text": "colour"}) for id, title in TITLES.items()]
SPLIT = Split("test", (Query("q", "red couch"), Query("r", "laptop")), {"q": {"1": 1}, "r": {"4": 1, "5": 1}})
TASK = Task("shop", SPLIT, SPLIT, SPLIT, documents=lambda: DOCUMENTS)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[BaselineContext]:
    yield from encoder_context(TASK, DOCUMENTS, tmp_path)


def feedback(**grid: tuple[float, ...]) -> EncoderFeedback:
    words = PromptOptions(fields=("text",), nearest=2, lift=1.5, min_documents=1)
    return EncoderFeedback(EncoderFeedback.Options(words=words, **grid))  # type: ignore[arg-type]


def test_it_finds_what_shares_no_word_with_the_query(context: BaselineContext) -> None:
    baseline = feedback(terms=(0, 1), weights=(0.5, 1.0))
    systems = evaluate(
        SPLIT, [run_baseline(b, context, SPLIT) for b in (Original(), baseline)], ["nDCG@10"], resamples=200
    ).systems
    assert baseline.chosen[0] == 1, "on dev the encoder prefers what it finds"
    assert [term.text for term in baseline.terms([SPLIT.queries[1]])[0]] == ["computer"], "both of the nearest hold it"
    assert systems["original"]["zero_results"] == 0.5
    assert systems["encoder-feedback"]["nDCG@10"] == 1.0


def test_a_query_stays_as_it_is_where_dev_prefers_that(context: BaselineContext) -> None:
    baseline = feedback(terms=(0,))
    baseline.fit(context)
    assert baseline.terms(SPLIT.queries) == [(), ()]


def test_it_says_what_it_needs(context: BaselineContext) -> None:
    with pytest.raises(LeserError, match="encoder-feedback needs all documents"):
        feedback().fit(replace(context, task=replace(TASK, documents=None)))
    with pytest.raises(LeserError, match="encoder-feedback is tuned on dev"):
        feedback().fit(replace(context, task=replace(TASK, dev=Split("dev", (), {}))))


def test_who_names_one_option_of_the_words_keeps_the_others() -> None:
    given = validate_options(EncoderFeedback.Options, {"words": {"fields": ["body"]}}, "encoder-feedback").words
    assert (given.fields, given.nearest) == (("body",), 30)
    given = validate_options(EncoderFeedback.Options, {"words": {"nearest": 7}}, "encoder-feedback").words
    assert (given.fields, given.nearest) == (("text",), 7)
    assert EncoderFeedback().options.words == PromptOptions(fields=("text",), nearest=30)
    with pytest.raises(LeserError, match="nearest must be 1 or more"):
        validate_options(EncoderFeedback.Options, {"words": {"nearest": 0}}, "encoder-feedback")


class Failing(MemoryBackend):
    """An engine that has no answer to any search."""

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        return [SearchError("down") for _ in queries]


def test_a_search_that_failed_has_no_opinion_rather_than_one_of_0(context: BaselineContext) -> None:
    baseline = feedback(terms=(0,))
    baseline.fit(context)
    (known,) = baseline._agreements(SPLIT.queries[:1], [()])
    assert known == pytest.approx(0.3 * agreement(*2 * context.originals(SPLIT.queries[:1]), 10))
    with SearchClient(Failing.of(DOCUMENTS)) as client:
        baseline._context = replace(context, client=client)
        assert math.isnan(*baseline._agreements(SPLIT.queries[:1], [(Term("settee", 1.0),)]))
