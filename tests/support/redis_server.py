"""A real Redis that keeps nothing on disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leser.errors import LeserError
from leser.stores import open_store


@contextmanager
def redis(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Its process, once stores can be opened on it; it is killed in the end."""
    server = shutil.which("redis-server")
    assert server, "these tests need redis-server: apt-get install redis-server"
    command = [server, "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                open_store(f"redis://127.0.0.1:{port}/0").close()
                break
            except LeserError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait(10)
