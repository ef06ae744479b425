"""Writing an index, behind `leser index`: the core or collection, its fields through the Schema API, batches, one commit.

Each field of a document is searchable under its own name, and beside it stand what filters compare: the string as it is
(`NAME__keyword`) and the number it reads as (`NAME__number`). The text types carry their BM25 in the schema, since Solr
scores with what the schema says.

On a server that stands alone a new core shares its configset with every core made from it, and so do the fields that are
added here. Two indexes with other settings (analysis, k1, b) therefore need two configsets, or a core of one's own
(`bin/solr create`) and existing=append. A collection of a SolrCloud gets a copy of `_default` for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from solr import SolrException
from solr.transport import SolrTransport

from leser.adapter import CONTENTS, CountedDocuments, filter_values, joined
from leser.backend import Document
from leser.errors import LeserError
from leser_solr.connection import Admin, Pool, certificates, connect
from leser_solr.failures import FAILURES, open_error, reason_of, search_error, status_of
from leser_solr.opening import open_schema
from leser_solr.schema import KEYWORD, NAME, NUMBER, SolrFields

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions

CHUNK = 1000
PATIENCE = 300.0  # seconds at least: making a collection and committing take longer than a search
TOLD = 10  # refused documents that a message names
_FILTERS: dict[str, list[dict[str, str]]] = {
    # as Lucene's EnglishAnalyzer; a stop filter without a file of words takes that analyser's
    "english": [{"name": "englishPossessive"}, {"name": "lowercase"}, {"name": "stop"}, {"name": "porterStem"}],
    "standard": [{"name": "lowercase"}],
}


class SolrWriter:
    """Writes documents into one core or collection. Raises LeserError where Solr won't have them."""

    def __init__(self, options: SolrOptions) -> None:
        self._options = options
        self._patience = max(options.timeout, PATIENCE)
        self._admin = Admin(options, self._patience)
        self._connection = connect(options, f"/{options.index}", self._patience, 2, certificates(options))
        self._transport = SolrTransport(self._connection)
        self._type = f"leser_{options.analysis}_{options.k1:g}_{options.b:g}".replace(".", "_")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.close()
        self._connection.close()

    def write(self, documents: Iterable[Document]) -> int:
        """Make what is missing, write all documents, commit once; returns their number."""
        try:
            self._cloud = self._admin.cloud()
            exists = self._options.index in self._admin.names(cloud=self._cloud)
        except FAILURES as error:
            raise open_error(error, self._options) from error
        if exists and self._options.existing == "refuse":
            raise LeserError(
                f"There is an index '{self._options.index}' in Solr at {self._options.url} already. Add "
                "-o existing=recreate to replace its documents or -o existing=append to add to them."
            )
        if not exists:
            self._create()
        self._replace = exists and self._options.existing == "recreate"
        self._created = not exists
        try:
            return self._fill(documents)
        except BaseException as error:
            self._undo(error)
            raise

    def _create(self) -> None:
        options = self._options
        try:
            if self._cloud:
                # not named, `_default` is copied for the collection; named, it is shared as any other
                named = {} if options.configset == "_default" else {"collection.configName": options.configset}
                self._admin.call(
                    "/admin/collections",
                    action="CREATE",
                    name=options.index,
                    numShards=options.shards,
                    replicationFactor=options.replicas + 1,
                    waitForFinalState="true",
                    **named,
                )
            else:
                self._admin.call("/admin/cores", action="CREATE", name=options.index, configSet=options.configset)
        except SolrException as error:
            raise LeserError(
                f"Solr at {options.url} does not make '{options.index}' from the configset '{options.configset}' "
                f"({error.httpcode}: {reason_of(error)}). Name a configset it has (-o configset=NAME), or make the core with "
                f"Solr's own tools (bin/solr create -c {options.index}) and add -o existing=append."
            ) from error
        except FAILURES as error:
            raise open_error(error, options) from error

    def _undo(self, error: BaseException) -> None:
        """Remove a core that was made for documents which did not come; drop what was not committed of the others."""
        try:
            if self._created and self._cloud:
                self._admin.call("/admin/collections", action="DELETE", name=self._options.index)
            elif self._created:
                everything = dict.fromkeys(("deleteIndex", "deleteDataDir", "deleteInstanceDir"), "true")
                self._admin.call("/admin/cores", action="UNLOAD", core=self._options.index, **everything)
            elif not self._cloud:
                self._transport.post_json("/update", {"rollback": {}})
        except FAILURES as second:
            error.add_note(f"What was written of '{self._options.index}' could not be taken back: {second}")

    def _fill(self, documents: Iterable[Document]) -> int:
        pool = Pool(self._options)
        try:
            schema = open_schema(self._options, pool)
        finally:
            pool.close()
        known = self._prepare(schema)
        count = 0
        counted = CountedDocuments.of(documents)
        try:
            if self._replace:
                self._connection.delete_query("*:*")
            rows = iter(counted)
            while chunk := list(islice(rows, CHUNK)):
                names = {name for document in chunk for name in document.fields} - known - {schema.unique}
                self._declare(schema, sorted(names))
                known |= names
                self._add(
                    [row_of(document, schema.unique, self._options.contents) for document in chunk], schema.unique
                )
                count += len(chunk)
            self._connection.commit()
        except FAILURES as error:
            failure = search_error(error, self._patience)
            raise LeserError(
                f"Indexing into '{self._options.index}' failed after {count} documents: {failure.message}. Nothing was "
                "committed by LESER; index again with -o existing=recreate."
            ) from error
        return counted.distinct

    def _prepare(self, schema: SolrFields) -> set[str]:
        """Declare types, the fields that filters compare, and `contents`; returns the text fields that are ready."""
        types: list[dict[str, Any]] = [
            {"name": "leser_keyword", "class": "solr.StrField", "docValues": "true"},
            {"name": "leser_number", "class": "solr.DoublePointField", "docValues": "true"},
            {
                "name": self._type,
                "class": "solr.TextField",
                "positionIncrementGap": "100",
                "analyzer": {"tokenizer": {"name": "standard"}, "filters": _FILTERS[self._options.analysis]},
                "similarity": {"class": "solr.BM25SimilarityFactory", "k1": self._options.k1, "b": self._options.b},
            },
        ]
        dynamic = [
            {"name": f"*{ending}", "type": type_, "indexed": True, "stored": False, "useDocValuesAsStored": False}
            for ending, type_ in ((KEYWORD, "leser_keyword"), (NUMBER, "leser_number"))
        ]
        self._change(
            {
                "add-field-type": [item for item in types if item["name"] not in schema.types],
                "add-dynamic-field": [item for item in dynamic if item["name"] not in schema.patterns],
            }
        )
        self._declare(schema, [CONTENTS], stored=False)
        return {CONTENTS}

    def _declare(self, schema: SolrFields, names: Sequence[str], *, stored: bool = True) -> None:
        """Declare text fields. One that is there with another type stays when appending, and is replaced when recreating."""
        for name in names:
            if not NAME.fullmatch(name) or name.startswith("_") or name.endswith((KEYWORD, NUMBER)):
                raise LeserError(
                    f"A document has a field '{name}', which Solr cannot have. Rename it: letters, digits, '_', '-' and '.', "
                    f"a letter first, and no {KEYWORD} or {NUMBER} at its end."
                )
        wanted = [{"name": name, "type": self._type, "indexed": True, "stored": stored} for name in names]
        other = [item for item in wanted if (old := schema.fields.get(item["name"])) and old.type != self._type]
        if other and self._created:
            first = schema.fields[other[0]["name"]]
            raise LeserError(
                f"The configset '{self._options.configset}' has a field '{first.name}' of type {first.type} already, from "
                "another index with other settings. Give a configset of its own (-o configset=NAME), or make the core with "
                f"Solr's own tools (bin/solr create -c {self._options.index}) and add -o existing=append."
            )
        new = [item for item in wanted if item["name"] not in schema.fields]
        self._change({"add-field": new, "replace-field": other if self._replace else []})

    def _change(self, commands: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Change the schema, in one request and only if something is to be changed."""
        body = {command: list(items) for command, items in commands.items() if items}
        if not body:
            return
        try:
            self._transport.post_json("/schema", body)
        except SolrException as error:
            raise LeserError(
                f"The schema of '{self._options.index}' cannot be changed ({error.httpcode}: {reason_of(error)}). Its "
                f"configset must have a managed schema, and this user the right to change it; needed: {', '.join(body)}."
            ) from error

    def _add(self, rows: list[dict[str, Any]], unique: str) -> None:
        """Add a batch; where Solr refuses it, find out which documents it refuses."""
        try:
            self._connection.add_many(rows)
        except SolrException as error:
            if status_of(error) != 400:
                raise
        else:
            return
        refused = [(row[unique], reason) for row in rows if (reason := self._refusal(row))]
        lines = [f"\n  {id}: {reason}" for id, reason in refused[:TOLD]]
        more = f"\n  and {len(refused) - TOLD} more" if len(refused) > TOLD else ""
        raise LeserError(
            f"Solr refused {len(refused)} of {len(rows)} documents, so nothing was committed:{''.join(lines)}{more}"
        )

    def _refusal(self, row: dict[str, Any]) -> str | None:
        try:
            self._connection.add_many([row])
        except SolrException as error:
            if status_of(error) != 400:
                raise
            return reason_of(error)
        return None


def row_of(document: Document, unique: str, contents: Sequence[str]) -> dict[str, Any]:
    """A document as Solr gets it: its id, the joined field, each field's text, and what filters compare."""
    fields = {name: text for name, text in document.fields.items() if name != unique}
    row: dict[str, Any] = {unique: document.id}
    row[CONTENTS] = joined(fields, contents)
    for name, text in fields.items():
        if name != CONTENTS:
            string, number = filter_values(text)
            row |= {name: text, name + KEYWORD: string, name + NUMBER: number}
    return {name: value for name, value in row.items() if value is not None}
