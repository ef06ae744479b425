"""Open-loop load on `leser serve`: latency from the moment a request was due, and the service's memory over time.

    python benchmarks/serve_load.py --queries 100000 --rate 500 --seconds 60 --out load.json

A closed loop waits for an answer before it sends the next request, and so leaves out just the requests that a stall would
have delayed (coordinated omission). Here request n is due at start + n / rate, whatever happened before it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from leser.cli.console import replace_what_cannot_be_shown
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store

WORDS = ("sofa", "lamp", "chair", "table", "red", "small", "oak", "garden", "light", "kids", "steel", "corner")


def query(number: int) -> str:
    """The text of a query of the store."""
    return f"{WORDS[number % 12]} {WORDS[number // 12 % 12]} {number}"


def write(place: Path, count: int) -> float:
    """Write a store of `count` queries; seconds it took."""
    began = time.perf_counter()
    with open_store(str(place), create=True) as store:
        pair = (Expansion("couch", 0.5), Expansion("two-seater", 0.25))
        store.write(StoredEntry(query(n), pair, state=EntryState.LIVE, policy="run") for n in range(count))
    return time.perf_counter() - began


async def load(port: int, rate: float, seconds: float, queries: int, tail: float, pid: int) -> dict[str, Any]:
    """Send requests when they are due, over as many connections as that needs."""
    random_, idle = random.Random(0), list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    taken: dict[str, list[float]] = {"head": [], "tail": []}
    codes: Counter[int] = Counter()
    memory: list[float] = []

    async def ask(due: float, text: str, kind: str) -> None:
        request = f"GET /v1/expand?q={text.replace(' ', '%20')} HTTP/1.1\r\nHost: load\r\n\r\n".encode()
        while True:
            kept = bool(idle)
            reader, writer = idle.pop() if kept else await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                break
            except (asyncio.IncompleteReadError, ConnectionError):
                if (
                    not kept
                ):  # a connection that lay idle may have been closed: the request is sent again, its time runs on
                    codes[0] += 1
                    return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        taken[kind].append(time.perf_counter() - due)
        codes[int(head.split()[1])] += 1
        idle.append((reader, writer))

    begin, tasks = time.perf_counter(), set()
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        kind = "tail" if random_.random() < tail else "head"
        text = f"unseen {number}" if kind == "tail" else query(random_.randrange(queries))
        task = asyncio.create_task(ask(due, text, kind))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if number % max(1, int(rate * seconds / 20)) == 0:
            memory.append(resident(pid))
    await asyncio.gather(*tasks)
    return {"codes": dict(codes), "memory_mb": memory, **{k: percentiles(v) for k, v in taken.items() if v}}


def percentiles(values: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(values)
    chosen = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "most": 1.0}
    return {
        "requests": len(ordered),
        **{k: round(1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))], 2) for k, q in chosen.items()},
    }


def resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


def main() -> None:
    """Write a store, serve it, send the load, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tail", type=float, default=0.0, help="share of queries that the store does not hold")
    parser.add_argument("--policy", type=Path, help="run whose policy answers the tail")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        store = Path(folder, "head.db")
        wrote = write(store, given.queries)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-c", "from leser.cli.main import main; main()", "serve", "--store", str(store)]
        command += ["--port", str(port), *(["--policy", str(given.policy)] if given.policy else [])]
        began = time.perf_counter()
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            while subprocess.run(["curl", "-sf", f"http://127.0.0.1:{port}/readyz"], capture_output=True).returncode:
                if process.poll() is not None:
                    raise SystemExit(Path(folder, "log").read_text())
                time.sleep(0.1)
            started = time.perf_counter() - began
            found = asyncio.run(load(port, given.rate, given.seconds, given.queries, given.tail, process.pid))
        finally:
            process.terminate()
            process.wait(30)
        asked = {"queries": given.queries, "rate": given.rate, "seconds": given.seconds, "tail": given.tail}
        row = {**asked, "cores": os.cpu_count(), "write_s": round(wrote, 1), "start_s": round(started, 1), **found}
        row["store_mb"] = round(store.stat().st_size / 1e6, 1)
        text = json.dumps(row, indent=1)
        print(text)
        if given.out:
            given.out.write_text(text + "\n")


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
