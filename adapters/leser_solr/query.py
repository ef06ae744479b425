"""An expanded query as request parameters of Solr: structured clauses, one parameter for each text, and no text in syntax.

Texts are read by Solr's parser `simple` with all its operators switched off (`q.operators=''`): then a text is nothing but
words, analysed as the field's own are, and words that the analysis drops leave a clause that matches nothing. Of the others
(by their sources) `field` makes a phrase of several words and no query at all of none, `term` and `terms` do not analyse,
and `edismax` needs escaping: it reads terms only beside the user's own edismax, to score as that does.

Two things of `simple` are seen to here: a text of nothing but `*` matches everything whatever the operators, so it is sent
empty, and "all" and "phrase" need one operator each: the space, which every text has, and the quotes, put around a text in
which quotes and backslashes are escaped.

Clauses refer to texts by Solr's own references (`v=$leser.q`), which are read once and never again for what they hold.
`bool` adds the clauses' scores up, so a term of weight 1 counts as much as the same words within the original.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from leser.adapter import INDEX_ORDER, check_terms, unknown_field, well_formed
from leser.backend import ExpandedQuery, Filter, Term
from leser_solr.schema import NAME, SolrFields
from leser_solr.searched import Searched
from leser_solr.template import EXPANSIONS, QUERY, RAW, SolrTemplate, plain_words

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions

Params = dict[str, str | list[str]]

_BLANKS = "".join(map(chr, range(33)))  # what Java's trim() takes away
_ESCAPED = re.compile(r'(["\\])')
_OPERATORS = {
    "any": "q.operators='' q.op=OR",
    "all": "q.operators=WHITESPACE q.op=AND",
    "phrase": "q.operators='PHRASE,ESCAPE'",
}


# Beside a template that reads its text with edismax or dismax, a term must score as a word there does: the best of the fields
# (and a share of the others, `tie`), times the template's `boost`. What the template adds to the whole query stays out.
_LIKE_THE_ORIGINAL = "q.op=OR uf=-* bq='' bf='' pf='' pf2='' pf3=''"
_MINIMUM = {"any": "mm=0%", "all": "mm=100%", "phrase": "mm=0% qs=0"}


class SolrQueryBuilder:
    """Builds queries for one index; the fields of `searched` are looked in with their weights, summed up."""

    def __init__(
        self, schema: SolrFields, searched: Searched, template: SolrTemplate | None, options: SolrOptions
    ) -> None:
        self._schema = schema
        self._fields = searched.fields
        self._written = searched.written  # edismax knows the template's aliases
        self._template = template
        self._rerank = options.match == "rerank"
        self._escape = options.escape
        ties = options.ties or schema.unique
        self._order = "score desc" if ties == INDEX_ORDER else f"score desc,{ties} asc"

    def params(self, query: ExpandedQuery, k: int) -> Params | None:
        """Parameters of the request; None where no clause is left to match anything. Raises Refused."""
        check_terms(query.terms)
        params: Params = {"rows": str(k), "fl": f"{self._schema.unique},score"}
        if self._template is None:
            params["sort"] = self._order
        original = self._original(query.text, params)
        has_place = self._template is not None and self._template.has_place
        should: list[str] = []
        must_not: list[str] = []
        for number, term in enumerate(query.terms):
            # without a letter or sign it would match nothing, or what the template's q.alt says
            if term.weight and clean(term.text).strip():
                clause = self._term(term, f"leser.t{number}", params)
                (must_not if term.negate else should).append(clause)
        if original is None and (self._rerank or has_place or not should):
            return None
        filters = [
            self._filter(condition, f"leser.f{number}", params) for number, condition in enumerate(query.filters)
        ]
        own = params.get("fq", [])
        params["fq"] = [*([own] if isinstance(own, str) else own), *filters]
        if has_place:
            params[EXPANSIONS] = _bool(should=() if self._rerank else should)
            should = should if self._rerank else []
        params["q"] = self._combined(original, should, must_not)
        return params

    def _original(self, text: str, params: Params) -> str | None:
        """The clause of the user's own text; None for a text without any letter or sign."""
        text = clean(text)
        blank = not text.strip()
        if self._template is None:
            params["leser.q"] = text
            return None if blank else self._simple(self._fields, 1.0, "any", "leser.q")
        escaped = plain_words(text) if self._escape else text
        params["uf"] = "-*"  # no field may be named in it, unless the template says otherwise
        params[QUERY], params[RAW] = escaped, text
        params.setdefault("sort", self._order)
        for name, values in self._template.params.items():
            own = text if name in self._template.raw else escaped
            params[name] = [own if value == "$query" else value for value in values]
        return None if blank else self._template.clause

    def _term(self, term: Term, name: str, params: Params) -> str:
        text = clean(term.text)
        phrase = term.match == "phrase"
        params[name] = f'"{_ESCAPED.sub(_backslash, text)}"' if phrase else text
        weight = 1.0 if term.negate else term.weight
        if term.field is not None:
            if not self._schema.can_search(term.field):
                raise unknown_field(term.field, self._schema.searchable())
            return self._simple({term.field: 1.0}, weight, term.match, name)
        if self._template is None or not self._template.takes_maximum or term.negate:
            return self._simple(self._fields, weight, term.match, name)
        params[name] = params[name] if phrase else plain_words(text)
        return (
            f"{{!edismax {_LIKE_THE_ORIGINAL} {_MINIMUM[term.match]} qf='{_boosted(self._written, weight)}' v=${name}}}"
        )

    @staticmethod
    def _simple(fields: Mapping[str, float], weight: float, match: str, name: str) -> str:
        return f"{{!simple {_OPERATORS[match]} qf='{_boosted(fields, weight)}' v=${name}}}"

    def _combined(self, original: str | None, should: Sequence[str], must_not: Sequence[str]) -> str:
        """The clauses joined: widen lets any of them match, rerank only the original."""
        if original is None:
            return _bool(should=should, must_not=must_not)
        if not should and not must_not:
            return original
        if self._rerank:
            return _bool(must=[original], should=should, must_not=must_not)
        return _bool(should=[original, *should], must_not=must_not)

    def _filter(self, condition: Filter, name: str, params: Params) -> str:
        """A filter query on the field's twin for strings or numbers, whichever the value is."""
        string, number = self._schema.twins(condition.field)
        if (string is None and number is None) or not NAME.fullmatch(condition.field):
            raise unknown_field(condition.field, self._schema.filterable(), "filter by")
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        either = []
        for place, value in enumerate(values):
            field = string if isinstance(value, str) else number
            if field is not None:
                text = f"{name}.v{place}"
                params[text] = clean(value) if isinstance(value, str) else repr(float(value))
                either.append(_comparison(condition.op, field, f"${text}", isinstance(value, str)))
        if len(either) == 1:
            return either[0]
        return _bool(should=either)


