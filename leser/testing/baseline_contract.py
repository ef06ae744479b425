"""BaselineContract: what every baseline must hold to, as tests a plugin author inherits.

    import pytest
    from leser.testing import BaselineContract

    class TestSynonyms(BaselineContract):
        @pytest.fixture
        def baseline(self):
            return Synonyms(Synonyms.Options(weight=0.5))

It is fitted on the kit's shop (`leser.testing.shop`: 8 train, 3 dev and 3 test queries on `leser.testing.DOCUMENTS`) as a
run's final evaluation fits it. Only its class and its options are taken: each test makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, NoReturn

import pytest

from leser.backend import Capability, ExpandedQuery, Ranking, Term
from leser.baseline import Baseline, BaselineContext
from leser.engine import SearchClient, SearchOptions
from leser.errors import LeserError
from leser.evaluation.builtin import run_baseline
from leser.evaluation.calls import failures_of, ranks_itself, state_of
from leser.evaluation.evaluate import evaluate
from leser.options import Options
from leser.prompt import Message
from leser.task import Query, Split
from leser.testing.documents import HOSTILE
from leser.testing.kit import Kit, check_declared, check_message
from leser.testing.shop import NO_RESULT, ShopEngine, shop_rewards, shop_split, shop_task

Clauses = list[tuple[Term, ...]]
NEVER_FULL = 1_000_000
"""A breaker's window that is never full: engines of the kit fail for good."""
PASSAGE = "A brown leather couch or a warm reading lamp"


def write(prompts: Sequence[Sequence[Message]], most_tokens: int, **_: float) -> list[str]:
    """Stands for the untrained policy: the same passage for everyone, cut to a length."""
    return [" ".join(PASSAGE.split()[:most_tokens])] * len(prompts)


class Sealed(tuple[Query, ...]):
    """Queries that nobody may look at."""

    def _refuse(self, *_: Any) -> NoReturn:
        pytest.fail("fit() reads the test split, which nothing may be tuned on", pytrace=False)

    __iter__ = __len__ = __getitem__ = __contains__ = __bool__ = _refuse


