"""Open-loop load on `leser serve`: latency from the moment a request was due, the service's memory, and a burst of new queries.

    python -m benchmarks.serve_load --policy runs/us [--queries 1000000] [--rate 500] [--seconds 600] [--evidence]

A closed loop waits for an answer before it sends the next request, and so leaves out just the requests that a stall would
have delayed (coordinated omission). Here request n is due at start + n / rate, whatever happened before it. Generator, service
and policy share the machine's cores.

  steady   queries of the store alone, for --seconds; latency and memory minute by minute
  burst    with --policy: the same load for --burst-seconds before, during and after --burst queries per second that the store
           does not hold, which the policy answers within the budget or which are left as typed; each answer is stored

--evidence writes docs/evidence/serve-load.json. Exits with 1 where an answer was not a 200, or none came.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.evidence import ROOT, commit, machine, versions, write
from leser.cli.console import replace_what_cannot_be_shown
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store

WORDS = ("sofa", "lamp", "chair", "table", "red", "small", "oak", "garden", "light", "kids", "steel", "corner")
START_S = 600
BUDGET_P99_MS = 10.0
"""What the head is held to at 500 requests per second on two cores."""


def query(number: int) -> str:
    """The text of a query of the store."""
    return f"{WORDS[number % 12]} {WORDS[number // 12 % 12]} {number}"


def write_store(place: Path, count: int) -> float:
    """Write a store of `count` queries; seconds it took."""
    began = time.perf_counter()
    pair = (Expansion("couch", 0.5), Expansion("two-seater", 0.25))
    with open_store(str(place), create=True) as store:
        store.write(StoredEntry(query(n), pair, state=EntryState.LIVE, policy="run") for n in range(count))
    return time.perf_counter() - began


@dataclass
class Load:
    """Requests to one service, sent when they are due over as many connections as that needs."""

    port: int
    queries: int
    draw: random.Random = field(default_factory=lambda: random.Random(0))
    codes: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def head(self, rate: float, seconds: float) -> list[float]:
        """Queries of the store, at random; seconds from due to answered, of those that were."""
        texts = (query(self.draw.randrange(self.queries)) for _ in range(int(rate * seconds)))
        return [taken for taken, _ in await self._at_rate(list(texts), rate)]

    async def tail(self, rate: float, seconds: float) -> tuple[list[float], Counter[str]]:
        """Queries that the store does not hold; seconds, and how they were answered."""
        texts = [f"{self.draw.choice(WORDS)} {self.draw.choice(WORDS)} new {n}" for n in range(int(rate * seconds))]
        answers = await self._at_rate(texts, rate)
        said = (json.loads(body) for _, body in answers)
        return [taken for taken, _ in answers], Counter(f"{row['source']} {row['reason']}".strip() for row in said)

    async def _at_rate(self, texts: Sequence[str], rate: float) -> list[tuple[float, bytes]]:
        begin, answers, tasks = time.perf_counter(), list[tuple[float, bytes]](), set[asyncio.Task[None]]()

        async def ask(text: str, due: float) -> None:
            body = await self._answer(text)
            if body is not None:
                answers.append((time.perf_counter() - due, body))

        for number, text in enumerate(texts):
            due = begin + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(ask(text, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        return answers

    async def _answer(self, text: str) -> bytes | None:
        """The body of an answer; None where the service closed a new connection without one."""
        self.sent += 1
        request = f"GET /v1/expand?q={text.replace(' ', '%20')} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        while True:
            layidle = bool(self.idle)
            reader, writer = self.idle.pop() if layidle else await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                if layidle:  # it may have been closed meanwhile: the request is sent again, its time runs on
                    continue
                self.codes[0] += 1
                return None
            self.codes[int(head.split()[1])] += 1
            self.idle.append((reader, writer))
            return body


def milliseconds(taken: Sequence[float]) -> dict[str, float]:
    """Percentiles of seconds, in milliseconds."""
    ordered = sorted(taken)
    chosen = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "most": 1.0}
    at = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in chosen.items()}
    return {"answers": len(ordered), **{name: round(1000 * value, 2) for name, value in at.items()}}


def memory(service: psutil.Process) -> dict[str, float]:
    """Resident memory in MB: the service's own, and that of its processes together."""
    children = [child.memory_info().rss for child in service.children(recursive=True)]
    return {"service_mb": round(service.memory_info().rss / 1e6, 1), "processes_mb": round(sum(children) / 1e6, 1)}


