"""The user's own request parameters: a JSON object in which the value `$query` marks where the user's text goes.

    {"defType": "edismax", "q": "$query", "qf": "title^3 body", "mm": "2<75%", "bq": "stock:true^2", "fq": ["type:product"]}

The main query becomes a clause of its own; expansions stand beside it, and fq holds for all of it. With edismax and dismax a
term of an expansion scores as a word of the query does (best field, `tie`, `boost`); what is added to a whole query (bq, bf,
pf) and mm stay the original's own.
Where another place is wanted, the template says `$expansions` in it; both are found by Solr's own references:

    {"q": "{!bool must=$shop should=$own should=$expansions}", "own": "{!edismax qf=title v=$query}", "shop": "shop:7"}
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.errors import LeserError

QUERY, EXPANSIONS = "leser.query", "leser.expansions"
"""Parameters that carry both; a parameter called `query` would switch searching on or off."""
OURS = frozenset({"rows", "start", "fl", "wt", "echoParams", "expandMacros", "omitHeader"})
"""Parameters that LESER sets itself."""
_SLOT = re.compile(r"\$(query|expansions)\b")
_REFERENCE = re.compile(r"\bv\s*=\s*\$query\b|=\s*\$expansions\b")
# what Solr's query parsers read as syntax, and words that are operators where they stand alone
_SYNTAX = re.compile(r"""([+\-!(){}\[\]^"~*?:\\/&|=<>;,@'`$#%])""")
_OPERATORS = re.compile(r"(?<!\S)(AND|OR|NOT|TO)(?!\S)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Template:
    """Parameters to send as they are, the clause that stands for the user's own query, and where expansions go.

    `takes_maximum`: of several fields a word scores as its best one does (edismax, dismax), not as their sum.
    """

    params: dict[str, list[str]]
    clause: str
    has_place: bool
    takes_maximum: bool
    fields: str | None
    digest: str


def read_template(path: Path) -> Template:
    """Read and check a template; raises LeserError saying what is wrong with it."""
    where = f"Option template of backend 'solr' ({path})"
    try:
        text = path.read_text(encoding="utf-8")
        told = json.loads(text)
    except OSError as error:
        raise LeserError(f"{where}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise LeserError(f"{where}: is no JSON ({error}).") from None
    if not isinstance(told, dict) or {"params", "filter", "queries"} & set(told):
        raise LeserError(
            f'{where}: must be one JSON object of request parameters, e.g. {{"defType": "edismax", "qf": ...}}.'
        )
    params = {name: list(_strings(name, value, where)) for name, value in told.items()}
    _check(params, where)
    fields = params.get("qf", [None])[0]
    has_place = any("$expansions" in value for values in params.values() for value in values)
    takes_maximum = params.get("defType", [""])[0] in ("edismax", "dismax") and params.get("q", ["$query"]) == [
        "$query"
    ]
    clause = _clause(params, where)
    params = {
        name: [value if value == "$query" else _refer(value) for value in values] for name, values in params.items()
    }
    return Template(params, clause, has_place, takes_maximum, fields, hashlib.sha256(text.encode()).hexdigest()[:16])


def _strings(name: str, value: Any, where: str) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool):
            yield str(item).lower()
        elif isinstance(item, str | int | float):
            yield str(item)
        else:
            raise LeserError(f"{where}: '{name}' must be a string, a number, true or false, or a list of them.")


def _check(params: dict[str, list[str]], where: str) -> None:
    for name in sorted(OURS & set(params)):
        raise LeserError(f"{where}: '{name}' is set by LESER. Leave it out.")
    if "group" in params:
        raise LeserError(f"{where}: grouped answers cannot be ranked. Leave out 'group', and collapse by an fq.")
    values = [(name, value) for name, several in params.items() for value in several]
    for name, value in values:
        if "${" in value:
            raise LeserError(f"{where}: '{name}' holds ${{...}}. That is not expanded, or it would be in queries too.")
        if value != "$query" and len(_SLOT.findall(value)) != len(_REFERENCE.findall(value)):
            raise LeserError(
                f"{where}: '{name}' holds $query or $expansions amid other text, where it would be query syntax. Let it be "
                "the whole value, or refer to it: {!edismax v=$query}."
            )
    if "q" in params and not any("$query" in value for _, value in values):
        raise LeserError(f"{where}: nowhere is the user's text. Mark its place with $query.")


def _clause(params: dict[str, list[str]], where: str) -> str:
    """The clause of the user's own query; `q` and `defType` move out of the parameters into it."""
    query = params.pop("q", ["$query"])[0]
    parser = params.pop("defType", [None])[0]
    if query.startswith("{!"):
        return _refer(query)
    if parser is None:
        raise LeserError(f'{where}: which parser reads q? Add defType, e.g. "defType": "edismax".')
    if not re.fullmatch(r"\w+", parser):
        raise LeserError(f"{where}: defType '{parser}' is no parser's name.")
    if query == "$query":
        return f"{{!{parser} v=${QUERY}}}"
    params["leser.template"] = [query]
    return f"{{!{parser} v=$leser.template}}"


def _refer(value: str) -> str:
    return _SLOT.sub(r"$leser.\1", value)


def plain_words(text: str) -> str:
    """The text with all that a query parser of Solr would read as syntax escaped, so that only its words are left."""
    return _OPERATORS.sub(r"\\\1", _SYNTAX.sub(r"\\\1", text))
