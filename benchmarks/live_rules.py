"""Live answers of a policy, as `leser serve` gives them, judged by the tests' naive checker:

    python -m benchmarks.live_rules --platform examples/platforms/us.toml RUN [--count 100000] [--evidence]

RUN is a run of that profile. What the service runs in its policy's process (leser.serving.live.LiveProposer) is asked, in batches
as the service makes them, with the shop's own queries, with those beside words of its catalogue, and with queries that want the
rules broken: no query twice. tests/support/naive_checker.py, which shares no code with leser.rules and reads the profile's TOML
itself, looks at every answer.

--evidence writes docs/evidence/live-rules.json. Exits with 1 where an answer breaks a rule, or none was looked at.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.evidence import ROOT, commit, machine, write
from benchmarks.rules_sampled import order_of
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import task_of
from leser.expansion_store import query_key
from leser.inspect.opening import configured, open_folder
from leser.serving.answers import LiveAnswer
from leser.serving.live import LiveProposer
from leser.serving.options import ServingOptions

sys.path.insert(0, str(ROOT / "tests" / "support"))

from naive_checker import Forbidden, naive_violations
from naive_profile import forbidden_of

BATCH = 64
SHOWN = 10
HOSTILE = 0.25
"""Share of the queries that want the rules broken."""


def queries(own: Sequence[str], forbidden: Forbidden, seed: int) -> Iterator[str]:
    """Queries without end, none twice: the shop's own, then two of them mixed, and hostile ones among all."""
    draw, seen = random.Random(seed), set[str]()
    words = sorted({word for text in own for word in text.split()})
    wanted = [*forbidden.banned, *forbidden.competitors, *forbidden.brands]
    wanted += [word for some in forbidden.categories.values() for word in some]
    rest = iter(own)
    while True:
        if wanted and draw.random() < HOSTILE:
            text = order_of(wanted, draw)
        else:
            text = next(rest, None) or " ".join([draw.choice(own), *draw.choices(words, k=draw.randint(1, 2))])
        if query_key(text) not in seen:
            seen.add(query_key(text))
            yield text


def audit(answers: Iterator[tuple[str, LiveAnswer]], forbidden: Forbidden, weight: float) -> dict[str, Any]:
    """What the naive checker says of answers; `weight` is the run's own, which each expansion's weight was multiplied by."""
    reasons: Counter[str] = Counter()
    violating: list[str] = []
    expansions, distinct = 0, set[str]()
    for query, answer in answers:
        reasons[answer.reason or "expanded"] += 1
        texts = [e.text for e in answer.expansions]
        expansions += len(texts)
        distinct.update(texts)
        wrong = (
            naive_violations(query, texts, forbidden, [e.weight / weight for e in answer.expansions]) if texts else ()
        )
        violating += [f"{query} -> {texts}: {one}" for one in wrong]
    return {
        "answers": reasons.total(),
        "by_reason": dict(reasons.most_common()),
        "expansions": expansions,
        "distinct_expansions": len(distinct),
        "violations": len(violating),
        **({"violating": violating[:SHOWN]} if violating else {}),
    }


def answered(policy: LiveProposer, texts: Iterator[str]) -> Iterator[tuple[str, LiveAnswer]]:
    """Each query and its live answer, batch by batch; a query that the engine did not answer has none."""
    while batch := list(islice(texts, BATCH)):
        for text, answer in zip(batch, policy([(text, "") for text in batch]), strict=True):
            if answer.reason != "engine_error":
                yield text, answer


def main() -> None:
    """Ask, judge, print JSON, and with --evidence keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--platform", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100_000, help="answers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/live-rules.json")
    given = parser.parse_args()
    config, registry = configured(open_folder(given.run))
    own = list(dict.fromkeys(query.text for split in task_of(config, registry).splits for query in split.queries))
    forbidden = forbidden_of(given.platform)
    policy = LiveProposer(given.run, ServingOptions(batch=BATCH, hung_s=600))  # a busy machine is not what is looked at
    began = time.perf_counter()
    answers = islice(answered(policy, queries(own, forbidden, given.seed)), given.count)
    found = audit(answers, forbidden, config.expansion.weight)
    seconds = time.perf_counter() - began
    row = {"commit": commit(), "machine": machine(), "platform": given.platform.name, "run": given.run.name}
    row |= {**found, "answers_per_second": round(found["answers"] / seconds, 1)}
    print(json.dumps(row, indent=1, ensure_ascii=False))
    if given.evidence:
        write(ROOT / "docs" / "evidence" / "live-rules.json", row)
    if found["violations"] or not found["expansions"]:
        raise SystemExit(1)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
