"""harm.jsonl, and what evaluation.json says of whom each system hurt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leser.evaluation.evaluate import IDEAL, ORIGINAL, POLICY
from leser.evaluation.harm import harm_of, summary
from leser.evaluation.systems import SystemRun
from leser.files import write_atomically
from leser.report.answers import Titles
from leser.task import Query

FILE = "harm.jsonl"


def harm_content(
    queries: Sequence[Query],
    runs: Sequence[SystemRun],
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]],
    measure: str,
    titles: Titles,
    path: Path,
) -> dict[str, Any]:
    """Each system's figures in `measure` beside the original; writes the policy's, query by query, to `path`."""
    values = {name: measures.get(measure, {}) for name, measures in per_query.items()}
    before = next((run for run in runs if run.name == ORIGINAL), None)
    if before is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for run in runs:
        if run.name in (ORIGINAL, IDEAL):
            continue
        harms = harm_of(queries, before, run, values, titles)
        if harms:
            found[run.name] = summary(harms, values[ORIGINAL])
        if run.name == POLICY:
            write_atomically(path, "".join(json.dumps(harm.row()) + "\n" for harm in harms))
    return {"harm": {"measure": measure, "systems": found}} if found else {}
