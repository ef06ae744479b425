"""Events: what was acknowledged is on disk, whatever happens to the service after that."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import httpx
import pytest
from served import entry, serving, write_store

from leser.errors import LeserError
from leser.serving.events import EventLog
from leser.serving.ubi import read_events

SENDERS, EACH, AT_ONCE = 8, 1_250, 5


def _event(name: str) -> dict[str, str]:
    return {"action_name": "click", "query_id": name, "timestamp": "2026-01-02T03:04:05Z"}


def test_no_acknowledged_event_is_lost_in_a_kill(tmp_path: Path) -> None:
    """10,000 events come in from eight senders, five per request; the service is killed after half of them."""
    store, events = write_store(tmp_path / "head.db", entry("a")), tmp_path / "events.jsonl"
    acknowledged: list[str] = []
    with serving(tmp_path, store, "--events", str(events)) as served:

        def send(sender: int) -> None:
            with httpx.Client(base_url=served.client.base_url, timeout=60) as client:
                for first in range(0, EACH, AT_ONCE):
                    names = [f"{sender}-{first + number}" for number in range(AT_ONCE)]
                    try:
                        answer = client.post("/v1/events", json=[_event(name) for name in names])
                    except httpx.TransportError:
                        return
                    assert answer.status_code == 201
                    acknowledged.extend(names)
                    if len(acknowledged) >= SENDERS * EACH // 2:
                        served.process.kill()

        senders = [threading.Thread(target=send, args=(n,)) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(300)
    assert SENDERS * EACH // 2 <= len(acknowledged) < SENDERS * EACH  # it was killed while they came in
    with events.open("ab") as file:
        file.write(b'{"action_name":"cli')  # what a kill in the middle of a write leaves
    log = EventLog(events)
    log.append(read_events(json.dumps(_event("after")).encode())).result(10)
    log.close()
    stored = [json.loads(line)["query_id"] for line in events.read_text().splitlines()]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    assert stored[-1] == "after"


def test_events_that_cannot_be_written_whole_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    given = read_events(json.dumps([_event("1"), _event("2")]).encode())
    log.append(given).result(10)
    before = log.path.read_bytes()

    write = os.pwrite

    def full(file: int, data: bytes, offset: int) -> int:
        if offset > len(before):
            raise OSError(28, "No space left on device")
        return int(write(file, data[:10], offset))

    def broken(file: int, length: int) -> None:
        raise OSError(5, f"Input/output error: {file} {length}")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        log.append(given).result(10)
    assert log.path.read_bytes() == before
    monkeypatch.setattr("os.ftruncate", broken)  # what was half written cannot be taken back at once
    with pytest.raises(OSError, match="No space left"):
        log.append(given).result(10)
    monkeypatch.undo()
    log.append(given).result(10)
    log.close()
    assert log.path.read_bytes() == before * 2


def test_a_file_that_cannot_be_written_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match="cannot be written"):
        EventLog(tmp_path / "no" / "events.jsonl")
