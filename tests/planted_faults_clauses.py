"""Backends with one fault each in how they take texts, terms, filters and totals (see planted_faults.py)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from leser_memory import MemoryBackend
from planted_faults import Hits, Planted, fault

from leser.backend import ExpandedQuery, Filter, Ranking, SearchError, Term


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


@fault("test_weight_one_is_the_originals", "weights", "counts")
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


@fault("test_term_in_a_field", "fields", "elsewhere")
class FieldIgnored(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, field=None) for term in terms]


@fault("test_term_in_a_field", "fields", "elsewhere")
class AnotherField(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        other = {"title": "text", "text": "title"}
        return [replace(term, field=other.get(term.field or "", term.field)) for term in terms]


@fault("test_unknown_field_is_no_exception", "fields", "KeyError")
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


class Conditions(Planted):
    """Changes the filters."""

    def filters(self, filters: tuple[Filter, ...]) -> Iterable[Filter]:
        return filters

    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, filters=tuple(self.filters(query.filters)))


@fault("test_filters", "filters", "not meet")
class FiltersIgnored(Conditions):
    def filters(self, filters: Any) -> Any:
        return ()


@fault("test_several_filters")
class FirstFilterOnly(Conditions):
    def filters(self, filters: Any) -> Any:
        return filters[:1]


@fault("test_several_filters")
class OneFilterAField(Conditions):
    def filters(self, filters: Any) -> Any:
        return {condition.field: condition for condition in filters}.values()


@fault("test_filters_of_numbers", "filters", "lt")
class RangesTakeTheirEnds(Conditions):
    def filters(self, filters: Any) -> Any:
        return [replace(f, op={"lt": "lte", "gt": "gte"}.get(f.op, f.op)) for f in filters]


@fault("test_filters_of_numbers", "filters", "lte")
class RangesLoseTheirEnds(Conditions):
    def filters(self, filters: Any) -> Any:
        return [replace(f, op={"lte": "lt", "gte": "gt"}.get(f.op, f.op)) for f in filters]


@fault("test_filters_of_numbers", "filters", "")
class NumbersAsText(Conditions):
    def filters(self, filters: Any) -> Any:
        return [f if isinstance(f.value, tuple) else replace(f, value=str(f.value)) for f in filters]


@fault("test_filters")
class FiltersLoseCase(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        stored = {d.fields["brand"].lower(): d.fields["brand"] for d in self._open()[0].documents.values()}
        return replace(
            query,
            filters=tuple(
                replace(f, value=stored.get(f.value.lower(), f.value)) if isinstance(f.value, str) else f
                for f in query.filters
            ),
        )


@fault("test_filters_before_the_cut", "cut", "filters")
class FiltersAfterTheCut(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        if not query.filters:
            return answer
        (best,) = MemoryBackend.search(self, [replace(query, filters=())], k)
        return replace(answer, hits=tuple(hit for hit in answer.hits if hit.id in best.ids))


@fault("test_filter_in_an_unknown_field", "filters", "no_such_field")
class UnknownFiltersLeftOut(Conditions):
    def filters(self, filters: Any) -> Any:
        return [condition for condition in filters if condition.field in self._open()[0].fields]


@fault("test_total_can_be_asked_for", "totals", "")
class TotalOfTheHits(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return replace(answer, total=len(answer.hits)) if isinstance(answer, Ranking) else answer


@fault("test_total_with_terms", "totals", "terms")
class TotalOfTheOriginal(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        (plain,) = MemoryBackend.search(self, [replace(query, terms=())], k, total=True)
        wrong = plain.total if query.terms and isinstance(answer, Ranking) and answer.total is not None else None
        return answer if wrong is None else replace(answer, total=max(wrong, len(answer.hits)))


@fault("test_total_with_filters", "totals", "filters")
class TotalWithoutFilters(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        if not isinstance(answer, Ranking) or answer.total is None:
            return answer
        (plain,) = MemoryBackend.search(self, [replace(query, filters=())], k, total=True)
        return replace(answer, total=plain.total)


@fault("test_total", "totals", "")
class TotalUpToFive(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        if not isinstance(answer, Ranking) or answer.total is None:
            return answer
        return replace(answer, total=max(len(answer.hits), min(5, answer.total)))


@fault("test_total", "totals", "None")
class NoTotal(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return replace(answer, total=None) if isinstance(answer, Ranking) else answer


@fault("test_nothing_to_find", "answers", "IndexError")
class EmptyTextRaises(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text=query.text if query.text.split()[0] else "")


@fault("test_nothing_to_find", "answers", "nothing")
class EmptyTextFindsAll(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return query if query.text.strip() else replace(query, text="sofa couch lamp table")


@fault("test_case_and_punctuation_do_not_matter", "signs", "")
class WordsBetweenSpaces(Hits):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text=" ".join(word for word in query.text.split() if word.isalnum()))


@fault("test_case_and_punctuation_do_not_matter")
class CaseMatters(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text=" ".join(word for word in query.text.split() if not word.isupper()))


@fault("test_text_beyond_ascii", "hostile text", "UnicodeEncodeError")
class Latin1Only(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text=query.text.encode("latin-1").decode("latin-1"))


@fault("test_text_beyond_ascii")
class AsciiOnly(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text=query.text.encode("ascii", "replace").decode())


def parsed(query: ExpandedQuery) -> ExpandedQuery:
    """Quotes and operators read as many engines read them."""
    out = [Term(word, negate=True) for word in re.findall(r"(?:-|NOT )(\w+)", query.text)]
    phrases = [Term(phrase, match="phrase") for phrase in re.findall(r'"([^"]+)"', query.text)]
    text = re.sub(r'(?:-|NOT )\w+|"[^"]*"', " ", query.text)
    return replace(query, text=text, terms=(*query.terms, *out, *phrases))


@fault("test_signs_are_no_syntax", "signs", "")
class OperatorsInQueries(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return parsed(query)


@fault("test_signs_inside_words_are_no_syntax")
class CaretsInQueries(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        boosted = [Term(word, float(weight)) for word, weight in re.findall(r"([a-z]+)\^(\d)\b", query.text)]
        return replace(query, text=re.sub(r"[a-z]+\^\d\b", " ", query.text), terms=(*query.terms, *boosted))


@fault("test_signs_in_terms_are_no_syntax", "signs", "term")
class SyntaxInTerms(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        read = [replace(t, text=re.sub(r'(?:-|NOT )\w+|"[^"]*"', " ", t.text)) for t in query.terms]
        return replace(query, terms=tuple(read))


@fault("test_signs_are_no_syntax", "signs", "sqlite")
class QuotesRaise(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        if query.text.count('"') % 2:
            raise ValueError('sqlite: near """: syntax error')
        return query


