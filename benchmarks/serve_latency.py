"""How long a new query waits for `leser serve`, by who answers it, and what the answers are worth:

    leser fit --task DIR --backend memory --reward encoder@10 -o task.unjudged=all --by encoder-feedback --out runs/feedback
    python -m benchmarks.serve_latency runs/feedback --by encoder-feedback [--count 1000] [--clients 1] [--gain] [--out F.json]

Starts the service on an empty store and sends test queries, each once, so that none is answered from the store: from so many
clients, each of which sends its next query when it has its answer. Times are those of whole requests over HTTP on one machine.

--work measures what the service runs in its process instead, one query after another: milliseconds of processor time, which a
busy machine does not change as much as it changes a wait.

--gain asks what the service runs in its process about all test queries instead, searches with the answers, and compares nDCG@10
with that of the queries as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.evidence import ROOT, commit, machine
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import task_of
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.expansion_store import query_key
from leser.inspect.opening import configured, open_folder
from leser.serving.live import LiveProposer
from leser.serving.options import ServingOptions

sys.path.insert(0, str(ROOT / "tests" / "support"))

from served import serving, write_store

BATCH = 8


def waits(run: Path, by: str, texts: Sequence[str], clients: int, options: Sequence[str]) -> dict[str, Any]:
    """Milliseconds of each request, and what became of it; `options` of the service, such as nice=0."""
    flags = [part for option in options for part in ("-o", option)]
    times: list[float] = []
    reasons: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        with serving(folder, write_store(folder / "head.db"), "--run", str(run), "--by", by, *flags) as served:
            served.until("/readyz policy", "ready", 600)
            start, address = time.perf_counter() - began, str(served.client.base_url)

            def ask(own: Sequence[str]) -> None:
                with httpx.Client(base_url=address, timeout=30) as client:
                    for text in own:
                        at = time.perf_counter()
                        said = client.get("/v1/expand", params={"q": text}).json()
                        times.append(1000 * (time.perf_counter() - at))
                        reasons[said["reason"] or said["source"]] += 1

            threads = [threading.Thread(target=ask, args=(texts[first::clients],)) for first in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            peak = Path(f"/proc/{served.pid('policy' if by == 'policy' else 'baseline')}/status").read_text()
    memory = next(int(line.split()[1]) / 1024 for line in peak.splitlines() if line.startswith("VmHWM"))
    percentiles = dict(
        zip(("p50_ms", "p95_ms", "p99_ms"), np.percentile(times, [50, 95, 99]).round(1).tolist(), strict=True)
    )
    answers = dict(reasons.most_common())
    return {"by": by, "clients": clients, "queries": len(times), **percentiles, "max_ms": round(max(times), 1),
            "answers": answers, "start_s": round(start, 1), "memory_mib": round(memory)}  # fmt: skip


def work(run: Path, by: str, texts: Sequence[str]) -> dict[str, Any]:
    """Processor time of each answer, in milliseconds, on one thread."""
    live, times = LiveProposer(run, ServingOptions(hung_s=600), by), []
    for text in texts:
        at = time.process_time()
        live([(text, "")])
        times.append(1000 * (time.process_time() - at))
    found = np.percentile(times, [50, 95, 99]).round(1).tolist()
    return {"by": by, "queries": len(times), **dict(zip(("p50_ms", "p95_ms", "p99_ms"), found, strict=True))}


def gain(run: Path, by: str) -> dict[str, Any]:
    """nDCG@10 of the test queries, as they are and with the live answers."""
    config, registry = configured(open_folder(run))
    test = task_of(config, registry).test
    live = LiveProposer(run, ServingOptions(hung_s=600), by)
    answers = []
    for first in range(0, len(test.queries), BATCH):
        answers += live([(query.text, "") for query in test.queries[first : first + BATCH]])
    session = live._open()
    options = session.environment.expansion.model_copy(update={"weight": 1.0})
    runs = []
    for name, expansions in (("original", [()] * len(answers)), (by, [answer.expansions for answer in answers])):
        asked = [(session.environment.ask(q), own) for q, own in zip(test.queries, expansions, strict=True)]
        found = session.client.search_expansions(asked, 100, options=options)
        runs.append(SystemRun(name, {q.id: r.ranking for q, r in zip(test.queries, found, strict=True)}))
    result = evaluate(test, runs, ["nDCG@10"], policy=by, resamples=10_000).to_json()
    reasons = Counter(answer.reason or "expanded" for answer in answers)
    return {"by": by, "queries": len(answers), "answers": dict(reasons.most_common()),
            "words": round(float(np.mean([len(answer.expansions) for answer in answers])), 2),
            "systems": result["systems"], "comparisons": result["comparisons"]}  # fmt: skip


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--by", default="policy")
    parser.add_argument("--count", type=int, default=1000, help="new queries")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("-o", dest="options", action="append", default=[], help="option of the service")
    parser.add_argument("--work", action="store_true")
    parser.add_argument("--gain", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.gain:
        found = gain(given.run, given.by)
    else:
        queries = task_of(*configured(open_folder(given.run))).test.queries
        texts = list({query_key(query.text): query.text for query in queries}.values())[: given.count]
        by, run = given.by, given.run
        found = work(run, by, texts) if given.work else waits(run, by, texts, given.clients, given.options)
    said = json.dumps({**found, "commit": commit(), "machine": machine()}, indent=1, ensure_ascii=False)
    if given.out:
        given.out.write_text(said + "\n", encoding="utf-8")
    print(said)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
