"""The forms of an export: which files each writes, out of entries that were checked for it.

querqy          rules.txt               common rules, weighted, one per query exactly
solr            synonyms.txt            search-time synonyms, without weights
                managed-synonyms.json   the same, as PUT to /schema/analysis/synonyms/NAME
                queries.jsonl           request parameters with the expansions in place, weighted
elasticsearch   synonyms.txt            search-time synonyms, without weights
                synonyms-set.json       the same, as PUT to /_synonyms/NAME
                queries.jsonl           search bodies with the expansions in place, weighted
opensearch      synonyms.txt, queries.jsonl
jsonl           entries.jsonl           everything, one entry per line
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from leser.backend import ExpandedQuery, SynonymRule, Term
from leser.errors import LeserError
from leser.expansion_store import StoredEntry, line_of, query_key
from leser.export.rules import NotExpressible, querqy_rule, rule_id, synonym_rule
from leser.files import write_atomically

Form = Literal["querqy", "solr", "elasticsearch", "opensearch", "jsonl"]
Analyse = Callable[[Sequence[str]], Sequence[Sequence[str]]]
Request = Callable[[ExpandedQuery, int], dict[str, Any] | None]
SYNONYMS = frozenset({"solr", "elasticsearch", "opensearch"})
SERVER_LIMIT = 10_000
"""Rules of one synonyms set that older servers hold; past it, answers go inconsistent without an error."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that a form could not take, and why."""

    entry: StoredEntry
    reason: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: the files, how many entries they hold, those left out, and a remark for the reader.

    `rules` are the synonyms of the files; `loaded` says what a server's own API did with them, empty where it was not used.
    """

    files: tuple[Path, ...]
    entries: int
    left_out: tuple[LeftOut, ...] = field(default=())
    remark: str = ""
    rules: tuple[SynonymRule, ...] = ()
    loaded: str = ""


def export(
    entries: Sequence[StoredEntry],
    form: Form,
    folder: Path,
    *,
    analyse: Analyse | None = None,
    request: Request | None = None,
    limit: int | None = SERVER_LIMIT,
    hits: int = 10,
) -> Exported:
    """Write the entries that are served and hold expansions, the most frequent query first, into files of a folder.

    `analyse` is the engine's analysis, which every word is checked with before anything is written; `request` says what it is
    sent, for queries.jsonl of `hits` hits. At most `limit` synonym rules are written. What is left out is listed in
    left-out.csv. Raises LeserError where nothing is served.
    """
    served = [entry for entry in entries if entry.served]
    if not served:
        raise LeserError(
            "The store serves no expansions: there is nothing to export. Approve some, or precompute first."
        )
    served.sort(key=lambda entry: (-entry.scores.get("count", 0.0), entry.key))
    kept: list[StoredEntry] = served
    left_out: list[LeftOut] = []
    if form != "jsonl":
        kept, left_out = _expressible(served, form, analyse, limit if form in SYNONYMS else None)
    rules = _rules(kept) if form in SYNONYMS else ()
    contents = _contents(kept, form, rules, request, hits)
    contents["left-out.csv"] = _listed(left_out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        write_atomically(folder / name, text)
    files = tuple(folder / name for name in contents)
    return Exported(files, len(kept), tuple(left_out), _remark(kept, form), rules)


def _remark(kept: Sequence[StoredEntry], form: Form) -> str:
    """What an engine does with the form that LESER does not."""
    if form == "querqy":
        return (
            "Search with tie=1.0 and uq.similarityScore=on: otherwise querqy scores the expansions as something else."
        )
    if form not in SYNONYMS or not kept:
        return ""
    several = sum(" " in _left(entry) for entry in kept)
    together = (
        f" {several} of the {len(kept)} rules have several words on the left: an engine then looks for these words together "
        "(Elasticsearch for the phrase), no longer for any of them, and that can lose more than the expansions gain."
        if several
        else ""
    )
    return f"synonyms.txt keeps less than half of the gain: synonyms have no weights.{together} Prefer queries.jsonl or querqy."


def _expressible(
    served: Sequence[StoredEntry], form: Form, analyse: Analyse | None, limit: int | None
) -> tuple[list[StoredEntry], list[LeftOut]]:
    """The entries that a form can say, each query once, up to the limit; and the others."""
    say = querqy_rule if form == "querqy" else synonym_rule
    kept: list[StoredEntry] = []
    left_out: list[LeftOut] = []
    known: dict[tuple[str, ...], StoredEntry] = {}
    analysed = _analysed(served, analyse)
    for entry in served:
        said = say(entry)
        words = analysed(entry.query)
        reason = said.reason if isinstance(said, NotExpressible) else ""
        if not reason and not words:
            reason = "the engine's analysis leaves nothing of the query"
        if not reason and (lost := next((e.text for e in entry.expansions if not analysed(e.text)), None)) is not None:
            reason = f"the engine's analysis leaves nothing of '{lost}'"
        if not reason and (twin := known.get(words)) is not None:
            reason = f"the engine cannot tell it from '{twin.query}' (platform '{twin.platform}'), which has a rule"
        if not reason and limit is not None and len(kept) >= limit:
            reason = f"over the limit of {limit} rules"
        if reason:
            left_out.append(LeftOut(entry, reason))
        else:
            known[words] = entry
            kept.append(entry)
    return kept, left_out


def _analysed(served: Sequence[StoredEntry], analyse: Analyse | None) -> Callable[[str], tuple[str, ...]]:
    """Index terms of a text, all asked for at once; without an engine, the words that a store compares."""
    if analyse is None:
        return lambda text: tuple(query_key(text).split())
    texts = list(dict.fromkeys(t for entry in served for t in (entry.query, *(e.text for e in entry.expansions))))
    terms = {text: tuple(found) for text, found in zip(texts, analyse(texts), strict=True)}
    return lambda text: terms[text]


def _rules(kept: Sequence[StoredEntry]) -> tuple[SynonymRule, ...]:
    said = [synonym_rule(entry) for entry in kept]
    return tuple(rule for rule in said if isinstance(rule, SynonymRule))


def _contents(
    kept: Sequence[StoredEntry], form: Form, rules: Sequence[SynonymRule], request: Request | None, hits: int
) -> dict[str, str]:
    """The files' texts by name."""
    if form == "jsonl":
        return {"entries.jsonl": "".join(line_of(entry) + "\n" for entry in kept)}
    if form == "querqy":
        return {"rules.txt": "".join(f"{querqy_rule(entry)}\n\n" for entry in kept)}
    contents = {"synonyms.txt": "".join(f"{rule}\n" for rule in rules)}
    if form == "solr":
        contents["managed-synonyms.json"] = _json({rule.left: list(rule.right) for rule in rules})
    if form == "elasticsearch":
        contents["synonyms-set.json"] = _json(
            {"synonyms_set": [{"id": rule.id, "synonyms": rule.line} for rule in rules]}
        )
    if request is not None:
        rows = [
            json.dumps({"query": entry.query, "platform": entry.platform, "request": sent}, ensure_ascii=False) + "\n"
            for entry in kept
            if (sent := request(_expanded(entry), hits)) is not None
        ]
        contents |= {"queries.jsonl": "".join(rows)} if rows else {}
    return contents


def _expanded(entry: StoredEntry) -> ExpandedQuery:
    return ExpandedQuery(rule_id(entry), entry.query, tuple(Term(e.text, e.weight) for e in entry.expansions))


def _left(entry: StoredEntry) -> str:
    return query_key(entry.query)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _listed(left_out: Sequence[LeftOut]) -> str:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["query", "platform", "reason"])
    table.writerows([row.entry.query, row.entry.platform, row.reason] for row in left_out)
    return text.getvalue()
