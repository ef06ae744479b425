"""Bridge: a task, its search engine and its rewards as the reward function of another trainer.

The other trainer samples and learns; LESER writes the prompts (query and what the engine found for it), searches with each
completion and scores it, with the same rules, gates and rewards as its own training. TRL's GRPOTrainer, verl and verifiers
are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from leser.api import configure
from leser.environment import Attempt
from leser.errors import EngineDown, LeserError
from leser.expansion import Code
from leser.lesson import prepare
from leser.prompt import chat_prompt
from leser.reward import Outcome
from leser.session import Session, open_session
from leser.task import Query, Split

__all__ = ["Bridge", "open_bridge"]
SplitName = Literal["train", "dev", "test"]


def open_bridge(
    *,
    task: str | Path,
    backend: str,
    rewards: Sequence[str] | None = None,
    split: SplitName = "train",
    config: str | Path | None = None,
    platform: str | Path | None = None,
    plugins: Iterable[str | Path] = (),
    options: Mapping[str, Any] | None = None,
) -> Bridge:
    """Open a task, its engine and its rewards for another trainer.

    Args:
        task: Folder or file of queries and judgments, or the name of a reader that makes its task, such as "demo".
        backend: Name of the search engine.
        rewards: Rewards as NAME[=WEIGHT]; default: LESER's own.
        split: The queries to learn from.
        config: TOML file with a configuration.
        platform: TOML file with a platform profile.
        plugins: Python files that are plugins.
        options: Further options by dotted path, as for `leser.train`.

    Returns:
        The bridge; a context manager that closes the engine.

    Raises:
        LeserError: Something is not valid, or the engine does not answer. The message says what to do.
    """
    given = {"task": task, "backend": backend, "rewards": rewards, "plugins": tuple(plugins)}
    resolved, registry = configure(given, options, config=config, platform=platform)
    return Bridge(open_session(resolved, registry), split)


class Bridge:
    """Prompts and rewards of one split's queries."""

    def __init__(self, session: Session, split: SplitName = "train") -> None:
        self.session = session
        prepare(session.environment.rewards.rewards, session.reporter)
        self.split: Split = getattr(session.task, split)
        self._queries: dict[str, Query] = {query.id: query for query in self.split.queries}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine."""
        self.session.client.close()

    def rows(self, queries: Iterable[Query] | None = None) -> list[dict[str, Any]]:
        """A row per query for TRL's `train_dataset`: `prompt` (chat turns) and `query_id`.

        The engine is searched once for each query. Raises EngineDown when it fails for good.
        """
        environment, config = self.session.environment, self.session.config
        asked = list(self.split.queries if queries is None else queries)
        rows = []
        for seen in environment.observe(asked, config.prompt):
            turns = chat_prompt(seen, config.prompt, config.expansion)
            prompt = [{"role": turn.role, "content": turn.content} for turn in turns]
            rows.append({"prompt": prompt, "query_id": seen.query.id})
        return rows

    def verl_rows(self, queries: Iterable[Query] | None = None) -> list[dict[str, Any]]:
        """A row per query in the columns that verl's parquet files have."""
        return [
            {
                "data_source": "leser",
                "prompt": row["prompt"],
                "ability": "search",
                "reward_model": {"style": "rule", "ground_truth": row["query_id"]},
                "extra_info": {"query_id": row["query_id"], "split": self.split.name},
            }
            for row in self.rows(queries)
        ]

    def outcomes(
        self, query_ids: Sequence[str], completions: Sequence[str], finished: Sequence[bool] | None = None
    ) -> list[Outcome]:
        """What became of each completion: read, checked against the rules, searched with.

        `finished` False marks a completion that was cut at its length limit. Raises LeserError for an id that is not one
        of the split's.
        """
        ended = finished if finished is not None else [True] * len(completions)
        groups: dict[str, int] = {}
        attempts = []
        for query_id, completion, whole in zip(query_ids, completions, ended, strict=True):
            group = groups.setdefault(query_id, len(groups))
            attempts.append(Attempt(self._query(query_id), group, completion, whole))
        return self.session.environment.judge(attempts, self.split)

    def trl_reward(self, *, completions: Sequence[Any], query_id: Sequence[str], **_: Any) -> list[float | None]:
        """The reward of each completion, as TRL's GRPOTrainer calls it; None where the engine failed.

        Give the trainer `reward_funcs=bridge.trl_reward` and `train_dataset=Dataset.from_list(bridge.rows())`. TRL leaves a
        completion whose reward is None out of the group's mean. Raises LeserError for an unknown query.
        """
        scores = self.session.environment.score(self.outcomes(query_id, [_text(c) for c in completions]))
        return [
            None if excluded else float(total) for total, excluded in zip(scores.total, scores.excluded, strict=True)
        ]

    def verl_scores(
        self,
        data_sources: Sequence[str],  # noqa: ARG002 - verl passes its arguments by these names
        solution_strs: Sequence[str],
        ground_truths: Sequence[Any],
        extra_infos: Sequence[Mapping[str, Any]] | None = None,  # noqa: ARG002
        **_: Any,
    ) -> list[dict[str, float]]:
        """The reward of each completion, as verl's batch reward manager calls it: `score`, and each reward by its name.

        `ground_truths` are query ids. verl has no way to leave a completion out, and an engine's failure is not a score:
        raises EngineDown then, so that training stops and can be resumed.
        """
        scored = self.scores([str(truth) for truth in ground_truths], solution_strs)
        return [{"score": total, **parts} for total, parts in scored]

    def verifiers_rows(self, queries: Iterable[Query] | None = None) -> list[dict[str, Any]]:
        """A row per query in the fields of verifiers' TaskData: `id` (the query's), `name`, `system_prompt`, `prompt`."""
        asked = list(self.split.queries if queries is None else queries)
        rows = []
        for query, row in zip(asked, self.rows(asked), strict=True):
            texts = [turn["content"] for turn in row["prompt"]]
            rows.append(
                {"id": query.id, "name": query.text, "system_prompt": texts[0], "prompt": "\n\n".join(texts[1:])}
            )
        return rows

    def scores(self, query_ids: Sequence[str], completions: Sequence[str]) -> list[tuple[float, dict[str, float]]]:
        """The reward of each completion and its parts by name, for trainers that have no word for "no reward".

        An engine's failure is not a score: raises EngineDown then, so that training stops and can be resumed.
        """
        outcomes = self.outcomes(query_ids, completions)
        failed = next((o for o in outcomes if o.code is Code.ENGINE_ERROR), None)
        if failed is not None:
            raise EngineDown(
                f"The engine failed on '{failed.query.text[:80]}': {failed.reason}. "
                "Check it with the engine's own tools, then resume the training."
            )
        scores = self.session.environment.score(outcomes)
        return [
            (float(total), {name: float(v) for name, v in zip(scores.names, row, strict=True)})
            for total, row in zip(scores.total, scores.values, strict=True)
        ]

    def _query(self, query_id: str) -> Query:
        try:
            return self._queries[query_id]
        except KeyError:
            raise LeserError(
                f"The query id '{query_id}' is not one of the {self.split.name} queries of task "
                f"{self.session.task.name}. Take the rows from Bridge.rows."
            ) from None


def _text(completion: Any) -> str:
    """A completion's text: TRL gives a list of messages where the prompt was one."""
    return completion if isinstance(completion, str) else "".join(str(turn["content"]) for turn in completion)
