"""A query that the engine refuses: it is left out, the others go on, and only an engine that refuses many ends a run."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from bad_input import run_cli, tables, write
from leser_memory import MemoryBackend

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
from leser.config.training import MonitorOptions
from leser.engine import SearchClient, SearchOptions
from leser.environment import Attempt, Environment
from leser.errors import EngineDown
from leser.expansion import Code, ExpansionOptions
from leser.monitor.monitor import Monitor, SecondEngine
from leser.plugins import load_plugins
from leser.prompt import PromptOptions
from leser.sampler import Answers
from leser.scoring import RewardSet
from leser.task import Query, Split
from leser.testing import DOCUMENTS

GOOD, BAD = Query("good", "lamp"), Query("bad", "sofa (")
SPLIT = Split("train", (BAD, GOOD), {"good": {"d07": 1}, "bad": {"d01": 1}})
PLUGIN = """
from leser.backend import SearchError
from leser.hooks import hookimpl
from leser_memory import MemoryBackend

class Strict(MemoryBackend):
    '''The memory engine, which cannot read some queries.'''
    name = "strict"
    def search(self, queries, k, *, total=False):
        refused = SearchError("unbalanced parenthesis", "query")
        answers = super().search(queries, k, total=total)
        return [refused if query.text.startswith({refused}) else a for query, a in zip(queries, answers, strict=True)]

@hookimpl
def leser_backends(): return [Strict]

