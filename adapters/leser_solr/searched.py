"""Which fields a search looks in: those of option `fields`, else those that the template or its request handler names.

Solr's own rules for qf: the values of a list are read one after the other, white space of any kind separates fields, and the
last weight of a field counts. A name NAME with a parameter `f.NAME.qf` is an alias (edismax): it stands for the fields named
there, whose weights are multiplied by its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING

from leser.adapter import CONTENTS
from leser.errors import LeserError, unknown_name
from leser_solr.schema import SolrFields
from leser_solr.template import aliases_of

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions
    from leser_solr.template import SolrTemplate

HandlerParams = Callable[[], Mapping[str, str | list[str]]]


@dataclass(frozen=True, slots=True)
class Searched:
    """Fields and weights: `fields` as the index has them, `written` as the user names them, aliases among them."""

    fields: dict[str, float]
    written: dict[str, float]


def searched(
    options: SolrOptions, template: SolrTemplate | None, schema: SolrFields, handler: HandlerParams
) -> Searched:
    """Fields that expansions, and without a template the query, are searched in.

    `handler` asks the request handler for its parameters, the template's among them; it is called only where neither the
    option nor the template says. Raises LeserError for unknown fields, and where nobody names any.
    """
    aliases = {} if template is None else dict(template.aliases)
    if options.fields is not None:
        return _known(dict(options.fields), "option fields", aliases, options, schema)
    if template is None:
        if not schema.can_search(CONTENTS):
            raise LeserError(
                f"Option fields of backend 'solr' is not given, and the index '{options.index}' has no field '{CONTENTS}', "
                f"which is searched by default. Say which: -o fields=title^3,text. Available: {_available(schema)}."
            )
        return Searched({CONTENTS: 1.0}, {CONTENTS: 1.0})
    if template.fields:
        return _known(_read_qf(template.fields, options), "the template's qf", aliases, options, schema)
    params = handler()
    named = _first(params.get("qf")) or _first(params.get("df"))
    if not named:
        raise LeserError(
            f"Option template of backend 'solr' ({options.template}): neither it nor the handler {options.handler} names the "
            "fields that $query is searched in (qf or df), so it is not known where expansions are. Add qf to the template, "
            f"or say: -o fields=title^3,text. Available: {_available(schema)}."
        )
    aliases = {**aliases_of(params), **aliases}
    return _known(_read_qf(named, options), f"of handler {options.handler}", aliases, options, schema)


def _known(
    written: dict[str, float],
    named_by: str,
    aliases: Mapping[str, str],
    options: SolrOptions,
    schema: SolrFields,
) -> Searched:
    fields: dict[str, float] = {}
    for name, weight in _resolved(written, aliases, options, ()):
        if not schema.can_search(name):
            available = schema.searchable() or schema.patterns
            raise unknown_name("field", name, [*available, *aliases], f"the index '{options.index}' ({named_by})")
        fields[name] = max(weight, fields.get(name, 0.0))  # of several ways to one field the best one counts
    return Searched(fields, written)


def _resolved(
    written: Mapping[str, float], aliases: Mapping[str, str], options: SolrOptions, above: tuple[str, ...]
) -> list[tuple[str, float]]:
    """Real fields with their weights; raises LeserError for aliases that lead to themselves."""
    found: list[tuple[str, float]] = []
    for name, weight in written.items():
        if name not in aliases:
            found.append((name, weight))
            continue
        if name in above:
            around = " -> ".join((*above[above.index(name) :], name))
            raise LeserError(
                f"Option template of backend 'solr' ({options.template}): the aliases of f.NAME.qf lead in a circle, {around}."
            )
        inner = _resolved(_read_qf(aliases[name], options, f"f.{name}.qf"), aliases, options, (*above, name))
        found += [(field, weight * own) for field, own in inner]
    return found


def _read_qf(qf: str, options: SolrOptions, where: str = "qf") -> dict[str, float]:
    fields = {}
    for part in qf.split():
        name, mark, weight = part.partition("^")
        try:
            fields[name] = float(weight) if mark else 1.0
        except ValueError:
            fields[name] = nan
        if not isfinite(fields[name]) or fields[name] < 0:
            raise LeserError(
                f"Option template of backend 'solr' ({options.template}): {where} holds '{part}', and '{weight}' is not a "
                "weight. Write a number of 0 or more after ^, e.g. title^3, or leave ^ out."
            )
    return fields


def _first(value: str | list[str] | None) -> str:
    return (value if isinstance(value, str) else " ".join(value or ())).strip()


def _available(schema: SolrFields) -> str:
    return ", ".join(schema.searchable() or schema.patterns) or "none"
