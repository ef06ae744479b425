"""What two runs must have in common: digests of their files, facts of their metrics."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq

TIMES = (
    "sample_s", "search_s", "update_s", "sync_s", "hidden_s", "elapsed_s", "searches_per_s", "cache_hits", "sampler_gap",
    "entropy_all", "completions_per_s", "tokens_per_s", "mfu",
)  # fmt: skip
"""Metrics that tell how long something took or what was in memory: not the same twice. The sampler's
log-probabilities round by about 4e-7, and the last bits follow where a process happens to put its buffers; they are only
reported, as a gap and as the entropy of all completions."""


def digests(out: Path) -> dict[str, str]:
    """Every tensor file that a run ends with: the policies, and the last checkpoint's weights and moments."""
    last = max((out / "checkpoints").glob("step-*"), key=lambda p: int(p.name.removeprefix("step-")))
    return {
        str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest()
        for folder in (out / "policy", out / "policies" / "warmup", last)
        for p in sorted(folder.iterdir())
        if p.suffix == ".safetensors"
    }


def facts(out: Path) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    rollouts = [row for file in sorted((out / "rollouts").glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    return [{k: v for k, v in row.items() if k not in TIMES} for row in metrics], rollouts
