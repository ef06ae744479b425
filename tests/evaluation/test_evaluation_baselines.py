"""The baselines on a real engine in process: RM3 is tuned on dev, the dictionary counts on train, test is never read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from leser_coverage import UnionRecall
from leser_memory import MemoryBackend
from leser_relevance import NDCG

from leser.backend import Document, ExpandedQuery, Ranking, SearchError, Term
from leser.baseline import Baseline, BaselineContext
from leser.engine import SearchClient, SearchOptions
from leser.errors import LeserError
from leser.evaluation.builtin import Original, leser_baselines, run_baseline
from leser.evaluation.dictionary import Dictionary
from leser.evaluation.evaluate import evaluate
from leser.evaluation.grid import best_setting
from leser.evaluation.pseudo_documents import PseudoDocument
from leser.evaluation.rm3 import RM3
from leser.scoring import RewardSet
from leser.task import Query, Split, Task

CLASSES = {"nDCG": NDCG, "union_R": UnionRecall}
COLOURS = ("red", "green", "navy", "grey", "brown", "white")


def shop() -> Task:
    """Shoppers say couch and trainers, the catalogue says settee and running shoe; colour alone finds the lamp first."""
    documents = []
    for number, colour in enumerate(COLOURS):
        documents.append(Document(f"settee{number}", {"title": f"{colour} settee", "text": "upholstered for a lounge"}))
        documents.append(
            Document(f"shoe{number}", {"title": f"{colour} running shoe", "text": "light sole for runners"})
        )
        documents.append(Document(f"lamp{number}", {"title": f"{colour} lamp", "text": "bulb"}))

    def split(name: str, colours: range) -> Split:
        queries, qrels = [], {}
        for n in colours:
            for word, kind in (("couch", "settee"), ("trainers", "shoe")):
                query = Query(f"{name}-{word}-{n}", f"{COLOURS[n]} {word}")
                queries.append(query)
                qrels[query.id] = {f"{kind}{n}": 1}
        return Split(name, tuple(queries), qrels)

    test = replace(split("test", range(5, 6)), no_result=(Query("none", "sundial"),))
    return Task("shop", split("train", range(3)), split("dev", range(3, 5)), test, documents=lambda: documents)


@pytest.fixture
def context() -> BaselineContext:
    task = shop()
    assert task.documents is not None
    client = SearchClient(MemoryBackend.of(task.documents()))
    return BaselineContext(client, task, RewardSet.from_specs(["nDCG@10"], CLASSES), k=10)


def test_dictionary_learns_the_catalogues_words_and_carries_them_to_test(context: BaselineContext) -> None:
    dictionary = Dictionary()
    runs = [run_baseline(baseline, context, context.task.test) for baseline in (Original(), dictionary)]
    assert dictionary.entries["couch"] in {"settee", "upholstered", "lounge"}
    assert dictionary.entries["trainers"] in {"running", "shoe", "light", "sole", "runners"}
    assert "red" not in dictionary.entries or dictionary.entries["red"] not in {"green", "navy"}
    systems = evaluate(context.task.test, runs, ["nDCG@10"], resamples=200).systems
    assert systems["dictionary"]["nDCG@10"] == 1.0
    assert systems["original"]["nDCG@10"] < 1.0
    # The query without judgments is searched too, for the share that finds nothing.
    assert systems["original"]["zero_results_unjudged"] == 1.0


def test_dictionary_leaves_out_words_the_query_holds(context: BaselineContext) -> None:
    dictionary = Dictionary()
    dictionary.fit(context)
    dictionary.entries = {"couch": "settee"}
    held, new = dictionary.terms([Query("1", "couch settees"), Query("2", "couch")])
    assert held == ()
    assert new == (Term("settee", dictionary.weight),)


def test_dictionary_keeps_within_its_budget_of_searches(context: BaselineContext) -> None:
    dictionary = Dictionary(Dictionary.Options(most_searches=3))
    dictionary.fit(context)
    assert len(dictionary.entries) <= 1


def test_rm3_keeps_the_setting_dev_prefers(context: BaselineContext) -> None:
    grid = RM3.Options(fb_docs=(1, 3), fb_terms=(5,), original_weight=(0.1, 0.9))
    rm3 = RM3(grid)
    rm3.fit(context)
    dev = context.task.dev
    for docs in grid.fb_docs:
        for weight in grid.original_weight:
            one = RM3(RM3.Options(fb_docs=(docs,), fb_terms=(5,), original_weight=(weight,)))
            one.fit(context)
            rewards = context.reward(dev, dev.queries, one.terms(dev.queries))
            assert sum(rewards) / len(rewards) == pytest.approx(one.dev_reward)
            assert one.dev_reward <= rm3.dev_reward + 1e-12
    assert rm3.chosen[0] in grid.fb_docs


def test_rm3_reads_the_hits_of_the_query_it_is_asked_about(context: BaselineContext) -> None:
    rm3 = RM3()
    rm3.fit(context)
    found, nothing = rm3.terms([Query("1", "grey trainers"), Query("2", "sundial")])
    assert any(term.text == "grey" for term in found)
    assert nothing == ()


def test_rm3_without_dev_queries_says_what_to_do(context: BaselineContext) -> None:
    task = replace(context.task, dev=Split("dev", (), {}))
    with pytest.raises(LeserError, match="no dev queries"):
        RM3().fit(replace(context, task=task))


def test_fitting_reads_nothing_of_test(context: BaselineContext) -> None:
    """Judgments of test that would raise on any look leave every fit unharmed."""

    class Sealed(dict[str, dict[str, int]]):
        def get(self, *_: object) -> dict[str, int]:
            raise AssertionError("test was read")

        __getitem__ = get

    task = replace(context.task, test=replace(context.task.test, qrels=Sealed()))
    for cls in leser_baselines():
        cls().fit(replace(context, task=task, write=lambda prompts, most_tokens: ["a settee"] * len(prompts)))


def test_baselines_are_tuned_on_the_rewards_that_two_rankings_answer(context: BaselineContext) -> None:
    mixed = replace(context, rewards=RewardSet.from_specs(["nDCG@10", "union_R@10=0.5"], CLASSES))
    dev = context.task.dev
    nothing = [()] * len(dev.queries)
    assert mixed.reward(dev, dev.queries, nothing) == context.reward(dev, dev.queries, nothing)
    alone = replace(context, rewards=RewardSet.from_specs(["union_R@10"], CLASSES))
    with pytest.raises(LeserError, match="Baselines are tuned on searches alone"):
        alone.reward(dev, dev.queries, nothing)


def test_every_baseline_has_a_name_and_a_docstring_to_show() -> None:
    assert [cls.name for cls in leser_baselines()] == [
        "original",
        "rm3",
        "dictionary",
        "query2doc",
        "pseudo-document",
    ]
    assert all((cls.__doc__ or "").strip() for cls in leser_baselines())


class Fragile(MemoryBackend):
    """The memory engine; a query with more than `limit` clauses fails."""

    limit = 1000

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        answers: list[Ranking | SearchError] = list(super().search(queries, k, total=total))
        for i, query in enumerate(queries):
            if len(query.terms) > self.limit:
                answers[i] = SearchError("too many clauses", kind="query")
        return answers


def fragile(context: BaselineContext, limit: int) -> BaselineContext:
    assert context.task.documents is not None
    backend = Fragile.of(context.task.documents())
    backend.limit = limit
    return replace(context, client=SearchClient(backend, SearchOptions(breaker_window=10_000)), _originals={})


def test_a_setting_that_always_fails_is_never_chosen(context: BaselineContext) -> None:
    weak = fragile(context, 4)
    rm3 = RM3(RM3.Options(fb_docs=(3,), fb_terms=(40, 1), original_weight=(0.5,)))
    rm3.fit(weak)
    assert rm3.chosen == (3, 1, 0.5)
    assert rm3.dev_reward == rm3.dev_reward
    passages = PseudoDocument(PseudoDocument.Options(terms=(40, 1), original_weight=(0.5,)))
    passages.fit(
        replace(
            weak, write=lambda prompts, _: ["an upholstered settee with velvet cushions and oaken legs"] * len(prompts)
        )
    )
    assert passages.chosen == (1, 0.5)


def test_a_setting_gains_nothing_by_failing_on_hard_queries(context: BaselineContext) -> None:
    """A setting that fails where queries earn least, and leaves the others as they are, is worth what all earn as they are."""
    weak, dev = fragile(context, 1), context.task.dev
    alone = weak.reward(dev, dev.queries, [()] * len(dev.queries))
    easy = [value for value in alone if value > min(alone)]
    assert easy
    clauses = [(Term("sundial"),) * (2 if value == min(alone) else 0) for value in alone]
    _, mean = best_setting("ours", weak, dev, dev.queries, ["fails"], lambda _: clauses)
    assert mean == pytest.approx(sum(alone) / len(alone))
    assert mean < sum(easy) / len(easy)


@pytest.mark.parametrize("cls", [RM3, Dictionary, PseudoDocument])
def test_tuning_says_so_when_every_setting_fails(context: BaselineContext, cls: type[Baseline]) -> None:
    weak = replace(fragile(context, 0), write=lambda prompts, _: ["a settee"] * len(prompts))
    baseline = cls()
    if cls is Dictionary:  # nothing was learned on train, where every clause failed too: the queries stand
        baseline.fit(weak)
        assert set(baseline.terms(context.task.dev.queries)) == {()}
        return
    with pytest.raises(LeserError, match=f"{cls.name} cannot be tuned"):
        baseline.fit(weak)