@fault("test_long_queries_keep_their_end")
class HundredWordsAtMost(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text=" ".join(query.text.split()[:100]))


@fault("test_hostile_text_is_data", "hostile text", "transient")
class RefusedIsTriedAgain(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return SearchError("cannot parse", "transient") if "func" in query.text else answer


@fault("test_errors_leave_nothing_behind", "hostile text", "kind")
class ErrorOfNoKind(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return SearchError("cannot parse", "syntax") if "<script" in query.text else answer  # type: ignore[arg-type]


@fault("test_hostile_text_is_data", "hostile text", "words do not")
class StarsFindAll(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, text="sofa couch lamp") if "*:*" in query.text else query


@fault("test_hostile_terms_are_data", "hostile text", "as an expansion")
class StarsInTermsFindAll(Terms):
    def terms(self, terms: Any, query: ExpandedQuery) -> Any:
        return [replace(term, text="sofa couch lamp") if term.text.strip() == "*" else term for term in terms]


@fault("test_analyze", "index terms", "analyze()")
class FewerAnalyses(Planted):
    def analyze(self, texts: Any, field: str | None = None) -> Any:
        return [terms for terms in super().analyze(texts, field) if terms][:1]


@fault("test_analyze", "index terms", "analyze()")
class AnalysesAsText(Planted):
    def analyze(self, texts: Any, field: str | None = None) -> Any:
        return [" ".join(terms) for terms in super().analyze(texts, field)]


@fault("test_doc_freq")
class CountsOccurrences(Planted):
    def doc_freq(self, terms: Any, field: str | None = None) -> Any:
        texts = " ".join(" ".join(d.fields.values()).lower() for d in self._open()[0].documents.values())
        return [texts.count(term) for term in terms]


@fault("test_doc_freq", "index terms", "doc_freq()")
class OneCountForAll(Planted):
    def doc_freq(self, terms: Any, field: str | None = None) -> Any:
        return sum(super().doc_freq(terms, field))


@fault("test_load_takes_the_place")
class LoadAdds(Planted):
    def load(self, documents: Any) -> None:
        held = () if self._store is None else tuple(self._store.documents.values())
        super().load((*held, *documents))
