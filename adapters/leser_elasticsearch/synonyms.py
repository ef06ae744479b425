"""Synonyms sets: an export's rules, put through the synonyms API in place of what a set held, and counted afterwards.

The API (Elasticsearch 8.10 and newer) holds one set under a name, and makes every index that reads it load it again at once.
Older servers answer inconsistently beyond 10,000 rules of a set, and say nothing: the limit of the export stands before this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from leser.backend import SynonymRule
from leser.errors import LeserError
from leser_elasticsearch.failures import error_of
from leser_elasticsearch.options import ElasticsearchOptions

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

NAME = re.compile(r"[\w.-]+")
PATIENCE = 300.0
"""Seconds at least: a set of ten thousand rules is written, and every index that reads it loads it."""


def put_synonyms(client: Elasticsearch, options: ElasticsearchOptions, name: str, rules: Sequence[SynonymRule]) -> str:
    """Put the rules as the set's whole content; returns what was done, in words. Raises LeserError, and the client's errors."""
    if not NAME.fullmatch(name):
        raise LeserError(f"'{name}' is not a valid name of a synonyms set. Write letters, digits, '_', '-' and '.'.")
    patient = client.options(request_timeout=max(options.timeout, PATIENCE))
    sent = [{"id": rule.id, "synonyms": rule.line} for rule in rules]
    with _refusals(options, name):
        before = _count(patient, name)
        answer = patient.synonyms.put_synonym(id=name, synonyms_set=sent).body
        after = _count(patient, name)
    if after != len(rules):
        raise LeserError(
            f"The synonyms set '{name}' at {options.place} holds {after} rules, and {len(rules)} were sent: the server holds "
            "fewer than this. Export fewer (--max-rules)."
        )
    reloaded = answer.get("reload_analyzers_details") or {}
    if failures := (reloaded.get("_shards") or {}).get("failures"):
        raise LeserError(
            f"The synonyms set '{name}' at {options.place} is stored, and {len(failures)} shards could not load it: "
            f"{_reason(failures[0])}. Correct the analyzer that reads it, and export again."
        )
    readers = sorted({detail["index"] for detail in reloaded.get("reload_details") or () if "index" in detail})
    return f"Loaded: {after} rules into the synonyms set '{name}' at {options.place} (before: {before}). " + (
        f"Loaded again by: {', '.join(readers)}."
        if readers
        else "No index reads it yet: give a search analyzer a filter synonym_graph with this synonyms_set and updateable."
    )


def _count(client: Elasticsearch, name: str) -> int:
    """How many rules a set holds; 0 where there is none."""
    from elasticsearch import NotFoundError

    try:
        return int(client.synonyms.get_synonym(id=name, size=1).body["count"])
    except NotFoundError as error:
        if error_of(error)[0] != "resource_not_found_exception":  # that is a set; else the server knows no sets
            raise
        return 0


@contextmanager
def _refusals(options: ElasticsearchOptions, name: str) -> Iterator[None]:
    """What only this API can answer, in words; other errors are left to the adapter."""
    from elasticsearch import ApiError

    try:
        yield
    except ApiError as error:
        type_, reason = error_of(error)
        if error.status_code == 403:
            raise LeserError(
                f"Elasticsearch at {options.place} answered 403: {reason}. Its synonyms API needs the cluster privilege "
                "manage_search_synonyms: grant it, or log in as someone who has it."
            ) from error
        lost = reason.startswith("no handler found for uri") or (not type_ and error.status_code in (404, 405))
        if lost:
            raise LeserError(
                f"Elasticsearch at {options.place} has no synonyms API: it came with 8.10. Export without --load, and put "
                "synonyms.txt into the index's settings."
            ) from error
        if error.status_code == 400 and type_:
            raise LeserError(
                f"Elasticsearch at {options.place} does not take the synonyms set '{name}': {reason}."
            ) from error
        raise


def _reason(failure: Mapping[str, Any]) -> str:
    reason = failure.get("reason")
    return str(reason.get("reason") if isinstance(reason, Mapping) else reason)
