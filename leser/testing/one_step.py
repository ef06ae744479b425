"""train_one_step: a whole run in seconds, to see what a plugin does in training, in the evaluation and in the report.

    from leser.testing import train_one_step

    def test_it_trains(tmp_path):
        run = train_one_step(tmp_path, rewards={"weights": ["cheaper@10=1.0"]})
        assert "reward_cheaper@10" in run.step
        assert "cheaper@10" in run.report

It is the way that `leser run` goes, with one update of a tiny policy: the kit's shop as a BEIR folder, the engine in process,
the original query as the only baseline. Tables override that, as a configuration file would.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.config.build import complete
from leser.config.load import config_of
from leser.plugins import load_plugins
from leser.run.runner import run
from leser.store.folder import RunFolder
from leser.testing.shop import ENGINE, write_shop

ONE_STEP: dict[str, dict[str, Any]] = {
    "backend": {"name": ENGINE},
    "policy": {
        "name": "tiny",
        "tiny": {
            "d_model": 32, "layers": 1, "heads": 2, "kv_heads": 1, "ffn": 64, "vocabulary": 300, "pretrain_steps": 1,
        },
    },
    "warmup": {
        "max_queries": 8, "samples": 0, "learning_rate": 1e-2, "steps_between_evaluations": 8, "max_evaluations": 2,
        "batch_size": 8,
    },
    "training": {"steps": 1, "queries_per_step": 8, "max_new_tokens": 12},
    "grpo": {"group_size": 4},
    "evaluation": {
        "measures": ["nDCG@10"], "baselines": ["original"], "prompted": False, "best_of": 0, "warmup_plus": False,
        "resamples": 100,
    },
}  # fmt: skip
"""The configuration of the one step; it learns next to nothing, but goes through every stage."""

_NO_TEXT = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL)


@dataclass(frozen=True)
class OneStep:
    """What one step left: the run's folder, and of it what tests look at.

    `metrics` are the rows of metrics.jsonl, `rollouts` every completion with what it earned and what became of it,
    `evaluation` the content of evaluation.json, `report` the text that a reader of report.html sees.
    """

    folder: Path
    metrics: tuple[dict[str, Any], ...]
    rollouts: tuple[dict[str, Any], ...]
    evaluation: dict[str, Any]
    report: str

    @property
    def step(self) -> dict[str, Any]:
        """The row of the GRPO update: `reward`, each reward as `reward_NAME`, `rule_violations`, `engine_errors` and so on."""
        return next(row for row in self.metrics if row["phase"] == "grpo" and "reward" in row)

    @property
    def systems(self) -> dict[str, dict[str, float]]:
        """Each system's measures on test."""
        systems: dict[str, dict[str, float]] = self.evaluation["systems"]
        return systems


def train_one_step(folder: Path, plugins: Sequence[Path | str] = (), **tables: Mapping[str, Any]) -> OneStep:
    """Train one step in `folder`, evaluate, and read what it left; raises LeserError as `leser run` does.

    Installed plugins are there already; `plugins` names files, as --plugin does. `tables` are those of a configuration, laid
    over the kit's own one by one: `rules={"no-prices": {}}`, `evaluation={"baselines": ["original", "synonyms"]}`.
    """
    import pyarrow.parquet as pq

    values: dict[str, Any] = {name: {**ONE_STEP.get(name, {}), **table} for name, table in tables.items()}
    if "name" in tables.get("backend", {}):
        values["backend"] = dict(tables["backend"])  # another engine's options are its own
    if "task" not in values:
        values["task"] = {"name": str(write_shop(folder / "task"))}
    out = folder / "run"
    config = config_of({**ONE_STEP, **values, "out": str(out), "plugins": [str(file) for file in plugins]})
    registry = load_plugins(config.plugins)
    run(complete(config, registry), registry)
    kept = RunFolder(out)
    rollouts = [row for path in sorted(kept.rollouts.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return OneStep(
        out,
        tuple(kept.metrics()),
        tuple(rollouts),
        json.loads((out / "evaluation.json").read_text(encoding="utf-8")),
        _text_of((out / "report.html").read_text(encoding="utf-8")),
    )


def _text_of(page: str) -> str:
    """The words of a page, without its markup."""
    return " ".join(html.unescape(_NO_TEXT.sub(" ", page)).split())
