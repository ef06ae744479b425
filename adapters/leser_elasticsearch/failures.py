"""What the client's errors mean: one search's failure as a SearchError, a whole engine's as a LeserError."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from leser.adapter import TRANSIENT_STATUS
from leser.backend import SearchError
from leser.errors import IndexMissing, LeserError
from leser_elasticsearch.options import ElasticsearchOptions

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

TRANSIENT_TYPES = frozenset(
    {
        "node_closed_exception",
        "node_disconnected_exception",
        "node_not_connected_exception",
        "connect_transport_exception",
    }
    | {
        "receive_timeout_transport_exception",
        "no_shard_available_action_exception",
        "shard_not_in_primary_mode_exception",
    }
)
"""What a node says that is going down or coming up, under whatever status."""
QUERY_STATUS = frozenset({400, 413, 422})
GONE_TYPES = frozenset({"index_not_found_exception", "index_closed_exception"})
LISTED = 10  # names of indices in a message
LONGEST_REASON = 400  # characters; a reason may repeat the whole query, or be a page of HTML
OPENSEARCH = "OpenSearch needs a backend plugin of its own (docs/writing-a-backend.md); this one speaks to Elasticsearch 8 and 9."


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later: timeouts, lost connections, garbled answers, 429, 503."""
    from elastic_transport import TlsError
    from elasticsearch import ApiError, SerializationError, TransportError

    if isinstance(error, ApiError):
        return error.status_code in TRANSIENT_STATUS or error_of(error)[0] in TRANSIENT_TYPES
    if isinstance(error, TlsError):
        return False
    return isinstance(error, TransportError | SerializationError)


def error_of(error: Exception) -> tuple[str, str]:
    """Type and reason of an error the server answered with; a reason that tells more is taken from its causes."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(inner, Mapping):
        return reason_of(inner)
    return "", str(inner or body or error)[:LONGEST_REASON]


def reason_of(error: Mapping[str, Any]) -> tuple[str, str]:
    """Type and reason inside the member "error" of an answer: the root cause's, since the outer one says "all shards failed"."""
    deepest: Mapping[str, Any] = next((cause for cause in error.get("root_cause") or () if cause.get("reason")), error)
    said = [str(deepest.get("reason") or error.get("reason") or "no reason given")]
    cause = error.get("caused_by") or {}
    while cause:
        if cause.get("reason") and cause["reason"] not in said[-1]:
            said.append(str(cause["reason"]))
        cause = cause.get("caused_by") or {}
    return str(deepest.get("type") or error.get("type") or ""), "; ".join(said)[:LONGEST_REASON]


def search_error(status: int, error: Mapping[str, Any]) -> SearchError:
    """One failed search of a batch, as a value."""
    type, reason = reason_of(error)
    if status in TRANSIENT_STATUS or type in TRANSIENT_TYPES:
        kind: Literal["transient", "query", "engine"] = "transient"
    elif status in QUERY_STATUS and type not in GONE_TYPES:
        kind = "query"
    else:
        kind = "engine"
    if "too_many" in type or "maxClauseCount" in reason:
        reason += ". Shorten the query, expand it less or search fewer fields; a server with more memory allows more"
    return SearchError(f"Elasticsearch answered {status} ({type}): {reason}", kind)


