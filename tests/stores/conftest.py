"""A real Redis for the tests of stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_server import redis
from served import free_port


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with redis(port, tmp_path_factory.mktemp("redis")):
        yield f"redis://127.0.0.1:{port}/0"
