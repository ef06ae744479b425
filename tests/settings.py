"""A training small enough for tests: the demo task on the memory backend with a very small policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SMALL: dict[str, Any] = {
    "task": {"name": "demo"},
    "backend": {"name": "memory"},
    "policy": {
        "name": "tiny",
        "tiny": {
            "d_model": 64,
            "layers": 2,
            "heads": 2,
            "kv_heads": 1,
            "ffn": 128,
            "vocabulary": 800,
            "pretrain_steps": 5,
        },
    },
    "warmup": {
        "max_queries": 60,
        "steps_between_evaluations": 3,
        "patience": 1,
        "max_evaluations": 4,
        "batch_size": 16,
    },
    "training": {
        "steps": 6,
        "queries_per_step": 4,
        "steps_between_evaluations": 2,
        "dev_queries": 8,
        "max_new_tokens": 12,
    },
    "grpo": {"group_size": 4},
    "evaluation": {"best_of": 2, "resamples": 200},
}
"""Seconds, not minutes: it learns nothing, but goes through every stage."""


def small(out: Path, **tables: dict[str, Any]) -> dict[str, Any]:
    """The small configuration with some tables changed, writing to `out`."""
    changed = {name: {**SMALL.get(name, {}), **values} for name, values in tables.items()}
    return {**SMALL, **changed, "out": str(out)}


SHORT: dict[str, Any] = {
    "task": {"name": "demo"},
    "backend": {"name": "memory"},
    "expansion": {"weight": 2.0},
    "policy": {
        "name": "tiny",
        "tiny": {
            "d_model": 128, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 320, "vocabulary": 2000, "pretrain_steps": 10,
        },
    },
    "warmup": {
        "max_queries": 2000, "targets_per_query": 1, "batch_size": 32, "learning_rate": 3e-3,
        "steps_between_evaluations": 80, "max_evaluations": 5, "samples": 0,
    },
    "training": {"steps": 60, "queries_per_step": 32, "steps_between_evaluations": 20},
    "grpo": {"group_size": 8, "learning_rate": 5e-4, "term_credit": 0.5},
    "evaluation": {"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False, "resamples": 2000},
}  # fmt: skip
"""Two to three minutes, in which something is learned: a short warm-up, then GRPO."""
