"""Managed synonyms: an export's rules put through Solr's API in place of what a resource held, then loaded.

The API only adds alternatives to words that it knows, so words that have others now are deleted first. What is changed is read
by searches once the core or collection is loaded again, in one step. What a change that failed in the middle has left is stored,
so it must be made whole before anybody else loads or restarts the core.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from solr import SolrException
from solr.transport import SolrTransport

from leser.backend import SynonymRule
from leser.errors import LeserError
from leser_solr.connection import Admin, as_object, certificates, connect
from leser_solr.failures import FAILURES, open_error, reason_of, status_of
from leser_solr.schema import NAME

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions

PATIENCE = 300.0
"""Seconds at least for one request: the resource is stored whole with each."""


class ManagedSynonyms:
    """The managed synonyms of one name in the schema of one core or collection. Raises LeserError where they are not there."""

    def __init__(self, options: SolrOptions, name: str) -> None:
        if not NAME.fullmatch(name):
            raise LeserError(
                f"'{name}' is not a valid name of managed synonyms. Write the `managed` attribute of the filter in the schema."
            )
        self._options, self._name = options, name
        self._path = f"/schema/analysis/synonyms/{name}"
        patience = max(options.timeout, PATIENCE)
        self._admin = Admin(options, patience)
        self._connection = connect(options, f"/{options.index}", patience, 0, certificates(options))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.close()
        self._connection.close()

    def put(self, rules: Sequence[SynonymRule]) -> str:
        """Make the rules the whole content, and load the core or collection again; returns what was done, in words."""
        wanted = {rule.left: set(rule.right) for rule in rules}
        try:
            before = self._held()
            for left in [left for left, right in before.items() if right != wanted.get(left)]:
                self._send("DELETE", f"{self._path}/{_addressed(left)}")
            new = {left: sorted(right) for left, right in wanted.items() if right != before.get(left)}
            if new:
                self._send("PUT", self._path, new)
            self._compare(wanted, self._held())
            self._load()
        except FAILURES as error:
            raise self._failed(error) from error
        return (
            f"Loaded: {len(wanted)} rules into the managed synonyms '{self._name}' of '{self._options.index}' in Solr at "
            f"{self._options.url} (before: {len(before)}, changed: {len(new)}, removed: {len(before.keys() - wanted.keys())})."
        )

    def _held(self) -> dict[str, set[str]]:
        told = as_object(SolrTransport(self._connection).get_json(self._path))
        held: Mapping[str, Sequence[str]] = told["synonymMappings"]["managedMap"]
        return {left: set(right) for left, right in held.items()}

    def _send(self, method: str, path: str, body: Any = None) -> None:
        """A request that solrpy has no method for, through its client, with its credentials."""
        headers = {**self._connection._get_auth_headers(), "Content-Type": "application/json; charset=utf-8"}
        content = None if body is None else json.dumps(body).encode()
        answer = self._connection._client.request(
            method, self._connection.path + path, headers=headers, content=content
        )
        if answer.status_code != 200:
            raise SolrException(answer.status_code, answer.reason_phrase, answer.text)

    def _compare(self, wanted: Mapping[str, set[str]], held: Mapping[str, set[str]]) -> None:
        wrong = sorted(left for left in wanted.keys() | held.keys() if wanted.get(left) != held.get(left))
        if wrong:
            raise LeserError(
                f"The managed synonyms '{self._name}' of '{self._options.index}' do not hold what was sent, for {len(wrong)} "
                f"queries such as '{wrong[0]}'; nothing was loaded: searches go on as before until the core is loaded again. "
                "Is somebody else writing them, or are their letters' cases told apart? Give the filter a resource of its own, "
                "with ignoreCase=true."
            )

    def _load(self) -> None:
        if self._admin.cloud():
            self._admin.call("/admin/collections", action="RELOAD", name=self._options.index)
        else:
            self._admin.call("/admin/cores", action="RELOAD", core=self._options.index)

    def _failed(self, error: Exception) -> Exception:
        options = self._options
        if isinstance(error, SolrException) and "No REST managed resource" in reason_of(error):
            return LeserError(
                f"The schema of '{options.index}' in Solr at {options.url} has no managed synonyms '{self._name}' "
                f"({reason_of(error)}). Give the query analyzer of a field type the filter solr.ManagedSynonymGraphFilterFactory "
                f"with managed='{self._name}', and load the core again."
            )
        if isinstance(error, SolrException) and status_of(error) not in (401, 403):
            return LeserError(
                f"Solr at {options.url} does not take the managed synonyms '{self._name}' ({status_of(error)}: "
                f"{reason_of(error)}). Part of the change may be stored, and searched with once the core is loaded again: mend "
                "this, and export again."
            )
        return open_error(error, options)


def _addressed(left: str) -> str:
    """Words as the last part of an address: Solr decodes it twice, and the server before it reads dots and slashes as a way."""
    return quote(quote(left, safe="").replace(".", "%2E"), safe="")
