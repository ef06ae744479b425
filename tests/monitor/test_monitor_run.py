"""The monitor beside a run: what it looks up, a second measure and engine, engines that fail it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from bad_input import run_cli, tables
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from monitored import COLOURS, SHELF, batch
from run_digests import digests, facts

from leser.config.build import complete
from leser.config.load import config_of
from leser.config.training import MonitorOptions
from leser.engine import SearchClient, SearchOptions
from leser.engine.words import EngineWords
from leser.environment import Attempt, Environment
from leser.errors import LeserError
from leser.expansion import Code, Expansion, ExpansionOptions
from leser.monitor.monitor import Monitor, SecondEngine
from leser.plugins import load_plugins
from leser.reward import Outcome, parse_spec
from leser.run.runner import run
from leser.sampler import Answers
from leser.scoring import RewardSet
from leser.task import Query, Split


class Counting(MemoryBackend):
    """The memory engine, counting what it is asked."""

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        self.asked = [*getattr(self, "asked", []), *terms]
        return super().doc_freq(terms, field)


def test_each_word_is_looked_up_once() -> None:
    backend = Counting.of(SHELF)
    words = EngineWords(backend)
    assert words.doc_freq(["velvet", "qzx"]) == [10, 0]
    assert words.doc_freq(["velvet", "qzx", "sofa"])[1] == 0
    assert sorted(backend.asked) == ["qzx", "sofa", "velvet"]


def environment_of(backend: MemoryBackend) -> Environment:
    rewards = RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0])
    return Environment(SearchClient(backend), rewards, ExpansionOptions(weight=2.0))


def answers_of(environment: Environment, dev: Split, expansion: str) -> Answers:
    outcomes = []
    for i, query in enumerate(dev.queries):
        original = environment.originals([query])[query.id]
        outcomes.append(
            Outcome(query, i, expansion, (Expansion(expansion),), original, original, dev.qrels[query.id], Code.OK)
        )
    return Answers(tuple(outcomes), tuple(outcomes), 0.5, {}, (3,) * len(outcomes))


def test_a_second_measure_costs_no_search_and_a_second_engine_searches() -> None:
    dev = Split("dev", (Query("q", "red"), Query("r", "blue")), {"q": {"d0": 1}, "r": {"d1": 1}})
    environment = environment_of(MemoryBackend.of(SHELF))
    answers = answers_of(environment, dev, "sofa")
    second = SecondEngine(environment_of(MemoryBackend.of(SHELF[1:])), dev)
    monitor = Monitor(MonitorOptions(), environment, dev, 24, print, second)
    searched = environment.client.stats().searches
    row = monitor.examine({"phase": "grpo", "step": 0, "dev_reward": 0.5}, answers=answers)
    assert row["dev_RR@10"] == 1.0
    assert row["dev_second_engine"] < 1.0, "the second engine lacks a relevant document"
    assert environment.client.stats().searches == searched
    assert "warnings" not in row
    monitor.close()


def test_a_second_measure_that_cannot_be_taken_is_refused() -> None:
    dev = Split("dev", (Query("q", "red"),), {"q": {"d0": 1}})
    environment = environment_of(MemoryBackend.of(SHELF))
    with pytest.raises(LeserError, match="10 deep"):
        Monitor(MonitorOptions(measure="R@100"), environment, dev, 24, print)
    with pytest.raises(LeserError, match="Unknown measure"):
        Monitor(MonitorOptions(measure="nDGC@10"), environment, dev, 24, print)
    Monitor(MonitorOptions(measure="nDGC@10", enabled=False), environment, dev, 24, print)


class Deaf(MemoryBackend):
    """The memory engine, without an answer to how many documents hold a word."""

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        raise TimeoutError("no answer")


def test_an_engine_that_does_not_say_costs_one_figure_and_no_training() -> None:
    said: list[str] = []
    dev = Split("dev", (Query("q", "red"),), {"q": {"d0": 1}})
    monitor = Monitor(MonitorOptions(), environment_of(Deaf.of(SHELF)), dev, 24, said.append)
    for step in (1, 2):
        row = monitor.examine({"phase": "grpo", "step": step}, batch(["settee{i}"]))
        assert set(row) == {"phase", "step", "echo", "repeated_terms", "commonest_term"}
    assert len(said) == 1
    assert "no answer" in said[0]


class Stumbling(MemoryBackend):
    """The memory engine, which analyses and counts nothing while `down`."""

    down = False

    def analyze(self, texts: Sequence[str], field: str | None = None) -> list[list[str]]:
        if self.down:
            raise TimeoutError("no analysis")
        return super().analyze(texts, field)

    def doc_freq(self, terms: Sequence[str], field: str | None = None) -> list[int]:
        if self.down:
            raise TimeoutError("no answer")
        return super().doc_freq(terms, field)


def test_a_step_that_the_environment_survived_is_survived_by_the_monitor() -> None:
    """The engine fails for one step: its rows are left out, nothing is raised, and every figure is there again after it."""
    said: list[str] = []
    dev = Split("dev", (Query("q", "red"),), {"q": {"d0": 1}})
    backend = Stumbling.of(SHELF)
    search = SearchOptions(retries=0, backoff=0.001, breaker_window=100_000)
    environment = Environment(
        SearchClient(backend, search), RewardSet([NDCG(parse_spec("nDCG@10"))], [1.0]), ExpansionOptions(weight=2.0)
    )
    monitor = Monitor(MonitorOptions(), environment, dev, 24, said.append)
    queries = [Query(f"q{i}", f"{colour} couch") for i, colour in enumerate(COLOURS)]
    environment.originals(queries)

    def stepped(number: int, word: str) -> dict[str, Any]:
        texts = [environment.say([Expansion(f"{word}{i}")]) for i in range(len(queries))]
        judged = environment.judge([Attempt(q, i, t) for i, (q, t) in enumerate(zip(queries, texts, strict=True))], dev)
        rows = [
            {
                "query_id": o.query.id,
                "query": o.query.text,
                "expansions": [e.text for e in o.expansions],
                "code": o.code,
            }
            for o in judged
        ]
        return monitor.examine({"phase": "grpo", "step": number}, rows)

    whole = {"phase", "step", "echo", "repeated_terms", "unknown_expansions"}
    assert whole <= set(stepped(1, "settee"))
    backend.down = True
    assert set(stepped(2, "velvet")) == {"phase", "step"}
    assert said == [], "rows that nobody analysed tell nothing of how many documents hold a word"
    assert set(monitor.examine({"phase": "grpo", "step": 3}, batch(["lamp{i}"]))) == {"phase", "step"}
    monitor.examine({"phase": "grpo", "step": 4}, batch(["shade{i}"]))
    assert len(said) == 1
    assert "are not judged" in said[0]
    backend.down = False
    assert whole <= set(stepped(5, "chair"))


def trained(folder: Path, **monitor: Any) -> Path:
    table = tables(folder, training={"steps": 8, "queries_per_step": 4, "max_new_tokens": 10, "monitor": monitor})
    registry = load_plugins()
    run(complete(config_of({**table, "out": str(folder / "run")}), registry), registry)
    return folder / "run"


def test_what_is_learned_is_the_same_without_the_monitor_and_it_can_end_a_training(tmp_path: Path) -> None:
    """One task, three trainings: watched, not watched, and watched with limits that the first steps exceed."""
    watched, alone = trained(tmp_path / "a"), trained(tmp_path / "b", enabled=False)
    assert digests(watched) == digests(alone)
    own = {"echo", "repeated_terms", "commonest_term", "unknown_expansions", "dev_RR@10", "warnings"}
    (mine, rollouts), (theirs, other) = facts(watched), facts(alone)
    assert rollouts == other
    assert [{k: v for k, v in row.items() if k not in own} for row in mine] == theirs
    assert any("echo" in row for row in mine)
    assert not any(own & set(row) for row in theirs)

    ended = trained(tmp_path / "c", stop=True, window=1, growth=1.0001)
    grpo = [row for row in facts(ended)[0] if row["phase"] == "grpo"]
    assert "length" in grpo[-1]["warnings"]
    assert len(grpo) < len([row for row in mine if row["phase"] == "grpo"])
    assert (ended / "policy" / "model.safetensors").exists()
    assert (ended / "evaluation.json").exists()


def test_a_second_engine_is_opened_before_training(tmp_path: Path) -> None:
    second = {"engine": "memory", "engine_options": {"analysis": "standard", "fields": "title"}}
    config = tmp_path / "run.toml"
    config.write_text(tomli_w.dumps(tables(tmp_path, training={"monitor": second})))
    arguments = ["--config", str(config), "--out", str(tmp_path / "run"), "--dry-run"]
    code, resolved, said = run_cli(arguments)
    assert code == 0, said
    assert 'engine = "memory"' in resolved
    code, _, said = run_cli([*arguments, "-o", "training.monitor.engine_options.kk=1"])
    assert code == 2
    assert "Unknown option 'kk' of backend 'memory'" in said
