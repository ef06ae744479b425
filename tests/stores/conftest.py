"""A real Redis for the tests of stores."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from served import free_port

from leser.errors import LeserError
from leser.stores import open_store


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = shutil.which("redis-server")
    assert server, "these tests need redis-server: apt-get install redis-server"
    port = free_port()
    command = [server, "--port", str(port), "--save", "", "--dir", str(tmp_path_factory.mktemp("redis"))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                open_store(f"redis://127.0.0.1:{port}/0").close()
                break
            except LeserError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)
