"""A good baseline, and the same with one fault each. `FIRST` says which test of the kit must be the first to fail."""

from __future__ import annotations

import random
from typing import ClassVar

import pytest

from leser.backend import ExpandedQuery, Ranking, Term
from leser.baseline import Baseline
from leser.testing import BaselineContract


class Good(Baseline):
    """Words of the first hit's text, as many as dev likes best."""

    name = "first-hit"

    class Options(Baseline.Options):
        weight: float = 0.5

    def fit(self, context):
        self.context = context
        dev = context.task.dev
        rewards = {most: context.reward(dev, dev.queries, self._terms(dev.queries, most)) for most in (1, 3)}
        self.most = max(rewards, key=lambda most: sum(value for value in rewards[most] if value == value))

    def terms(self, queries):
        return self._terms(queries, self.most)

    def _terms(self, queries, most):
        firsts = [a.ids[0] if isinstance(a, Ranking) and a.hits else None for a in self.context.originals(queries)]
        texts = self.context.texts([first for first in firsts if first])
        return [tuple(Term(w, self.options.weight) for w in texts.get(f, "").split()[:most]) for f in firsts]


class Kit(BaselineContract):
    """The kit on `cls`."""

    __test__ = False
    cls: ClassVar[type[Baseline]] = Good

    @pytest.fixture
    def baseline(self):
        return self.cls()


FIRST: dict[str, str | None] = {}


def planted(first):
    """The kit on a faulty baseline; `first` is the test that must fail first."""

    def make(cls):
        test = type(f"Test{cls.__name__}", (Kit,), {"cls": cls, "__test__": True, "__module__": __name__})
        globals()[test.__name__] = test
        FIRST[test.__name__] = first
        return cls

    return make


planted(None)(Good)


@planted(None)
class Kept(Good):
    """Can be kept, and made again."""

    def state(self):
        return {"most": self.most}

    def restore(self, state, context):
        self.context, self.most = context, state["most"]


@planted("test_the_same_after_it_was_kept")
class KeepsHalf(Kept):
    """Forgets what dev liked."""

    def state(self):
        return {"most": 2}


@planted("test_the_same_after_it_was_kept")
class KeepsObjects(Kept):
    """Keeps what JSON does not hold."""

    def state(self):
        return {"most": {self.most}}


@planted("test_the_same_after_it_was_kept")
class FitsAgain(Kept):
    """Asks the judgments again, which are not there."""

    def restore(self, state, context):
        self.fit(context)
        assert context.task.dev.queries


@planted("test_is_declared")
class NoDocstring(Good):
    __doc__ = None


@planted("test_is_declared")
class NumberedName(Good):
    """A name that needs quotes."""

    name = "first hit"


@planted("test_is_made_from_its_options")
class ForgetsOptions(Good):
    """Does not keep what it was given."""

    def __init__(self, options=None):
        self.options = self.Options(weight=2.0)


@planted("test_is_made_from_its_options")
class NeedsOptions(Good):
    """An option without a default."""

    class Options(Baseline.Options):
        weight: float
        most: int

    def __init__(self, options=None):
        super().__init__(options or self.Options(weight=0.5, most=1))
        self.options = self.Options(weight=0.5, most=random.randint(1, 10**9))


@planted("test_fits_without_looking_at_test")
class PeeksAtTest(Good):
    """Searches for test's queries while it is fitted."""

    def fit(self, context):
        super().fit(context)
        context.originals(context.task.test.queries)


@planted("test_fits_without_looking_at_test")
class TunesOnTest(Good):
    """Chooses by test's judgments."""

    def fit(self, context):
        super().fit(context)
        self.most = 1 + len(context.task.test.qrels) % 2


@planted("test_clauses_for_each_query")
class LeavesOutTheEmpty(Good):
    """No entry for a query that finds nothing."""

    def terms(self, queries):
        return [own for own in super().terms(queries) if own]


@planted("test_clauses_for_each_query")
class GivesTexts(Good):
    """Texts in place of Terms."""

    def terms(self, queries):
        return [tuple(term.text for term in own) for own in super().terms(queries)]


@planted("test_clauses_for_each_query")
class GivesADictionary(Good):
    """Clauses by query id."""

    def terms(self, queries):
        return {query.id: own for query, own in zip(queries, super().terms(queries), strict=True)}


@planted("test_clauses_are_well_formed")
class NegativeWeights(Good):
    """Weights below 0."""

    def terms(self, queries):
        return [tuple(Term(term.text, -1.0) for term in own) for own in super().terms(queries)]


@planted("test_clauses_are_well_formed")
class EmptyTexts(Good):
    """A clause without a text."""

    def terms(self, queries):
        return [(*own, Term("")) for own in super().terms(queries)]


@planted("test_clauses_stand_in_the_queries_order")
class Sorts(Good):
    """Answers in the order of the queries' texts."""

    def terms(self, queries):
        return super().terms(sorted(queries, key=lambda query: query.text))


@planted("test_clauses_stand_in_the_queries_order")
class SeesNeighbours(Good):
    """Leaves out what a query before it got."""

    def terms(self, queries):
        seen, out = set(), []
        for own in super().terms(queries):
            out.append(tuple(term for term in own if term.text not in seen))
            seen |= {term.text for term in own}
        return out


@planted("test_no_queries")
class NeedsQueries(Good):
    """Raises for an empty list."""

    def terms(self, queries):
        assert queries[0].text is not None
        return super().terms(queries)


@planted("test_ids_say_nothing")
class KnowsIds(Good):
    """Answers known ids alone."""

    def terms(self, queries):
        known = zip(queries, super().terms(queries), strict=True)
        return [own if query.id.startswith(("t", "n")) else () for query, own in known]


@planted("test_the_same_twice")
class Draws(Good):
    """A weight that is drawn for each fit."""

    def fit(self, context):
        super().fit(context)
        self.weight = random.random()

    def terms(self, queries):
        return [tuple(Term(term.text, self.weight) for term in own) for own in super().terms(queries)]


@planted("test_any_query")
class NeedsAWord(Good):
    """Raises for a query without a word."""

    def terms(self, queries):
        assert all(query.text.split()[0] for query in queries)
        return super().terms(queries)


@planted("test_an_engine_that_can_less")
class AsksTheAnalysis(Good):
    """Asks for index terms that an engine may not give."""

    def fit(self, context):
        super().fit(context)
        if "analyze" not in context.client.backend.capabilities:
            raise NotImplementedError("analyze")


@planted("test_searches_that_fail")
class BelievesAnswers(Good):
    """Takes every answer for a ranking."""

    def _terms(self, queries, most):
        asked = [ExpandedQuery(query.id, query.text) for query in queries]
        firsts = [answer.ids[0] if answer.ids else None for answer in self.context.client.search(asked, 1)]
        texts = self.context.texts([first for first in firsts if first])
        return [tuple(Term(w, self.options.weight) for w in texts.get(f, "").split()[:most]) for f in firsts]


@planted("test_a_policy_that_writes_no_sentences")
class NeedsAWriter(Good):
    """Asks a policy that may not write."""

    def fit(self, context):
        super().fit(context)
        context.write([], 8)
