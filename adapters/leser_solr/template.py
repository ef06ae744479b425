"""The user's own request parameters: a JSON object in which the value `$query` marks where the user's text goes.

    {"defType": "edismax", "q": "$query", "qf": "title^3 body", "mm": "2<75%", "bq": "stock:true^2", "fq": ["type:product"]}

The main query becomes a clause of its own; expansions stand beside it, and fq holds for all of it. With edismax and dismax a
term of an expansion scores as a word of the query does (best field, `tie`, `boost`); what is added to a whole query (bq, bf,
pf) and mm stay the original's own.
Where another place is wanted, the template says `$expansions` in it; both are found by Solr's own references:

    {"q": "{!bool must=$shop should=$own should=$expansions}", "own": "{!edismax qf=title v=$query}", "shop": "shop:7"}

It must say so where q is more than one parser that reads the text: clauses beside such a q would bring back what it leaves out.
The text goes escaped to parsers that read syntax, and as it is to those that take it literally (term, field, ...).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.textfile import read_text

QUERY, RAW, EXPANSIONS = "leser.query", "leser.raw", "leser.expansions"
"""Parameters that carry the text, escaped and as it is, and the expansions; one called `query` would switch searching off."""
OURS = frozenset({"rows", "start", "fl", "wt", "echoParams", "expandMacros", "omitHeader"})
"""Parameters that LESER sets itself."""
_SLOT = re.compile(r"\$(query|expansions)\b")
_REFERENCE = re.compile(r"\bv\s*=\s*\$query\b|=\s*\$expansions\b")
_PARSER = re.compile(r"\{!\s*(?:type\s*=\s*)?(\w+)([^{}]*)\}")
_READ = re.compile(r"(?<![\w.])v\s*=\s*\$([\w.]+)")
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_SINGLE = re.compile(rf"\{{!\s*(?:type\s*=\s*)?(\w+)((?:\s+[\w.]+\s*=\s*(?:{_QUOTED}|[^\s{{}}'\"]+))*)\s*\}}")
_SIMPLES_OPERATORS = re.compile(rf"q\.operators\s*=\s*({_QUOTED}|[^\s}}]+)")
# parsers that know no escapes (`simple` besides, where its operators leave ESCAPE out); one that is not known may read syntax
_LITERAL = frozenset({"term", "terms", "field", "prefix", "raw", "mlt", "mlt_content"})
# parsers whose matches are not those of the words they are given: of other clauses, of related documents, of numbers
_WRAPPERS = frozenset(
    {"bool", "boost", "child", "collapse", "filters", "frange", "func", "graph", "join", "parent", "query"}
) | {
    "rerank",
    "switch",
}
# what Solr's query parsers read as syntax, and words that are operators where they stand alone
_SYNTAX = re.compile(r"""([+\-!(){}\[\]^"~*?:\\/&|=<>;,@'`$#%])""")
_OPERATORS = re.compile(r"(?<!\S)(AND|OR|NOT|TO)(?!\S)", re.IGNORECASE)

_ALIAS = re.compile(r"f\.(.+)\.qf")


@dataclass(frozen=True, slots=True)
class SolrTemplate:
    """Parameters to send as they are, the clause that stands for the user's own query, and where expansions go.

    `takes_maximum`: of several fields a word scores as its best one does (edismax, dismax), not as their sum. `fields` is the
    qf that reads the text, as far as the template says, `aliases` its names for several fields. `raw` names the parameters
    that are the text as it is, `by_score` whether the score decides the order.
    """

    params: dict[str, list[str]]
    clause: str
    has_place: bool
    takes_maximum: bool
    fields: str
    aliases: dict[str, str]
    digest: str
    raw: frozenset[str]
    by_score: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What can be used, and may surprise."""
        if self.by_score:
            return ()
        return ("the template sorts by something other than the score: expansions add documents and do not move them",)


def read_template(path: Path, *, rerank: bool = False) -> SolrTemplate:
    """Read and check a template; raises LeserError saying what is wrong with it."""
    where = f"Option template of backend 'solr' ({path})"
    try:
        text = read_text(path)
        told = json.loads(text)
    except OSError as error:
        raise LeserError(f"{where}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise LeserError(f"{where}: is not valid JSON ({error}).") from None
    if not isinstance(told, dict) or {"params", "filter", "queries"} & set(told):
        raise LeserError(
            f'{where}: must be one JSON object of request parameters, e.g. {{"defType": "edismax", "qf": ...}}.'
        )
    params = {name: list(_strings(name, value, where)) for name, value in told.items()}
    _check(params, where)
    has_place = any("$expansions" in value for values in params.values() for value in values)
    takes_maximum = params.get("defType", [""])[0] in ("edismax", "dismax") and params.get("q", ["$query"]) == [
        "$query"
    ]
    clause = _clause(params, where)
    if not has_place and not rerank and not _is_plain(clause, params):
        raise LeserError(
            f"{where}: q is more than one parser that reads $query, and expansions beside it would bring back what it leaves "
            'out. Say where they go with $expansions, next to what reads $query: "q": "{!bool must=$either filter=$f}", '
            '"either": "{!bool should=$own should=$expansions}", "own": "{!edismax qf=title v=$query}". Or let q be the '
            "user's query alone and move conditions to fq."
        )
    fields = _fields(clause, params)
    raw = frozenset(name for name, values in params.items() if "$query" in values and _read_raw(name, clause, params))
    clause = _refer(clause, params)
    sent = {
        name: [value if value == "$query" else _refer(value, params) for value in values]
        for name, values in params.items()
    }
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    by_score = bool(re.match(r"score\s+desc\b", params.get("sort", ["score desc"])[0].strip(), re.IGNORECASE))
    return SolrTemplate(sent, clause, has_place, takes_maximum, fields, aliases_of(params), digest, raw, by_score)


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
    query = params.pop("q", ["$query"])[0].strip()
    parser = params.pop("defType", [None])[0]
    if query.startswith("{!"):
        return query
    if parser is None:
        raise LeserError(f'{where}: which parser reads q? Add defType, e.g. "defType": "edismax".')
    if not re.fullmatch(r"\w+", parser):
        raise LeserError(f"{where}: defType '{parser}' is not the name of a parser.")
    if query == "$query":
        return f"{{!{parser} v=$query}}"
    params["leser.template"] = [query]
    return f"{{!{parser} v=$leser.template}}"


def _fields(clause: str, params: Mapping[str, list[str]]) -> str:
    """The fields that $query is searched in, as qf has them: its parser's own, the request's, or one field's name; or ""."""
    values = [clause, *(value for several in params.values() for value in several)]
    readers = [local for value in values for local in _locals(value) if _reads_query(local, params)]

    def local(name: str) -> str:
        return next((read for reader in readers if (read := _local(name, reader, params))), "")

    return (
        local("qf") or " ".join(params.get("qf", ())) or local("f") or local("df") or " ".join(params.get("df", ())[:1])
    )


def _locals(value: str) -> list[str]:
    """The local parameters of each parser in a value; a value that is one parser may have braces in its quotes."""
    single = _SINGLE.fullmatch(value.strip())
    return [single[2]] if single else [found[2] for found in _PARSER.finditer(value)]


def _reads_query(local: str, params: Mapping[str, list[str]]) -> bool:
    return any(name == "query" or params.get(name) == ["$query"] for name in _READ.findall(local))


def _local(name: str, local: str, params: Mapping[str, list[str]]) -> str:
    """The value of a local parameter, without its quotes; a reference ($name) is followed."""
    found = re.search(rf"(?<![\w.]){name}\s*=\s*({_QUOTED}|[^\s}}]+)", local)
    value = found[1] if found else ""
    if value.startswith("$"):
        return " ".join(params.get(value[1:], ()))
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] in ("'", '"') else value


