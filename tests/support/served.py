"""A running `leser serve`, and stores with entries, for the tests of the service."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store


def entry(query: str, *texts: str, state: EntryState = EntryState.LIVE, platform: str = "") -> StoredEntry:
    return StoredEntry(query, tuple(Expansion(text, 0.5) for text in texts), platform, state)


def write_store(place: Path, *entries: StoredEntry) -> Path:
    with open_store(str(place), create=True) as store:
        store.write(entries)
    return place


@dataclass
class Served:
    """A service in a process of its own: its address, its process, its log."""

    client: httpx.Client
    process: subprocess.Popen[bytes]
    log: Path

    def expand(self, query: str, **parameters: str) -> dict[str, object]:
        answer = self.client.get("/v1/expand", params={"q": query, **parameters})
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    def pid(self, name: str) -> int:
        """The process of the policy or the engine that was ready last."""
        lines = [
            json.loads(line)["message"] for line in self.log.read_text().splitlines() if "process is ready" in line
        ]
        return int(next(m for m in reversed(lines) if f"The {name} process" in m).rstrip(".").rpartition(" ")[2])

    def search_until_ready(self) -> None:
        """Wait until the engine answers a search."""
        end = time.monotonic() + 120
        while (answer := self.client.get("/v1/search", params={"q": "a"})).status_code == 503:
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.1)
        assert answer.status_code == 200, answer.text

    def until_metric(self, name: str, wanted: float, seconds: float = 300.0) -> None:
        """Wait until a metric without labels has a value."""
        end = time.monotonic() + seconds
        while f"\n{name} {wanted}\n" not in (said := self.client.get("/metrics").text):
            assert time.monotonic() < end, f"{said}\n{self.log.read_text()[-3000:]}"
            time.sleep(0.1)

    def until(self, path: str, wanted: object, seconds: float = 60.0) -> None:
        """Wait until a key of a JSON answer has a value: path is ROUTE KEY."""
        route, key = path.split()
        end = time.monotonic() + seconds
        while (said := self.client.get(route).json().get(key)) != wanted:
            assert time.monotonic() < end, f"{path} stays {said!r}\n{self.log.read_text()[-3000:]}"
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def asking(served: Served) -> Iterator[Counter[tuple[int, str, str]]]:
    """Ask for a query of the store and for new ones, one after the other; counts status, source and reason."""
    found: Counter[tuple[int, str, str]] = Counter()
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=served.client.base_url, timeout=60) as client:
            number = 0
            while not stop.is_set():
                number += 1
                for query in ("red sofa", f"green armchair {number}"):
                    answer = client.get("/v1/expand", params={"q": query})
                    said = answer.json() if answer.status_code == 200 else {"source": answer.text, "reason": ""}
                    found[answer.status_code, said["source"], said["reason"]] += 1
                time.sleep(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(120)


@contextmanager
def serving(
    folder: Path, store: Path | str, *flags: str, before: Sequence[str] = (), **variables: str
) -> Iterator[Served]:
    """Start `leser serve` and wait until it answers; it is stopped in the end. `before` is a command that runs it."""
    log, port = folder / "serve.log", free_port()
    main = "from leser.cli.main import main; main()"
    command = [*before, sys.executable, "-c", main, "serve", "--store", str(store), "--port", str(port), *flags]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **variables}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stderr=output, stdout=output, env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            served = Served(client, process, log)
            _wait(served)
            yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait(served: Served) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            served.client.get("/healthz")
            return
        except httpx.TransportError:
            assert served.process.poll() is None, served.log.read_text()
            assert time.monotonic() < end, served.log.read_text()
            time.sleep(0.1)
