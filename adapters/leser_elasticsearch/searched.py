"""Which fields expansions, and without a template the query, are searched in, and which of them analyses texts.

Option `fields` decides; else the fields that the template names for `$query`; where its clause names none, what
Elasticsearch itself searches then: the index's setting index.query.default_field, by default every field ("*").
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from leser.adapter import CONTENTS
from leser.errors import LeserError
from leser_elasticsearch.mapping import STRING, TEXT, ElasticsearchFields
from leser_elasticsearch.options import ElasticsearchOptions
from leser_elasticsearch.state import IndexState
from leser_elasticsearch.template import ElasticsearchTemplate, read_weights


def searched(
    options: ElasticsearchOptions,
    template: ElasticsearchTemplate | None,
    fields: ElasticsearchFields,
    state: IndexState,
) -> Mapping[str, float]:
    """Fields and their weights, patterns among them. Raises LeserError where nobody names any."""
    if options.fields is not None:
        return options.fields
    if template is not None and template.fields:
        return template.fields
    if template is not None and template.asks_default_fields:
        return _default_fields(state)
    available = ", ".join(fields.searchable) or "none"
    if template is not None:
        raise LeserError(
            f"Option template of backend 'elasticsearch' ({options.template}): none of its clauses names a field of the index "
            "in which $query is searched, so it is not known where expansions are. Say: -o fields=title^3,text. "
            f"Available: {available}."
        )
    if fields.types and CONTENTS not in fields.types:
        raise LeserError(
            f"Option fields of backend 'elasticsearch' is not given, and the index '{options.index}' has no field "
            f"'{CONTENTS}', which is searched by default. Say which: -o fields=title^3,text. Available: {available}."
        )
    return {CONTENTS: 1.0}


def analysed(weights: Mapping[str, float], fields: ElasticsearchFields) -> str:
    """The first searched field, whose analysis stands for all; of a pattern, the first text field that fits."""
    for name in weights:
        if "*" not in name:
            return name
        for kinds in (TEXT, TEXT | STRING):
            fitting = sorted(one for one, kind in fields.types.items() if kind in kinds and fnmatchcase(one, name))
            if fitting:
                return fitting[0]
    return next(iter(weights))


def _default_fields(state: IndexState) -> Mapping[str, float]:
    """The index's own default fields; every field where the indices behind a name differ, or may not be looked at."""
    told = [
        index.get("settings", {}).get("index", {}).get("query", {}).get("default_field", "*")
        for index in (state.indices or {}).values()
    ]
    if not told or any(one != told[0] for one in told):
        return {"*": 1.0}
    return read_weights(told[0], "index.query.default_field")
