"""verl, with a search engine as the teacher.

`python examples/trainers/verl_reward.py` writes the train queries as parquet; then name this file in verl's configuration:

    data.train_files=runs/verl/train.parquet
    reward.custom_reward_function.path=examples/trainers/verl_reward.py
    reward.custom_reward_function.name=compute_score
    reward.reward_manager.name=batch
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leser.bridge import Bridge, open_bridge


@cache
def bridge() -> Bridge:
    """The engine and the rewards, opened once per process."""
    return open_bridge(task="demo", backend="memory", rewards=["nDCG@10=0.7", "R@100=0.3"])


def compute_score(
    data_sources: Sequence[str],
    solution_strs: Sequence[str],
    ground_truths: Sequence[str],
    extra_infos: Sequence[Mapping[str, Any]],
    **_: Any,
) -> list[dict[str, float]]:
    """The reward of each completion; an engine that fails stops the training, for its failure is not a score."""
    return bridge().verl_scores(data_sources, solution_strs, ground_truths, extra_infos)


if __name__ == "__main__":
    folder = Path("runs/verl")
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(bridge().verl_rows()), folder / "train.parquet")