async def steady(load: Load, service: psutil.Process, rate: float, seconds: float) -> dict[str, Any]:
    """The head alone; a row per minute, or per tenth of a shorter time."""
    every, rows, taken = min(60.0, seconds / 10), list[dict[str, float]](), list[float]()
    rows.append({"at_s": 0, **memory(service)})
    for part in range(round(seconds / every)):
        some = await load.head(rate, every)
        taken += some
        found = milliseconds(some)
        rows.append({"at_s": round((part + 1) * every), "p50": found["p50"], "p99": found["p99"], **memory(service)})
    return {"rate": rate, "seconds": seconds, "head_ms": milliseconds(taken), "over_time": rows}


async def burst(load: Load, service: psutil.Process, rate: float, tail: float, seconds: float) -> dict[str, Any]:
    """The head before, during and after a burst of new queries, and how those were answered."""
    before = await load.head(rate, seconds)
    during, (tail_taken, how) = await asyncio.gather(load.head(rate, seconds), load.tail(tail, seconds))
    held = memory(service)
    after = await load.head(rate, seconds)
    head = {"before": before, "during": during, "after": after}
    return {
        "new_queries_per_second": tail,
        "seconds": seconds,
        "head_ms": {name: milliseconds(taken) for name, taken in head.items()},
        "tail_ms": milliseconds(tail_taken),
        "tail_answers": dict(how.most_common()),
        "memory_after": held,
    }


def start(
    store: Path, policy: Path | None, options: Sequence[str], open_: ExitStack
) -> tuple[int, psutil.Process, float]:
    """Serve the store, and wait until it answers and its policy is loaded: port, process, seconds to the first answer."""
    port, log = free_port(), store.with_name("serve.log")
    command = [sys.executable, "-c", "from leser.cli.main import main; main()", "serve", "--store", str(store)]
    command += ["--port", str(port), *(["--policy", str(policy)] if policy else [])]
    command += [part for option in options for part in ("-o", option)]
    began, ready = time.perf_counter(), 0.0
    with log.open("wb") as file:
        process = psutil.Popen(command, stderr=file)
    open_.callback(process.wait, 60)
    open_.callback(process.terminate)
    wanted = "ready" if policy else "none"
    while time.perf_counter() - began < START_S:
        if process.poll() is not None:
            raise SystemExit(log.read_text(encoding="utf-8"))
        try:
            said = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).json()
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        ready = ready or time.perf_counter() - began
        if said["policy"] == wanted:
            return port, process, ready
        time.sleep(0.2)
    raise SystemExit(f"The service was not ready within {START_S} s:\n{log.read_text(encoding='utf-8')[-3000:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All of it, as a row."""
    with tempfile.TemporaryDirectory(dir=given.folder) as folder, ExitStack() as open_:
        store = Path(folder, "head.db")
        row: dict[str, Any] = {"queries": given.queries, "write_s": round(write_store(store, given.queries), 1)}
        row["store_mb"] = round(store.stat().st_size / 1e6, 1)
        port, service, started = start(store, given.policy, given.option, open_)
        busy = round(sum(service.cpu_times()[:2]), 1)
        row |= {"start_s": round(started, 1), "start_processor_s": busy, "options": given.option}
        row["memory_at_start"] = memory(service)
        load = Load(port, given.queries)
        row["steady"] = asyncio.run(steady(load, service, given.rate, given.seconds)) if given.seconds else None
        if given.policy:
            load = replace(load, idle=[])  # each asyncio.run has its own connections
            row["burst"] = asyncio.run(burst(load, service, given.rate, given.burst, given.burst_seconds))
        row |= {"requests": load.sent, "codes": {str(code): count for code, count in load.codes.items()}}
        row["p99_budget_ms"] = BUDGET_P99_MS
    return row


def main() -> None:
    """Measure, print JSON, and with --evidence keep it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--queries", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=500.0, help="requests per second for queries of the store")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--policy", type=Path, help="run whose policy answers the burst; without one there is none")
    parser.add_argument("--burst", type=float, default=100.0, help="new queries per second in the burst")
    parser.add_argument("--burst-seconds", type=float, default=30.0)
    parser.add_argument("-o", dest="option", action="append", default=[], metavar="KEY=VALUE", help="of the service")
    parser.add_argument("--folder", help="where the store is written; else where temporary files lie")
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/serve-load.json")
    given = parser.parse_args()
    row = {"commit": commit(), "machine": machine(), "versions": versions(("fastapi", "uvicorn")), **measure(given)}
    print(json.dumps(row, indent=1))
    if given.evidence:
        write(ROOT / "docs" / "evidence" / "serve-load.json", row)
    if row["codes"] != {"200": row["requests"]}:
        raise SystemExit(1)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
