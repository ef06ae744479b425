"""What the service asks of a request before it reads it: a key, a size, a rate."""

from __future__ import annotations

import hmac
import os
import time
from collections import OrderedDict

MOST_CLIENTS = 10_000


class Keys:
    """API keys from an environment variable, separated by commas; without any, everybody may ask."""

    def __init__(self, variable: str) -> None:
        self._keys = [key.strip().encode() for key in os.environ.get(variable, "").split(",") if key.strip()]

    @property
    def wanted(self) -> bool:
        """Whether a key is needed at all."""
        return bool(self._keys)

    def allow(self, key: str) -> bool:
        """Whether this key is one of them; all are compared, in a time that says nothing of them."""
        found = [hmac.compare_digest(key.encode("utf-8", "replace"), known) for known in self._keys]
        return any(found) or not self._keys


class Rate:
    """A token bucket per client: so many requests per second on average, twice as many at once; 0 is no limit."""

    def __init__(self, per_second: float) -> None:
        self._rate = per_second
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, client: str) -> bool:
        """Whether this client may ask once more now."""
        if not self._rate:
            return True
        at, most = time.monotonic(), max(1.0, 2 * self._rate)
        left, last = self._buckets.pop(client, (most, at))
        left = min(most, left + (at - last) * self._rate)
        self._buckets[client] = (left - 1 if left >= 1 else left, at)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return left >= 1
