"""Search bodies out of expanded queries. Every text is a JSON string in a full-text clause: none is parsed as query syntax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from leser.adapter import Refused, check_terms, unknown_field, well_formed
from leser.backend import ExpandedQuery, Term
from leser_elasticsearch.mapping import ElasticsearchFields, filter_clause
from leser_elasticsearch.options import ElasticsearchOptions, FieldsType
from leser_elasticsearch.placement import as_list
from leser_elasticsearch.template import ElasticsearchTemplate

Clause = dict[str, Any]
Match = Literal["any", "all", "phrase"]
LARGEST_BOOST = 1e30  # far inside a Java float, so that sums of scores stay finite


class ElasticsearchQueryBuilder:
    """Builds bodies for one index: its fields, the options and the user's template, if there is one."""

    def __init__(
        self,
        options: ElasticsearchOptions,
        fields: ElasticsearchFields,
        template: ElasticsearchTemplate | None,
        weights: Mapping[str, float],
    ) -> None:
        self._options = options
        self._fields = fields
        self._template = template
        self._rerank = options.match == "rerank"
        self.weights = weights
        self.type: FieldsType = options.type or (template and template.type) or "most_fields"

    def body(self, query: ExpandedQuery, k: int, total: bool, vector: Sequence[float] | None = None) -> dict[str, Any]:
        """The body that asks for the best `k` ids. Raises Refused."""
        self._check_clauses(query)
        check_terms(query.terms, LARGEST_BOOST)
        terms = [term for term in query.terms if self._counts(term)]
        added = [self._term(term) for term in terms if not term.negate]
        filters = [filter_clause(condition, self._fields) for condition in query.filters]
        excluded = [self._term(term) for term in terms if term.negate]
        text = well_formed(query.text)
        if vector is not None:
            added.append(self._vector_clause(vector, filters))
        if self._template is None:
            body: dict[str, Any] = {"query": self._beside(words(text, self.weights, self.type), added)}
        else:
            body = self._template.body(text, added)
        if filters or excluded:
            body["query"] = _bool(must=[body["query"]], filter=filters, must_not=excluded)
            _restrict_knn(body, filters, excluded)
        body.update(size=k, _source=False, track_total_hits=total)
        # Only on request: sorting by score and a keyword took 1.9 times as long as by score alone (20,000 documents, k=100).
        # Without it, hits of one score come in the order of the shard's documents, which `preference` (one copy of each
        # shard) and the single segment that `leser index` leaves keep the same from call to call.
        if self._options.sort_field is not None and "sort" not in body:
            body["sort"] = ["_score", {self._options.sort_field: "asc"}]
            body["track_scores"] = True
        return body

    def _beside(self, original: Clause, added: list[Clause]) -> Clause:
        if not added:
            return original
        if self._rerank:
            return _bool(must=[original], should=added)
        return _bool(should=[original, *added])

    def _check_clauses(self, query: ExpandedQuery) -> None:
        """Refuse what the server would refuse with less clear words; words are counted roughly, by spaces."""
        count = len(query.text.split()) + sum(len(term.text.split()) for term in query.terms)
        if count * len(self.weights) > self._options.max_clauses:
            raise Refused(
                f"The query has about {count} words in {len(self.weights)} field(s), over max_clauses="
                f"{self._options.max_clauses}: shorten it, expand it less or search fewer fields; the server's own limit "
                "grows with its memory, and so may max_clauses."
            )

    def _counts(self, term: Term) -> bool:
        """Whether a term is to be sent: one of weight 0 neither scores nor matches. Raises Refused for an unknown field."""
        if term.field is not None and not self._fields.knows(term.field):
            raise unknown_field(term.field, self._fields.searchable)
        return term.weight > 0

    def _term(self, term: Term) -> Clause:
        """A term's clause: its words scored as the original's are, times its weight."""
        where = self.weights if term.field is None else {term.field: 1.0}
        return words(well_formed(term.text), where, self.type, term.match, term.weight)

    def _vector_clause(self, vector: Sequence[float], filters: list[Clause]) -> Clause:
        options = self._options
        knn: Clause = {
            "field": options.vector_field,
            "query_vector": [float(one) for one in vector],
            "num_candidates": options.vector_candidates,
            "boost": options.vector_weight,
        }
        if filters:  # before the nearest are chosen: afterwards few of them might be left
            knn["filter"] = filters
        return {"knn": knn}


def words(
    text: str, weights: Mapping[str, float], type: FieldsType, match: Match = "any", boost: float = 1.0
) -> Clause:
    """A full-text clause over weighted fields.

    With several fields, "all" requires each word in any of them (cross_fields says so) but is scored as "any" is, and a phrase
    is scored as the sum of the fields for most_fields, else by the best.
    """
    if len(weights) == 1:
        ((name, weight),) = weights.items()
        if "*" not in name:
            inner: Clause = {"query": text, "boost": weight * boost}
            if match == "phrase":
                return {"match_phrase": {name: inner}}
            return {"match": {name: {**inner, "operator": "and"} if match == "all" else inner}}
    names = [f"{name}^{weight!r}" for name, weight in weights.items()]
    common: Clause = {"query": text, "fields": names, "boost": boost}
    if match == "phrase":
        return {"multi_match": {**common, "type": "phrase", "tie_breaker": 1.0 if type == "most_fields" else 0.0}}
    if type == "combined_fields":
        return {"combined_fields": {**common, "operator": "and"} if match == "all" else common}
    scored: Clause = {"multi_match": {**common, "type": type}}
    if match == "all":
        each = {"multi_match": {"query": text, "fields": names, "type": "cross_fields", "operator": "and"}}
        return _bool(must=[scored], filter=[each])
    return scored


def _bool(**parts: list[Clause]) -> Clause:
    inner: Clause = {name: clauses for name, clauses in parts.items() if clauses}
    if "should" in inner and "must" not in inner:
        inner["minimum_should_match"] = 1
    return {"bool": inner}


def _restrict_knn(body: dict[str, Any], filters: list[Clause], excluded: list[Clause]) -> None:
    """Put the query's conditions on a template's own knn section too: what it finds joins the hits beside `query`."""
    if "knn" not in body:
        return
    sections = body["knn"] if isinstance(body["knn"], list) else [body["knn"]]
    more = [*filters, *([_bool(must_not=excluded)] if excluded else [])]
    body["knn"] = [{**section, "filter": [*as_list(section.get("filter")), *more]} for section in sections]