@hookimpl
def leser_step(metrics): raise ConnectionError("the dashboard is away")
"""


class Strict(MemoryBackend):
    """The memory engine, which refuses a query with a parenthesis."""

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        answers = super().search(queries, k, total=total)
        refused = SearchError("unbalanced parenthesis", "query")
        return [refused if "(" in query.text else answer for query, answer in zip(queries, answers, strict=True)]


class Raising(MemoryBackend):
    """The same, but it raises, and takes the whole batch with it."""

    calls = 0

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        self.calls += 1
        if any("(" in query.text for query in queries):
            raise ValueError("unbalanced parenthesis")
        return super().search(queries, k, total=total)


def environment_of(backend: MemoryBackend, **options: Any) -> Environment:
    rewards = RewardSet.from_specs(["nDCG@10"], load_plugins().all("reward"))
    return Environment(SearchClient(backend, SearchOptions(**options)), rewards, ExpansionOptions())


@pytest.mark.parametrize("kind", [Strict, Raising])
def test_a_refused_original_is_left_out_and_the_others_go_on(
    kind: type[MemoryBackend], caplog: pytest.LogCaptureFixture
) -> None:
    environment = environment_of(kind.of(DOCUMENTS))
    with caplog.at_level(logging.WARNING, logger="leser.environment"):
        seen = environment.observe([BAD, GOOD], PromptOptions())
        outcomes = environment.judge(
            [Attempt(q, 0, text) for q in (BAD, GOOD) for text in ("none", "chair", "")], SPLIT
        )
    assert [len(observation.original.hits) for observation in seen] == [0, 2]
    codes = [Code.ENGINE_ERROR, Code.ENGINE_ERROR, Code.PARSE_ERROR, Code.NONE, Code.OK, Code.PARSE_ERROR]
    assert [outcome.code for outcome in outcomes] == codes
    assert "unbalanced parenthesis" in outcomes[0].reason
    scores = environment.score(outcomes)
    assert scores.excluded.tolist() == [True, True, False, False, False, False]
    assert np.isnan(scores.total[:2]).all()
    refusal = environment.refusal(BAD)
    assert refusal is not None
    assert refusal.kind == "query"
    assert environment.refusal(GOOD) is None
    assert caplog.text.count("The engine refuses 1 of 2 original queries, such as 'sofa (' (id bad)") == 1


def test_an_engine_that_fails_is_no_refusal() -> None:
    class Broken(MemoryBackend):
        def search(self, queries: Any, k: int, *, total: bool = False) -> list[Ranking | SearchError]:
            return [SearchError("index is gone", "engine") for _ in queries]

    with pytest.raises(EngineDown, match=r"failed on the original query 'sofa \('.*index is gone"):
        environment_of(Broken.of(DOCUMENTS)).originals([BAD, GOOD])


def test_a_query_for_which_a_backend_raises_fails_alone_in_few_calls() -> None:
    engine = Raising.of(DOCUMENTS)
    batch = [ExpandedQuery(str(n), "sofa (" if n == 137 else f"lamp {n}") for n in range(512)]
    with SearchClient(engine) as client:
        answers = client.search(batch, 5)
    assert answers[137] == SearchError("ValueError: unbalanced parenthesis", "query")
    assert answers[:137] + answers[138:] == MemoryBackend.of(DOCUMENTS).search(batch[:137] + batch[138:], 5)
    assert engine.calls == 19, "two a halving, for nine of them, after the first"


def test_a_backend_that_raises_for_every_query_is_an_engine_in_trouble_after_few_calls() -> None:
    engine = Raising.of(DOCUMENTS)
    batch = [ExpandedQuery(str(n), f"sofa ( {n}") for n in range(512)]
    with SearchClient(engine) as client, pytest.raises(EngineDown, match=r"failed 64 of the last 64.*\(engine\)"):
        client.search(batch, 5)
    assert engine.calls <= 21


def test_a_connection_that_fails_is_not_asked_again_query_by_query() -> None:
    class Away(MemoryBackend):
        calls = 0

        def search(self, queries: Any, k: int, *, total: bool = False) -> list[Ranking | SearchError]:
            self.calls += 1
            raise ConnectionError("refused")

    engine = Away.of(DOCUMENTS)
    with SearchClient(engine, SearchOptions(breaker_window=100)) as client:
        answers = client.search([ExpandedQuery("a", "a"), ExpandedQuery("b", "b")], 5)
    assert answers == [SearchError("ConnectionError: refused", "engine")] * 2
    assert engine.calls == 1


def test_a_refused_query_counts_once_for_the_breaker_whatever_stands_beside_it() -> None:
    group = [ExpandedQuery("bad", "sofa (", (Term(f"word{n}"),)) for n in range(200)]
    others = [ExpandedQuery(str(n), f"lamp {n}") for n in range(64)]
    with SearchClient(Strict.of(DOCUMENTS), SearchOptions(cache_size=0)) as client:
        for _ in range(3):
            client.search([*others, *group], 5)
        assert client.stats().errors == 600
        different = [ExpandedQuery(str(n), f"sofa ( {n}") for n in range(64)]
        with pytest.raises(EngineDown, match=r"failed \d+ of the last 64 queries; the last one \(query\)"):
            client.search(different, 5)


def test_a_second_engine_that_fails_costs_its_figure_alone() -> None:
    dev = Split("dev", (Query("q", "lamp"),), {"q": {"d07": 1}})

    class Away(MemoryBackend):
        away = True

        def search(self, queries: Any, k: int, *, total: bool = False) -> list[Ranking | SearchError]:
            if self.away:
                return [SearchError("503", "transient") for _ in queries]
            return super().search(queries, k, total=total)

    environment, engine, warned = environment_of(MemoryBackend.of(DOCUMENTS)), Away.of(DOCUMENTS), []
    second = SecondEngine(environment_of(engine, retries=0, deadline=0.05, backoff=0.001), dev)
    outcomes = tuple(environment.judge([Attempt(dev.queries[0], 0, "none")], dev))
    answers = Answers(outcomes, outcomes, 1.0, {}, (1,))
    monitor = Monitor(MonitorOptions(), environment, dev, 24, warned.append, second)
    rows = [monitor.examine({"step": step, "dev_reward": 1.0}, answers=answers) for step in range(2)]
    assert not any("dev_second_engine" in row for row in rows)
    assert len(warned) == 1
    assert "the second engine's figure is left out: The engine failed on the original query 'lamp'" in warned[0]
    engine.away = False
    assert monitor.examine({"step": 2, "dev_reward": 1.0}, answers=answers)["dev_second_engine"] > 0


def shop_run(folder: Path, refused: str, *more: str, **changes: Any) -> tuple[int, str]:
    """A training of seconds on an engine that refuses queries that begin so."""
    plugin, config = folder / "strict.py", folder / "run.toml"
    write(folder, {"strict.py": PLUGIN.replace("{refused}", refused)})
    values = tables(folder, backend={"name": "strict"}, **changes)
    config.write_text(tomli_w.dumps(values))
    given = ["--config", str(config), "--plugin", str(plugin), "--out", str(folder / "run"), *more]
    code, _, said = run_cli(given)
    assert "Traceback" not in said
    return code, " ".join(said.split())


def test_an_engine_that_refuses_the_first_queries_all_ends_the_dry_run(tmp_path: Path) -> None:
    code, said = shop_run(tmp_path, "('red', 'blue')", "--dry-run")
    assert code == 2
    assert "A first search failed: unbalanced parenthesis" in said


def test_a_training_goes_on_without_refused_queries_and_without_its_observer(tmp_path: Path) -> None:
    """One query of train, of dev and of test is refused; RM3 has options of its own; the observer raises at each step."""
    refused = "('red sofa', 'green rug', 'blue chair')"
    baselines = {"baselines": ["original", "rm3"], "baseline_options": {"rm3": {"fb_docs": [2], "fb_terms": [3]}}}
    code, said = shop_run(tmp_path, refused, evaluation=baselines)
    assert code == 0, said
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["systems"].keys() >= {"original", "rm3", "leser"}
    assert all(evaluation["systems"][name]["errors"] == 0.5 for name in ("original", "rm3", "leser"))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert sum(row["phase"] == "grpo" for row in rows) == 5, "a look before the first step, and four steps"
    assert any(row.get("engine_errors", 0) > 0 for row in rows)
    assert "'red sofa' finds" not in said
