"""What went wrong between LESER and Solr: one request's failure as a SearchError, a whole engine's as a LeserError."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import httpx
from solr import SolrException

from leser.adapter import TRANSIENT_STATUS
from leser.backend import SearchError, Transient
from leser.errors import LeserError

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions

Kind = Literal["transient", "query", "engine"]

FAILURES = (SolrException, httpx.HTTPError, httpx.InvalidURL, json.JSONDecodeError)
"""What a request through solrpy can raise."""


class Moved(SolrException):
    """A redirection from `asked` to `to` by which a search loses its parameters; `url` is the option."""

    def __init__(self, url: str, status: int, asked: httpx.URL, to: httpx.URL) -> None:
        place = to.copy_with(userinfo=b"", query=None, fragment=None)
        base = httpx.URL(url).path.rstrip("/")
        below = asked.path.removeprefix(base)
        known = asked.path.startswith(base) and place.path.endswith(below)
        address = place.copy_with(path=place.path.removesuffix(below)) if known else "..."
        super().__init__(
            status,
            f"it redirects to {place}, and a search loses its parameters on that way. Give the address of Solr where it is "
            f"now: -o url={address}",
        )


def status_of(error: Exception) -> int:
    """The HTTP status Solr answered, 0 where it did not."""
    return int(getattr(error, "httpcode", None) or 0)


def answer_of(text: str) -> dict[str, Any]:
    """The JSON object of an answer; raises json.JSONDecodeError where it is none (a proxy's page, a cut connection)."""
    answer = json.loads(text)
    if not isinstance(answer, dict):
        raise json.JSONDecodeError("not a JSON object", text[:80], 0)
    return answer


def reason_of(error: SolrException) -> str:
    """Solr's own message, without which its status says little."""
    body = error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else str(error.body or "")
    try:
        told = answer_of(body)["error"]
        details = [line for item in told.get("details", ()) for line in item.get("errorMessages", ())]
        reason = " ".join([told.get("msg") or told.get("trace", "").partition("\n")[0], *details])
    except (json.JSONDecodeError, KeyError, AttributeError, TypeError):
        reason = str(error.reason or "")
    return " ".join(reason.split())[:500]


def search_error(error: Exception, timeout: float) -> SearchError:
    """One query's failure. A server that is busy, gone or mute is transient, 400 is the query's own, the rest the engine's."""
    if isinstance(error, SolrException):
        status = status_of(error)
        reason = reason_of(error)
        # a query of more words than Solr allows is answered 500 by its parser `simple`
        own = status == 400 or "TooManyClauses" in reason or "maxClauseCount" in reason
        kind: Kind = "transient" if status in TRANSIENT_STATUS else "query" if own else "engine"
        return SearchError(f"Solr answered {status}: {reason}", kind)
    if isinstance(error, httpx.TimeoutException):
        return SearchError(f"Solr gave no answer within {timeout:g} s (timeout)", "transient")
    if isinstance(error, json.JSONDecodeError):
        return SearchError(f"Solr's answer is not valid JSON: {error}", "transient")
    return SearchError(f"The connection to Solr failed: {type(error).__name__}: {error}", "transient")


def request_error(error: Exception, options: SolrOptions) -> Transient | LeserError:
    """The exception for a failed request outside a search: Transient where repeating may help, else LeserError."""
    failure = search_error(error, options.timeout)
    if failure.kind == "transient":
        return Transient(failure.message)
    return LeserError(f"{failure.message} ({options.url}, index '{options.index}')")


def open_error(error: Exception, options: SolrOptions) -> Transient | LeserError:
    """The error of a server that cannot be reached, or that refuses us: 401, 403, 5xx, no connection, no JSON.

    Transient where it may answer later.
    """
    at = f"Solr at {options.url}"
    if isinstance(error, SolrException):
        status, reason = status_of(error), reason_of(error)
        if isinstance(error, Moved):
            return LeserError(f"{at} answered {status}: {reason}")
        if status == 401:
            return LeserError(f"{at} answered 401: {_credentials(options)}")
        if status == 403:
            return LeserError(f"{at} answered 403: this user may not do that ({reason}). {_credentials(options)}")
        if status in TRANSIENT_STATUS:
            return Transient(
                f"{at} is not ready ({status}: {reason}). Wait until '{options.index}' is loaded and try again."
            )
        if status in (400, 405):  # to a question that every Solr knows
            return LeserError(
                f"The server at {options.url} answered {status} ({reason}): is it Solr? Its address ends in /solr as a rule, "
                f"e.g. http://localhost:8983/solr.{_meant(options.url)}"
            )
        return LeserError(f"{at} cannot serve '{options.index}' ({status}: {reason}). Its log says why.")
    if isinstance(error, httpx.TimeoutException):
        return Transient(f"{at} gave no answer within {options.timeout:g} s. Look at its load, or raise -o timeout.")
    if isinstance(error, json.JSONDecodeError):
        return LeserError(f"The server at {options.url} is not Solr: {_address(options)}")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return LeserError(
            f"The certificate of {options.url} is not trusted ({error}). Name its authority: -o ca_file=FILE."
        )
    return Transient(f"No Solr answers at {options.url} ({error}). Start it, or give its address: -o url=...")


def not_solr(options: SolrOptions, seen: str = "it answers 404") -> LeserError:
    """The message for an address where something answers otherwise than every Solr does."""
    return LeserError(f"There is no Solr at {options.url}: {seen}. {_address(options)}")


def _address(options: SolrOptions) -> str:
    return f"The address has no core in it and ends in /solr, e.g. http://localhost:8983/solr.{_meant(options.url)}"


def _meant(url: str) -> str:
    """What the address and the index were perhaps to be: people paste a core's address, or that of the server's pages."""
    parts = urlsplit(url)
    folders = parts.path.strip("/").split("/")
    if "solr" not in folders:
        return "" if parts.path.strip("/") else f" Did you mean {parts.scheme}://{parts.netloc}/solr?"
    end = folders.index("solr") + 1
    below = [part for part in (*folders[end:], *parts.fragment.strip("/").split("/")) if part not in ("", "~cores")]
    server = f"{parts.scheme}://{parts.netloc}/{'/'.join(folders[:end])}"
    if server == url:
        return ""
    core = f" -o index={below[0]}" if below and not below[0].startswith("~") else ""
    return f" Did you mean -o url={server}{core} ?" if core else f" Did you mean {server}?"


def _credentials(options: SolrOptions) -> str:
    if options.token_env:
        return f"it does not take the token in the environment variable {options.token_env} (option token_env)."
    if options.user:
        return f"check user '{options.user}' and the password in the environment variable that password_env names."
    return "it requires credentials. Give -o user=NAME -o password_env=VARIABLE, or -o token_env=VARIABLE."
