"""Exports loaded into a Solr core: synonyms into the searched fields' type, common rules into querqy's plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from exported_shop import ranked
from leser_solr import SolrBackend
from servers import Server

from leser.evaluation.systems import SystemRun
from leser.task import Query

QUERQY = "/querqy/rewriter"
AS_LESER = {"tie": "1.0", "mm": "0%", "uq.similarityScore": "on"}
"""querqy's parameters with which it adds up fields and words as LESER's own search does."""


def core(backend: SolrBackend) -> str:
    """The core's path on the server."""
    return f"/{backend.options.index}"


def type_of(solr: Server, backend: SolrBackend) -> str:
    """The field type of titles."""
    return str(solr.get(f"{core(backend)}/schema/fields/title")["field"]["type"])


def with_synonyms(
    solr: Server, backend: SolrBackend, file: Path, tokenizer: str = "solr.StandardTokenizerFactory"
) -> None:
    """Give the searched fields' type a query analyzer that reads the file, and load the core again."""
    assert solr.folder is not None
    name, path = type_of(solr, backend), core(backend)
    kind = solr.get(f"{path}/schema/fieldtypes/{quote(name)}")["fieldType"]
    index = kind.get("indexAnalyzer") or kind["analyzer"]
    later = [f for f in index["filters"] if "lowercase" not in json.dumps(f).lower()]
    if file.suffix == ".txt":
        conf = solr.folder / "home" / "configsets" / backend.options.configset / "conf"
        (conf / "synonyms.txt").write_text(file.read_text())
        synonyms = {"class": "solr.SynonymGraphFilterFactory", "synonyms": "synonyms.txt", "expand": "true"}
    else:
        synonyms = {"class": "solr.ManagedSynonymGraphFilterFactory", "managed": "leser"}
    asked = {
        "tokenizer": {"class": tokenizer},
        "filters": [{"class": "solr.LowerCaseFilterFactory"}, synonyms, *later],
    }
    rest = {key: value for key, value in kind.items() if key not in ("analyzer", "indexAnalyzer", "queryAnalyzer")}
    changed = {**rest, "indexAnalyzer": index, "queryAnalyzer": asked}
    solr.request("POST", f"{path}/schema", {"replace-field-type": changed})
    if file.suffix == ".json":
        solr.request("PUT", f"{path}/schema/analysis/synonyms/leser", json.loads(file.read_text()))
    solr.get(f"/admin/cores?action=RELOAD&core={backend.options.index}")


def parsed(solr: Server, backend: SolrBackend, params: Mapping[str, Any]) -> str:
    """How Solr reads a request."""
    asked = urlencode({**params, "debugQuery": "true"}, doseq=True)
    return str(solr.get(f"{core(backend)}/select?{asked}&wt=json")["debug"]["parsedquery"])


def with_querqy(solr: Server, backend: SolrBackend, rules: str) -> None:
    """Let the core know querqy, and give it the rules as the rewriter `leser`."""
    path = core(backend)
    known = solr.get(f"{path}/config/requestHandler")["config"]["requestHandler"]
    if QUERQY not in known:
        for command, named in (
            ("add-requesthandler", {"name": QUERQY, "class": "querqy.solr.QuerqyRewriterRequestHandler"}),
            ("add-queryparser", {"name": "querqy", "class": "querqy.solr.QuerqyDismaxQParserPlugin"}),
            ("add-searchcomponent", {"name": "query", "class": "querqy.solr.QuerqyQueryComponent"}),
        ):
            solr.request("POST", f"{path}/config", {command: named})
    rewriter = "querqy.solr.rewriter.commonrules.CommonRulesRewriterFactory"
    solr.request("POST", f"{path}{QUERQY}/leser?action=save", {"class": rewriter, "config": {"rules": rules}})


def querqy_request(backend: SolrBackend, text: str, params: Mapping[str, str], k: int, rules: bool) -> dict[str, str]:
    """A request to querqy's parser over the fields that LESER searches."""
    fields = "contents"
    own = {"q": text, "defType": "querqy", "qf": fields, "fl": "id,score", "rows": str(k), "sort": "score desc,id asc"}
    return {**own, **params, **({"querqy.rewriters": "leser"} if rules else {})}


def searched_by_querqy(
    solr: Server, backend: SolrBackend, queries: Sequence[Query], params: Mapping[str, str], *, rules: bool
) -> SystemRun:
    """The queries as they were typed, asked of querqy's parser, with the rules or without."""
    ids = {}
    for query in queries:
        asked = urlencode(querqy_request(backend, query.text, params, 10, rules))
        answer = solr.get(f"{core(backend)}/select?{asked}&wt=json")
        ids[query.id] = [doc["id"] for doc in answer["response"]["docs"]]
    return ranked(ids)