def _comparison(op: str, field: str, value: str, is_string: bool) -> str:
    """One comparison as a filter query; `frange` compares numbers as numbers and strings by code point."""
    if op in ("eq", "in"):
        if is_string:
            return f"{{!term f={field} v={value}}}"
        return f"{{!frange l={value} u={value} v=field({field})}}"
    side = "u" if op.startswith("l") else "l"
    bounds = f"{side}={value} inc{side}={'true' if op.endswith('e') else 'false'}"
    if side == "u" and is_string:
        bounds += " l=''"  # without a lower bound a document that lacks the field would be below every string
    return f"{{!frange {bounds} v=field({field})}}"


def _bool(**clauses: Sequence[str]) -> str:
    """A `bool` query over these clauses, which refer to texts and hold none; without any clause it matches nothing."""
    parts = (
        f' {occur}="{_ESCAPED.sub(_backslash, clause)}"' for occur, several in clauses.items() for clause in several
    )
    return f"{{!bool{''.join(parts)}}}"


def clean(text: str) -> str:
    """The text as it can be sent: what UTF-8 cannot carry is replaced, and the lone `*` that `simple` takes for all is gone."""
    text = well_formed(text)
    return "" if text.strip(_BLANKS) == "*" else text


def _boosted(fields: Mapping[str, float], weight: float) -> str:
    """Fields and weights as parameter qf has them."""
    return " ".join(f"{field}^{weight * own!r}" for field, own in fields.items())


def _backslash(found: re.Match[str]) -> str:
    return "\\" + found[1]
