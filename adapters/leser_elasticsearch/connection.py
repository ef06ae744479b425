"""The client for the user's server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leser.errors import LeserError
from leser.options import secret
from leser_elasticsearch.options import ElasticsearchOptions

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch


def connect(options: ElasticsearchOptions) -> Elasticsearch:
    """A client; it connects with its first request. Raises LeserError for missing packages, files and secrets."""
    try:
        from elasticsearch import Elasticsearch
    except ImportError:
        raise LeserError(
            "Backend 'elasticsearch' needs the package elasticsearch. Install it with: pip install 'leser[elasticsearch]'"
        ) from None
    # retries are SearchClient's, which counts them and keeps the batch's deadline
    settings: dict[str, Any] = {"request_timeout": options.timeout, "max_retries": 0, "retry_on_timeout": False}
    if options.cloud_id is not None:
        settings["cloud_id"] = options.cloud_id
    else:
        settings["hosts"] = [_with_port(url) for url in options.url]
    settings |= _login(options)
    for option, argument in (("ca_file", "ca_certs"), ("client_cert", "client_cert"), ("client_key", "client_key")):
        path = getattr(options, option)
        if path is not None:
            if not path.is_file():
                raise LeserError(f"Option {option} of backend 'elasticsearch': no file {path}.")
            settings[argument] = str(path)
    if not options.verify:
        settings |= {"verify_certs": False, "ssl_show_warn": False}
    try:
        return Elasticsearch(**settings)
    except (ValueError, OSError) as error:
        raise LeserError(f"Options of backend 'elasticsearch' make no connection to {options.place}: {error}") from None


def _with_port(url: str) -> str:
    """The client requires a port; 9200 is a server's own, 443 what stands before one in https."""
    scheme, _, rest = url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    if ":" not in host.rpartition("]")[2]:
        host += ":443" if scheme == "https" else ":9200"
    return f"{scheme}://{host}{slash}{path}"


def _login(options: ElasticsearchOptions) -> dict[str, Any]:
    if options.api_key_env is not None:
        return {"api_key": secret(options.api_key_env, "api_key_env")}
    if options.token_env is not None:
        return {"bearer_auth": secret(options.token_env, "token_env")}
    if options.user is not None:
        return {"basic_auth": (options.user, secret(options.password_env, "password_env"))}
    return {}
