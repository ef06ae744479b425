"""The monitor: each way of gaming a reward, planted, is warned of in words; a healthy training is left in peace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from bad_input import run_cli, tables
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from run_digests import digests, facts

from leser.backend import Document
from leser.config.build import complete
from leser.config.load import config_of
from leser.config.training import MonitorOptions
from leser.engine import SearchClient, SearchOptions
from leser.engine.words import EngineWords
from leser.environment import Attempt, Environment
from leser.errors import LeserError
from leser.expansion import Code, Expansion, ExpansionOptions
from leser.grpo.metrics import wording
from leser.monitor.monitor import Monitor, SecondEngine
from leser.monitor.watch import Watch, parts
from leser.plugins import load_plugins
from leser.reward import Outcome, parse_spec
from leser.run.runner import run
from leser.sampler import Answers
from leser.scoring import RewardSet
from leser.task import Query, Split

COLOURS = ("red", "blue", "green", "grey", "navy", "white", "black", "brown", "pink", "teal")
SHELF = [Document(f"d{i}", {"title": f"{colour} sofa", "text": f"couch{i} velvet"}) for i, colour in enumerate(COLOURS)]


def analyze(texts: Sequence[str]) -> list[list[str]]:
    return [text.split() for text in texts]


def batch(*expansions: Sequence[str], queries: int = 10) -> list[dict[str, Any]]:
    """A step's rollouts: for each query one completion, whose `{i}` and `{colour}` are its query's own."""
    return [
        {
            "query_id": f"q{i}",
            "query": f"{colour} couch",
            "expansions": [text.format(i=i, colour=colour) for text in expansions[i % len(expansions)]],
        }
        for i, colour in enumerate(COLOURS[:queries])
    ]


HEALTHY = batch(["settee{i}", "velvet{i} chair"], [])


def rows(figures: Iterable[Mapping[str, float]]) -> list[dict[str, Any]]:
    usual = {"phase": "grpo", "reward": 0.5, "length": 6.0}
    return [{**usual, "step": number, **figure} for number, figure in enumerate(figures, 1)]


def warned(stream: Iterable[Mapping[str, Any]], **options: Any) -> dict[str, str]:
    watch = Watch(MonitorOptions(**options), limit=24)
    found: dict[str, str] = {}
    for row in stream:
        found |= watch(row)
    return found


def test_figures_of_a_healthy_batch() -> None:
    assert wording(HEALTHY, analyze) == {"echo": 0.0, "repeated_terms": 0.0}
    assert wording([], analyze) == {}
    assert wording(batch([]), analyze) == {}


def test_figures_by_hand() -> None:
    given = [
        {
            "query_id": "a",
            "query": "red sofa",
            "expansions": ["red settee", "settee couch"],
        },  # 4 words: 1 echo, 1 repeat
        {"query_id": "b", "query": "lamp", "expansions": ["bulb"]},
        {"query_id": "c", "query": "rug", "expansions": []},
    ]
    assert wording(given, analyze, lambda words: [word not in {"bulb", "couch"} for word in words]) == {
        "echo": 0.2,
        "repeated_terms": 0.2,
        "unknown_expansions": pytest.approx(1 / 3),  # "settee couch" holds a known word, "bulb" does not
    }


@pytest.mark.parametrize(
    ("hack", "sign", "words"),
    [
        (batch(["{colour} couch settee{i}"]), "echo", "67% of the words in expansions are in the query already"),
        (batch(["sofa{i}", "sofa{i} chair{i}", "sofa{i} lamp{i}"]), "repeated_terms", "40% of the words"),
        (batch(["settee{i}", "best quality"]), "commonest_term", "100% of the completions that expand hold one and the same"),
        (batch(["qzx{i} wvk{i}"], ["couch{i}"]), "unknown_expansions", "50% of the expansions hold no word"),
    ],
)  # fmt: skip
def test_each_way_of_writing_for_the_reward_is_named(hack: list[dict[str, Any]], sign: str, words: str) -> None:
    backend = MemoryBackend.of(SHELF)
    figures = wording(hack, analyze, EngineWords(backend).doc_freq if sign == "unknown_expansions" else None)
    healthy = wording(HEALTHY, analyze)
    assert list(warned(rows([healthy] * 12 + [figures] * 12))) == [sign]
    assert words in warned(rows([figures] * 12))[sign]


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([6.0] * 10 + [13.0] * 10, "grew from 6.0 to"),
        ([6.0] * 10 + [1.0] * 10, "shrank from 6.0 to"),
        ([20.0] * 5 + [23.0] * 10, "at the limit of 24"),
    ],
)
def test_length_that_runs_away(lengths: list[float], words: str) -> None:
    found = warned(rows({"length": length} for length in lengths))
    assert list(found) == ["length"]
    assert words in found["length"]


def test_training_reward_that_rises_while_dev_falls() -> None:
    stream = rows({"reward": 0.5 + 0.01 * step} for step in range(30))
    for step, dev in ((0, 0.60), (14, 0.62), (29, 0.58)):
        stream[step]["dev_reward"] = dev
    found = warned(stream)
    assert list(found) == ["gap"]
    assert "dev fell from 0.620 to 0.580" in found["gap"]
    stream[29]["dev_reward"] = 0.63
    assert warned(stream) == {}


@pytest.mark.parametrize(
    ("name", "words"), [("dev_RR@10", "dev's RR@10 fell"), ("dev_second_engine", "dev on the second engine fell")]
)
def test_a_reward_that_another_measure_or_engine_does_not_confirm(name: str, words: str) -> None:
    stream = rows({} for _ in range(20))
    stream[0] |= {"dev_reward": 0.50, name: 0.70}
    stream[19] |= {"dev_reward": 0.55, name: 0.66}
    found = warned(stream)
    assert list(found) == [name]
    assert words in found[name]
    stream[19][name] = 0.71
    assert warned(stream) == {}


def test_both_halves_of_a_gap_must_be_there() -> None:
    assert parts((0.5, 0.6), (0.5, 0.47), 0.05)
    assert not parts((0.5, 0.6), (0.5, 0.49), 0.05)  # noise of dev
    assert not parts((0.6, 0.5), (0.5, 0.3), 0.05)  # both fall: no gaming
    assert not parts((0.5, 0.6), (0.5, 0.55), 0.05)  # overfitting, and yet a gain


def test_a_healthy_training_gives_no_warning() -> None:
    figures = [
        {"echo": 0.04, "repeated_terms": 0.07, "commonest_term": 0.24, "unknown_expansions": 0.1} for _ in range(60)
    ]
    stream = rows({**f, "reward": 0.5 + 0.004 * i, "length": 6 - 0.03 * i} for i, f in enumerate(figures))
    for step in range(0, 60, 10):
        stream[step] |= {"dev_reward": 0.5 + 0.001 * step + (-1) ** step * 0.01, "dev_RR@10": 0.5 + 0.001 * step}
    assert warned(stream) == {}


def test_a_warning_is_given_once_until_its_sign_was_gone_for_a_window() -> None:
    watch = Watch(MonitorOptions(window=3), limit=24)
    stream = rows([{"echo": 0.9}] * 9 + [{"echo": 0.0}] * 9 + [{"echo": 0.9}] * 9)
    assert [row["step"] for row in stream if watch(row)] == [
        3,
        20,
    ]  # the mean of three passes 0.4 at the second of them


def test_rows_read_back_bring_the_watch_to_where_it_stood() -> None:
    stream = rows({"reward": 0.5 + 0.01 * i, "echo": 0.1 * (i % 9), "length": float(i)} for i in range(30))
    for step in (0, 9, 19, 29):
        stream[step] |= {"dev_reward": 0.6 - 0.004 * step, "dev_RR@10": None}
    whole, first, second = (Watch(MonitorOptions(window=4), 24) for _ in range(3))
    answers = [whole(row) for row in stream]
    for row in stream[:17]:
        first(row)
    for row in [json.loads(json.dumps(row)) for row in stream[:17]]:
        second(row)
    assert [second(row) for row in stream[17:]] == answers[17:] == [first(row) for row in stream[17:]]


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