class SealedJudgments(dict[str, dict[str, int]]):
    """Judgments that nobody may look at."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        pytest.fail("the judgments of the test split are read, which nothing may be tuned on", pytrace=False)

    __iter__ = __len__ = __getitem__ = __contains__ = get = items = keys = values = _refuse


def fitting(engine: ShopEngine, *, sealed: bool = True, judged: bool = True, **given: Any) -> BaselineContext:
    """What a baseline is fitted with; nobody can look at its test split unless `sealed` is False.

    Without `judged` it is what a baseline is restored with: the documents, and no query.
    """
    task = shop_task()
    if not judged:
        train, dev, test = (Split(split.name, (), {}) for split in task.splits)
        task = replace(task, train=train, dev=dev, test=test)
    elif sealed:
        task = replace(task, test=Split("test", Sealed(), SealedJudgments(), Sealed()))
    options = SearchOptions(retries=0, deadline=5.0, breaker_window=NEVER_FULL)
    return BaselineContext(SearchClient(engine, options), task, shop_rewards(), **{"k": 10, "write": write, **given})


class BaselineContract(Kit, kit=True):
    """The contract of `leser.evaluation.baselines.Baseline`; each test says where to look if it fails."""

    @pytest.fixture
    def baseline(self) -> Baseline:
        """The baseline under test; its class and its options are what counts."""
        raise NotImplementedError("override the fixture `baseline`: return YourBaseline()")

    @pytest.fixture
    def fitted(self, baseline: Baseline) -> Iterator[Callable[..., Baseline]]:
        """Makes a new baseline of the same class and options, and fits it on the kit's shop."""
        contexts = []

        def fit(
            capabilities: Collection[Capability] | None = None,
            fails: Callable[[ExpandedQuery], bool] | None = None,
            **given: Any,
        ) -> Baseline:
            made = type(baseline)(baseline.options)
            contexts.append(fitting(ShopEngine(capabilities, fails), **given))
            made.fit(contexts[-1])
            return made

        yield fit
        for context in contexts:
            context.client.close()

    def test_is_declared(self, baseline: Baseline) -> None:
        """If this fails, check the class: name, api, docstring, and Options, which inherits leser.options.Options."""
        check_declared(type(baseline), Options)

    def test_is_made_from_its_options(self, baseline: Baseline) -> None:
        """If this fails, check __init__: it takes the options, or nothing for their defaults, and keeps them as `options`."""
        cls = type(baseline)
        assert isinstance(baseline.options, cls.Options)
        assert cls(baseline.options).options == baseline.options
        assert cls().options == cls.Options(), "every option needs a default"

    def test_fits_without_looking_at_test(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check that `fit` reads task.train and task.dev alone: what is tuned on test is no comparison."""
        fitted()

    def test_clauses_for_each_query(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check that `terms` returns a list with one tuple of Term for each query; () leaves it alone.

        `failures`, where it is overridden, returns one SearchError or None for each of the same queries.
        """
        queries, baseline = _queries(), fitted()
        clauses = baseline.terms(queries)
        assert failures_of(baseline, queries) == [None] * len(queries), "the kit's engine and policy do not fail"
        assert isinstance(clauses, list), f"it is a {type(clauses).__name__}"
        assert len(clauses) == len(queries)
        for own in clauses:
            assert isinstance(own, tuple), f"it holds a {type(own).__name__}"
            assert all(isinstance(term, Term) for term in own), own

    def test_clauses_are_well_formed(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check each Term: a text with something in it, and a finite weight above 0."""
        for own in fitted().terms(_queries()):
            for term in own:
                assert isinstance(term.text, str)
                assert term.text.strip(), "a clause without a text"
                assert isfinite(term.weight), term
                assert term.weight > 0, f"{term} does nothing"

    def test_clauses_stand_in_the_queries_order(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check that clauses are matched to queries by their place, and that no query sees its neighbours."""
        baseline, queries = fitted(), _queries()
        together = baseline.terms(queries)
        assert baseline.terms(queries[::-1]) == together[::-1]
        assert [baseline.terms([query])[0] for query in queries] == together
        twice = [query for query in queries for _ in range(2)]
        assert baseline.terms(twice) == [own for own in together for _ in range(2)]

    def test_no_queries(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check that `terms` copes with an empty list."""
        assert fitted().terms([]) == []

    def test_ids_say_nothing(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check that clauses come from a query's text: an id is a name, and no answer hides in it."""
        baseline, queries = fitted(), _queries()
        renamed = [replace(query, id=f"renamed-{number}") for number, query in enumerate(queries)]
        assert baseline.terms(renamed) == baseline.terms(queries)

    def test_the_same_twice(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check what is drawn: from context.seed alone, and never in the order of a set."""
        first, second = fitted(seed=3), fitted(seed=3)
        assert second.terms(_queries()) == first.terms(_queries())

    def test_the_same_after_it_was_kept(self, baseline: Baseline, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check `state` and `restore`: plain JSON values, of which a machine without judgments makes the same
        baseline. Without `state` it is not kept, and `leser serve` cannot answer by it.
        """
        made, queries = fitted(), _queries()
        state = None if ranks_itself(type(made)) else state_of(made)
        again = type(baseline)(baseline.options)
        context = fitting(ShopEngine(), judged=False)
        with context.client:
            if state is not None:
                again.restore(state, context)
                assert again.terms(queries) == made.terms(queries)
                assert state_of(again) == state, "a restored baseline keeps the same"

    @pytest.mark.parametrize("which", ["some", "expanded", "all"])
    def test_searches_that_fail(self, fitted: Callable[..., Baseline], which: str) -> None:
        """If this fails, check for SearchError in what searches return: a failure is no score, and no reason to raise."""
        fails: dict[str, Callable[[ExpandedQuery], bool]] = {
            "some": lambda query: "l" in query.text,
            "expanded": lambda query: bool(query.terms),
            "all": lambda _: True,
        }
        try:
            clauses = fitted(fails=fails[which]).terms(_queries())
        except LeserError as error:
            check_message(error)
        else:
            assert len(clauses) == len(_queries())

    def test_any_query(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check queries that find nothing, hold no word or hold signs: each gets its tuple, if only ()."""
        baseline = fitted()
        for text in ("", "?!", "hammock zzqx", *HOSTILE):
            (own,) = baseline.terms([Query("any", text)])
            assert isinstance(own, tuple), f"{own!r} for the query {text[:40]!r}"

    @pytest.mark.parametrize("able", [(), ("term_weights",)])
    def test_an_engine_that_can_less(self, fitted: Callable[..., Baseline], able: tuple[Capability, ...]) -> None:
        """If this fails, check that `fit` searches through context.search or context.reward, which know what an engine lacks."""
        try:
            clauses = fitted(able).terms(_queries())
        except LeserError as error:
            check_message(error)
        else:
            assert len(clauses) == len(_queries())

    def test_a_policy_that_writes_no_sentences(self, fitted: Callable[..., Baseline]) -> None:
        """If this fails, check context.write, which is None for such a policy: say so with a LeserError, or do without."""
        try:
            clauses = fitted(write=None).terms(_queries())
        except LeserError as error:
            check_message(error)
        else:
            assert len(clauses) == len(_queries())

    def test_in_an_evaluation(self, baseline: Baseline) -> None:
        """If this fails, check what LeserError says: the evaluation searches with the clauses and measures what they find."""
        with SearchClient(ShopEngine()) as client:
            context = BaselineContext(client, shop_task(), shop_rewards(), k=10, write=write)
            test = context.task.test
            run = run_baseline(type(baseline)(baseline.options), context, test)
            assert run.name == baseline.name
            assert set(run.rankings) == {query.id for query in (*test.queries, *test.no_result)}
            assert all(isinstance(answer, Ranking) for answer in run.rankings.values()), run.rankings
            figures = evaluate(test, [run], ["nDCG@10"], policy=run.name, resamples=100).systems[baseline.name]
            assert 0 <= figures["nDCG@10"] <= 1


def _queries() -> tuple[Query, ...]:
    """Queries to write clauses for: those of test, one that finds nothing, and one of train."""
    return (*shop_split("test").queries, Query("none", NO_RESULT), shop_split("train").queries[0])
