"""Who may send what where no API key says who it is: names that the service answers under, pages that may post, decisions.

A page of another site can reach a service on this machine: by a name of its own that it lets lead to 127.0.0.1 (DNS
rebinding; the Host header shows it), or by a form that posts across sites (the Origin header shows it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

DECISIONS = "/v1/decisions"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone: localhost, 127.0.0.0/8, ::1."""
    bare = host.strip("[]").rstrip(".").lower()
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost"


class RequestOrigin:
    """What is refused without keys, to a service that listens on `host` and answers under more `names`."""

    def __init__(self, host: str, names: Sequence[str]) -> None:
        self._loopback = is_loopback(host)
        self._names = frozenset(name.lower() for name in names)

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Status and reason of a request that is refused; None where it may pass."""
        host = headers.get("host", "")
        if self._loopback and host and not self._knows(host):
            return (
                421,
                "The service does not answer under this name. Set API keys, or add it: -o 'names=[\"shop.example\"]'.",
            )
        if method not in ("GET", "HEAD", "OPTIONS"):
            sender = headers.get("origin")
            if sender is not None and urlsplit(sender).netloc.lower() != host.lower():
                return 403, "A page of another site may not post here. Set API keys, and send one."
        if path == DECISIONS and not self._loopback:
            return (
                403,
                "Decisions need an API key where others reach the service. Set LESER_API_KEYS, or listen on 127.0.0.1.",
            )
        return None

    def _knows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return is_loopback(name) or name in self._names
