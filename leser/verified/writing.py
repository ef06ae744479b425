"""Verified search into a file: one JSON line per query, in order; resumable.

    OUT                   the answers
    OUT.terms.jsonl       the settings, then what each query's terms earned alone; a resume reads it, and so may you

Both only grow. A search that was killed goes on after the last whole line, and ends with the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.verified.journal import Journal, probe_row, read_probe
from leser.verified.result import VerifiedAnswer, VerifiedExpansions
from leser.verified.search import Probe, VerifiedSearch

PROBE, CHOOSE = "terms", "sets"
"""The two passes, as progress names them."""


def write_expansions(
    search: VerifiedSearch,
    out: Path,
    *,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> Counter[VerifiedAnswer]:
    """Search for each query's expansions and write them to `out`; how often each kind of answer was given.

    `settings` are further things that a resume must find unchanged. Raises LeserError where `out` exists and is not to be
    resumed, or was written with other settings; EngineDown once the engine stops answering.
    """
    tell = progress or (lambda _name, _done: None)
    terms, answers = Journal(out.with_name(out.name + ".terms.jsonl")), Journal(out)
    probes = _begun(terms, out, {**settings_of(search), **(settings or {})}, resume)
    size, count = search.options.queries_at_once, len(search.queries)
    tell(PROBE, len(probes))
    while len(probes) < count:
        rows = range(len(probes), min(len(probes) + size, count))
        found = search.probe(rows)
        terms.append(probe_row(search.queries[row].id, probe) for row, probe in zip(rows, found, strict=True))
        probes += found
        tell(PROBE, len(probes))
    support = search.support(probes)
    kinds = Counter(VerifiedAnswer(row["answer"]) for row in answers.rows())
    if not out.exists():
        answers.append([])
    while (done := kinds.total()) < count:
        rows = range(done, min(done + size, count))
        chosen = search.choose(rows, probes[rows.start : rows.stop], support)
        answers.append(_answer_row(search, found) for found in chosen)
        kinds.update(found.answer for found in chosen)
        tell(CHOOSE, kinds.total())
    return kinds


def settings_of(search: VerifiedSearch) -> dict[str, Any]:
    """What decides the answers, as plain values; long texts as digests."""
    environment, rewards = search.environment, search.environment.rewards
    judged = (
        None
        if search.split is None
        else {q.id: sorted(search.split.qrels.get(q.id, {}).items()) for q in search.queries}
    )
    learned = environment.learned_from
    return {
        "options": search.options.model_dump(mode="json"),
        "rewards": [f"{name}={weight!r}" for name, weight in zip(rewards.names, rewards.weights, strict=True)],
        "term_cost": rewards.term_cost,
        "rules": list(environment.rules.codes),
        "expansion": environment.expansion.model_dump(mode="json"),
        "engine": _digest(environment.client.backend.fingerprint()),
        "queries": _digest([(query.id, query.text) for query in search.queries]),
        "judgments": _digest(judged),
        "seed": search.seed,
        **({"learned from": learned} if learned else {}),
    }


def _begun(terms: Journal, out: Path, settings: Mapping[str, Any], resume: bool) -> list[Probe]:
    """The first pass as far as an earlier search came; begins the file where there was none."""
    plain = json.loads(json.dumps(settings))
    if (out.exists() or terms.path.exists()) and not resume:
        raise LeserError(f"{out} was begun before. Continue it with --resume, or choose another file with --out.")
    rows = terms.rows()
    if not rows:
        if out.exists():
            raise LeserError(f"{out} cannot be resumed: {terms.path} is missing. Choose another file with --out.")
        terms.append([{"settings": plain}])
        return []
    before = rows[0]["settings"]
    changed = sorted(name for name in before.keys() | plain.keys() if before.get(name) != plain.get(name))
    if changed:
        raise LeserError(
            f"{out} was begun with other settings: {', '.join(changed)} differ. Search with the same, or choose another "
            "file with --out."
        )
    return [read_probe(row) for row in rows[1:]]


def _answer_row(search: VerifiedSearch, found: VerifiedExpansions) -> dict[str, Any]:
    return found.row(search.environment.say, search.options.keep_top)


def _digest(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
