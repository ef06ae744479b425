"""A training small enough for tests: the demo task on the memory backend with a very small policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leser_catalogue.generator import generate

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
        "learning_rate": 1e-2,
        "steps_between_evaluations": 8,
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


def small_task(folder: Path) -> Path:
    """A corner of the demo task as a BEIR folder: a second to read where the whole takes several."""
    demo = generate(1)
    assert demo.documents is not None
    (folder / "qrels").mkdir(parents=True)
    queries, judged = [], set()
    for split, count in ((demo.train, 80), (demo.dev, 8), (demo.test, 12)):
        chosen = [q for q in split.queries if q.kind == "plain"][:count]
        lines = [f"{q.id}\t{d}\t{g}\n" for q in chosen for d, g in split.qrels[q.id].items()]
        (folder / "qrels" / f"{split.name}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
        queries += chosen
        judged |= {d for q in chosen for d in split.qrels[q.id]}
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": q.id, "text": q.text}) + "\n" for q in queries))
    documents = [d for d in demo.documents() if d.id in judged]
    rows = [{"_id": d.id, "title": d.fields["title"], "text": d.fields["text"]} for d in documents]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


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
        "steps_between_evaluations": 80, "max_evaluations": 7, "samples": 0,
    },
    "training": {"steps": 90, "queries_per_step": 32, "steps_between_evaluations": 20},
    "grpo": {"group_size": 16, "learning_rate": 5e-4, "credit": "prefix"},
    "rewards": {"weights": ["nDCG@10=1.0"]},
    "evaluation": {"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False, "resamples": 2000},
}  # fmt: skip
"""Two to three minutes, in which something is learned: a short warm-up, then GRPO."""
