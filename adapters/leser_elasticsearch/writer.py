"""Makes an index and fills it, behind `leser index`; nothing else in the adapter writes.

An index that is made here carries a mark in its mapping until the last document is in, so that one left unfinished (a crash, a
refused document) is never taken for a whole one. An index that was there before is the user's: it is added to, never marked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from leser.adapter import CONTENTS, KEYWORD_LENGTH, CountedDocuments, joined
from leser.backend import Document
from leser.errors import LeserError
from leser_elasticsearch.failures import error_of
from leser_elasticsearch.options import ElasticsearchOptions
from leser_elasticsearch.state import mark, unfinished

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

PEEKED = 1000  # documents read before anything is written, to know their fields and that there are any
CHUNK = 500  # documents in a bulk request
LONGEST_ID = 512
LISTED = 5  # failed documents named in the message
PATIENCE = 3600.0  # seconds for a bulk request or a refresh
MERGE_PATIENCE = 900.0  # seconds for a merge, which the index is whole without
_log = logging.getLogger(__name__)
ANALYZER = "leser"  # the name of the analyzer with its own stop words


class ElasticsearchWriter:
    """Fills one index as the options say."""

    def __init__(self, client: Elasticsearch, options: ElasticsearchOptions) -> None:
        # writing the same documents again does no harm, so the client may retry, unlike in searching
        self._client = client.options(request_timeout=PATIENCE, max_retries=5, retry_on_timeout=True)
        self._options = options

    def write(self, documents: Iterable[Document]) -> int:
        """Create (or empty, or extend) the index and store the documents; returns their number.

        Raises LeserError for an unwanted old index, and when any document was refused, with the first ids and reasons.
        """
        name = self._options.index
        if "*" in name or "," in name or name == "_all" or name[:1] in "<-":
            raise LeserError(f"Option index is the pattern '{name}': `leser index` needs the name of one index.")
        found = self._found(name)
        self._check_found(name, found)
        counted = CountedDocuments.of(documents)
        rows = iter(counted)
        first = list(islice(rows, PEEKED))
        if found and self._options.existing == "append":
            self._fill(name, chain(first, rows), added=True)
            self._client.indices.refresh(index=name)
            return counted.distinct
        if found:
            self._client.indices.delete(index=name)
        self._create(name, first)
        self._fill(name, chain(first, rows), added=False)
        self._client.indices.refresh(index=name)
        self._merge(name)
        self._mark_whole(name)
        return counted.distinct

    def _merge(self, name: str) -> None:
        """Merge the index to one segment, which searches fastest and keeps documents of one score in one order.

        The server goes on with a merge that nobody waits for any more. It holds merges back while its disk is nearly full.
        """
        from elasticsearch import ConnectionTimeout

        once = self._client.options(request_timeout=MERGE_PATIENCE, max_retries=0, retry_on_timeout=False)
        try:
            once.indices.forcemerge(index=name, max_num_segments=1)
        except ConnectionTimeout:
            _log.warning(
                "The index '%s' is whole, but not merged to one segment after %.0f seconds; Elasticsearch goes on. If its "
                "disk is nearly full (GET _cat/allocation) it waits for room. Until then equal scores may change places.",
                name,
                MERGE_PATIENCE,
            )

    def _check_found(self, name: str, found: Mapping[str, Any]) -> None:
        """Refuse, before anything is written, what may not or cannot be written to."""
        if not found:
            return
        at = self._options.place
        if len(found) > 1:
            raise LeserError(
                f"'{name}' at {at} stands for {len(found)} indices ({', '.join(sorted(found)[:LISTED])}): `leser index` needs "
                "the name of one index."
            )
        if self._options.existing == "refuse":
            raise LeserError(
                f"There is an index '{name}' at {at} already. Add -o existing=recreate to replace it or "
                "-o existing=append to add to it."
            )
        if self._options.existing == "recreate" and name not in found:
            raise LeserError(f"'{name}' is an alias of {', '.join(found)}: name the index itself to have it replaced.")
        if self._options.existing == "append" and unfinished(found):
            raise LeserError(
                f"The index '{name}' at {at} was not filled to the end by the `leser index` that made it, and what it lacks is "
                "not known: nothing is added to it. Make a new one with -o index=NAME."
            )

    def _found(self, name: str) -> Mapping[str, Any]:
        """The index with its mapping, or the indices behind an alias; nothing if there is none."""
        from elasticsearch import NotFoundError

        try:
            found: Mapping[str, Any] = self._client.indices.get(index=name).body
        except NotFoundError as error:
            if not error_of(error)[0]:  # no Elasticsearch said this
                raise
            return {}
        return found

    def _create(self, name: str, first: list[Document]) -> None:
        from elasticsearch import BadRequestError

        fields = dict.fromkeys(name for document in first for name in document.fields)
        try:
            self._client.indices.create(index=name, settings=self._settings(), mappings=self._mappings(fields))
        except BadRequestError as error:
            reason = error_of(error)[1]
            hint = f" Name one of the server's with -o analysis=NAME (now {self._options.analysis}); standard is always there."
            raise LeserError(
                f"Elasticsearch at {self._options.place} does not make the index '{name}': {reason}."
                + (hint if "analyzer" in reason else "")
            ) from None

    def _settings(self) -> dict[str, Any]:
        options = self._options
        settings: dict[str, Any] = {
            "number_of_shards": options.shards,
            "number_of_replicas": options.replicas,
            "similarity": {"default": {"type": "BM25", "k1": options.k1, "b": options.b}},
        }
        if options.stopwords is not None:
            settings["analysis"] = {"analyzer": {ANALYZER: {"type": options.analysis, "stopwords": options.stopwords}}}
        return settings

    def _mappings(self, fields: Iterable[str]) -> dict[str, Any]:
        text = {"type": "text", "analyzer": ANALYZER if self._options.stopwords is not None else self._options.analysis}
        # what leser.adapter.filter_values says of a text: the string if it is short, and its number if it is one
        twins = {
            "keyword": {"type": "keyword", "ignore_above": KEYWORD_LENGTH},
            "number": {"type": "double", "ignore_malformed": True},
        }
        own = {**text, "fields": twins}
        return {
            "_meta": mark(complete=False),
            "subobjects": False,  # a document's field may be called a.b, beside one called a
            "date_detection": False,
            "dynamic_templates": [{"later_fields": {"match_mapping_type": "string", "mapping": own}}],
            "properties": {
                **{name: own for name in fields if name != CONTENTS and name[:1] != "_"},
                CONTENTS: text,
            },
        }

    def _mark_whole(self, name: str) -> None:
        """Take back the mark that `_create` made, beside what others have noted in the mapping since."""
        for one, index in self._found(name).items():
            meta = index.get("mappings", {}).get("_meta", {})
            self._client.indices.put_mapping(index=one, meta={**meta, **mark(complete=True)})

    def _fill(self, name: str, documents: Iterable[Document], *, added: bool) -> None:
        """Store the documents; `added` says whether the index was there before. Raises LeserError where one is refused."""
        from elasticsearch.helpers import streaming_bulk

        count = failed = 0
        reasons: list[str] = []
        unsendable: list[str] = []  # a bulk request with one of these in it is refused whole

        def actions() -> Iterator[dict[str, Any]]:
            for document in documents:
                if 0 < len(document.id.encode()) <= LONGEST_ID:
                    yield action_of(document, self._options.contents, name)
                else:
                    unsendable.append(f"{document.id[:50]!r}: an id has 1 to {LONGEST_ID} bytes")

        for done, answer in streaming_bulk(
            self._client,
            actions(),
            chunk_size=CHUNK,
            max_retries=5,
            initial_backoff=0.5,
            max_backoff=30,
            raise_on_error=False,
        ):
            if done:
                count += 1
                continue
            failed += 1
            if len(reasons) < LISTED:
                reasons.append(_told(next(iter(answer.values()))))
        failed += len(unsendable)
        reasons = [*unsendable, *reasons][:LISTED]
        if failed:
            state, then = _consequence(name, count, added=added)
            raise LeserError(
                f"Elasticsearch refused {failed} of {count + failed} documents; {state}. The first:\n  "
                + "\n  ".join(reasons)
                + f"\n{then}"
            )


def action_of(document: Document, contents: Iterable[str], index: str) -> dict[str, Any]:
    """A document as the bulk API takes it: its own fields, and the field they are joined in."""
    source = {**document.fields, CONTENTS: joined(document.fields, contents)}
    return {"_op_type": "index", "_index": index, "_id": document.id, "_source": source}


def _consequence(name: str, count: int, *, added: bool) -> tuple[str, str]:
    """What refused documents mean for the index, and what to do about them."""
    if added:
        return (
            f"the other {count} are in the index '{name}', beside what it held before",
            "Mend them and add them with -o existing=append; a document that is there already is only written again.",
        )
    return (
        f"the index '{name}' is not whole and stays marked as unfinished",
        "Mend them and index again with -o existing=recreate.",
    )


def _told(answer: Mapping[str, Any]) -> str:
    """A refused document in words."""
    error = answer.get("error") or {}
    if not isinstance(error, Mapping):
        return f"{answer.get('_id')}: {error}"
    cause = (error.get("caused_by") or {}).get("reason")
    return f"{answer.get('_id')}: {error.get('reason')}" + (f" ({cause})" if cause else "")