def start_error(error: Exception, options: ElasticsearchOptions, client: Elasticsearch | None = None) -> LeserError:
    """What an error of the client means and what to do, for start-up and indexing; a client lets it name what is there."""
    from elastic_transport import TlsError
    from elasticsearch import ApiError, ConnectionError, ConnectionTimeout, UnsupportedProductError

    where = options.place
    if isinstance(error, UnsupportedProductError):
        return LeserError(f"The server at {where} is not Elasticsearch. {OPENSEARCH}")
    if isinstance(error, TlsError):
        return LeserError(
            f"No secure connection to {where}: {error.message}. Name the certificate of its authority with -o ca_file=FILE "
            "(Elasticsearch makes config/certs/http_ca.crt), and see that url has the host's name in the certificate."
        )
    if isinstance(error, ConnectionTimeout):
        return LeserError(
            f"Elasticsearch at {where} gave no answer within {options.timeout:g} s. Check its load, or raise -o timeout."
        )
    if isinstance(error, ConnectionError):
        return LeserError(
            f"No Elasticsearch answers at {where} ({error.message}). Start it, or name its address with -o url=URL; a server "
            "with security on requires https://."
        )
    if not isinstance(error, ApiError):
        return LeserError(f"The answer from {where} cannot be read ({error}). Is it an Elasticsearch server?")
    type, reason = error_of(error)
    if error.status_code == 401:
        return LeserError(f"Elasticsearch at {where} answered 401: {_who(options)}.")
    if error.status_code == 403:
        return LeserError(
            f"Elasticsearch at {where} answered 403: {reason}. Grant the privileges read and view_index_metadata on the "
            f"index '{options.index}' (to index: all), or log in as someone who has them."
        )
    if error.status_code == 400 and ("media_type_header" in type or "compatible-with" in reason):
        return _wrong_client(where, reason)
    if error.status_code == 406:
        return LeserError(f"The server at {where} does not speak Elasticsearch's media types ({reason}). {OPENSEARCH}")
    if type == "index_not_found_exception":
        return index_missing(options, client)
    # Elasticsearch says what is missing: these are somebody else's words, or its own on a path below an index
    lost = error.status_code == 400 and reason.startswith("no handler found for uri")
    if not type and (lost or error.status_code in (404, 405)):
        said = "no such path" if lost else "without a reason"
        return LeserError(
            f"The server at {where} ({error.status_code}, {said}) knows no indices. Is it Elasticsearch? "
            f"Name the server's own address with -o url=URL, e.g. http://localhost:9200, with the path if a proxy has one."
            f"{_meant(options)}"
        )
    if "_source is disabled" in reason:
        return LeserError(
            f"The index '{options.index}' at {where} keeps no _source to read documents from ({reason}). Make it again with "
            'the "_source" on (Elasticsearch\'s default).'
        )
    if type == "index_closed_exception":
        return index_closed(options)
    return LeserError(f"Elasticsearch at {where} answered {error.status_code} ({type}): {reason}")


def _meant(options: ElasticsearchOptions) -> str:
    """The address and the index that were perhaps meant by the address of an index."""
    parts = urlsplit(options.url[0])
    below = [part for part in parts.path.split("/") if part]
    if not below:
        return ""
    index = "" if below[0].startswith("_") else f" -o index={below[0]}"
    return f" Did you mean -o url={parts.scheme}://{parts.netloc}{index} ?"


def _wrong_client(where: str, reason: str) -> LeserError:
    from elasticsearch import __version__

    major = __version__[0]
    return LeserError(
        f"The server at {where} is older than the package elasticsearch {major} ({reason}). Clients work with servers of "
        f"their own version or newer: pip install 'elasticsearch<{major}'"
    )


def _who(options: ElasticsearchOptions) -> str:
    """What to check about the credentials; names variables, never their values."""
    if options.api_key_env is not None:
        return f"it knows no such API key as the environment variable {options.api_key_env} (api_key_env) holds"
    if options.token_env is not None:
        return f"it does not accept the token in the environment variable {options.token_env} (token_env)"
    if options.user is not None:
        return f"user '{options.user}' and the password in the environment variable {options.password_env} don't fit"
    return "it requires a login. Set -o api_key_env=VARIABLE, or -o user=NAME and -o password_env=VARIABLE"


def index_missing(options: ElasticsearchOptions, client: Elasticsearch | None = None) -> IndexMissing:
    """The server answers, the index is not there; with a client, the message has the names nearest to it."""
    names = _names(client) if client is not None else []
    close = get_close_matches(options.index, names, n=1, cutoff=0.4)
    there = f" Did you mean '{close[0]}'?" if close else ""
    if names:
        near = get_close_matches(options.index, names, n=LISTED, cutoff=0.0)
        there += f" There are: {', '.join(near)}{' and more' if len(names) > LISTED else ''}."
    what = f"Elasticsearch at {options.place} has no index '{options.index}'.{there}"
    return IndexMissing(what, f"--backend elasticsearch --task TASK {options.as_flags()}")


def _names(client: Elasticsearch) -> list[str]:
    """Indices and aliases that this login may list, without the hidden ones."""
    from elasticsearch import ApiError, SerializationError, TransportError

    try:
        found = client.indices.get_alias().body
    except (ApiError, TransportError, SerializationError):  # the index is missing all the same
        return []
    names = {name for index, spec in found.items() for name in (index, *spec.get("aliases", {}))}
    return sorted(name for name in names if not name.startswith("."))


def index_closed(options: ElasticsearchOptions) -> LeserError:
    """The index is there and closed."""
    return LeserError(
        f"The index '{options.index}' at {options.place} is closed. Open it with: POST /{options.index}/_open"
    )
