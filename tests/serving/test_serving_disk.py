"""The disk is full: a small file system of its own where one may be mounted, else a limit on the size of files."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from served import Served, asking, entry, serving, write_store

MOUNTED = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
SMALL_DISK = 'mount -t tmpfs -o size=4m tmpfs "$0" && cp "$1" "$0/head.db" && shift && exec "$@"'
GIVEN = {"query": "tv", "state": "approved", "expansions": [{"text": "television", "weight": 0.5}]}


class Disk:
    """The disk of a service, which is full from `fill` to `free`."""

    def __init__(self, served: Served, folder: Path, *, mounted: bool) -> None:
        self._pid, self._mounted = served.process.pid, mounted
        self.folder = Path(f"/proc/{self._pid}/root{folder}") if mounted else folder

    def fill(self) -> None:
        if not self._mounted:
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            return
        with (self.folder / "filler").open("wb", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                with suppress(OSError):  # no space left
                    while file.write(b"x" * size):
                        pass

    def free(self) -> None:
        if self._mounted:
            (self.folder / "filler").unlink()
        else:
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def on_a_small_disk(tmp_path: Path, *flags: str) -> Iterator[tuple[Served, Disk]]:
    """A service whose store, events and temporary files lie on a disk that can be filled."""
    seed, folder = write_store(tmp_path / "seed.db", entry("red sofa", "couch")), tmp_path / "disk"
    folder.mkdir()
    tried = subprocess.run([*MOUNTED, "sh", "-c", SMALL_DISK, folder, seed, "true"], capture_output=True, check=False)
    mounted = tried.returncode == 0
    before = [*MOUNTED, "sh", "-c", SMALL_DISK, str(folder), str(seed)] if mounted else []
    if not mounted:
        seed.rename(folder / "head.db")
    flags = (*flags, "--events", str(folder / "events.jsonl"), "-o", "refresh_s=0.1")
    with serving(tmp_path, folder / "head.db", *flags, before=before, SQLITE_TMPDIR=str(folder)) as served:
        yield served, Disk(served, folder, mounted=mounted)


def test_a_full_disk_costs_events_and_decisions_alone(tmp_path: Path) -> None:
    event = {"action_name": "click", "timestamp": "2026-01-02T03:04:05Z", "message": "x" * 1_000}
    sent = 0

    def send(count: int) -> int:
        nonlocal sent
        sent += 1
        return served.client.post("/v1/events", json=[{**event, "query_id": str(sent)}] * count).status_code

    with on_a_small_disk(tmp_path) as (served, disk), asking(served) as found:
        acknowledged = [str(sent) for _ in range(5) if send(3) == 201]
        assert len(acknowledged) == 5
        disk.fill()
        assert {send(900) for _ in range(5)} == {503}
        answer = served.client.post("/v1/decisions", json=GIVEN)
        assert (answer.status_code, "nothing changed" in answer.text) == (503, True)
        assert served.expand("tv")["reason"] == "unknown"
        assert served.expand("red sofa")["source"] == "store"
        disk.free()
        acknowledged += [str(sent) for _ in range(5) if send(3) == 201]
        assert len(acknowledged) == 10
        assert served.client.post("/v1/decisions", json=GIVEN).status_code == 200
        assert served.expand("tv")["source"] == "store"
        lines = (disk.folder / "events.jsonl").read_text().splitlines()
        assert [json.loads(line)["query_id"] for line in lines] == [name for name in acknowledged for _ in range(3)]
    assert {(status, source) for status, source, _ in found} == {(200, "store"), (200, "original")}
