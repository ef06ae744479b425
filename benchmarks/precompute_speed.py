"""Queries per second of `leser precompute` beside one-by-one `leser expand`: `python -m benchmarks.precompute_speed RUN`.

All in one run, in turns, on the run's own engine, with the texts of its task as the log (`--queries` takes another):
  one_process     `leser precompute RUN`, one thread: the command, and its work alone (without start and opening)
  all_threads     the same with as many threads as the machine has cores
  ray             `leser precompute RUN --engine ray --workers N`, one thread per worker
  open_run        `Run.expand` in a loop over the first `--one-by-one` queries, after the first; one thread
  command         `leser expand RUN "QUERY"` per query, for the first `--commands` queries; one thread
precompute does more for a query than the others: every guard of it. Work is queries per second of the work alone, whole is
queries per second from the command's start to its end; medians over `--rounds`. `ray_entries_equal` says whether Ray's store
holds the entries of one process. `--evidence` writes docs/evidence/precompute-speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.evidence import ROOT, commit, machine, versions, write
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import task_of
from leser.inspect.opening import configured, open_folder
from leser.inspect.run import Run
from leser.offline.frequent import read_frequent
from leser.stores import open_store

LESER = [sys.executable, "-c", "from leser.cli.main import main; main()"]
WORKED = re.compile(r"^(\d+) queries in ([\d.]+) s", re.MULTILINE)
Entries = dict[str, Any]


def threads(count: int) -> dict[str, str]:
    """The environment of a command with so many threads."""
    return {**os.environ, "OMP_NUM_THREADS": str(count), "MKL_NUM_THREADS": str(count)}


def texts_of(run: Path, limit: int | None) -> list[str]:
    """The texts of the run's task, each once."""
    task = task_of(*configured(open_folder(run)))
    return list(dict.fromkeys(query.text for split in task.splits for query in split.queries))[:limit]


def precomputed(run: Path, log: Path, flags: Sequence[str], count: int) -> tuple[dict[str, float], Entries]:
    """One `leser precompute` into a new store: queries per second of the whole and of the work, and the entries."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "head.db")
        command = [*LESER, "precompute", str(run), "--queries", str(log), "--out", str(out), *flags]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=threads(count))
        took = time.perf_counter() - started
        worked = WORKED.search(done.stdout)
        if done.returncode or worked is None:
            raise SystemExit(f"leser precompute failed: {done.stderr or done.stdout}")
        with open_store(str(out)) as store:
            rows = {entry.query: {**entry.row(), "time": ""} for entry in store.entries()}
    queries = int(worked[1])
    return {"whole": queries / took, "work": queries / float(worked[2])}, rows


def expanded_one_by_one(run: Path, texts: Sequence[str]) -> dict[str, float]:
    """Queries per second of `Run.expand`; the first call, which opens the engine and the policy, counts in the whole."""
    started = time.perf_counter()
    with Run.open(run) as opened:
        opened.expand(texts[0])
        first = time.perf_counter()
        for text in texts[1:]:
            opened.expand(text)
        ended = time.perf_counter()
    return {"whole": len(texts) / (ended - started), "work": (len(texts) - 1) / (ended - first)}


def commanded(run: Path, texts: Sequence[str]) -> dict[str, float]:
    """Queries per second of one command per query."""
    started = time.perf_counter()
    for text in texts:
        done = subprocess.run(
            [*LESER, "expand", str(run), text], capture_output=True, text=True, check=False, env=threads(1)
        )
        if done.returncode:
            raise SystemExit(f"leser expand failed: {done.stderr}")
    return {"whole": len(texts) / (time.perf_counter() - started)}


def measure(run: Path, log: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Every way, in turns; medians."""
    import torch

    torch.set_num_threads(1)
    texts = [query.text for query in read_frequent(log)]
    rows: dict[str, list[Mapping[str, float]]] = {}
    stores: dict[str, Entries] = {}
    ray = ("--engine", "ray", "--workers", str(chosen.workers))
    for _ in range(chosen.rounds):
        for name, flags, count in (("one_process", (), 1), ("all_threads", (), os.cpu_count() or 1), ("ray", ray, 1)):
            if name in chosen.ways:
                row, stores[name] = precomputed(run, log, flags, count)
                rows.setdefault(name, []).append(row)
        if "open_run" in chosen.ways:
            rows.setdefault("open_run", []).append(expanded_one_by_one(run, texts[: chosen.one_by_one]))
        if "command" in chosen.ways:
            rows.setdefault("command", []).append(commanded(run, texts[: chosen.commands]))
    speed = {
        name: {kind: round(statistics.median(row[kind] for row in found), 3) for kind in found[0]}
        for name, found in rows.items()
    }
    result: dict[str, Any] = {"queries": len(texts), "rounds": chosen.rounds, "workers": chosen.workers}
    result |= {"one_by_one": chosen.one_by_one, "commands": chosen.commands, "queries_per_second": speed}
    result["times"] = ratios(speed)
    if {"ray", "one_process"} <= stores.keys():
        result["ray_entries_equal"] = stores["ray"] == stores["one_process"]
    return result


def ratios(speed: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """How many times as fast as another way one way is."""
    pairs = [
        ("one_process", "open_run", "work"), ("one_process", "command", "whole"), ("ray", "one_process", "work"),
        ("ray", "one_process", "whole"), ("ray", "all_threads", "work"),
    ]  # fmt: skip
    return {
        f"{first} / {second}, {kind}": round(speed[first][kind] / speed[second][kind], 2)
        for first, second, kind in pairs
        if first in speed and second in speed
    }


WAYS = ("one_process", "all_threads", "ray", "open_run", "command")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--queries", type=Path, help="a log; default: the task's queries")
    parser.add_argument("--limit", type=int, help="at most so many of the task's queries")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--one-by-one", type=int, default=200)
    parser.add_argument("--commands", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", default="")
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/precompute-speed.json as well")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        log = chosen.queries
        if log is None:
            log = Path(folder, "log.txt")
            log.write_text("\n".join(texts_of(chosen.run, chosen.limit)) + "\n", encoding="utf-8")
        result = measure(chosen.run, log, chosen)
    if chosen.evidence:
        packages = versions(("torch", "ray", "numpy", "pyserini"))
        content = {"name": "precompute-speed", "commit": commit(), "machine": machine(), "versions": packages}
        if chosen.note:
            content["note"] = chosen.note
        write(ROOT / "docs" / "evidence" / "precompute-speed.json", {**content, **result})
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