def _is_plain(clause: str, params: Mapping[str, list[str]]) -> bool:
    """Whether the clause is one parser that reads the user's text, and nothing else decides what matches."""
    single = _SINGLE.fullmatch(clause)
    if single is None or single[1] in _WRAPPERS:
        return False
    read = _READ.findall(re.sub(_QUOTED, "''", single[2]))
    return len(read) == 1 and (read[0] == "query" or params.get(read[0]) == ["$query"])


def _is_literal(parser: str, local: str, params: Mapping[str, list[str]]) -> bool:
    """Whether this parser takes a text as it is, backslashes included."""
    if parser != "simple":
        return parser in _LITERAL
    told = _SIMPLES_OPERATORS.search(local)
    operators = told[1] if told else params.get("q.operators", ["ESCAPE"])[0]
    if operators.startswith("$"):
        operators = params.get(operators[1:], [""])[0]
    return "ESCAPE" not in operators


def _read_raw(name: str, clause: str, params: Mapping[str, list[str]]) -> bool:
    """Whether all parsers that read the parameter `name` take it literally, and there is one."""
    values = [clause, *(value for several in params.values() for value in several)]
    readers = [found for value in values for found in _PARSER.finditer(value) if name in _READ.findall(found[2])]
    return bool(readers) and all(_is_literal(found[1], found[2], params) for found in readers)


def _refer(value: str, params: Mapping[str, list[str]]) -> str:
    """The value with references to the parameters that LESER sends; literal parsers get the text as it is."""

    def reader(found: re.Match[str]) -> str:
        return re.sub(r"\$query\b", f"${RAW}", found[0]) if _is_literal(found[1], found[2], params) else found[0]

    return _SLOT.sub(r"$leser.\1", _PARSER.sub(reader, value))


def plain_words(text: str) -> str:
    """The text with all that a query parser of Solr would read as syntax escaped, so that only its words are left."""
    return _OPERATORS.sub(r"\\\1", _SYNTAX.sub(r"\\\1", text))


def aliases_of(params: Mapping[str, str | list[str]]) -> dict[str, str]:
    """Aliases among request parameters, each with the fields that it stands for; of several values Solr reads the first."""
    found = ((_ALIAS.fullmatch(name), value) for name, value in params.items())
    return {match[1]: value if isinstance(value, str) else value[0] for match, value in found if match and value}
