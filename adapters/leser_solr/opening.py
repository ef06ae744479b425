"""Opening an index: its schema, whether the options fit it, and what is wrong where there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from leser.adapter import INDEX_ORDER
from leser.errors import IndexMissing, LeserError, unknown_name
from leser_solr.connection import Admin, Pool
from leser_solr.failures import FAILURES, not_solr, open_error, status_of
from leser_solr.schema import SolrFields

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions


def check_ties(options: SolrOptions, schema: SolrFields) -> None:
    """Raise LeserError where option ties names a field that the index does not have."""
    ties = options.ties or schema.unique
    if ties != INDEX_ORDER and schema.find(ties) is None:
        raise unknown_name("field", ties, [*schema.fields, INDEX_ORDER], f"the index '{options.index}' (option ties)")


def open_schema(options: SolrOptions, pool: Pool) -> SolrFields:
    """The index's schema; raises IndexMissing, Transient or LeserError where there is none to be had."""
    try:
        told = pool.read("/schema").get("schema")
    except FAILURES as error:
        if status_of(error) == 404:
            raise missing(options) from error
        raise open_error(error, options) from error
    if not isinstance(told, Mapping):
        raise not_solr(options, "its answer to /schema holds no schema")
    if "uniqueKey" not in told:
        raise LeserError(
            f"The schema of '{options.index}' in Solr at {options.url} has no uniqueKey: its documents have no ids that "
            "judgments could name. Declare one in the schema (<uniqueKey>id</uniqueKey>, a field of type string that every "
            "document has), reload it and index the documents again."
        )
    return SolrFields(told)


def missing(options: SolrOptions) -> LeserError:
    """Why the index answers 404: it is not there, or there is no Solr at the address at all."""
    admin = Admin(options)
    try:
        cloud = admin.cloud()
        names = admin.names(cloud=cloud)
    except FAILURES as error:
        if status_of(error) == 404 or isinstance(error, json.JSONDecodeError | KeyError):
            return not_solr(options)
        names = []  # this user may search, but not list: the index is missing all the same
    finally:
        admin.close()
    there = f" There are: {', '.join(names)}." if names else ""
    return IndexMissing(
        f"Solr at {options.url} has no core or collection '{options.index}'.{there}",
        f"--backend solr --task TASK -o url={options.url} -o index={options.index}",
    )


def server(options: SolrOptions) -> tuple[str, bool | None]:
    """Version of the server and whether it is a SolrCloud; unknown where this user may not ask."""
    admin = Admin(options)
    try:
        return admin.version(), admin.cloud()
    except FAILURES:
        return "unknown", None
    finally:
        admin.close()
