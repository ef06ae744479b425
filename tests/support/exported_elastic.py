"""An export loaded into an Elasticsearch index: its synonyms become the analyzer that queries are read with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from servers.server import Server


def with_synonyms(server: Server, index: str, rules: Sequence[str], filters: Sequence[str] = ("lowercase",)) -> None:
    """Let the text fields of an index read queries through the rules; the index is closed meanwhile."""
    _read_through(server, index, {"synonyms": list(rules)}, filters)


def with_set(server: Server, index: str, name: str) -> None:
    """Let the text fields of an index read queries through a synonyms set of the API."""
    _read_through(server, index, {"synonyms_set": name, "updateable": True}, ("lowercase",))


def _read_through(server: Server, index: str, synonyms: dict[str, Any], filters: Sequence[str]) -> None:
    texts = {
        name: {key: value for key, value in spec.items() if key != "search_analyzer"}
        for name, spec in server.get(f"/{index}")[index]["mappings"]["properties"].items()
        if spec["type"] == "text"
    }
    analysis = {
        "filter": {"leser": {"type": "synonym_graph", **synonyms}},
        "analyzer": {"leser": {"tokenizer": "standard", "filter": [*filters, "leser"]}},
    }
    server.request("POST", f"/{index}/_close")
    server.request("PUT", f"/{index}/_settings", {"analysis": analysis})
    mapping = {name: {**spec, "search_analyzer": "leser"} for name, spec in texts.items()}
    server.request("PUT", f"/{index}/_mapping", {"properties": mapping})
    server.request("POST", f"/{index}/_open")
    server.get(f"/_cluster/health/{index}?wait_for_status=yellow")


def parsed(server: Server, index: str, query: dict[str, Any]) -> str:
    """How Elasticsearch reads a query."""
    answer = server.request("POST", f"/{index}/_validate/query?explain=true", {"query": query})
    return str(answer["explanations"][0]["explanation"])
