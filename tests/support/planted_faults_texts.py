"""Backends with one fault each in how they read text, or in analyze(), doc_freq() and load() (see planted_faults.py)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from planted_faults import Hits, Planted, fault
from planted_faults_clauses import Terms

from leser.backend import ExpandedQuery, SearchError, Term


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


@fault("test_signs_are_no_syntax", "hostile text", "sqlite")
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
