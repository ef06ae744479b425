"""Backends with one fault each in how they take texts, terms, filters and totals (see planted_faults.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from leser_memory import MemoryBackend
from planted_faults import Planted, fault

from leser.backend import ExpandedQuery, SearchError, Term


class Terms(Planted):
    """Changes the terms."""

    def terms(self, terms: tuple[Term, ...], query: ExpandedQuery) -> Iterable[Term]:
        return terms

    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, terms=tuple(self.terms(query.terms, query)))


@fault("test_more_weight_moves_up", "weights", "terms are not searched")
class TermsIgnored(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return ()


@fault("test_more_weight_moves_up", "weights", "whatever the weight")
class WeightsIgnored(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, weight=1.0) for term in terms]


@fault("test_score_follows_weight", "weights", "not 8 times")
class WeightsTwice(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, weight=term.weight**2) for term in terms]


@fault("test_score_follows_weight", "weights", "not 8 times")
class WeightsUpToFive(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, weight=min(term.weight, 5.0)) for term in terms]


@fault("test_more_weight_moves_up")
class NoWeightBelowOne(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, weight=max(term.weight, 1.0) if term.weight else 0.0) for term in terms]


@fault("test_weight_one_is_the_originals", "terms", "counts 2 times")
class TermsCountDouble(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, weight=2 * term.weight) for term in terms]


@fault("test_weight_zero_does_nothing", "weights", "weight 0")
class WeightZeroIsSent(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, weight=term.weight or 1e-9) for term in terms]


@fault("test_weights_that_are_none", "weights", "-1")
class WeightsOfAnyKind(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, weight=abs(term.weight)) for term in terms if abs(term.weight) < 1e9]


@fault("test_terms_add_up", "terms", "only one")
class OneTermOfMany(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return terms[-1:]


@fault("test_many_terms", "terms", "of 100")
class TwentyTermsAtMost(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return terms[:20]


@fault("test_many_terms", "terms", "of 100")
class NothingForManyTerms(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return SearchError("too many clauses", "query") if len(query.terms) > 64 else answer


@fault("test_more_weight_moves_up", "terms", "of the query itself")
class TermsReplaceTheQuery(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text="") if query.terms else query


@fault("test_more_weight_moves_up", "matching", "not rescued")
class NeverWidens(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        (alone,) = MemoryBackend.search(self, [replace(query, terms=())], 100)
        if isinstance(answer, SearchError) or isinstance(alone, SearchError):
            return answer
        return replace(answer, hits=tuple(hit for hit in answer.hits if hit.id in alone.ids))


@fault("test_rerank_does_not_rescue", "match=rerank", "widened")
class NeverReranks(Planted):
    def load(self, documents: Any) -> None:
        given, self.options = self.options, self.options.model_copy(update={"match": "widen"})
        super().load(documents)
        self.options = given


@fault("test_negated_terms_exclude", "negation", "not excluded")
class NegationIgnored(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [term for term in terms if not term.negate]


@fault("test_negated_terms_exclude", "negation", "searched for")
class NegatedAreSearchedFor(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, negate=False) for term in terms]


@fault("test_negated_terms_exclude")
class NegationNeedsAnotherTerm(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return terms if any(not term.negate for term in terms) else ()


@fault("test_any_and_all", "all", "hold not all")
class AllAsAny(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, match="any") if term.match == "all" else term for term in terms]


@fault("test_any_and_all", "any", "one of its words")
class AnyAsAll(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, match="all") if term.match == "any" else term for term in terms]


@fault("test_phrase", "phrases", "hold not all")
class PhraseAsAny(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, match="any") if term.match == "phrase" else term for term in terms]


@fault("test_phrase", "phrases", "order")
class PhraseAsAll(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, match="all") if term.match == "phrase" else term for term in terms]


@fault("test_term_in_a_field", "in a field", "elsewhere")
class FieldIgnored(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, field=None) for term in terms]


@fault("test_term_in_a_field", "in a field", "elsewhere")
class AnotherField(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        other = {"title": "text", "text": "title"}
        return [replace(term, field=other.get(term.field or "", term.field)) for term in terms]


@fault("test_unknown_field_is_no_exception", "in a field", "KeyError")
class UnknownFieldRaises(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        for term in terms:
            if term.field and term.field not in self._open()[0].fields:
                raise KeyError(term.field)
        return terms


@fault("test_weights_that_are_none", "weights", "transient")
class RefusedTermsAreTriedAgain(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return replace(answer, kind="transient") if isinstance(answer, SearchError) and query.terms else answer


@fault("test_terms_before_the_cut", "cut", "terms")
class TermsAfterTheCut(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        if isinstance(answer, SearchError):
            return answer
        best, answer = MemoryBackend.search(self, [replace(query, terms=()), query], 1000)
        cut = best.ids[:k]
        new = [] if best.hits else answer.hits
        return replace(answer, hits=tuple([h for h in answer.hits if h.id in cut or h.id not in best.ids] or new)[:k])
